import CLIPModel
import Collectives
import Configuration
import Diagnostics
import Foundation
import MatrixBackends
import SkipTuning
import Tensors
import TestSupport
import Testing

@testable import Training

/// Whole runs whose hosts train apart from each other for some steps, each rank a thread.
@Suite struct LocalStepsTests {
  /// 20 steps an epoch: synchronised after 4, 8, 12, 16 and 20 of them.
  private static let everyFour = ["exchange.local_steps=4"]

  /// Against plain loops over hosts in this process: no ranks, no messages, no buckets.
  @Test(arguments: [([0, 1], 4), ([0, 0, 1], 7), ([0, 1, 1, 2], 3)])
  func aRunIsWhatItsHostsTrainAndAverage(nodes: [Int], localSteps: Int) throws {
    let task = try SmallTask()
    let settings = [
      "exchange.local_steps=\(localSteps)", "exchange.outer_learning_rate=0.8", "exchange.outer_momentum=0.5",
    ]
    try run(task, "run", nodes: nodes, settings)
    let truth = try LocalStepsReference(task, settings, nodes: nodes).train()
    let steps = try RunFolder(task.run("run")).steps()
    #expect(steps.count == 60 && truth.losses.count == 60)
    for (step, loss) in zip(steps, truth.losses) { #expect(abs(step.loss / loss - 1) <= 1e-5, "step \(step.step)") }
    let weights = try RunFolder(task.run("run")).weights()
    for slot in truth.model.parameters.slots {
      // As between worlds of any size: the order of sums.
      let tensor = try weights.tensor(slot.name)
      #expect(relativeError(tensor, truth.model.parameters[slot.name]!) <= 5e-6, "\(slot.name)")
    }
  }

  @Test func ranksOfAHostChangeNothing() throws {
    let task = try SmallTask()
    try run(task, "two", nodes: [0, 1], Self.everyFour)
    try run(task, "four", nodes: [0, 0, 1, 1], Self.everyFour)
    try run(task, "apart", nodes: [0, 0], Self.everyFour + ["exchange.two_level=false"])
    for name in ["four", "apart"] {
      let distance = try #require(try RunFolder(task.run(name)).distance(to: RunFolder(task.run("two"))))
      #expect(distance.loss <= 1e-5 && distance.weights <= 5e-6, "\(name)")
    }
  }

  @Test func bytesFallWithTheNumberOfLocalSteps() throws {
    let task = try SmallTask()
    let sent = try [1, 4, 20].map {
      try run(task, "every-\($0)", nodes: [0, 1], ["exchange.local_steps=\($0)"])[0].training.sentBytesPerStep
    }
    // Without exchanges of class scores and texts even by more; losses and flags are a few bytes.
    #expect(sent[0] / sent[1] > 3.9 && sent[0] / sent[2] > 19, "\(sent)")
  }

  @Test(arguments: [[0, 1], [0, 0, 1]]) func aRunGoesOnToTheBit(nodes: [Int]) throws {
    let task = try SmallTask()
    let settings = Self.everyFour + ["exchange.outer_momentum=0.5", "exchange.outer_learning_rate=0.7"]
    try run(task, "whole", nodes: nodes, settings)
    try run(task, "short", nodes: nodes, settings + ["limits.max_steps=28", "evaluate.tuned=false"])
    let start = StartingState(.checkpoint(path: task.checkpoint("short", step: 28).path))
    try run(task, "rest", nodes: nodes, settings, from: start)
    let (whole, rest) = (RunFolder(task.run("whole")), RunFolder(task.run("rest")))
    try ResumeTests.expectEqualEnds(whole, rest, from: 28)
    // The same hosts with other ranks: the order of sums. Other hosts: something else, from the mean of momenta.
    try run(task, "other-ranks", nodes: nodes == [0, 1] ? [0, 0, 1, 1] : [0, 1, 1], settings, from: start)
    if nodes == [0, 1] {
      let other = try RunFolder(task.run("other-ranks")).steps()
      for (step, same) in zip(other, try rest.steps()) { #expect(abs(step.loss / same.loss - 1) <= 1e-5) }
    }
    try run(task, "other-hosts", nodes: [0, 1, 2], settings, from: start)
    #expect(try RunFolder(task.run("other-hosts")).steps().count == 32)
  }

  /// Who changes the setting and says so goes on with the momentum that is there.
  @Test func localStepsMayBeginAndEndInTheMiddle() throws {
    let task = try SmallTask()
    let short = ["limits.max_steps=20", "evaluate.tuned=false"]
    for (name, before, after) in [("begins", [], Self.everyFour), ("ends", Self.everyFour, [])] {
      try run(task, name, nodes: [0, 1], before + short)
      let path = task.checkpoint(name, step: 20).path
      let refused = StartingState(.checkpoint(path: path))
      let failure = try #require(throws: Failure.self) { try run(task, "no", nodes: [0, 1], after, from: refused) }
      #expect(failure.problem.contains("exchange.local_steps was"))
      let accepted = StartingState(.checkpoint(path: path), acceptsDifferences: true)
      try run(task, "\(name)-on", nodes: [0, 1], after, from: accepted)
      let steps = try RunFolder(task.run("\(name)-on")).steps()
      #expect(steps.map(\.step) == Array(20..<60) && steps.allSatisfy { $0.loss.isFinite })
    }
  }

  @Test func checkpointsWaitForTheNextSynchronisation() throws {
    let task = try SmallTask()
    try run(
      task, "run", nodes: [0, 1],
      ["exchange.local_steps=8", "checkpoint.every_steps=6", "checkpoint.keep_last=100", "limits.max_steps=37"])
    let names = try FileManager.default.contentsOfDirectory(
      atPath: task.run("run").appendingPathComponent("checkpoints").path)
    // Due at 6, 12, 18, 20, 24, 30, 36; synchronised at 8, 16, 20, 28, 36 and, the last, 37.
    let expected = [8, 16, 20, 28, 36, 37].map { "step-000000\($0 < 10 ? "0" : "")\($0)" }
    #expect(names.filter { $0.hasPrefix("step-") }.sorted() == expected)
  }

  @Test func aLossThatDivergesEndsAllHostsAlike() throws {
    let task = try SmallTask()
    let failures = try LoopbackWorld.run(nodes: [0, 0, 1]) { collectives in
      do {
        _ = try LoopbackRunTests.run(
          task, "run", Self.everyFour + ["optim.text_lr=1e30", "optim.image_lr=1e30", "optim.warmup_epochs=0"],
          collectives)
        return nil as Failure?
      } catch let failure as Failure { return failure }
    }
    #expect(failures[0]?.status == .badData && failures[0]?.problem.contains("training has diverged") == true)
    #expect(failures.allSatisfy { $0 == failures[0] })
  }

  @Test func stepsThatAreNotFiniteAreLeftOut() throws {
    let task = try SmallTask()
    let result = try run(
      task, "run", nodes: [0, 1],
      Self.everyFour + [
        "optim.text_lr=1e30", "optim.image_lr=1e30", "optim.warmup_epochs=0", "exchange.on_nonfinite=skip",
        "limits.max_steps=8", "evaluate.tuned=false", "output.save_model=false",
      ])[0]
    #expect(result.training.steps == 8)
    #expect(result.training.skippedSteps >= 6)
  }

  @Test func settingsThatMeanNothingAreRefused() throws {
    let task = try SmallTask()
    for (settings, word) in [
      (["exchange.outer_momentum=0.5"], "exchange.outer_momentum"),
      (["exchange.mode=replicated", "exchange.local_steps=4"], "replicated"),
    ] {
      let failure = try #require(throws: Failure.self) { try run(task, "run", nodes: [0], settings) }
      #expect(failure.status == .usage && "\(failure)".contains(word))
    }
  }

  @discardableResult
  private func run(
    _ task: SmallTask, _ name: String, nodes: [Int], _ settings: [String],
    from start: StartingState = StartingState(.never)
  ) throws -> [RunResults] {
    try LoopbackRunTests.run(task, name, nodes: nodes, settings, from: start)
  }
}

/// The same training by one thread in plain loops.
private struct LocalStepsReference {
  private let settings: RunSettings
  private let inputs: RunInputs
  private let nodes: [Int]
  private let product = OpenBLASProduct(threads: 1)

  init(_ task: SmallTask, _ overrides: [String], nodes: [Int]) throws {
    let source = try ConfigurationSource(
      files: [task.configuration], overrides: ["run_dir=\(task.run("none").path)"] + overrides)
    settings = try RunSettings.read(source).settings
    let task = try TaskInputs(settings)
    inputs = try RunInputs(settings, task, CLIP(task.weights), worldSize: nodes.count)
    self.nodes = nodes
  }

  /// A host: a model, its momentum, and the step that trains it.
  private struct Host {
    let model: CLIP
    let momentum: ParameterStore
    let step: SkipTuningStep<OpenBLASProduct>
  }

  private func makeHost() -> Host {
    let model = CLIP(inputs.model.configuration, inputs.model.parameters.copied())
    let trained = TrainedParameters(of: model, from: settings.method.startLayer)
    let classSkip = ClassSkip(
      classCount: inputs.prompts.count, settings.method.classSkip, seed: UInt64(settings.seed))
    let texts = model.textPrefix(inputs.prompts, upTo: trained.startLayer, arena: Arena(), by: product)
    return Host(
      model: model, momentum: trained.makeStore(model.parameters.layout),
      step: SkipTuningStep(model, trained, classSkip, textPrefix: texts, by: product))
  }

  func train() throws -> (losses: [Double], model: CLIP) {
    let trained = TrainedParameters(of: inputs.model, from: settings.method.startLayer)
    let hosts = (0...nodes.max()!).map { _ in makeHost() }
    var anchor = vector(hosts[0].model, trained)
    var outer = anchor.map { _ in Float(0) }
    var losses: [Double] = []
    for epoch in 0..<settings.optimizer.epochs {
      let plan = try inputs.plan(settings, epoch: epoch)
      for (index, batch) in plan.enumerated() {
        let shares = hosts.indices.map { images(of: $0, in: batch) }
        let sums = try zip(hosts, shares).map { try take(losses.count, $0, $1, epoch: epoch, trained) }
        losses.append(sums.reduce(0, +) / Double(batch.count))
        guard (index + 1).isMultiple(of: settings.exchange.localSteps) || index + 1 == plan.count else { continue }
        let weights = shares.map { Float($0.count) / Float(batch.count) }
        average(hosts, weights, &anchor, &outer, trained)
      }
    }
    return (losses, hosts[0].model)
  }

  private func images(of host: Int, in batch: [Int]) -> [Int] {
    nodes.indices.filter { nodes[$0] == host }
      .flatMap { batch[evenShard(of: batch.count, rank: $0, worldSize: nodes.count)] }
  }

  /// One step of a host; returns the sum of its losses.
  private func take(
    _ number: Int, _ host: Host, _ images: [Int], epoch: Int, _ trained: TrainedParameters
  ) throws -> Double {
    let extractor = PrefixExtractor(
      prefix: FrozenPrefix(inputs.model, .block(trained.startLayer), product), dataset: inputs.training,
      transform: inputs.trainingTransform, seed: UInt64(settings.seed), loaderThreads: 1, storage: settings.features)
    let features = try extractor.extract(images, epoch: epoch) { _ in }.features(of: images.indices)
    let outcome = try host.step.run(
      images: features, labels: images.map { inputs.training.train[$0].label }, globalBatch: images.count, step: number,
      exchange: WholeBatch())
    for encoder in Encoder.allCases {
      let window = trained.windows[encoder]!
      settings.optimizer.sgd.update(
        host.model.parameters.values(in: window), gradient: host.step.gradients.values(in: window),
        momentumBuffer: host.momentum.values(in: window),
        rate: settings.optimizer.schedule(of: encoder, globalBatch: inputs.globalBatch).rate(epoch: epoch))
    }
    return outcome.losses.reduce(0, +)
  }

  private func average(
    _ hosts: [Host], _ weights: [Float], _ anchor: inout [Float], _ outer: inout [Float], _ trained: TrainedParameters
  ) {
    let (rate, momentum) = (Float(settings.exchange.outer.rate), Float(settings.exchange.outer.momentum))
    let vectors = hosts.map { vector($0.model, trained) }
    for element in anchor.indices {
      let change = zip(weights, vectors).reduce(Float(0)) { $0 + $1.0 * (anchor[element] - $1.1[element]) }
      outer[element] = momentum * outer[element] + change
      anchor[element] -= rate * (change + momentum * outer[element])
    }
    for host in hosts { TrainedVector(trained, of: host.model.parameters).write(Tensor(anchor)) }
  }

  private func vector(_ model: CLIP, _ trained: TrainedParameters) -> [Float] {
    let values = Tensor(uninitialized: [trained.count])
    TrainedVector(trained, of: model.parameters).copy(0..<trained.count, to: values.buffer)
    return values.array
  }
}

import Checkpoints
import Collectives
import Diagnostics
import Foundation
import Safetensors
import ShardFiles
import Tensors
import TestSupport

/// A scenario that needs a process of its own but no MPI, as ranks are threads; it gets a folder and a number.
typealias LoneScenario = @Sendable (URL, Int) throws -> Void

/// By the name that is given on the command line.
let loneScenarios: [String: LoneScenario] = [
  // So many thousandths of the time that a save takes after the first save, on fast and slow disks alike.
  "checkpoints-until-killed": { folder, thousandths in
    try trainWithCheckpoints(in: folder) { saving in killThisProcess(after: saving * thousandths / 1000) }
  },
  "checkpoints-until-killed-early": { folder, microseconds in
    killThisProcess(after: .microseconds(microseconds))
    try trainWithCheckpoints(in: folder)
  },
  "checkpoints-until-full": { folder, largestFile in
    if largestFile > 0 {
      // Without this, the signal would end the process before the error is seen.
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: rlim_t(largestFile), rlim_max: rlim_t(largestFile))
      setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    }
    try trainWithCheckpoints(in: folder)
  },
  "checkpoints-as-nobody": { folder, _ in
    // The superuser may write anywhere.
    if geteuid() == 0 { guard setgid(65534) == 0, setuid(65534) == 0 else { throw Difference("still root") } }
    try trainWithCheckpoints(in: folder)
  },
  "checkpoint-for-readers": writeCheckpointForReaders,
  "time-checkpoints": timeCheckpoints,
]

/// Runs a scenario and ends the process: 0, or the status of its failure, which it prints.
func run(_ scenario: LoneScenario) -> Never {
  let arguments = CommandLine.arguments
  do {
    guard arguments.count == 4, let number = Int(arguments[3]) else {
      throw Failure(.usage, "usage: \(arguments[0]) \(arguments[1]) FOLDER NUMBER")
    }
    try scenario(URL(fileURLWithPath: arguments[2]), number)
    exit(0)
  } catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit((error as? Failure)?.status.rawValue ?? ExitStatus.internalError.rawValue)
  }
}

/// Parameters of the sample training; the test that starts this knows them too.
private let training = SampleTraining(count: 3000)

private func killThisProcess(after delay: Duration) {
  Thread.detachNewThread {
    Thread.sleep(forTimeInterval: delay / .seconds(1))
    kill(getpid(), SIGKILL)
  }
}

/// Goes on from the newest checkpoint, whose values must be right, and saves every step; the older ones but three go.
///
/// `saved` is called once, after the first save, with the time that it took.
private func trainWithCheckpoints(
  in folder: URL, saved: @escaping @Sendable (Duration) -> Void = { _ in }
) throws {
  _ = try LoopbackWorld.run(size: 2) { collectives in
    let directory = CheckpointDirectory(folder)
    try directory.prepare(collectives)
    var step = 1
    if let newest = try directory.newest(collectives) { step = newest.manifest.step + 1 }
    let (first, last) = (step, step + 100_000)
    while step < last {
      let start = ContinuousClock.now
      guard let draft = try directory.begin(step: step, collectives) else { throw Difference("\(step) is there") }
      let shard = draft.writeShard(sources(training, step, collectives))
      try directory.commit(draft, shard: shard, manifest: training.manifest(step), collectives)
      if collectives.rank == 0 { try directory.applyRetention(CheckpointRetention(last: 3)) }
      if collectives.rank == 0, step == first { saved(start.duration(to: .now)) }
      step += 1
    }
  }
}

private func sources(
  _ training: SampleTraining, _ step: Int, _ collectives: any Collectives
) -> [ShardSource] {
  let range = evenShard(of: training.count, rank: collectives.rank, worldSize: collectives.worldSize)
  return [
    ShardSource(
      "parameters", start: range.lowerBound, training.parameters(step).slice(range), base: BaseValues(training.base)),
    ShardSource("momentum", start: range.lowerBound, training.momentum(step).slice(range)),
  ]
}

extension SampleTraining {
  fileprivate func manifest(_ step: Int) -> CheckpointManifest {
    CheckpointManifest(
      step: step, epoch: 0, batchesDone: step, baseFingerprint: BaseFingerprint.of([("weights", base)]),
      tensors: [.init(name: "weights", shape: [count], range: 0..<count)])
  }
}

/// Writes a checkpoint of three ranks with tensors of the given number of elements in all, `base.safetensors` with the
/// values before training, and `expected.safetensors` with what the checkpoint must hold.
@Sendable private func writeCheckpointForReaders(_ folder: URL, _ count: Int) throws {
  let training = SampleTraining(count: count)
  let step = 12
  let first = count / 3
  let ranges = [("image.weight", 0..<first), ("text.bias", first..<first), ("text.weight", first..<count)]
  @Sendable func tensors(_ values: Tensor, _ prefix: String = "") -> [(name: String, tensor: Tensor)] {
    ranges.map { (prefix + $0.0, values.slice($0.1)) }
  }
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  try SafetensorsWriter.write(tensors(training.base), to: folder.appendingPathComponent("base.safetensors"))
  try SafetensorsWriter.write(
    tensors(training.parameters(step)) + tensors(training.momentum(step), "momentum."),
    to: folder.appendingPathComponent("expected.safetensors"))
  _ = try LoopbackWorld.run(size: 3) { collectives in
    let directory = CheckpointDirectory(folder)
    try directory.prepare(collectives)
    guard let draft = try directory.begin(step: step, collectives) else { throw Difference("\(step) is there") }
    let manifest = CheckpointManifest(
      step: step, epoch: 1, batchesDone: 2,
      baseFingerprint: BaseFingerprint.of(tensors(training.base).map { ($0.name, $0.tensor) }),
      tensors: ranges.map { .init(name: $0.0, shape: [$0.1.count], range: $0.1) })
    try directory.commit(
      draft, shard: draft.writeShard(sources(training, step, collectives)), manifest: manifest, collectives)
  }
}

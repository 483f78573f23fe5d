import Collectives
import Diagnostics
import Foundation
import Kernels

/// The ranks that evaluate, as those see them that train.
final class EvaluatingRanks {
  let world: any MessagePassing
  /// On rank 0.
  let office: EvaluationOffice?
  /// Whether they have judged and loaded what they need.
  private(set) var areReady = false
  /// Who hears what they find, also while the run comes to an end.
  var evaluations: RunEvaluations?

  init(_ world: any MessagePassing, _ office: EvaluationOffice?) { (self.world, self.office) = (world, office) }

  /// Does `body`, and lets all ranks of the world end alike if it, or what they prepare meanwhile, fails.
  func preparing<Value>(_ body: () throws -> Value) throws -> Value {
    let prepared = Result { try body() }
    let value = try world.agree { try prepared.get() }
    areReady = true
    return value
  }
}

/// A run of which the last ranks evaluate checkpoints while the others train.
struct DividedRun<Product: MatrixProduct> {
  private let whole: TrainingRun<Product>

  init(_ whole: TrainingRun<Product>) { self.whole = whole }

  private var world: any MessagePassing { whole.environment.collectives }
  private var trainerCount: Int { world.worldSize - whole.settings.evaluation.ranks }

  /// Runs to the end and returns the results, the same on all ranks.
  ///
  /// Throws the same `Failure` on all ranks. Collective: all ranks call this.
  func run() throws -> RunResults {
    try judge()
    return try world.rank < trainerCount ? train() : evaluate()
  }

  /// What the ranks that train say of themselves; nothing on the others.
  func estimate() throws -> [String] {
    try judge()
    let lines = Result { world.rank < trainerCount ? try trainer(nil).estimateUndivided() : [] }
    return try world.agree { try lines.get() }
  }

  private func judge() throws {
    let (count, size) = (whole.settings.evaluation.ranks, world.worldSize)
    try world.agree {
      guard count >= size else { return }
      throw Failure(
        .usage, at: "evaluate.ranks",
        "of \(size) \(size == 1 ? "rank" : "ranks"), \(count) would evaluate and none would train",
        remedy: "start at least \(count + 1) ranks, or use evaluate.every_epochs")
    }
  }

  private func trainer(_ evaluators: EvaluatingRanks?) -> TrainingRun<Product> {
    TrainingRun(whole, whole.environment.within(world.world(of: Array(0..<trainerCount))), evaluators)
  }

  private func train() throws -> RunResults {
    let folder = whole.settings.runDirectory.appendingPathComponent("checkpoints")
    let office =
      try world.rank == 0
      ? EvaluationOffice(world, evaluators: trainerCount..<world.worldSize, folder: folder) : nil
    let evaluators = EvaluatingRanks(world, office)
    let run = trainer(evaluators)
    let results: RunResults
    do {
      results = try run.runUndivided()
    } catch let failure as Failure where failure.status != .internalError && evaluators.areReady {
      try end(run, office, failure)
      throw failure
    }
    try end(run, office, nil)
    _ = try world.allGather(world.rank == 0 ? Array(try JSONEncoder().encode(results)) : [])
    return results
  }

  private func end(_ run: TrainingRun<Product>, _ office: EvaluationOffice?, _ failure: Failure?) throws {
    try office?.end(with: failure)
    // Nobody leaves before all have heard: a rank that ends alone would take the others with it.
    try run.environment.collectives.barrier()
  }

  private func evaluate() throws -> RunResults {
    let part = world.world(of: Array(trainerCount..<world.worldSize))
    var environment = whole.environment.within(part)
    environment.collectives.deadline = .seconds(whole.settings.limits.collectiveTimeout)
    environment.trace = nil
    try BackgroundEvaluator(whole.settings, environment, in: world).run()
    return try JSONDecoder().decode(RunResults.self, from: Data(try world.allGather([])[0]))
  }
}

import Checkpoints
import Collectives
import Diagnostics
import Files
import Foundation
import Kernels
import Reporting
import ShardFiles
import Training

/// All runs of a protocol, one after the other in this process, each by all ranks.
///
/// A run that is finished is not made again; one that was stopped goes on from its checkpoint; one that failed is tried
/// again after all others, and the rest goes on without it.
public struct ProtocolRun<Product: MatrixProduct> {
  /// Who runs it.
  public struct Environment {
    let collectives: any MessagePassing
    let log: Log
    let logDestination: LogDestination
    let makeRun: (Precision) throws -> TrainingRun<Product>.Environment

    /// `makeRun` gives each run an environment of its own, over the same collectives; it may be collective.
    public init(
      collectives: any MessagePassing, log: Log, logDestination: LogDestination,
      makeRun: @escaping (Precision) throws -> TrainingRun<Product>.Environment
    ) {
      self.collectives = collectives
      self.log = log
      self.logDestination = logDestination
      self.makeRun = makeRun
    }
  }

  private typealias Job = ProtocolPlan.Job

  private let plan: ProtocolPlan
  private let environment: Environment

  /// A protocol of which nothing has been looked at.
  public init(_ plan: ProtocolPlan, _ environment: Environment) {
    self.plan = plan
    self.environment = environment
  }

  private var collectives: any MessagePassing { environment.collectives }
  private var isFirst: Bool { collectives.rank == 0 }

  /// Runs what is not finished, writes the tables, and returns them with what failed.
  ///
  /// Throws the same `Failure` on all ranks: `.requeue` where one was asked to stop, `.usage` where finished runs were made
  /// with other settings, and what is wrong with data sets before anything is computed. Collective: all ranks call this.
  public func run() throws -> ProtocolReport {
    let directory = try collectives.agree { isFirst ? try JobDirectory(claiming: plan.folder, of: .runProtocol) : nil }
    let published = try collectives.agree {
      try plan.settings.published.map { try PublishedResults(contentsOf: $0, plan.kind) }
    }
    var finished = try findFinished()
    try judgeData(of: plan.jobs.filter { !finished.contains($0) })
    try judgeWeights(finished)
    var failures: [Job: Failure] = [:]
    for attempt in 0...plan.settings.retries {
      let todo = plan.jobs.filter { attempt == 0 ? !finished.contains($0) : failures[$0] != nil }
      for job in todo { try perform(job, directory, &finished, &failures) }
    }
    let report = try collectives.agree {
      try ProtocolReport(plan, finished: finished, failures: failures, published)
    }
    try collectives.agree { if let directory { try report.write(to: directory) } }
    return report
  }

  /// The runs and whether each is finished, as lines; nothing is written or computed.
  ///
  /// Collective: all ranks call this.
  public func overview() throws -> [String] {
    let finished = try findFinished()
    return plan.jobs.map { "\(finished.contains($0) ? "finished" : "to do   ")  \(plan.words($0))" }
      + ["\(finished.count) of \(plan.jobs.count) runs are finished"]
  }

  // MARK: One run

  /// Runs a job; takes note of its failure, or of its end.
  private func perform(
    _ job: Job, _ directory: JobDirectory?, _ finished: inout Set<Job>, _ failures: inout [Job: Failure]
  ) throws {
    guard isReady(job, finished) else { return failures[job] = unready(job) }
    say("run \(plan.jobs.firstIndex(of: job)! + 1) of \(plan.jobs.count): \(plan.words(job))")
    do {
      switch job {
      case .training(let index): try train(plan.trainings[index])
      case .test(let index): try test(plan.tests[index])
      }
      try logAside(directory)
      finished.insert(job)
      failures[job] = nil
    } catch var failure as Failure {
      switch failure.status {
      case .requeue:
        failure.problem += "; \(finished.count) of \(plan.jobs.count) runs are finished"
        failure.remedy = "start the same command again to go on"
        throw failure
      // Ranks may not be in step with each other.
      case .internalError: throw failure
      default: break
      }
      try logAside(directory)
      failures[job] = failure
      if isFirst { environment.log.warning("\(plan.words(job)) failed: \(failure)") }
    }
  }

  private func train(_ training: ProtocolPlan.Training) throws {
    var environment = try environment.makeRun(training.settings.compute.precision)
    environment.goesOnAfterFailure = true
    _ = try TrainingRun(training.settings, training.resolved, from: StartingState(), environment).run()
  }

  private func test(_ test: ProtocolPlan.Test) throws {
    let weights = test.training.map { TestedWeights.checkpoint(path: plan.trainings[$0].folder.path) } ?? .zeroShot
    let environment = try environment.makeRun(test.settings.compute.precision)
    let results = try EvaluationRun(test.settings, weights, environment).run()
    try collectives.agree {
      guard isFirst else { return }
      let folder = test.file.deletingLastPathComponent()
      do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      } catch {
        throw Failure(.cannotCreate, at: folder.path, "the folder cannot be created", remedy: "give another --run-dir")
      }
      try AtomicFile.write(results.json(), to: test.file)
    }
  }

  /// Whether what a job works with is there.
  private func isReady(_ job: Job, _ finished: Set<Job>) -> Bool {
    guard case .test(let index) = job, let training = plan.tests[index].training else { return true }
    return finished.contains(.training(training))
  }

  private func unready(_ job: Job) -> Failure {
    Failure(.missingInput, "its training is not finished", remedy: "see why that failed")
  }

  /// Lines of the protocol go to a log of its own, not to that of a run that is over.
  private func logAside(_ directory: JobDirectory?) throws {
    try collectives.agree {
      if let directory { try environment.logDestination.attach(directory.url.appending(path: "protocol.log")) }
    }
  }

  private func say(_ line: String) { if isFirst { environment.log.info("\(line)") } }

  // MARK: What is there

  /// Jobs that need not be done, as rank 0 finds them.
  private func findFinished() throws -> Set<Job> {
    let own: [UInt8] = try collectives.agree {
      isFirst ? try plan.jobs.map { try isFinished($0) ? 1 : 0 } : []
    }
    let found = try collectives.allGather(own)[0]
    return Set(zip(plan.jobs, found).filter { $1 == 1 }.map(\.0))
  }

  private func isFinished(_ job: Job) throws -> Bool {
    switch job {
    case .training(let index):
      return try FinishedRun.matches(plan.trainings[index].folder, plan.trainings[index].resolved)
    case .test(let index):
      let test = plan.tests[index]
      guard FileManager.default.fileExists(atPath: test.file.path) else { return false }
      let result = try StoredResult(contentsOf: test.file)
      // A training that was made again, or another prompt: the test is of no use any more.
      return try result.entry("tuned_weights")
        == test.training.flatMap { try checkpointHash(plan.trainings[$0].folder) }
        && result.entry("template") == test.settings.templateWords(test.settings.location().promptTemplate)
    }
  }

  /// Of the newest checkpoint's manifest; nil where there is none.
  private func checkpointHash(_ run: URL) throws -> String? {
    let directory = CheckpointDirectory(run.appending(path: "checkpoints"))
    guard let name = try directory.latestName() else { return nil }
    return "\(try Checkpoint(reading: directory.url.appending(path: name)).hash)"
  }

  /// Throws where finished runs are of another model than the runs that are still to be made.
  private func judgeWeights(_ finished: Set<Job>) throws {
    try collectives.agree {
      guard isFirst, !finished.isEmpty, finished.count < plan.jobs.count else { return }
      let weights = try plan.trainings[0].settings.weightsFingerprint()
      for job in plan.jobs where finished.contains(job) {
        let result = try StoredResult(contentsOf: plan.file(of: job))
        guard result.entry("weights") == weights else {
          throw Failure(
            .usage, at: result.file, "the finished run is of other weights than those that model.path has now",
            remedy: "give the model as before, or another --run-dir")
        }
      }
    }
  }

  /// Reads the lists of every data set that is still needed, so that what is missing is known hours before its turn.
  private func judgeData(of jobs: [Job]) throws {
    try collectives.agree {
      guard collectives.nodeRank == 0 else { return }
      var seen: Set<String> = []
      for job in jobs {
        let settings =
          switch job {
          case .training(let index): plan.trainings[index].settings
          case .test(let index): plan.tests[index].settings
          }
        let location = try settings.location()
        guard seen.insert(location.name).inserted else { continue }
        let dataset = try location.read()
        try dataset.verifyImagesExist(dataset.test)
      }
    }
  }
}

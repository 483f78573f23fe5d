import Collectives
import Diagnostics
import Foundation
import Kernels
import Reporting
import Sweeps
import Training

/// The trials of a sweep, run by groups of ranks; any number of jobs may work on one folder at once.
///
/// A group takes the next trial by a claim in the folder, whether the others are of this job or not: nobody hands trials out,
/// so no rank is set apart and no message is waited for. What is finished is never run again, what was stopped or killed goes
/// on from its checkpoint, and one trial that fails ends nothing.
public struct SweepRun<Product: MatrixProduct> {
  /// Who runs it.
  public struct Environment {
    let world: any MessagePassing
    let console: ConsoleOutput
    let log: Log
    let makeRun:
      (any MessagePassing, ConsoleOutput, Log, LogDestination, Precision) throws -> TrainingRun<Product>.Environment

    /// `makeRun` gives a trial an environment among the ranks of its group; it may be collective among them.
    public init(
      world: any MessagePassing, console: ConsoleOutput, log: Log,
      makeRun:
        @escaping (any MessagePassing, ConsoleOutput, Log, LogDestination, Precision) throws ->
        TrainingRun<
          Product
        >.Environment
    ) {
      (self.world, self.console, self.log, self.makeRun) = (world, console, log, makeRun)
    }
  }

  /// What a job does that a sweep says nothing of.
  public struct Options: Sendable {
    /// Seconds without a sign of life after which a holder that cannot be seen is given up.
    public var lease = 120.0
    /// Whether to stay until trials are done that other jobs are at work on.
    public var waitsForOthers = false
    /// Whether what is left of the ranks is a smaller group.
    public var usesAllRanks = false
    /// Whether groups become larger when fewer trials are left than there are groups.
    public var resizesGroups = false
    /// Whether trials that have failed as often as they may are tried once more.
    public var retriesFailed = false
    /// Names of stopped trials that go on.
    public var revived: [String] = []

    /// What holds where nothing is said.
    public init() {}
  }

  private let plan: SweepPlan
  private let options: Options
  private let environment: Environment
  private let order: [Trial]

  /// A sweep of which nothing has been looked at; `order` has all its trials, those first that take longest.
  public init(_ plan: SweepPlan, _ options: Options, _ environment: Environment, order: [Trial]) {
    (self.plan, self.options, self.environment, self.order) = (plan, options, environment, order)
  }

  private var world: any MessagePassing { environment.world }
  private var isFirst: Bool { world.rank == 0 }

  /// Runs what is to be run and returns what there is then, on rank 0; nil on others.
  ///
  /// Throws the same `Failure` on all ranks: `.requeue` where one was asked to stop, after all groups have saved what they were
  /// at, and `.usage` where finished trials were made with other settings. Collective: all ranks call this.
  public func run() throws -> SweepSummary? {
    let groups = try world.agree {
      try RankGroups(
        worldSize: world.worldSize, ranksPerTrial: plan.options.ranksPerTrial, usesAllRanks: options.usesAllRanks)
    }
    try world.agree { if isFirst { try judgeFolder() } }
    let job = String(decoding: try world.allGather(isFirst ? Array(Self.newJob.utf8) : [])[0], as: UTF8.self)
    let line = try world.agree { isFirst ? try SweepLine(plan, environment.console) : nil }
    var left = try onAll { isFirst && options.resizesGroups ? try openCount() : 0 }
    say("\(plan.trials.count) trials; \(groups.resized(for: left).words)")
    while true {
      left = try round(groups.resized(for: left), job, line)
      guard left > 0 else { break }
      say("\(left) \(left == 1 ? "trial is" : "trials are") left; \(groups.resized(for: left).words)")
    }
    return try world.agree { isFirst ? try SweepSummary(plan) : nil }
  }

  /// Works in groups until they have nothing to do; returns how many trials larger groups could take then.
  private func round(_ groups: RankGroups, _ job: String, _ line: SweepLine?) throws -> Int {
    let (ranks, number, works) = groups.group(of: world.rank)
    let group = world.world(of: Array(ranks))
    let grows: ((Int) -> Bool)? = options.resizesGroups ? { groups.grows(groups.working[0], for: $0) } : nil
    let ledger = try world.agree {
      group.rank == 0 ? try TrialLedger(plan, job: job, group: number, rules(works: works, grows: grows)) : nil
    }
    try world.agree { if isFirst { try options.revived.forEach { try revive($0, ledger!) } } }
    // One after the other, as two that reach for the same trial would both look again.
    for turn in groups.working.indices { try world.agree { if turn == number { try ledger?.begin() } } }
    let end = try GroupLoop(plan, group, ledger, environment.makeRun, lease: options.lease, line).run()
    group.deadline = Self.patience
    try world.agree { if let end { throw end } }
    return try onAll { isFirst && options.resizesGroups ? try ledger!.freeCount() : 0 }
  }

  private func say(_ line: String) { if isFirst { environment.log.info("\(line)") } }

  /// A count of rank 0, on all ranks.
  private func onAll(_ count: () throws -> Int) throws -> Int {
    let own = try world.agree { Int64(try count()) }
    return Int(try world.allReduce(own, .max))
  }

  /// Trials without an outcome, whoever may hold them.
  private func openCount() throws -> Int {
    try plan.trials.count - SweepFolder(plan.folder).outcomes(of: plan.trials).count { $0.state != .failed }
  }

  /// How long groups wait for each other in the end, when each has saved its state.
  private static var patience: Duration { .seconds(600) }

  /// Names the job: by its scheduler's number, if it has one, and in any case one that no other job has.
  private static var newJob: String {
    let variables = ProcessInfo.processInfo.environment
    let slurm = variables["SLURM_JOB_ID"].map { "slurm-\($0)" }
    let name = [slurm, variables["SLURM_ARRAY_TASK_ID"]].compactMap { $0 }.joined(separator: "_")
    let plain = name.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    return "job-\(plain.isEmpty ? "" : plain + "-")\(UUID().uuidString.prefix(8).lowercased())"
  }

  private func rules(works: Bool, grows: ((Int) -> Bool)?) -> TrialLedger.Rules {
    TrialLedger.Rules(
      order: order, lease: options.lease, waitsForOthers: options.waitsForOthers, retriesFailed: options.retriesFailed,
      works: works, grows: grows)
  }

  /// Takes the folder, and throws where what is finished there is not what would be run now.
  private func judgeFolder() throws {
    try SharedFolder.claim(plan.folder)
    let folder = SweepFolder(plan.folder)
    try SweepRecord(plan).write(to: folder)
    for outcome in try folder.outcomes(of: plan.trials) where outcome.state == .finished {
      let run = folder.run(of: outcome.trial)
      _ = try FinishedRun.matches(run, try plan.configuration(of: outcome.trial, in: run).1)
    }
  }

  private func revive(_ name: String, _ ledger: TrialLedger) throws {
    guard let trial = plan.trials.first(where: { $0.name == name }) else {
      let remedy = nearestMatch(to: name, among: plan.trials.map(\.name)).map { "did you mean \($0)?" }
      throw Failure(
        .usage, at: "--revive", "\(name) is no trial of this sweep",
        remedy: remedy ?? "skiptune sweep status lists the trials")
    }
    try ledger.revive(trial)
  }
}

import Collectives
import Diagnostics
import Foundation
import Reporting
import Sweeps

/// What the first rank of a group knows of a sweep: what is done, what others hold, and what it holds itself.
final class TrialLedger {
  /// What a group does next.
  enum Choice {
    case run(Trial)
    /// There may be something soon.
    case wait
    /// There is nothing to do for this job any more.
    case leave
  }

  /// How trials are shared out.
  struct Rules {
    /// All trials, those first that take longest.
    var order: [Trial]
    var lease: Double
    /// Whether to wait for trials that other jobs are at work on.
    var waitsForOthers: Bool
    /// Whether trials that have failed for good are tried once more.
    var retriesFailed: Bool
    /// Whether this rank's group runs trials, and does not only wait for the end.
    var works: Bool
    /// Whether groups would be larger with so many trials left; nil where they keep their size.
    var grows: ((Int) -> Bool)?
  }

  let holder: String
  let job: String
  let plan: SweepPlan
  let heartbeats: Heartbeats
  let journal: SweepJournal
  private let folder: SweepFolder
  private let claims: ClaimFolder
  private let rules: Rules
  private var outcomes: OutcomeShelf
  private var watch: LivenessWatch
  /// Failures of trials that had failed for good before this job began, and that it may try once more.
  private var secondChances: [String: Int] = [:]
  private var held: (trial: Trial, standing: ClaimFolder.Standing)?
  /// Whether this group, or one of its job that was seen, has had a trial since the ranks were divided.
  private var hasBegun = false
  /// What `begin` chose.
  private var first: Choice?

  /// Takes up the state of a sweep; `group` tells the groups of a job apart.
  init(_ plan: SweepPlan, job: String, group: Int, _ rules: Rules) throws {
    (self.plan, self.job, self.rules) = (plan, job, rules)
    holder = "\(ProcessIdentity.own.fileName)-\(group)-\(UUID().uuidString.prefix(8).lowercased())"
    folder = SweepFolder(plan.folder)
    claims = try ClaimFolder(in: plan.folder)
    let heartbeats = try Heartbeats(in: plan.folder)
    self.heartbeats = heartbeats
    journal = try SweepJournal(in: plan.folder, holder: holder)
    outcomes = OutcomeShelf(folder)
    watch = LivenessWatch(now: ProgressLine.uptime) { heartbeats.number(of: $0) }
    try outcomes.look(plan.trials)
    guard rules.retriesFailed else { return }
    for trial in plan.trials where outcomes[trial]?.state == .failed {
      secondChances[trial.name] = outcomes[trial]!.attempts
    }
  }

  // MARK: Choosing

  /// Makes the first choice, before any group of the job is at work: so none is through while others have not begun.
  func begin() throws { first = try choose() }

  /// Takes the next trial, dearest first and those that have failed last; or says what to do instead.
  func choose() throws -> Choice {
    if let first {
      self.first = nil
      return first
    }
    try outcomes.look(plan.trials)
    let numbers = try claims.numbers()
    if let choice = beforeGrowing(numbers) { return choice }
    var (isOwnJobBusy, isUnclear) = (false, false)
    for trial in order where !isSettled(trial) {
      let standing = claims.standing(trial.name, number: numbers[trial.name] ?? 0)
      switch availability(of: trial, standing) {
      case .free where rules.works:
        // Another group was faster, perhaps by more than one trial: what is seen is old.
        guard try take(trial, after: standing) else { return .wait }
        hasBegun = true
        return .run(trial)
      case .free, .unclear: isUnclear = true
      case .ownJob:
        isOwnJobBusy = true
        if !rules.works { hasBegun = true }
      case .others: isUnclear = isUnclear || rules.waitsForOthers
      }
    }
    return isOwnJobBusy || isUnclear ? .wait : .leave
  }

  /// What a group does that leaves the last trials to larger groups; nil where it takes one itself.
  ///
  /// It waits until all groups of its job are through. The first trial after a division is taken in any case, as ranks were
  /// divided by the number of trials.
  private func beforeGrowing(_ numbers: [String: Int]) -> Choice? {
    guard hasBegun, let grows = rules.grows else { return nil }
    let all = availabilities(numbers)
    guard grows(all.count { $0 == .free }) else { return nil }
    return all.contains(.ownJob) ? .wait : .leave
  }

  /// Trials that this job could take now.
  func freeCount() throws -> Int {
    try outcomes.look(plan.trials)
    return availabilities(try claims.numbers()).count { $0 == .free }
  }

  private func availabilities(_ numbers: [String: Int]) -> [Availability] {
    plan.trials.filter { !isSettled($0) }.map { trial in
      availability(of: trial, claims.standing(trial.name, number: numbers[trial.name] ?? 0))
    }
  }

  private enum Availability { case free, ownJob, others, unclear }

  private func availability(of trial: Trial, _ standing: ClaimFolder.Standing) -> Availability {
    if standing.isFree { return .free }
    let verdict: LivenessWatch.Verdict
    if let claim = standing.claim {
      verdict = watch.look(at: claim)
    } else {
      verdict = watch.look(at: "\(trial.name).\(standing.number)", lease: .seconds(rules.lease))
    }
    switch verdict {
    // A holder that cannot be heard may still be there: on file systems with locks its run directory tells.
    case .dead where standing.claim?.process.isRunning == false || !RunDirectory.isInUse(folder.run(of: trial)):
      return .free
    case .dead: return .unclear
    case .alive: return standing.claim?.job == job ? .ownJob : .others
    case .unknown: return .unclear
    }
  }

  /// Those that have failed come last.
  private var order: [Trial] {
    let counts = rules.order.map { failures(of: $0) }
    return counts.indices.sorted { (counts[$0], $0) < (counts[$1], $1) }.map { rules.order[$0] }
  }

  /// Whether there is nothing more to do for a trial.
  func isSettled(_ trial: Trial) -> Bool {
    guard let outcome = outcomes[trial] else { return false }
    switch outcome.state {
    case .finished: return true
    case .stopped: return !isRevived(trial)
    case .failed: return outcome.attempts > max(plan.options.retries, secondChances[trial.name] ?? 0)
    }
  }

  private func take(_ trial: Trial, after standing: ClaimFolder.Standing) throws -> Bool {
    guard let own = try claims.put(claim(on: trial), after: standing) else { return false }
    held = (trial, own)
    // Whoever held it before may have come to an end since the outcomes were read.
    try outcomes.look([trial])
    if isSettled(trial) {
      try release(.finished)
      return false
    }
    let former = standing.isFree ? nil : standing.claim
    try journal.append(standing.isFree ? .claimed : .tookOver, trial.name) { $0.from = former?.holder }
    return true
  }

  private func claim(on trial: Trial, end: TrialClaim.End? = nil) -> TrialClaim {
    TrialClaim(
      trial: trial.name, holder: holder, process: .own, job: job, time: SharedFolder.time, lease: rules.lease, end: end)
  }

  // MARK: Ends

  /// Failures of a trial so far.
  func failures(of trial: Trial) -> Int { outcomes[trial].map { $0.state == .failed ? $0.attempts : 0 } ?? 0 }

  /// Records what came of the trial that is held, and lets go of it; false where it was taken away meanwhile.
  func settle(_ outcome: TrialOutcome, status: ExitStatus? = nil) throws -> Bool {
    // A claim of one's own after the last one shows, better than any look, that nobody has taken over.
    guard let held, let confirmed = try claims.put(claim(on: held.trial), after: held.standing) else {
      try journal.append(.lost, outcome.trial.name)
      held = nil
      return false
    }
    self.held = (held.trial, confirmed)
    try folder.write(outcome)
    switch outcome.state {
    case .finished: try journal.append(.finished, outcome.trial.name) { $0.value = plan.metric.value(of: outcome) }
    case .failed:
      try journal.append(.failed, outcome.trial.name) { ($0.problem, $0.status) = (outcome.problem, status?.rawValue) }
    case .stopped: break  // The journal has it from the judge.
    }
    try release(TrialClaim.End(outcome.state))
    return true
  }

  /// Lets go of the trial that is held, which is to go on another time.
  func interrupt() throws {
    guard let held else { return }
    try journal.append(.interrupted, held.trial.name)
    try release(.interrupted)
  }

  private func release(_ end: TrialClaim.End) throws {
    guard let held else { return }
    // Where somebody took it over, it is theirs to release.
    _ = try claims.put(claim(on: held.trial, end: end), after: held.standing)
    self.held = nil
  }

  // MARK: Revival

  /// Lets a trial that was stopped go on.
  func revive(_ trial: Trial) throws {
    try SharedFolder.create(Self.revived(in: plan.folder))
    guard try SharedFolder.publish(Data(), at: revivalFile(trial)) else { return }
    try journal.append(.revived, trial.name)
  }

  /// Whether a trial is judged no more.
  func isRevived(_ trial: Trial) -> Bool { FileManager.default.fileExists(atPath: revivalFile(trial).path) }

  private static func revived(in sweep: URL) -> URL { sweep.appending(path: "revived") }
  private func revivalFile(_ trial: Trial) -> URL { Self.revived(in: plan.folder).appending(path: trial.name) }
}

extension TrialClaim.End {
  init(_ state: TrialOutcome.State) {
    switch state {
    case .finished: self = .finished
    case .failed: self = .failed
    case .stopped: self = .stopped
    }
  }
}

/// Outcomes of trials as they were last seen; what is finished is read once.
struct OutcomeShelf {
  private let folder: SweepFolder
  private var known: [String: TrialOutcome] = [:]

  init(_ folder: SweepFolder) { self.folder = folder }

  /// Reads what there is of trials that are not known to be finished.
  mutating func look(_ trials: [Trial]) throws {
    for outcome in try folder.outcomes(of: trials.filter { known[$0.name]?.state != .finished }) {
      known[outcome.trial.name] = outcome
    }
  }

  /// Nil where there is none.
  subscript(_ trial: Trial) -> TrialOutcome? { known[trial.name] }
}

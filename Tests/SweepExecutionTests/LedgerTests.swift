import Diagnostics
import Foundation
import Sweeps
import TestSupport
import Testing

@testable import SweepExecution

@Suite struct LedgerTests {
  /// Two jobs in turn: each trial to one of them, dearest first.
  @Test func jobsShareTrials() throws {
    let sweep = try SmallPlan(trials: 5)
    let ledgers = [try sweep.ledger("one"), try sweep.ledger("two")]
    var taken: [Trial] = []
    for turn in 0..<5 {
      let ledger = ledgers[turn % 2]
      let trial = try #require(try ledger.trial())
      taken.append(trial)
      #expect(try ledger.settle(TrialOutcome(trial, .finished, attempts: 1)))
    }
    #expect(taken == sweep.plan.trials.reversed())
    for ledger in ledgers { #expect(try ledger.choose().isLeave) }
  }

  @Test func whatOthersHoldIsLeftToThem() throws {
    let sweep = try SmallPlan(trials: 2)
    let (first, second) = (try sweep.ledger("one"), try sweep.ledger("two"))
    let (patient, sibling) = (try sweep.ledger("three", waits: true), try sweep.ledger("two"))
    let trials = [try first.trial(), try second.trial()].compactMap { $0 }
    #expect(Set(trials).count == 2)
    let third = try sweep.ledger("four")
    #expect(try third.choose().isLeave, "others that are alive have the rest")
    #expect(try patient.choose().isWait)
    #expect(try sibling.choose().isWait, "a group of the same job may fail, and then there is something to do")
    try first.interrupt()
    #expect(try third.trial() == trials[0])
  }

  @Test func failuresComeAgainLastAndNotForEver() throws {
    let sweep = try SmallPlan(trials: 3, more: "retries: 1")
    let ledger = try sweep.ledger("one")
    var order: [Int] = []
    while let trial = try ledger.trial() {
      order.append(trial.number)
      let failures = ledger.failures(of: trial)
      let outcome = TrialOutcome(
        trial, trial.number == 3 ? .failed : .finished, attempts: failures + 1, problem: trial.number == 3 ? "bad" : nil
      )
      #expect(try ledger.settle(outcome, status: .badData))
    }
    #expect(order == [3, 2, 1, 3])
    let failure = try #require(try SweepSummary(sweep.plan).failure)
    #expect(failure.status == .badData && failure.problem.contains("1 of 3 trials failed"))
    #expect(try sweep.ledger("two").choose().isLeave)
    let (again, beside) = (try sweep.ledger("three", retries: true), try sweep.ledger("three", retries: true))
    let trial = try #require(try again.trial())
    #expect(trial.number == 3)
    #expect(try again.settle(TrialOutcome(trial, .failed, attempts: 3, problem: "bad")))
    #expect(try again.choose().isLeave && beside.choose().isLeave, "once, by any of the groups")
  }

  /// A holder that was suspended for too long writes nothing.
  @Test func whoeverWasTakenOverDropsWhatItHas() throws {
    let sweep = try SmallPlan(trials: 1)
    let ledger = try sweep.ledger("one")
    let trial = try #require(try ledger.trial())
    let claims = try ClaimFolder(in: sweep.plan.folder)
    var theirs = try #require(claims.standing(trial.name, number: 1).claim)
    theirs.holder = "another"
    #expect(try claims.put(theirs, after: claims.standing(trial.name, number: 1)) != nil)
    #expect(try !ledger.settle(TrialOutcome(trial, .finished, attempts: 1)))
    #expect(try SweepFolder(sweep.plan.folder).outcomes(of: [trial]).isEmpty)
    #expect(try SweepJournal.events(of: sweep.plan.folder).map(\.event) == [.claimed, .lost])
    #expect(claims.standing(trial.name, number: 2).claim?.holder == "another", "which is theirs to release")
  }

  /// A process that has ended, and hosts that cannot be seen: by their heartbeats.
  @Test func theDeadAreTakenOver() throws {
    let sweep = try SmallPlan(trials: 2)
    let claims = try ClaimFolder(in: sweep.plan.folder)
    for (trial, isHere) in zip(sweep.plan.trials, [true, false]) {
      var process = ProcessIdentity.own
      if isHere { process.started += 1 } else { process.space = "another host" }
      let claim = TrialClaim(
        trial: trial.name, holder: "dead-\(trial.number)", process: process, job: "dead", time: "", lease: 0.2)
      #expect(try claims.put(claim, after: ClaimFolder.Standing()) != nil)
    }
    let ledger = try sweep.ledger("one")
    #expect(try ledger.trial() == sweep.plan.trials[0], "at once")
    #expect(try ledger.settle(TrialOutcome(sweep.plan.trials[0], .finished, attempts: 1)))
    var waits = 0
    var second: Trial?
    while second == nil {
      switch try ledger.choose() {
      case .run(let trial): second = trial
      case .wait:
        waits += 1
        usleep(20_000)
      case .leave: throw Failure(.internalError, "the trial is lost")
      }
    }
    #expect(second == sweep.plan.trials[1] && waits > 0)
    let events = try SweepJournal.events(of: sweep.plan.folder).filter { $0.event == .tookOver }
    #expect(events.map(\.from) == ["dead-1", "dead-2"])
  }

  @Test func ranksThatAreLeftOverWaitForTheEnd() throws {
    let sweep = try SmallPlan(trials: 1)
    let (worker, idle) = (try sweep.ledger("one"), try sweep.ledger("one", works: false))
    #expect(try idle.choose().isWait)
    let trial = try #require(try worker.trial())
    #expect(try idle.choose().isWait)
    #expect(try worker.settle(TrialOutcome(trial, .finished, attempts: 1)))
    #expect(try idle.choose().isLeave)
  }

  @Test func revivedTrialsAreOpen() throws {
    let sweep = try SmallPlan(trials: 1)
    let ledger = try sweep.ledger("one")
    let trial = try #require(try ledger.trial())
    #expect(try ledger.settle(TrialOutcome(trial, .stopped, attempts: 1, epochs: 1)))
    #expect(try ledger.choose().isLeave)
    try ledger.revive(trial)
    try ledger.revive(trial)
    #expect(ledger.isRevived(trial))
    #expect(try sweep.ledger("two").trial() == trial)
  }
}

/// A plan of trials of the small task that differ in their seed.
private struct SmallPlan {
  let task: SmallTask
  let plan: SweepPlan

  init(trials: Int, more: String = "") throws {
    task = try SmallTask()
    let file = task.folder.appendingPathComponent("sweep.yaml")
    try Data("grid:\n  seed: {from: 1, to: \(trials), step: 1}\n\(more)\n".utf8).write(to: file)
    plan = try SweepPlan(
      file, files: [task.configuration], overrides: [], folder: task.folder.appendingPathComponent("sweep"))
  }

  /// Of a group of a job to which the last trials are the dearest.
  func ledger(
    _ job: String, waits: Bool = false, retries: Bool = false, works: Bool = true
  ) throws -> TrialLedger {
    try TrialLedger(
      plan, job: job, group: 0,
      TrialLedger.Rules(
        order: plan.trials.reversed(), lease: 60, waitsForOthers: waits, retriesFailed: retries, works: works))
  }
}

extension TrialLedger {
  /// The trial that is to be run, if there is one now.
  fileprivate func trial() throws -> Trial? {
    if case .run(let trial) = try choose() { return trial }
    return nil
  }
}

extension TrialLedger.Choice {
  fileprivate var isWait: Bool { if case .wait = self { true } else { false } }
  fileprivate var isLeave: Bool { if case .leave = self { true } else { false } }
}

import Checkpoints
import Collectives
import Diagnostics
import Foundation
import Reporting

/// Evaluations of a run's checkpoints, beside training or between its epochs, and what follows from them: the best
/// checkpoint, and the end of a training that gets no better.
///
/// Methods are collective over the ranks that train unless they say otherwise.
final class RunEvaluations {
  /// Tests a checkpoint on the ranks that train, whose model has its weights; returns what was found on rank 0.
  typealias TestHere = (CheckpointPosition, Checkpoint) throws -> CheckpointEvaluation?

  private let settings: RunSettings
  private let collectives: any MessagePassing
  private let report: RunReport
  private let directory: CheckpointDirectory
  private let testHere: TestHere?
  private let rungs: TrainingRungs?
  /// On rank 0 of a divided run.
  private let office: EvaluationOffice?
  /// On rank 0, once the run has begun.
  private var history: EvaluationHistory?
  /// Whether this rank knows that training gets no better.
  private(set) var wantsStop = false

  init(
    _ settings: RunSettings, _ directory: CheckpointDirectory, _ collectives: any MessagePassing, report: RunReport,
    office: EvaluationOffice?, testHere: TestHere?, rungs: TrainingRungs? = nil
  ) {
    (self.settings, self.directory, self.collectives) = (settings, directory, collectives)
    (self.report, self.office, self.testHere, self.rungs) = (report, office, testHere, rungs)
  }

  /// Takes up what an earlier start of the run has found, and what it did not get to.
  func begin(at step: Int) throws {
    try collectives.agree {
      guard let file = report.file(EvaluationHistory.name) else { return }
      let isOld = FileManager.default.fileExists(atPath: file.path)
      guard settings.evaluation.evaluatesCheckpoints || rungs != nil || isOld else { return }
      let history = try EvaluationHistory(file, upTo: step, settings.checkpoint, patience: settings.limits.patience)
      self.history = history
      history.evaluations.forEach { $0.records.forEach(report.record) }
      wantsStop = history.isOutOfPatience
      if let best = history.best { try directory.markBest(step: best.step) }
      try office?.resubmit(unsettled(upTo: step, history))
    }
    office?.listener = EvaluationOffice.Listener(
      found: { [unowned self] in note($0) },
      omitted: { [unowned self] in omit($0) },
      failed: { [unowned self] in end(with: $0) })
  }

  /// Whole checkpoints that nothing is known of, ascending.
  private func unsettled(upTo step: Int, _ history: EvaluationHistory) throws -> [CheckpointPosition] {
    try directory.list().reversed().compactMap { listing in
      guard case .complete(let manifest) = listing.condition, manifest.step <= step, !history.isSettled(manifest.step)
      else { return nil }
      return CheckpointPosition(step: manifest.step, epoch: manifest.epoch, name: listing.name)
    }
  }

  // MARK: Beside training

  /// Steps of checkpoints that must stay, as this rank knows them; for rank 0 alone.
  var protectedSteps: Set<Int> {
    (office?.claimedSteps ?? []).union(history?.best.map { [$0.step] } ?? [])
  }

  /// A checkpoint is there; for any rank.
  func checkpointSaved(_ manifest: CheckpointManifest) {
    guard let office, history?.isSettled(manifest.step) == false, !office.claimedSteps.contains(manifest.step) else {
      return
    }
    let name = directory.folder(step: manifest.step).lastPathComponent
    office.submit(CheckpointPosition(step: manifest.step, epoch: manifest.epoch, name: name))
  }

  /// Hears what has been found, and hands out what is next; for any rank, often.
  func serve() throws { try office?.serve() }

  /// Waits until everything is evaluated.
  ///
  /// Throws the same `Failure` on all ranks, `.requeue` where one was asked to stop.
  func finish() throws {
    guard settings.evaluation.ranks > 0 else { return }
    if let step = office?.claimedSteps.max() { report.info("waiting for the evaluation of step \(step)") }
    while true {
      if let office {
        try office.serve()
        if office.isBusy, !StopSignal.isRequested { try office.waitForNews() }
      }
      var flags = [office?.isBusy ?? false, StopSignal.isRequested, report.hasTrouble].map { $0 ? 1 : 0 as Int64 }
      try collectives.allReduce(&flags, .max)
      if flags[2] > 0 { try collectives.agree { try report.check() } }
      if flags[1] > 0 { throw StopSignal.failure }
      if flags[0] == 0 { return }
    }
  }

  private func end(with failure: Failure) {
    // A stop is told to all with the next step, and the state is saved.
    if failure.status == .requeue { StopSignal.set(true) } else { report.note(failure) }
  }

  // MARK: Between epochs

  /// Whether training is to stop here for an evaluation.
  func isDue(at position: TrainingPosition) -> Bool {
    let every = settings.evaluation.everyEpochs
    guard testHere != nil, position.batch == 0, position.epoch > 0 else { return false }
    return every > 0 && position.epoch.isMultiple(of: every) || isRung(position)
  }

  private func isRung(_ position: TrainingPosition) -> Bool {
    position.batch == 0 && rungs?.epochs.contains(position.epoch) == true
  }

  /// Evaluates the state after `position`, for which a checkpoint was saved, unless that is done.
  ///
  /// Throws the same `Failure(.requeue)` on all ranks where training is not to go on from a rung.
  func evaluate(at position: TrainingPosition, loss: Double?) throws {
    try evaluateOnce(at: position)
    guard let rungs, isRung(position) else { return }
    let goesOn = try collectives.agree {
      try history?.evaluations.first { $0.step == position.step }.map { try rungs.goesOn(RungResult($0, loss: loss)) }
        ?? true
    }
    guard try collectives.allReduce(goesOn ? 1 : 0 as Int64, .min) == 1 else {
      throw Failure(.requeue, "stopped after \(position.epoch) epochs: others are better")
    }
  }

  private func evaluateOnce(at position: TrainingPosition) throws {
    guard let testHere else { return }
    let settled: Int64 = history?.isSettled(position.step) == true ? 1 : 0
    guard try collectives.allReduce(settled, .max) == 0 else { return }
    let folder = directory.folder(step: position.step)
    let checkpoint = try? Checkpoint(reading: folder)
    guard try collectives.allReduce(checkpoint == nil ? 0 : 1 as Int64, .min) == 1 else {
      return report.warning("step \(position.step) is not evaluated, as it has no checkpoint")
    }
    let place = CheckpointPosition(step: position.step, epoch: position.epoch, name: folder.lastPathComponent)
    let evaluation = try testHere(place, checkpoint!)
    if let evaluation { note(evaluation) }
    try collectives.agree { try report.check() }
  }

  // MARK: What follows

  /// Whether training is to end as it gets no better; communicates only where there is such a rule.
  func isOutOfPatience() throws -> Bool {
    guard settings.limits.patience != nil else { return false }
    return try collectives.allReduce(wantsStop ? 1 : 0 as Int64, .max) == 1
  }

  /// What is known, and the best checkpoint, on all ranks.
  func findings() throws -> (evaluations: [CheckpointEvaluation], best: BestCheckpoint?) {
    let known = try history.map { try JSONEncoder().encode(Findings(evaluations: $0.evaluations, best: $0.best)) }
    let shared = try collectives.allGather(known.map { Array($0) } ?? [])[0]
    guard !shared.isEmpty else { return ([], nil) }
    let findings = try JSONDecoder().decode(Findings.self, from: Data(shared))
    return (findings.evaluations, findings.best)
  }

  private struct Findings: Codable {
    var evaluations: [CheckpointEvaluation]
    var best: BestCheckpoint?
  }

  private func note(_ evaluation: CheckpointEvaluation) {
    report.attempt {
      guard let history, try history.add(evaluation) else { return }
      evaluation.records.forEach(report.record)
      let best = history.best
      if let best { try directory.markBest(step: best.step) }
      wantsStop = history.isOutOfPatience
      let isBest = best?.step == evaluation.step ? ", the best so far" : ""
      report.info("evaluation of step \(evaluation.step): \(evaluation.words)\(isBest)")
    }
  }

  private func omit(_ step: Int) {
    report.attempt { try history?.omit(step) }
    report.info("step \(step) is not evaluated: a newer checkpoint came before its turn")
  }
}

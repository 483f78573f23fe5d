import Diagnostics
import Files
import Foundation
import Testing

@testable import Sweeps

@Suite struct SweepResultsTests {
  private func outcome(
    _ trial: Trial, _ accuracy: Double?, state: TrialOutcome.State = .finished, seconds: Double = 10
  ) -> TrialOutcome {
    TrialOutcome(
      trial, state, attempts: 1, epochs: 2, steps: 20, metrics: accuracy.map { ["harmonic_mean": $0] } ?? [:],
      seconds: seconds, testSeconds: 1, peakMemoryBytes: 1_000_000, sentBytes: 2_000_000, ranks: 2,
      problem: state == .failed ? "the disk is full" : nil)
  }

  /// Start layers 2, 4 and 6, each with seeds 1 and 2: two have both seeds, one has one, none of the last has ended.
  private func results(_ metric: String = "") throws -> (SweepResults, SweepPlan, SweepScratch) {
    let scratch = try SweepScratch("grid:\n  method.start_layer: [2, 4, 6, 8]\n  seed: [1, 2]\n" + metric)
    let plan = try scratch.plan()
    let trials = plan.trials
    let outcomes = [
      outcome(trials[0], 80), outcome(trials[1], 82), outcome(trials[2], 84, seconds: 200), outcome(trials[3], 86),
      outcome(trials[4], 99), outcome(trials[5], nil, state: .failed),
    ]
    for outcome in outcomes { try scratch.folder.write(outcome) }
    try SweepRecord(plan).write(to: scratch.folder)
    return (try SweepResults(of: scratch.folder), plan, scratch)
  }

  @Test func configurationsAreRankedByTheirMeans() throws {
    let (results, _, _) = try results()
    #expect(results.rows.map { $0.settings.words } == [4, 2, 6, 8].map { "method.start_layer=\($0)" })
    #expect(results.leaderboard.columns.prefix(4) == ["#", "start_layer", "seeds", "harmonic mean"])
    #expect(results.leaderboard.rows.map { $0[2] } == ["2", "2", "1 of 2", "0 of 2"])
    // Two values at a distance of 2: a deviation of the root of 2, and t = 12.7062.
    #expect(results.leaderboard.rows.map { $0[3] } == ["85.00 ± 1.41", "81.00 ± 1.41", "99.00", nil])
    #expect(results.leaderboard.rows[0][4] == "12.71")
    #expect(results.leaderboard.rows.map { $0.last! } == [nil, nil, "1 failed", "2 to do"])
    #expect(results.caption.hasPrefix("8 trials: 5 finished, 1 failed, 2 to do. Compared by harmonic mean"))
  }

  @Test func costsChangeTheOrder() throws {
    let (results, _, _) = try results("metric: {seconds_weight: 0.1}\n")
    // 84 - 0.1 * 201 and 86 - 0.1 * 11 against 80 and 82, each less 1.1.
    #expect(results.rows.prefix(2).map { $0.settings.words } == [2, 4].map { "method.start_layer=\($0)" })
    let means = results.rows.prefix(2).compactMap { $0.statistics?.mean }
    #expect(abs(means[0] - 79.9) < 1e-9 && abs(means[1] - 74.4) < 1e-9)
  }

  @Test func tablesAreWritten() throws {
    let (results, _, scratch) = try results()
    try results.write(to: scratch.folder)
    func lines(_ name: String) throws -> [Substring] {
      try String(contentsOf: scratch.folder.url.appending(path: name), encoding: .utf8).split(separator: "\n")
    }
    #expect(try lines("results.csv").count == 5)
    #expect(try lines("results.csv")[1] == "1,4,2,2,85,1.4142136,12.706205,105,1,1000000,2000000")
    #expect(try lines("trials.csv").count == 7)
    #expect(try lines("trials.csv")[6].hasSuffix("the disk is full"))
    #expect(try lines("results.md").count == 7)
    let json = try lines("results.json").joined(separator: "\n")
    #expect(json.contains("\"method.start_layer\" : \"4\"") && json.contains("\"interval95\""))
  }

  @Test func outcomesReadBack() throws {
    let (_, plan, scratch) = try results()
    var outcome = outcome(plan.trials[7], 12.5, state: .stopped)
    outcome.metrics["loss"] = .nan
    try scratch.folder.write(outcome)
    outcome.metrics["loss"] = nil
    #expect(try TrialOutcome(contentsOf: scratch.folder.outcome(of: plan.trials[7])) == outcome)
    #expect(try SweepResults(of: scratch.folder).outcomes.last == outcome)
    #expect(try SweepRecord(of: scratch.folder) == SweepRecord(plan))
  }

  @Test func aFolderIsOfOneSweep() throws {
    let (_, _, scratch) = try results()
    let other = try SweepScratch("grid: {method.start_layer: [2, 3]}").plan()
    let failure = #expect(throws: Failure.self) { try SweepRecord(other).write(to: scratch.folder) }
    #expect(failure?.problem.contains("a sweep of other trials: trial 1 was method.start_layer=2 seed=1") == true)
    let nothing = #expect(throws: Failure.self) { _ = try SweepResults(of: SweepFolder(URL(fileURLWithPath: "/tmp"))) }
    #expect(nothing?.status == .missingInput)
  }

  /// Every damage to an outcome is noticed.
  @Test func damagedOutcomesAreRefused() throws {
    let (_, plan, scratch) = try results()
    let file = scratch.folder.outcome(of: plan.trials[0])
    let whole = try String(contentsOf: file, encoding: .utf8)
    let damages = [
      ("\"finished\"", "\"done\""), ("\"seconds\": 10.0", "\"seconds\": -1"), ("\"epochs\": 2,", ""),
      ("\"trial\": 1", "\"trial\": 0"), ("\"attempts\": 1", "\"attempts\": 1, \"more\": 2"),
      ("\"seed\": \"1\"", "\"seed\": \"2\""), ("\"steps\": 20", "\"steps\": 20.5"), ("{", "["),
    ]
    for (sound, damaged) in damages {
      #expect(whole.contains(sound), "\(sound)")
      try Data(whole.replacing(sound, with: damaged, maxReplacements: 1).utf8).write(to: file)
      let failure = #expect(throws: Failure.self, "\(damaged)") { _ = try SweepResults(of: scratch.folder) }
      #expect(failure?.status == .badData)
    }
    // That of another trial.
    try Data(contentsOf: scratch.folder.outcome(of: plan.trials[1])).write(to: file)
    let failure = #expect(throws: Failure.self) { _ = try SweepResults(of: scratch.folder) }
    #expect(failure?.problem.contains("is the outcome of another trial") == true)
  }
}

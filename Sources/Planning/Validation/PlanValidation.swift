import Diagnostics
import Foundation
import Reporting

/// Forecasts of runs that were measured.
public struct PlanValidation: Sendable {
  /// One run and its forecast.
  public struct Comparison: Sendable {
    /// What was measured.
    public let run: MeasuredRun
    /// What the model says of it.
    public let forecast: Forecast

    /// By what share the forecast is too long; below zero, too short.
    public var error: Double { forecast.step / run.stepSeconds - 1 }
  }

  /// In the order given.
  public let comparisons: [Comparison]
  /// Largest error that still counts as right.
  public let tolerance: Double

  /// Forecasts each run on the profile that fits it best.
  ///
  /// A measurement of the machine fits that had as many ranks on a host, and the run's number of threads. `assumed` has
  /// what no measurement has.
  public init(
    _ runs: [MeasuredRun], machines: [MachineReport], assumed: MachineProfile, hiddenShare: Double, tolerance: Double
  ) {
    self.tolerance = tolerance
    comparisons = runs.map { run in
      var scenario = run.scenario
      scenario.exchange.hiddenShare = hiddenShare
      let profile = Self.profile(for: run, machines, assumed: assumed)
      return Comparison(run: run, forecast: Forecast(scenario, on: profile, ranks: run.ranks)!)
    }
  }

  private static func profile(
    for run: MeasuredRun, _ machines: [MachineReport], assumed: MachineProfile
  ) -> MachineProfile {
    func misfit(_ machine: MachineReport) -> (Int, Int) {
      (
        machine.compute.contains { $0.threads == run.threads } ? 0 : 1,
        abs(machine.ranksPerNode - run.scenario.ranksPerNode) + abs(machine.ranks - run.ranks)
      )
    }
    guard let best = machines.min(by: { misfit($0) < misfit($1) }) else { return assumed }
    // A link that this measurement lacks may have been measured by another.
    var known = assumed
    known.node = machines.lazy.compactMap { $0.link(withinNode: true) }.first ?? assumed.node
    known.network = machines.lazy.compactMap { $0.link(withinNode: false) }.first ?? assumed.network
    return best.profile(threads: run.threads, assumed: known)
  }

  /// Forecasts that are right within the tolerance.
  public var rightCount: Int { comparisons.count { abs($0.error) <= tolerance } }

  /// One row per run.
  public var table: TextTable {
    var table = TextTable(columns: [
      "results", "ranks x threads", "start layer", "batch", "compute", "waited for", "forecast", "measured", "error",
    ])
    for comparison in comparisons {
      let (run, forecast) = (comparison.run, comparison.forecast)
      table.append([
        run.file, "\(run.ranks) x \(run.threads)", "\(run.scenario.startLayer)", "\(forecast.globalBatch)",
        Readable.seconds(forecast.compute + forecast.update), Readable.seconds(forecast.exposed + forecast.messages),
        Readable.seconds(forecast.step), Readable.seconds(run.stepSeconds),
        (comparison.error < 0 ? "" : "+") + Readable.fixed(100 * comparison.error, 1) + "%",
      ])
    }
    return table
  }

  /// Throws `.badData` where a forecast is wrong by more than the tolerance.
  public func check() throws {
    guard rightCount < comparisons.count else { return }
    throw Failure(
      .badData,
      "\(comparisons.count - rightCount) of \(comparisons.count) forecasts are off by more than "
        + "\(Readable.fixed(100 * tolerance, 0))%",
      remedy: "measure the machine again with skiptune bench machine while nothing else runs")
  }
}

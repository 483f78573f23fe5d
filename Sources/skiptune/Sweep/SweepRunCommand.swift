import ArgumentParser
import Collectives
import Foundation
import Planning
import Sweeps

/// `skiptune sweep run`.
struct SweepRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Judge the trials of a sweep file and say what they would take.",
    discussion: """
      Settings that all trials share come from the sweep file's base, -c and --set, in this order. Times are estimates for \
      the machine that is measured (--machine) or typed.
      """)

  @Argument(help: ArgumentHelp("The sweep file.", valueName: "file"))
  var file: String
  @OptionGroup var settings: SettingOptions
  @Option(help: ArgumentHelp("Folder of the sweep: each trial has a folder in it.", valueName: "folder"))
  var runDir: String?
  @Flag(help: "List the trials, dearest first, with what each would take, and stop.")
  var dryRun = false
  @OptionGroup(title: "Machine") var machine: PlannedMachineOptions
  @OptionGroup var logging: LogOptions

  func validate() throws {
    guard dryRun else { throw ValidationError("trials are listed only: give --dry-run") }
  }

  func run() throws {
    try Session.run(logLevel: logging.logLevel) { session in
      let (plan, estimates) = try session.collectives.agree { try planned() }
      if session.collectives.rank == 0 { show(plan, estimates) }
    }
  }

  /// The plan, judged with its data and models, and what it would take.
  ///
  /// Throws `Failure` for whatever is wrong with the sweep.
  func planned() throws -> (SweepPlan, SweepEstimates) {
    let plan = try SweepPlan(
      URL(fileURLWithPath: file), files: settings.files.map { URL(fileURLWithPath: $0) }, overrides: settings.overrides,
      folder: URL(fileURLWithPath: runDir ?? "sweep"))
    let reports = try machine.files.map { try MachineReport(contentsOf: URL(fileURLWithPath: $0)) }
    return (plan, try SweepEstimates(plan, on: machine.profile(reports)))
  }

  private func show(_ plan: SweepPlan, _ estimates: SweepEstimates) {
    print(estimates.table.terminal)
    estimates.lines.forEach { print($0) }
  }
}

import ArgumentParser
import Collectives
import Diagnostics
import Files
import Foundation
import Planning
import Sweeps
import Training

/// `skiptune sweep run`.
struct SweepRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run the trials of a sweep file, or say what they would take.",
    discussion: """
      Settings that all trials share come from the sweep file's base, -c and --set, in this order. Under mpirun groups of \
      ranks run trials, dearest first, and several jobs may work on one folder at once. What is finished is never run \
      again, what was stopped or killed goes on, what failed is tried again after the others: so the same command goes on \
      after whatever happened. A signal of a scheduler ends it with status 75. Times of --dry-run are estimates for the \
      machine that is measured (--machine) or typed.
      """)

  @Argument(help: ArgumentHelp("The sweep file.", valueName: "file"))
  var file: String
  @OptionGroup var settings: SettingOptions
  @Option(help: ArgumentHelp("Folder of the sweep: each trial has a folder in it.", valueName: "folder"))
  var runDir: String?
  @Flag(help: "List the trials, dearest first, with what each would take, and stop.")
  var dryRun = false
  @OptionGroup var execution: SweepExecutionOptions
  @OptionGroup(title: "Machine of --dry-run") var machine: PlannedMachineOptions
  @OptionGroup var logging: LogOptions

  func validate() throws {
    guard dryRun || runDir != nil else {
      throw ValidationError("trials need a place: give --run-dir, or --dry-run to list them only")
    }
  }

  func run() throws {
    StopSignal.watch()
    try Session.run(logLevel: logging.logLevel) { session in
      let (plan, estimates) = try session.collectives.agree { try planned() }
      guard dryRun else {
        let outcome = Result { try execution.run(plan, estimates, session) }
        if session.collectives.rank == 0 { describe(plan, session) }
        return try outcome.get()
      }
      guard session.collectives.rank == 0 else { return }
      print(estimates.table.terminal)
      estimates.lines.forEach { print($0) }
    }
  }

  /// Writes tables and page of what there is; trials are worth no less without them.
  private func describe(_ plan: SweepPlan, _ session: Session) {
    let folder = SweepFolder(plan.folder)
    do {
      let results = try SweepResults(of: folder)
      try results.write(to: folder)
      try AtomicFile.write(
        Data(results.page(version: Skiptune.version).utf8), to: folder.url.appending(path: "report.html"))
    } catch {
      session.log.warning("tables of the sweep are not written: \(error)")
    }
  }

  /// The plan, judged with its data and models, and what it would take.
  ///
  /// Throws `Failure` for whatever is wrong with the sweep.
  private func planned() throws -> (SweepPlan, SweepEstimates) {
    let plan = try SweepPlan(
      URL(fileURLWithPath: file), files: settings.files.map { URL(fileURLWithPath: $0) }, overrides: settings.overrides,
      folder: URL(fileURLWithPath: runDir ?? "sweep"))
    let reports = try machine.files.map { try MachineReport(contentsOf: URL(fileURLWithPath: $0)) }
    return (plan, try SweepEstimates(plan, on: machine.profile(reports)))
  }
}

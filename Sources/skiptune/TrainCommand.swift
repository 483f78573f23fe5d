import ArgumentParser
import Collectives
import Foundation
import Training

/// `skiptune train`.
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Adapt a CLIP to a data set and test it before and after.",
    discussion: """
      Settings come from -c files and --set; `skiptune config` lists them all. Under mpirun the ranks share each \
      batch, and any number of them computes the same result.
      """)

  @OptionGroup var options: ConfigurationOptions
  @OptionGroup var logging: LogOptions
  @Flag(help: "Judge settings, data and model, say what the run would take, and stop.")
  var dryRun = false
  @Option(
    help: ArgumentHelp(
      "What to go on from: auto (the newest whole checkpoint of the run directory, if any), latest (as auto, but it must be "
        + "there and whole), a checkpoint's folder, or never (what is there is moved aside).", valueName: "state"))
  var resume = "auto"
  @Option(
    help: ArgumentHelp(
      "Begin with the trained parameters of a checkpoint, of any run with the same base weights; a run that goes on from a "
        + "checkpoint of its own has begun already.", valueName: "checkpoint"))
  var initFrom: String?
  @Flag(help: "Go on from the checkpoint although settings or data differ; each difference is a warning.")
  var acceptDifferences = false
  @Option(
    help: ArgumentHelp(
      "Write what each rank did when to this file, for Perfetto or chrome://tracing; its folder must be there.",
      valueName: "file"))
  var trace: String?

  func validate() throws {
    guard initFrom == nil || ["auto", "never"].contains(resume) else {
      throw ValidationError("--init-from begins a new run, --resume \(resume) goes on with one: give one of them")
    }
  }

  func run() throws {
    StopSignal.watch()
    try Session.run(logLevel: logging.logLevel) { session in
      let (settings, resolved) = try session.collectives.agree { try RunSettings.read(options.source()) }
      let run = TrainingRun(
        settings, resolved,
        from: StartingState(Resume(resume), initialCheckpoint: initFrom, acceptsDifferences: acceptDifferences),
        TrainingRun.Environment(
          collectives: session.collectives, product: try session.product(settings.compute.precision),
          threads: session.threads,
          console: session.console, log: session.log, logDestination: session.logDestination,
          version: Skiptune.version, traceFile: trace.map { URL(fileURLWithPath: $0) }))
      let lines = dryRun ? try run.estimate() : try run.run().summary
      if session.collectives.rank == 0 { lines.forEach { print($0) } }
    }
  }
}

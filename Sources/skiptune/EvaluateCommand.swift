import ArgumentParser
import Collectives
import Files
import Foundation
import Training

/// `skiptune evaluate`.
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Test a model on the data set and task of a configuration.",
    discussion: """
      Settings are those of `skiptune train`; what only training needs may be left out. Under mpirun the ranks share \
      the images. A signal of a scheduler ends it with status 75.
      """)

  @OptionGroup var options: SettingOptions
  @Option(
    help: ArgumentHelp(
      "What is laid over the model: zero-shot (nothing), the folder of a checkpoint, or a run directory.",
      valueName: "checkpoint"))
  var checkpoint = "zero-shot"
  @Option(help: ArgumentHelp("Delta file that is laid over the model instead.", valueName: "file"))
  var delta: String?
  @Option(name: .shortAndLong, help: ArgumentHelp("JSON file of results to write.", valueName: "file"))
  var output: String?
  @OptionGroup var logging: LogOptions

  func validate() throws {
    guard delta == nil || checkpoint == "zero-shot" else {
      throw ValidationError("give --delta or --checkpoint, not both")
    }
  }

  func run() throws {
    try Session.run(logLevel: logging.logLevel) { session in
      let collectives = session.collectives
      try collectives.agree { if collectives.rank == 0, let output { try OutputPlace.judgeNew(output) } }
      let settings = try collectives.agree { try RunSettings.read(options.source(), for: .evaluation).settings }
      StopSignal.watch()
      let results = try EvaluationRun(
        settings, weights, TrainingRun.Environment(session, settings.compute.precision)
      ).run()
      try collectives.agree {
        guard collectives.rank == 0 else { return }
        if let output { try AtomicFile.write(results.json(), to: URL(fileURLWithPath: output)) }
        print(results.table.terminal, terminator: "")
      }
    }
  }

  private var weights: TestedWeights {
    if let delta { return .delta(path: delta) }
    return checkpoint == "zero-shot" ? .zeroShot : .checkpoint(path: checkpoint)
  }
}

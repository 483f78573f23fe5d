import ArgumentParser
import Collectives
import Files
import Foundation
import Training

/// `skiptune evaluate`.
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Test models on the data set and task of a configuration, or on many data sets.",
    discussion: """
      Settings are those of `skiptune train`; what only training needs may be left out. Under mpirun the ranks share \
      the images. A signal of a scheduler ends it with status 75.

      With several checkpoints, --datasets, --output-dir or --predictions every checkpoint is tested on every data set. \
      With --output-dir nothing that is tested is tested again: start the same command once more after it was stopped.
      """)

  @OptionGroup var options: SettingOptions
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "What is laid over the model: zero-shot (nothing), the folder of a checkpoint, a run directory, RUN/best, or a delta file.",
      valueName: "checkpoint"))
  var checkpoint = ["zero-shot"]
  @Option(help: ArgumentHelp("Delta file that is laid over the model instead.", valueName: "file"))
  var delta: String?
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Data sets: published names, or configuration files that are laid over those of -c.", valueName: "data-set"))
  var datasets: [String] = []
  @Option(help: ArgumentHelp("Folder of the tables, and of the journal to go on from.", valueName: "folder"))
  var outputDir: String?
  @Option(help: ArgumentHelp("JSON Lines file of what was predicted for each image.", valueName: "file"))
  var predictions: String?
  @Option(name: .shortAndLong, help: ArgumentHelp("JSON file of results to write.", valueName: "file"))
  var output: String?
  @OptionGroup var logging: LogOptions

  func validate() throws {
    guard delta == nil || checkpoint == ["zero-shot"] else {
      throw ValidationError("give --delta or --checkpoint, not both")
    }
    guard !checkpoint.isEmpty else { throw ValidationError("--checkpoint names nothing") }
  }

  func run() throws {
    try Session.run(logLevel: logging.logLevel) { session in
      let collectives = session.collectives
      try collectives.agree { if collectives.rank == 0, let output { try OutputPlace.judgeNew(output) } }
      try collectives.agree { if collectives.rank == 0, let predictions { try OutputPlace.judgeFile(predictions) } }
      if isSingle { try runSingle(session) } else { try runJob(session) }
    }
  }

  /// Whether there is one model, one data set and nothing to keep.
  private var isSingle: Bool { weights.count == 1 && datasets.isEmpty && outputDir == nil && predictions == nil }

  private func runSingle(_ session: Session) throws {
    let collectives = session.collectives
    let settings = try collectives.agree { try RunSettings.read(options.source(), for: .evaluation).settings }
    StopSignal.watch()
    let results = try EvaluationRun(
      settings, weights[0], TrainingRun.Environment(session, settings.compute.precision)
    ).run()
    try collectives.agree {
      guard collectives.rank == 0 else { return }
      if let output { try AtomicFile.write(results.json(), to: URL(fileURLWithPath: output)) }
      print(results.table.terminal, terminator: "")
    }
  }

  private func runJob(_ session: Session) throws {
    let collectives = session.collectives
    let (plan, precision) = try collectives.agree {
      let settings = try configurations()
      let plan = try EvaluationPlan(
        weights, on: settings, folder: outputDir.map { URL(fileURLWithPath: $0) },
        predictions: predictions.map { URL(fileURLWithPath: $0) })
      return (plan, settings[0].compute.precision)
    }
    StopSignal.watch()
    let results = try EvaluationJob(plan, TrainingRun.Environment(session, precision)).run()
    try collectives.agree {
      guard let results else { return }
      if let output { try AtomicFile.write(results.json(), to: URL(fileURLWithPath: output)) }
      print(results.table.terminal, terminator: "")
    }
  }

  private func configurations() throws -> [RunSettings] {
    guard !datasets.isEmpty else { return [try RunSettings.read(options.source(), for: .evaluation).settings] }
    let shared = DatasetConfiguration(
      files: options.files.map { URL(fileURLWithPath: $0) }, overrides: options.overrides, place: "--datasets")
    return try datasets.map { try RunSettings.read(shared.source($0), for: .evaluation).settings }
  }

  private var weights: [TestedWeights] {
    if let delta { return [.delta(path: delta)] }
    return checkpoint.map { TestedWeights(argument: $0) }
  }
}

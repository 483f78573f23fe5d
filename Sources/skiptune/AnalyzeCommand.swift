import ArgumentParser
import Collectives
import Files
import Foundation
import MatrixBackends
import Training

/// `skiptune analyze`.
struct Analyze: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Show what tuning changed in each block, and on which classes the gradient falls; recommend what to skip.",
    discussion: """
      Compares the newest checkpoint of a run with the model it was tuned from, on some of its training images and the \
      prompts of its classes: at the class token and the end-of-text token, behind each block. Gradient shares are those \
      of the untuned model.
      """)

  @Argument(help: ArgumentHelp("Run directory.", valueName: "run"))
  var folder: String
  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("One setting over the run's, such as model.path=FOLDER.", valueName: "key.path=value"))
  var overrides: [String] = []
  @Option(help: "Images at most.")
  var images = 64
  @Option(help: ArgumentHelp("JSON file of the numbers to write.", valueName: "file"))
  var json: String?
  @Option(help: ArgumentHelp("SVG file of the curves to write.", valueName: "file"))
  var plot: String?
  @OptionGroup var logging: LogOptions

  func validate() throws {
    guard (1...4096).contains(images) else { throw ValidationError("--images must be from 1 to 4096, not \(images)") }
  }

  func run() throws {
    try Session.run(logLevel: logging.logLevel) { session in
      let collectives = session.collectives
      try collectives.agree {
        if collectives.rank == 0 { for file in [json, plot].compactMap({ $0 }) { try OutputPlace.judgeFile(file) } }
      }
      let environment = try TrainingRun.Environment(session, .fp32)
      let run = try collectives.agree {
        try AnalysisRun(URL(fileURLWithPath: folder), overrides: overrides, environment)
      }
      let results = try run.run(imageLimit: images)
      try collectives.agree {
        guard collectives.rank == 0 else { return }
        if let json { try AtomicFile.write(results.json(), to: URL(fileURLWithPath: json)) }
        if let plot { try AtomicFile.write(Data(results.svg.utf8), to: URL(fileURLWithPath: plot)) }
        let tables = [results.changeTable, results.rankTable, results.classTable].map { $0.terminal + "\n" }
        print(tables.joined() + results.advice)
      }
    }
  }
}

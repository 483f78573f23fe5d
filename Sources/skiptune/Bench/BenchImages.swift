import ArgumentParser
import CLIPModel
import Diagnostics
import Files
import Foundation
import MachineBenchmark
import Reporting

/// `skiptune bench images`.
struct BenchImages: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "images",
    abstract: "Measure how fast image files are decoded, cropped and normalised.",
    discussion: """
      The files are read again and again, so they come from memory; the disk is not measured. Under mpirun every rank \
      loads all of them, at the same time.
      """)

  @Argument(help: ArgumentHelp("Image files, or folders of them.", valueName: "path"))
  var paths: [String]
  @Option(help: "Pixels of a side that the model takes.")
  var size = 224
  @Option(help: ArgumentHelp("Write the results to this file.", valueName: "file"))
  var json: String?
  @OptionGroup var logging: LogOptions

  func validate() throws {
    guard (1...4096).contains(size) else { throw ValidationError("--size must be from 1 to 4096") }
  }

  func run() throws {
    try Session.run(logLevel: logging.logLevel) { session in
      let isSpeaker = session.collectives.rank == 0
      try session.collectives.agree { if isSpeaker, let json { try OutputPlace.judgeNew(json) } }
      let files = try session.collectives.agree { try ImagePaths.expand(paths).map { URL(fileURLWithPath: $0) } }
      let preprocessing = ImagePreprocessing(resizeSize: size, cropSize: size)
      let rates = try ImageBenchmark(
        files, size: size, mean: preprocessing.mean, deviation: preprocessing.standardDeviation, session.collectives
      ).run(threads: session.threads)
      try session.collectives.agree {
        guard isSpeaker else { return }
        print(ImageBenchmark.table(rates).terminal, terminator: "")
        if let json { try AtomicFile.write(try ReportJSON.document(rates), to: URL(fileURLWithPath: json)) }
      }
    }
  }
}

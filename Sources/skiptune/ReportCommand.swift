import ArgumentParser
import Diagnostics
import Files
import Foundation
import Training

/// `skiptune report`.
struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Describe a run or an evaluation by one HTML file to look at or send, or compare several runs.",
    discussion: """
      Runs are run directories, finished or not. The page needs no network: curves, accuracy before and after, classes, \
      confusions, mistakes, cost, traffic, provenance and configuration are all in it. The folder of an evaluation of many \
      models and data sets has a page of its own.
      """)

  @Argument(help: ArgumentHelp("Run directories, or the --output-dir of one evaluation.", valueName: "run"))
  var runs: [String]
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The file to write; by default report.html in the run's directory, or here where there are several runs.",
      valueName: "file"))
  var output: String?

  func run() throws {
    let place = output ?? (runs.count == 1 ? "\(runs[0])/report.html" : "report.html")
    let page = try RunPage.html(runs)
    try OutputPlace.judgeFile(place)
    try AtomicFile.write(Data(page.utf8), to: URL(fileURLWithPath: place))
    print("the report is \(place), \(page.utf8.count / 1000) kB")
  }
}

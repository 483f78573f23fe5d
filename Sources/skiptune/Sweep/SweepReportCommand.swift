import ArgumentParser
import Files
import Foundation
import Sweeps

/// `skiptune sweep report`.
struct SweepReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Describe a sweep by one HTML file to look at or send.",
    discussion: """
      Also while the sweep runs. The page needs no network: what was measured by each setting and by pairs of them, all settings \
      together, accuracy against time and traffic, the leaderboard and provenance are all in it.
      """)

  @Argument(help: ArgumentHelp("The sweep's folder.", valueName: "folder"))
  var folder: String
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The file to write; by default report.html in the sweep's folder.", valueName: "file"))
  var output: String?

  func run() throws {
    let place = output ?? "\(folder)/report.html"
    let page = try SweepResults(of: SweepFolder(URL(fileURLWithPath: folder))).page(version: Skiptune.version)
    try OutputPlace.judgeFile(place)
    try AtomicFile.write(Data(page.utf8), to: URL(fileURLWithPath: place))
    print("the report is \(place), \(page.utf8.count / 1000) kB")
  }
}

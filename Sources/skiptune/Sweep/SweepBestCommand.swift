import ArgumentParser
import Diagnostics
import Files
import Foundation
import Sweeps

/// `skiptune sweep best`.
struct SweepBestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "best",
    abstract: "Name the best configuration of a sweep and write it as a file for skiptune train.",
    discussion: """
      Also while the sweep runs. Writes results.csv, trials.csv, results.json and results.md into the sweep's folder, too.
      """)

  @Argument(help: ArgumentHelp("The sweep's folder.", valueName: "folder"))
  var folder: String
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The configuration to write; by default best.yaml in the sweep's folder.", valueName: "file"))
  var output: String?

  func run() throws {
    let place = SweepFolder(URL(fileURLWithPath: folder))
    let results = try SweepResults(of: place)
    let file = output ?? "\(folder)/best.yaml"
    try OutputPlace.judgeFile(file)
    let best = try BestConfiguration(results, in: place)
    try results.write(to: place)
    try AtomicFile.write(Data(best.yaml.utf8), to: URL(fileURLWithPath: file))
    print(results.leaderboard.terminal)
    print(results.caption + "\n")
    best.lines.forEach { print($0) }
    print("the configuration is \(file)")
  }
}

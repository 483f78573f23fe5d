import ArgumentParser
import Foundation
import SweepExecution
import Sweeps

/// `skiptune sweep status`.
struct SweepStatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Say what each trial of a sweep is at, also while jobs on other hosts are at work."
  )

  @Argument(help: ArgumentHelp("The sweep's folder.", valueName: "folder"))
  var folder: String

  func run() throws {
    let place = SweepFolder(URL(fileURLWithPath: folder))
    let record = try SweepRecord(of: place)
    print(try SweepStatus(place.url, record.trials, record.metric).text, terminator: "")
  }
}

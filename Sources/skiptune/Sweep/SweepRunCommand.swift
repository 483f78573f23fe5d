import ArgumentParser
import Collectives
import Foundation
import Sweeps
import Training

/// `skiptune sweep run`.
struct SweepRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "run", abstract: "Run the trials of a sweep file.")

  @Argument(help: ArgumentHelp("The sweep file.", valueName: "file"))
  var file: String
  @OptionGroup var settings: SettingOptions
  @Option(help: ArgumentHelp("Folder of the sweep: each trial has a folder in it.", valueName: "folder"))
  var runDir: String?
  @OptionGroup var execution: SweepExecutionOptions
  @OptionGroup var logging: LogOptions

  func run() throws {
    StopSignal.watch()
    try Session.run(logLevel: logging.logLevel) { session in
      let plan = try session.collectives.agree {
        try SweepPlan(
          URL(fileURLWithPath: file), files: settings.files.map { URL(fileURLWithPath: $0) },
          overrides: settings.overrides, folder: URL(fileURLWithPath: runDir ?? "sweep"))
      }
      try execution.run(plan, session)
    }
  }
}

import ArgumentParser
import Diagnostics
import Foundation

/// `skiptune manual`: what `launch/install` makes the man page with.
struct Manual: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the man page of this program.",
    discussion: "skiptune manual > skiptune.1; man -l skiptune.1", shouldDisplay: false)

  func run() throws {
    let description = Data(Skiptune._dumpHelp().utf8)
    guard let tool = try? JSONDecoder().decode(DescribedTool.self, from: description) else {
      throw Failure(.internalError, "the description of the command line has changed its form")
    }
    let date = Date().formatted(.iso8601.year().month().day())
    print(ManualPage(tool.command, version: Skiptune.version, date: date).text, terminator: "")
  }
}

/// The argument parser's own description of a command line, as far as a man page needs it.
private struct DescribedTool: Decodable {
  var command: DescribedCommand
}

/// A command and those within it.
struct DescribedCommand: Decodable {
  var commandName: String
  var shouldDisplay: Bool?
  var abstract: String?
  var discussion: String?
  var subcommands: [DescribedCommand]?
  var arguments: [DescribedArgument]?
}

/// An option, a flag or an argument without a name.
struct DescribedArgument: Decodable {
  struct Name: Decodable {
    var kind: String
    var name: String
  }

  var kind: String
  var shouldDisplay: Bool
  var isOptional: Bool
  var isRepeating: Bool
  var names: [Name]?
  var valueName: String?
  var defaultValue: String?
  var allValues: [String]?
  var abstract: String?
}

/// The page of section 1 for a command line, in the macros of man(7).
struct ManualPage {
  private let command: DescribedCommand
  private let version: String
  private let date: String

  /// A page of a program of a version, made on a day such as `2026-01-31`; commands and options that help does not show are
  /// left out.
  init(_ command: DescribedCommand, version: String, date: String) {
    (self.command, self.version, self.date) = (command, version, date)
  }

  /// The source of the page.
  var text: String {
    let name = command.commandName
    let lines =
      [
        ".TH \(Self.quoted(name.uppercased())) 1 \(date) \(Self.quoted("\(name) \(version)")) \"User Commands\"",
        ".SH NAME", Self.escaped("\(name) - \(Self.withoutFullStop(command.abstract ?? ""))"), ".SH SYNOPSIS",
        ".B \(Self.escaped(name))", ".I command", "[\\fIoption\\fR ...]", ".SH DESCRIPTION",
      ] + paragraphs([command.discussion]) + [".SH COMMANDS"]
      + shown(command.subcommands).flatMap { sections($0, of: name) } + Self.closing
    return lines.map { $0 + "\n" }.joined()
  }

  private func shown(_ commands: [DescribedCommand]?) -> [DescribedCommand] {
    (commands ?? []).filter { $0.shouldDisplay ?? true && $0.commandName != "help" }
  }

  /// A command, or each of those that it consists of.
  private func sections(_ command: DescribedCommand, of parent: String) -> [String] {
    let name = "\(parent) \(command.commandName)"
    let inner = shown(command.subcommands)
    guard inner.isEmpty else { return inner.flatMap { sections($0, of: name) } }
    let arguments = (command.arguments ?? []).filter { $0.shouldDisplay && !isCommon($0) }
    return [".SS \(Self.quoted(name))"] + paragraphs([command.abstract, command.discussion])
      + arguments.flatMap(entry)
  }

  /// Every command has these.
  private func isCommon(_ argument: DescribedArgument) -> Bool {
    (argument.names ?? []).contains { ["help", "version"].contains($0.name) }
  }

  private func entry(_ argument: DescribedArgument) -> [String] {
    let value = "\\fI\(Self.escaped(argument.valueName ?? "value"))\\fR\(argument.isRepeating ? " ..." : "")"
    let names = (argument.names ?? []).map { name in
      "\\fB\(Self.escaped((name.kind == "long" ? "--" : "-") + name.name))\\fR"
    }
    let title =
      switch argument.kind {
      case "positional": value
      case "flag": names.joined(separator: ", ")
      default: names.joined(separator: ", ") + " " + value
      }
    let more = [
      argument.allValues.map { "One of \($0.joined(separator: ", "))." },
      argument.defaultValue.map { "Default: \($0)." },
    ]
    let words = ([argument.abstract] + more).compactMap { $0 }.joined(separator: " ")
    return [".TP", title, Self.escaped(words.isEmpty ? "See above." : words)]
  }

  private func paragraphs(_ words: [String?]) -> [String] {
    // Headings begin the first one themselves.
    Array(
      words.compactMap { $0 }.flatMap { $0.split(separator: "\n") }.flatMap { [".PP", Self.escaped(String($0))] }
        .dropFirst())
  }

  private static let closing = [
    ".SH FILES",
    "Settings are YAML files; \\fBskiptune config\\fR lists all of them, \\fBskiptune config \\-\\-explain\\fR \\fIkey\\fR tells of one.",
    ".SH EXIT STATUS", ".TP", "0", "Done.", ".TP", "64", "The command line or the configuration is wrong.", ".TP", "65",
    "Data are wrong.", ".TP", "66", "An input is missing.", ".TP", "70", "A defect, or ranks that lost each other.",
    ".TP", "73, 74", "An output cannot be created, or reading or writing failed.", ".TP", "75",
    "The run was asked to stop and has saved its state: the same command goes on.",
  ]

  // MARK: Text

  private static func withoutFullStop(_ text: String) -> String { text.hasSuffix(".") ? String(text.dropLast()) : text }

  /// Text that the formatter takes as it is.
  private static func escaped(_ text: String) -> String {
    let safe = text.flatMap { character -> String in
      switch character {
      case "\\": "\\e"
      case "-": "\\-"
      default: String(character)
      }
    }
    let line = String(safe)
    return line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" + line : line
  }

  private static func quoted(_ text: String) -> String {
    "\"\(escaped(text).split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\(dq"))\""
  }
}

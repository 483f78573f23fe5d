import ArgumentParser
import CLIPModel
import Diagnostics
import Files
import Foundation
import Planning
import Reporting
import SkipTuning

/// `skiptune plan`.
struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Predict time, traffic and memory of training on 1 to 100,000 ranks.",
    discussion: """
      Counts what a step computes and sends, and divides by the speeds of a machine: measured by skiptune bench machine, \
      or typed. Shows Skip Tuning beside full fine-tuning, and says where it stops scaling and what to change. With \
      --validate it compares itself with runs that were measured.
      """)

  @OptionGroup var shape: ModelShapeOptions
  @OptionGroup(title: "Training") var task: PlannedTaskOptions
  @OptionGroup(title: "Engine") var exchange: PlannedExchangeOptions
  @OptionGroup(title: "Machine") var machine: PlannedMachineOptions

  @Option(help: ArgumentHelp("Numbers of ranks, such as 1,2,6 or 1-1024, which doubles.", valueName: "list"))
  var ranks = "1-256"
  @Flag(help: "Print Markdown.")
  var markdown = false
  @Option(help: ArgumentHelp("Write the forecasts to this file.", valueName: "file"))
  var json: String?
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Compare forecasts with the step times of finished runs instead.", valueName: "results.json"))
  var validate: [String] = []
  @Option(help: ArgumentHelp("Error in percent that --validate allows.", valueName: "percent"))
  var tolerance = 20.0

  func run() throws {
    let reports = try machine.files.map { try MachineReport(contentsOf: URL(fileURLWithPath: $0)) }
    if !validate.isEmpty { return try compare(reports) }
    let scenario = try task.scenario(try shape.configuration(), exchange: exchange.settings)
    let profile = try machine.profile(reports)
    let report = PlanReport(scenario, on: profile, ranks: try RankList(ranks).numbers)
    if let json { try AtomicFile.write(try report.json(), to: URL(fileURLWithPath: json)) }
    print(machine.words(profile, reports) + "\n")
    print(markdown ? report.markdown : report.terminal, terminator: "")
  }

  private func compare(_ reports: [MachineReport]) throws {
    let validation = PlanValidation(
      try validate.map { try MeasuredRun(contentsOf: URL(fileURLWithPath: $0)) }, machines: reports,
      assumed: try machine.profile([]), hiddenShare: try exchange.settings.hiddenShare, tolerance: tolerance / 100)
    print(markdown ? validation.table.markdown : validation.table.terminal, terminator: "")
    print(
      "\(validation.rightCount) of \(validation.comparisons.count) forecasts are within \(Readable.fixed(tolerance, 0))%"
    )
    try validation.check()
  }
}

/// Numbers of ranks as they are typed.
struct RankList {
  /// Ascending, each once.
  let numbers: [Int]

  /// Reads `1,2,6` and `1-1024`; a range doubles from its first number, and its last is part of it.
  init(_ text: String) throws {
    var numbers: Set<Int> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends.last ?? nil,
        first >= 1, first <= last, last <= 100_000
      else {
        throw Failure(
          .usage, at: "--ranks \(text)", "must list numbers from 1 to 100000, or ranges such as 1-1024",
          remedy: "write for example --ranks 1,2,4,8 or --ranks 1-100000")
      }
      numbers.formUnion(sequence(first: first) { $0 * 2 < last ? $0 * 2 : nil })
      numbers.insert(last)
    }
    self.numbers = numbers.sorted()
  }
}

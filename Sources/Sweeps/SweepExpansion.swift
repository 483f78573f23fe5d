import Configuration
import Diagnostics
import Foundation
import Reporting
import Training

/// Turns the parts of a sweep file into trials, part by part.
struct SweepExpansion {
  /// What all trials' configurations say of tasks and tests.
  struct Facts {
    var tasks: Set<String> = []
    var testsTuned = true
  }

  /// Combinations that are looked at where constraints may leave most of them out.
  private static let mostCombinations = 100_000

  private let shared: PlannedConfiguration
  private let folder: SweepFolder
  private let limit: Int
  private(set) var trials: [Trial] = []
  private(set) var excludedCount = 0
  private(set) var duplicateCount = 0
  private(set) var facts = Facts()
  /// Numbers of trials by what is in their configurations.
  private var numbers: [[String]: Int] = [:]
  /// Values of settings that no part varies, by data set.
  private var unvaried: [String: [String: String]] = [:]

  init(_ shared: PlannedConfiguration, folder: SweepFolder, limit: Int, _ parts: [SweepFile.Part]) throws {
    (self.shared, self.folder, self.limit) = (shared, folder, limit)
    try judgeSize(parts)
  }

  /// Throws for a sweep that has too many trials, before any is made.
  private func judgeSize(_ parts: [SweepFile.Part]) throws {
    func count(_ parts: [SweepFile.Part]) -> Double {
      parts.reduce(0) { sum, part in sum + part.dimensions.reduce(1) { $0 * Double($1.alternatives.count) } }
    }
    let sure = count(parts.filter(\.constraints.isEmpty))
    guard sure <= Double(limit) else { throw tooMany(Self.words(sure), parts[0], exactly: sure) }
    let constrained = parts.filter { !$0.constraints.isEmpty }
    let combinations = count(constrained)
    guard combinations <= Double(Self.mostCombinations) else {
      throw Failure(
        .usage, at: constrained[0].place,
        "there are \(Self.words(combinations)) combinations before constraints, more than \(Readable.count(Self.mostCombinations))",
        remedy: "vary less at a time")
    }
  }

  private func tooMany(_ count: String, _ part: SweepFile.Part, exactly number: Double) -> Failure {
    let most = Double(SweepOptions.mostTrials)
    return Failure(
      .usage, at: part.place, "the sweep has \(count) trials, more than max_trials: \(limit)",
      remedy: number <= most
        ? "vary less, or set max_trials: \(Int(number)) if you mean it"
        : "vary less: no sweep has more than \(Readable.count(SweepOptions.mostTrials))")
  }

  private static func words(_ count: Double) -> String {
    count < 1e15 ? Readable.count(Int(count)) : Readable.significant(count, 4)
  }

  // MARK: Parts

  /// The parts' points; makes a trial for each configuration that there was not yet.
  mutating func expand(_ parts: [SweepFile.Part]) throws -> [SweepPlan.Part] {
    var combinations: [[[Setting]]] = []
    for part in parts { combinations.append(try wanted(part)) }
    let count = combinations.reduce(0) { $0 + $1.count }
    guard count <= limit else { throw tooMany(Readable.count(count), parts[0], exactly: Double(count)) }
    return try zip(parts, combinations).map { part, combinations in
      SweepPlan.Part(
        name: part.name,
        points: try combinations.map { SweepPlan.Part.Point(settings: $0, trial: try trial($0, part)) })
    }
  }

  /// The combinations that constraints leave.
  private mutating func wanted(_ part: SweepFile.Part) throws -> [[Setting]] {
    var combinations: [[Setting]] = []
    var counters = part.dimensions.map { _ in 0 }
    repeat {
      let settings = zip(part.dimensions, counters).flatMap { $0.alternatives[$1] }
      if try isWanted(settings, part) { combinations.append(settings) } else { excludedCount += 1 }
    } while Self.advance(&counters, part.dimensions.map(\.alternatives.count))
    return combinations
  }

  /// The next combination, the last dimension fastest; false after the last.
  private static func advance(_ counters: inout [Int], _ counts: [Int]) -> Bool {
    for index in counters.indices.reversed() {
      counters[index] += 1
      if counters[index] < counts[index] { return true }
      counters[index] = 0
    }
    return false
  }

  private mutating func isWanted(_ settings: [Setting], _ part: SweepFile.Part) throws -> Bool {
    for constraint in part.constraints {
      let isWanted = try constraint.holds { key in
        try settings.first { $0.key == key }?.value ?? unvaried(beside: settings, part)[key] ?? "null"
      }
      guard isWanted else { return false }
    }
    return true
  }

  /// Values of all settings, of which those that are not varied are the same in every combination on this data set.
  private mutating func unvaried(beside settings: [Setting], _ part: SweepFile.Part) throws -> [String: String] {
    let dataset = settings.first { $0.key == SweepAxis.dataKey }?.value ?? ""
    let place = "\(part.name) \(dataset)"
    if let known = unvaried[place] { return known }
    let resolved = try judged(settings, part, in: folder.url)
    let values = Dictionary(resolved.settings.map { ($0.key, $0.value.yaml) }) { first, _ in first }
    unvaried[place] = values
    return values
  }

  // MARK: Trials

  /// The number of the trial that runs these settings.
  private mutating func trial(_ settings: [Setting], _ part: SweepFile.Part) throws -> Int {
    let next = Trial(number: trials.count + 1, settings: settings)
    let resolved = try judged(settings, part, in: folder.run(of: next))
    // The run directory is named by the settings as they are written.
    let configuration = resolved.settings.filter { $0.key != "run_dir" }.map(\.value.yaml)
    if let number = numbers[configuration] {
      duplicateCount += 1
      return number
    }
    trials.append(next)
    numbers[configuration] = next.number
    note(resolved)
    return next.number
  }

  private mutating func note(_ resolved: ResolvedConfiguration) {
    for setting in resolved.settings {
      if setting.key == "task", case .text(let task) = setting.value { facts.tasks.insert(task) }
      if setting.key == "evaluate.tuned", setting.value == .boolean(false) { facts.testsTuned = false }
    }
  }

  /// Reads the whole configuration of a combination.
  ///
  /// Throws its first problem, at the line of the sweep file that is to blame where one is.
  private func judged(
    _ settings: [Setting], _ part: SweepFile.Part, in folder: URL
  ) throws -> ResolvedConfiguration {
    do {
      return try shared.read(settings, in: folder).resolved
    } catch var failure as Failure where failure.status == .usage {
      let places = part.dimensions.reduce(into: [:]) { $0.merge($1.places) { first, _ in first } }
      let blamed = settings.first { failure.problem.hasPrefix($0.key + " ") }
      if failure.place == nil || failure.place == "--set" {
        failure.place = blamed.flatMap { places[$0.key] } ?? failure.place ?? part.place
      }
      let words = settings.words
      failure.problem += " (trial \(trials.count + 1): \(words.count > 200 ? words.prefix(200) + "..." : words[...]))"
      throw failure
    }
  }
}

import Configuration
import Diagnostics
import Foundation
import Reporting

/// Numbers from one to another, at equal distances or in equal ratios.
struct SweepRange {
  private let key: String
  private let place: String
  private let from, to: Double
  /// nil where the count is given.
  private let step: Double?
  private let count: Int
  private let isLogarithmic: Bool
  /// Whether ends and step are whole numbers, as they are written.
  private let isOfIntegers: Bool

  /// Reads `{from: 2, to: 10, step: 2}`, `{from: 0.1, to: 1, count: 10}` or `{from: 1.0e-5, to: 1.0e-2, count: 4, scale: log}`.
  ///
  /// Throws `Failure(.usage)` with file and line.
  init(_ key: String, _ element: ConfigurationElement) throws {
    let fields = try ElementFields(element, "the range of \(key)", known: ["from", "to", "step", "count", "scale"])
    (self.key, place) = (key, fields.place)
    guard let from = try fields.number("from"), let to = try fields.number("to") else {
      throw Failure(
        .usage, at: place, "the range of \(key) needs from and to",
        remedy: "write for example {from: 2, to: 10, step: 1}")
    }
    (self.from, self.to) = (from, to)
    step = try fields.number("step")
    isLogarithmic = try fields.word("scale", of: ["linear", "log"]) == "log"
    isOfIntegers = ["from", "to", "step"].allSatisfy { fields[$0]?.integer != nil }
    let given = try fields.integer("count", in: 1...SweepAxis.mostValues)
    guard (step == nil) != (given == nil), step == nil || !isLogarithmic else {
      throw Failure(
        .usage, at: place, "the range of \(key) needs one of step and count, and count where it is log",
        remedy: "give step: 1 or count: 10, say")
    }
    count = try given ?? Self.count(from: from, to: to, step: step!, key, place)
    try judge(given)
  }

  private static func count(
    from: Double, to: Double, step: Double, _ key: String, _ place: String
  ) throws -> Int {
    // A last value that rounding has put a hair beyond the end belongs to the range.
    let steps = ((to - from) / step + 1e-9).rounded(.down)
    guard step != 0, steps >= 0 else {
      throw Failure(
        .usage, at: place, "the range of \(key) is empty: steps of \(step) do not lead from \(from) to \(to)",
        remedy: "turn the sign of step, or exchange from and to")
    }
    guard steps < Double(SweepAxis.mostValues) else {
      throw Failure(
        .usage, at: place,
        "the range of \(key) has \(Readable.significant(steps + 1, 4)) values, more than \(SweepAxis.mostValues)",
        remedy: "give a larger step")
    }
    return Int(steps) + 1
  }

  private func judge(_ given: Int?) throws {
    guard given != 1 || from == to else {
      throw Failure(
        .usage, at: place, "the range of \(key) has two ends and a single value",
        remedy: "give a count of at least 2, or the value alone")
    }
    guard !isLogarithmic || from > 0 && to > 0 else {
      throw Failure(
        .usage, at: place, "the range of \(key) is log and does not lie above 0",
        remedy: "begin above 0, or give scale: linear")
    }
  }

  /// The numbers in YAML; of a setting that takes integers the nearest integers.
  func values(areIntegers: Bool) -> [String] {
    (0..<count).map { index in
      let value = value(index)
      return areIntegers || isOfIntegers ? SettingValue.integer(Int(value.rounded())).yaml : "\(value)"
    }
  }

  private func value(_ index: Int) -> Double {
    if let step { return Self.rounded(from + Double(index) * step, digits: 12) }
    if index == 0 || count == 1 { return from }
    if index == count - 1 { return to }
    let share = Double(index) / Double(count - 1)
    let value = isLogarithmic ? exp(log(from) + share * (log(to) - log(from))) : from + share * (to - from)
    return Self.rounded(value, digits: 6)
  }

  /// The number with so many significant digits: sums of 0.1 come out as they are written.
  static func rounded(_ value: Double, digits: Int) -> Double { Double(Readable.significant(value, digits))! }
}

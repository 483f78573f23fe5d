import Configuration
import Datasets
import Diagnostics
import Foundation

/// Settings that are drawn at random, again for every sample.
struct SweepDraws {
  private enum Distribution {
    case uniform(Double, Double), logUniform(Double, Double)
    /// Both ends are among them.
    case integers(Int, Int)
    case choice([String])
  }

  /// Samples of a sweep beyond this many are taken for a mistake.
  private static let mostSamples = 10_000

  /// How many draws there are of all settings.
  let count: Int
  private let seed: Int
  private let settings: [(key: String, distribution: Distribution, isInteger: Bool)]

  /// The keys that are drawn.
  var keys: [String] { settings.map(\.key) }

  /// Reads `{samples: 20, seed: 1, settings: {optim.text_lr: {log_uniform: [1.0e-5, 1.0e-2]}}}`.
  ///
  /// Throws `Failure(.usage)` with file and line.
  init(_ element: ConfigurationElement, _ keys: SweepKeys) throws {
    let fields = try ElementFields(element, "random", known: ["samples", "seed", "settings"])
    guard let count = try fields.integer("samples", in: 1...Self.mostSamples) else {
      throw Failure(.usage, at: fields.place, "random has no number of samples", remedy: "give samples: 20, say")
    }
    self.count = count
    seed = try fields.integer("seed", in: 0...Int(UInt32.max)) ?? 1
    guard case .mapping(let members)? = fields["settings"]?.content, !members.isEmpty else {
      throw Failure(
        .usage, at: fields.place, "random has no settings to draw",
        remedy: "give settings: {optim.text_lr: {log_uniform: [1.0e-5, 1.0e-2]}}, say")
    }
    settings = try members.map { key, value in
      let type = try keys.type(of: key, value)
      return (key, try Self.distribution(key, value, isInteger: type == .integer), type == .integer)
    }
  }

  private static func distribution(
    _ key: String, _ element: ConfigurationElement, isInteger: Bool
  ) throws -> Distribution {
    let names = ["uniform", "log_uniform", "choice"]
    let fields = try ElementFields(element, "the distribution of \(key)", known: names)
    let given = names.filter { fields[$0] != nil }
    guard given.count == 1, let name = given.first, let value = fields[name], case .list(let elements) = value.content
    else {
      throw Failure(
        .usage, at: fields.place,
        "the distribution of \(key) needs one of \(names.joined(separator: ", ")), with a list",
        remedy: "write {uniform: [0.1, 1]} or {choice: [2, 3, 4]}, say")
    }
    if name == "choice" {
      guard (1...SweepAxis.mostValues).contains(elements.count) else {
        throw fields.mismatch(name, value, "a list of 1 to \(SweepAxis.mostValues) values", "list some")
      }
      return .choice(elements.map(\.yaml))
    }
    let ends = elements.compactMap(\.number)
    guard elements.count == 2, ends.count == 2, ends[0] < ends[1], ends.allSatisfy({ abs($0) < 1e15 }),
      name == "uniform" || ends[0] > 0
    else {
      throw fields.mismatch(
        name, value, "two ascending numbers\(name == "uniform" ? "" : " above 0")", "write {\(name): [0.1, 1]}, say")
    }
    if name == "log_uniform" { return .logUniform(ends[0], ends[1]) }
    guard isInteger else { return .uniform(ends[0], ends[1]) }
    let (low, high) = (Int(ends[0].rounded(.up)), Int(ends[1].rounded(.down)))
    guard low <= high else {
      throw fields.mismatch(name, value, "two numbers with an integer between them", "write {uniform: [1, 8]}, say")
    }
    return .integers(low, high)
  }

  /// Every sample's settings, by CPython's `random`: samples one after the other, settings in the order of the file.
  var samples: [[Setting]] {
    var random = PythonRandom(seed: seed)
    return (0..<count).map { _ in
      settings.map { setting in
        Setting(key: setting.key, value: Self.draw(setting.distribution, setting.isInteger, &random))
      }
    }
  }

  private static func draw(
    _ distribution: Distribution, _ isInteger: Bool, _ random: inout PythonRandom
  ) -> String {
    func text(_ value: Double) -> String {
      isInteger ? "\(Int(value.rounded()))" : "\(SweepRange.rounded(value, digits: 6))"
    }
    switch distribution {
    case .uniform(let low, let high): return text(low + (high - low) * random.random())
    case .logUniform(let low, let high): return text(exp(log(low) + (log(high) - log(low)) * random.random()))
    case .integers(let low, let high): return "\(low + random.randbelow(high - low + 1))"
    case .choice(let values): return values[random.randbelow(values.count)]
    }
  }
}

import Configuration
import Diagnostics
import Foundation

/// A sweep file, read and judged in itself: what is varied, and how trials are run and compared.
struct SweepFile {
  /// What is varied together.
  struct Part {
    let name: String
    let place: String
    /// Bundles of settings that exclude each other, outermost loop first.
    var dimensions: [Dimension]
    var constraints: [SweepConstraint]
  }

  /// Alternatives of which every combination takes one.
  struct Dimension {
    /// Where each setting is written.
    let places: [String: String]
    let alternatives: [[Setting]]
  }

  /// The metric, as far as the file names it.
  struct Metric {
    let name: SweepMetric.Name?
    let testSet: SweepMetric.TestSet?
    let secondsWeight, megabytesWeight: Double
    let place: String
  }

  let base: [URL]
  let parts: [Part]
  let metric: Metric
  let options: SweepOptions

  /// Reads the file.
  ///
  /// Throws `Failure`: `.missingInput` where there is none, `.usage` with file and line for what is wrong in it.
  init(contentsOf url: URL) throws {
    guard FileManager.default.fileExists(atPath: url.path) else {
      throw Failure(.missingInput, at: url.relativePath, "there is no such sweep file", remedy: "check the path")
    }
    let keys = try SweepKeys()
    let draft = try ResolvedConfiguration.read(ConfigurationSource(files: [url])) { reader in
      try SweepDraft(reader, keys, file: url.relativePath)
    }.value
    (base, metric, options) = (draft.base, draft.metric, draft.options)
    parts = try draft.parts()
  }
}

/// A sweep file that has been read, but not looked at as a whole.
private struct SweepDraft {
  let base: [URL]
  let metric: SweepFile.Metric
  let options: SweepOptions
  private let file: String
  private let shared: PartReader
  private let named: [PartReader]

  init(_ reader: SettingsReader, _ keys: SweepKeys, file: String) throws {
    self.file = file
    base = try reader.strings(
      "base", default: [], example: "configs/quickstart/base-to-new.yaml",
      "configuration files that all trials share, before those of -c"
    ).map { URL(fileURLWithPath: $0) }
    metric = try reader.section("metric", "the number that trials are compared by") {
      try SweepFile.Metric($0, place: file)
    }
    options = try SweepOptions(reader)
    shared = try PartReader(reader, keys, name: "", place: file)
    named = try reader.section("parts", "what is varied together, by names") { parts in
      try parts.givenKeys.map { name in
        try Self.judge(partName: name, file)
        return try parts.section(name, "a part of the sweep") { reader in
          try PartReader(reader, keys, name: name, place: "\(file), part \(name)")
        }
      }
    }
  }

  /// The parts, or the only one where none is named.
  func parts() throws -> [SweepFile.Part] {
    guard !named.isEmpty else { return [try shared.part()] }
    guard !shared.hasListOrDraws else {
      throw Failure(
        .usage, at: file, "list and random stand beside parts, which have their own", remedy: "move them into a part")
    }
    return try named.map { try $0.part(with: shared) }
  }

  private static func judge(partName name: String, _ file: String) throws {
    let isWord = name.utf8.allSatisfy { byte in
      (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "_")
    }
    guard isWord, name.utf8.first.map({ $0 >= 0x61 }) ?? false, name.utf8.count <= 60 else {
      throw Failure(
        .usage, at: file, "\(quoted(name)) cannot be the name of a part",
        remedy: "use lower-case letters, digits and _, a letter first")
    }
  }
}

extension SweepFile.Metric {
  fileprivate init(_ reader: SettingsReader, place: String) throws {
    self.place = place
    name = try reader.optionalChoice(
      "name", "what is measured; default: harmonic_mean where base and new classes are tested, else accuracy")
    testSet = try reader.optionalChoice("of", "the classes that accuracy and macro_f1 are of")
    secondsWeight = try reader.number(
      "seconds_weight", default: 0, in: 0..., "what a second of training and testing takes away")
    megabytesWeight = try reader.number(
      "sent_mb_weight", default: 0, in: 0..., "what a megabyte sent to other hosts takes away")
    try reader.require(
      testSet == nil || name == .accuracy || name == .macroF1, about: "of", "is about accuracy and macro_f1 only",
      remedy: "leave it out, or give metric.name: accuracy")
  }
}

/// The keys of a part, or of a file without parts.
private struct PartReader {
  private let name: String
  private let place: String
  private var dimensions: [SweepFile.Dimension] = []
  private var constraints: [SweepConstraint] = []
  let hasListOrDraws: Bool

  /// Reads `data_sets`, `list`, `grid`, `random` and `constraints`.
  init(_ reader: SettingsReader, _ keys: SweepKeys, name: String, place: String) throws {
    (self.name, self.place) = (name, place)
    let datasets = try reader.strings(
      "data_sets", default: [], example: "configs/datasets/dtd.yaml",
      "data sets to run on: configuration files, or published names")
    let elements = ["list", "grid", "random", "constraints"].map { reader.element($0) }
    hasListOrDraws = elements[0] != nil || elements[2] != nil
    if !datasets.isEmpty {
      guard Set(datasets).count == datasets.count else {
        throw Failure(.usage, at: place, "data_sets names a data set twice", remedy: "leave one of them out")
      }
      dimensions.append(
        SweepFile.Dimension(
          SweepAxis(key: SweepAxis.dataKey, values: datasets, place: "\(place): data_sets")))
    }
    if let list = elements[0] { dimensions.append(try Self.list(list, keys)) }
    if let grid = elements[1] { dimensions += try Self.grid(grid, keys) }
    if let random = elements[2] {
      let draws = try SweepDraws(random, keys)
      let places = Dictionary(draws.keys.map { ($0, random.origin.description) }) { first, _ in first }
      dimensions.append(SweepFile.Dimension(places: places, alternatives: draws.samples))
    }
    if let element = elements[3] {
      guard case .list(let lines) = element.content else {
        throw Failure(
          .usage, at: element.origin.description, "constraints is \(element.mention) but must be a list",
          remedy: "write each comparison on a line of its own, after a dash")
      }
      let known = keys.all.union([SweepAxis.dataKey])
      constraints = try lines.map { try SweepConstraint($0, keys: known) }
    }
  }

  private static func grid(_ element: ConfigurationElement, _ keys: SweepKeys) throws -> [SweepFile.Dimension] {
    try members(of: element, "grid").map { key, value in
      SweepFile.Dimension(try SweepAxis(key, value, keys.type(of: key, value)))
    }
  }

  private static func list(_ element: ConfigurationElement, _ keys: SweepKeys) throws -> SweepFile.Dimension {
    guard case .list(let entries) = element.content, !entries.isEmpty, entries.count <= SweepAxis.mostValues else {
      throw Failure(
        .usage, at: element.origin.description, "list is no list of 1 to \(SweepAxis.mostValues) sets of settings",
        remedy: "write - {optim.text_lr: 1.0e-3, optim.image_lr: 1.0e-4}, say, for each of them")
    }
    var places: [String: String] = [:]
    let alternatives = try entries.map { entry in
      try members(of: entry, "an entry of list").map { key, value in
        _ = try keys.type(of: key, value)
        places[key] = places[key] ?? value.origin.description
        return Setting(key: key, value: value.yaml)
      }
    }
    return SweepFile.Dimension(places: places, alternatives: alternatives)
  }

  private static func members(
    of element: ConfigurationElement, _ what: String
  ) throws -> [(key: String, value: ConfigurationElement)] {
    guard case .mapping(let members) = element.content, !members.isEmpty else {
      throw Failure(
        .usage, at: element.origin.description, "\(what) is \(element.mention) but must be settings with values",
        remedy: "write whole keys, such as method.start_layer: [2, 4, 6]")
    }
    return members
  }

  /// The part, around which loops over what all parts share go fastest.
  func part(with shared: PartReader? = nil) throws -> SweepFile.Part {
    let all = dimensions + (shared?.dimensions ?? [])
    guard !all.isEmpty else {
      throw Failure(
        .usage, at: place, "nothing is varied", remedy: "give grid: {method.start_layer: [2, 4, 6]}, say")
    }
    var seen: Set<String> = []
    for dimension in all {
      for (key, place) in dimension.places.sorted(by: { $0.key < $1.key }) where !seen.insert(key).inserted {
        throw Failure(
          .usage, at: place, "\(key) is varied in two places", remedy: "keep it in one of grid, list and random")
      }
    }
    return SweepFile.Part(
      name: name, place: place, dimensions: all, constraints: constraints + (shared?.constraints ?? []))
  }
}

extension SweepFile.Dimension {
  fileprivate init(_ axis: SweepAxis) {
    self.init(
      places: [axis.key: axis.place], alternatives: axis.values.map { [Setting(key: axis.key, value: $0)] })
  }
}

import Diagnostics
import Files
import Foundation
import StrictJSON

/// What a sweep's folder says of the sweep: enough to judge outcomes without the files that it was made from.
public struct SweepRecord: Sendable, Equatable {
  /// In order; numbers count from 1.
  public let trials: [Trial]
  /// In the order of the sweep file.
  public let parts: [SweepPlan.Part]
  /// What trials are compared by.
  public let metric: SweepMetric
  /// The sweep file, the configuration files and the options, as they were named.
  public let sources: [String]
  /// Combinations that constraints left out, and those that repeat a trial.
  public let excludedCount: Int, duplicateCount: Int

  private static let format = 1
  private static let largest = 64 << 20

  /// That of a plan.
  public init(_ plan: SweepPlan) {
    (trials, parts, metric, sources) = (plan.trials, plan.parts, plan.metric, plan.sources)
    (excludedCount, duplicateCount) = (plan.excludedCount, plan.duplicateCount)
  }

  /// Reads the record of a sweep's folder.
  ///
  /// Throws `Failure`: `.missingInput` where there is none, `.badData` where it is damaged.
  public init(of folder: SweepFolder) throws {
    let file = folder.record.path
    let bytes = try SmallFile.bytes(
      of: folder.record, limit: Self.largest, what: "the record of a sweep",
      remedy: "name the folder that skiptune sweep run was given as --run-dir")
    var fields = try StoredFields(JSONValue(parsing: bytes, file: file), file: file)
    _ = try fields.take("format") { $0.integer == Self.format ? Self.format : nil }
    metric = try fields.take("metric") { try? SweepMetric($0, file) }
    sources = try fields.take("sources", \.texts)
    excludedCount = try fields.take("excluded", \.integer)
    duplicateCount = try fields.take("duplicates", \.integer)
    let trials = try fields.take("trials", \.elements).map { value in
      var fields = try StoredFields(value, file: file)
      let trial = try Trial(&fields)
      try fields.finish()
      return trial
    }
    guard !trials.isEmpty, trials.enumerated().allSatisfy({ $1.number == $0 + 1 }) else {
      throw fields.damaged("trials")
    }
    self.trials = trials
    parts = try fields.take("parts", \.elements).map { try SweepPlan.Part($0, file, trialCount: trials.count) }
    try fields.finish()
  }

  /// Writes the record into the sweep's folder, which must be there; a folder that has one must be of the same trials.
  ///
  /// What trials are compared by may change. Throws `Failure(.usage)` for a folder of another sweep.
  public func write(to folder: SweepFolder) throws {
    if FileManager.default.fileExists(atPath: folder.record.path) {
      let former = try SweepRecord(of: folder)
      guard former.trials == trials else {
        throw Failure(
          .usage, at: folder.url.path, "the folder is of a sweep of other trials: \(difference(from: former))",
          remedy: "give the files and options as before, or another --run-dir")
      }
      guard former != self else { return }
    }
    try AtomicFile.write(Data((JSONText.pretty(json) + "\n").utf8), to: folder.record)
  }

  private func difference(from former: SweepRecord) -> String {
    let pair = zip(former.trials, trials).first { $0 != $1 }
    return pair.map { "trial \($0.number) was \($0.settings.words) and is now \($1.settings.words)" }
      ?? "it has \(former.trials.count) trials, not \(trials.count)"
  }

  private var json: JSONValue {
    .object([
      JSONMember("format", .integer(Self.format)), JSONMember("metric", metric.json),
      JSONMember("sources", .array(sources.map { .string($0) })),
      JSONMember("excluded", .integer(excludedCount)), JSONMember("duplicates", .integer(duplicateCount)),
      JSONMember(
        "trials",
        .array(
          trials.map { trial in
            .object([
              JSONMember("trial", .integer(trial.number)), JSONMember("name", .string(trial.name)),
              JSONMember("settings", trial.settings.json),
            ])
          })),
      JSONMember("parts", .array(parts.map(\.json))),
    ])
  }
}

extension SweepPlan.Part {
  fileprivate init(_ value: JSONValue, _ file: String, trialCount: Int) throws {
    var fields = try StoredFields(value, file: file)
    name = try fields.take("name", \.string)
    points = try fields.take("points", \.elements).map { value in
      var fields = try StoredFields(value, file: file)
      let point = Point(
        settings: try fields.take("settings", \.settings),
        trial: try fields.take("trial") { $0.integer.flatMap { (1...trialCount).contains($0) ? $0 : nil } })
      try fields.finish()
      return point
    }
    try fields.finish()
  }

  fileprivate var json: JSONValue {
    .object([
      JSONMember("name", .string(name)),
      JSONMember(
        "points",
        .array(
          points.map { point in
            .object([JSONMember("trial", .integer(point.trial)), JSONMember("settings", point.settings.json)])
          })),
    ])
  }
}

extension SweepMetric {
  fileprivate init(_ value: JSONValue, _ file: String) throws {
    var fields = try StoredFields(value, file: file)
    self.init(
      try fields.take("name") { $0.string.flatMap(Name.init) },
      of: try fields.takeOptional("of") { $0.string.flatMap(TestSet.init) },
      secondsWeight: try fields.take("seconds_weight", \.number),
      megabytesWeight: try fields.take("sent_mb_weight", \.number))
    try fields.finish()
  }

  fileprivate var json: JSONValue {
    .object([
      JSONMember("name", .string(name.rawValue)),
      JSONMember("of", testSet.map { .string($0.rawValue) } ?? .null),
      JSONMember("seconds_weight", .number(secondsWeight)), JSONMember("sent_mb_weight", .number(megabytesWeight)),
    ])
  }
}

extension [Setting] {
  var json: JSONValue { .object(map { JSONMember($0.key, .string($0.value)) }) }
}

extension JSONValue {
  /// Texts by name, in the order of the file.
  var settings: [Setting]? {
    guard let members else { return nil }
    let settings = members.compactMap { member in
      member.value.string.map { Setting(key: member.key, value: $0) }
    }
    return settings.count == members.count ? settings : nil
  }

  fileprivate var texts: [String]? {
    guard let elements else { return nil }
    let texts = elements.compactMap(\.string)
    return texts.count == elements.count ? texts : nil
  }
}

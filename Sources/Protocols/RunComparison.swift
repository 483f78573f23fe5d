import Configuration
import Diagnostics
import Foundation
import Reporting
import Training

/// What differs between finished runs, or tests: what they were made of, and what came of them.
public struct RunComparison: Sendable {
  private struct Entry: Sendable {
    let name: String
    let result: StoredResult
    /// Everything that the result depends on.
    let entries: [(key: String, value: String)]
  }

  private let runs: [Entry]

  /// Reads run directories, or JSON files of `skiptune evaluate` and of protocols.
  ///
  /// Throws `Failure` where one is not finished, or damaged.
  public init(_ paths: [String]) throws {
    let names = Self.shortened(paths)
    runs = try zip(paths, names).map { path, name in
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
        return try Self.entry(name, StoredResult(contentsOf: URL(fileURLWithPath: path)), settings: [])
      }
      let folder = URL(fileURLWithPath: path)
      guard RunDirectory.isCompleted(folder) else {
        throw Failure(
          .missingInput, at: path, "is no run that is finished", remedy: "name a run directory that holds COMPLETED")
      }
      let file = folder.appending(path: "config.resolved.yaml")
      let settings = try RunSettings.read(ConfigurationSource(files: [file])).resolved.settings
      return Self.entry(
        name, try StoredResult(contentsOf: folder.appending(path: "results.json")),
        settings: settings.filter { $0.key != "run_dir" }.map { ($0.key, $0.value.yaml) })
    }
  }

  private static func entry(
    _ name: String, _ result: StoredResult, settings: [(key: String, value: String)]
  ) -> Entry {
    // Facts such as the seed are settings too: said once.
    let known = Set(settings.map(\.key))
    let facts = result.facts.filter { !known.contains($0.key) }
    return Entry(
      name: name, result: result,
      entries: facts + result.provenance.map { ("provenance.\($0.key)", $0.value) } + settings)
  }

  /// The paths without the folders that all begin with.
  private static func shortened(_ paths: [String]) -> [String] {
    var parts = paths.map { $0.split(separator: "/").map(String.init) }
    while let first = parts[0].first, parts.allSatisfy({ $0.count > 1 && $0.first == first }) {
      parts = parts.map { Array($0.dropFirst()) }
    }
    return parts.map { $0.joined(separator: "/") }
  }

  /// Entries of provenance and settings that are not the same in all runs; `-` where a run has none.
  public var differences: TextTable {
    var table = TextTable(columns: ["entry"] + runs.map(\.name))
    for key in runs.flatMap({ $0.entries.map(\.key) }).distinct() {
      let values = runs.map { run in run.entries.first { $0.key == key }?.value }
      if Set(values).count > 1 { table.append([key] + values.map { $0 ?? "-" }) }
    }
    return table
  }

  /// Counts and accuracy of each test set in each run, and what moved from the first run on.
  public var results: TextTable {
    var table = TextTable(columns: ["test", "run", "images", "correct", "accuracy", "more correct", "change"])
    for (model, scores) in [("zero-shot", \StoredResult.zeroShot), ("tuned", \StoredResult.tuned)] {
      let sets = Set(runs.flatMap { $0.result[keyPath: scores].keys }).sorted()
      for set in sets {
        let first = runs.lazy.compactMap { $0.result[keyPath: scores][set] }.first
        for run in runs {
          guard let score = run.result[keyPath: scores][set] else {
            table.append(["\(model), \(set)", run.name, nil, nil, nil, nil, nil])
            continue
          }
          let isComparable = score.images == first?.images
          let change = isComparable ? score.accuracy.flatMap { now in first?.accuracy.map { now - $0 } } : nil
          table.append([
            "\(model), \(set)", run.name, "\(score.images)", "\(score.correct)",
            score.accuracy.map { Readable.fixed($0, 2) },
            isComparable ? Self.signed("\(score.correct - first!.correct)") : nil,
            change.map { Self.signed(Readable.fixed($0, 2)) },
          ])
        }
      }
    }
    return table
  }

  private static func signed(_ number: String) -> String { number.hasPrefix("-") ? number : "+" + number }
}

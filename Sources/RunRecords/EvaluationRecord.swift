import Diagnostics
import Files
import Foundation
import StrictJSON

/// What the folder of an evaluation job tells: models tested on data sets.
public struct EvaluationRecord: Sendable {
  /// A model on the classes of one test set.
  public struct Test: Sendable {
    /// Name of the model, and of the data set.
    public var checkpoint, dataset: String
    /// `base`, `new` or `all`.
    public var set: String
    /// Images of the test set, those tested, and those of them whose class was predicted.
    public var total, images, correct: Int
    /// Percent; nil where no image was tested.
    public var top1, topFive, macroF1, calibrationError: Double?
    /// Whether all images were tested.
    public var isFinished: Bool
    /// In order of labels.
    public var classes: [ClassCount]
    /// Images that could not be read, with what was wrong.
    public var skipped: [(path: String, problem: String)]
  }

  /// A class of a test set.
  public struct ClassCount: Sendable {
    /// Name of the class.
    public var name: String
    /// Images tested, and those of them whose class was predicted.
    public var images, correct: Int

    /// Percent; nil of a class without images.
    public var accuracy: Double? { images > 0 ? 100 * Double(correct) / Double(images) : nil }
  }

  /// Images of one class that were taken for another.
  public struct Confusion: Sendable {
    /// Name of the model, of the data set and of the test set.
    public var checkpoint, dataset, set: String
    /// Names of the class, and of the one that was predicted.
    public var truth, prediction: String
    /// How many.
    public var images: Int
  }

  /// The folder, as it was given.
  public let path: String
  /// results.json.
  package let results: JSONValue
  /// In the order of the job.
  public let tests: [Test]
  /// The largest first; at most `largestCount`.
  public let confusions: [Confusion]

  /// Confusions that are kept.
  public static let largestCount = 40
  private static let largestResults = 256 << 20
  private static let largestTable = 1 << 30

  /// Whether a folder is that of an evaluation job, by what lies in it; its files may be damaged nevertheless.
  public static func exists(at folder: String) -> Bool {
    let url = URL(fileURLWithPath: folder)
    func isThere(_ name: String) -> Bool { FileManager.default.fileExists(atPath: url.appending(path: name).path) }
    return isThere("results.json") && isThere("journal.jsonl") && !isThere("config.resolved.yaml")
  }

  /// Reads the folder of a job, finished or not.
  ///
  /// Throws `Failure`: `.missingInput` where it holds no results, `.badData` where a file in it is damaged.
  public init(contentsOf folder: String) throws {
    path = folder
    let url = URL(fileURLWithPath: folder)
    let file = url.appending(path: "results.json")
    results = try JSONValue(
      parsing: try SmallFile.bytes(
        of: file, limit: Self.largestResults, what: "the file of results",
        remedy: "name the --output-dir of an evaluation"),
      file: file.path)
    guard let entries = results["tests"]?.elements else { throw Self.damaged(file.path) }
    tests = try entries.map { entry in
      guard let test = Test(entry) else { throw Self.damaged(file.path) }
      return test
    }
    confusions = try Self.confusions(url.appending(path: "confusion.csv"))
  }

  private static func confusions(_ file: URL) throws -> [Confusion] {
    guard FileManager.default.fileExists(atPath: file.path) else { return [] }
    let bytes = try SmallFile.bytes(of: file, limit: largestTable)
    let all = try CSVText.records(String(decoding: bytes, as: UTF8.self), file: file.path).dropFirst().map { record in
      let row = record.fields
      guard row.count == 6, let images = Int(row[5]), RunRecord.counts.contains(images) else {
        throw damaged("\(file.path):\(record.line)")
      }
      return Confusion(
        checkpoint: row[0], dataset: row[1], set: row[2], truth: row[3], prediction: row[4], images: images)
    }
    return Array(all.filter { $0.truth != $0.prediction }.sorted { $0.images > $1.images }.prefix(largestCount))
  }

  private static func damaged(_ place: String) -> Failure {
    Failure(
      .badData, at: place, "is nothing that an evaluation wrote",
      remedy: "restore it, or move the folder away and start the job again")
  }
}

extension EvaluationRecord.Test {
  fileprivate init?(_ entry: JSONValue) {
    guard let checkpoint = entry["checkpoint"]?.string, let dataset = entry["dataset"]?.string,
      let set = entry["set"]?.string, let total = Self.count(entry["total"]), let images = Self.count(entry["images"]),
      let correct = Self.count(entry["correct"]), correct <= images, images <= total,
      let perClass = entry["per_class"]?.elements, let skipped = entry["skipped"]?.elements
    else { return nil }
    let classes = perClass.compactMap(EvaluationRecord.ClassCount.init)
    guard classes.count == perClass.count else { return nil }
    self.init(
      checkpoint: checkpoint, dataset: dataset, set: set, total: total, images: images, correct: correct,
      top1: entry["top1"]?.number, topFive: entry["top5"]?.number, macroF1: entry["macro_f1"]?.number,
      calibrationError: entry["calibration_error"]?.number, isFinished: entry["state"]?.string == "finished",
      classes: classes,
      skipped: skipped.compactMap { image in
        image["path"]?.string.map { ($0, image["problem"]?.string ?? "") }
      })
  }

  fileprivate static func count(_ value: JSONValue?) -> Int? {
    value?.integer.flatMap { RunRecord.counts.contains($0) ? $0 : nil }
  }
}

extension EvaluationRecord.ClassCount {
  fileprivate init?(_ entry: JSONValue) {
    guard let name = entry["name"]?.string, let images = EvaluationRecord.Test.count(entry["images"]),
      let correct = EvaluationRecord.Test.count(entry["correct"]), correct <= images
    else { return nil }
    self.init(name: name, images: images, correct: correct)
  }
}

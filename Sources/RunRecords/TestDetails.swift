import Diagnostics
import Files
import Foundation
import StrictJSON

/// What a test found of classes and images.
public struct TestDetails: Equatable, Sendable {
  /// A class of a test set.
  public struct ClassCount: Equatable, Sendable {
    /// The test set.
    public var set: String
    /// Number of the class in its set.
    public var label: Int
    /// Name of the class.
    public var name: String
    /// Images tested, and those of them whose class was predicted.
    public var images, correct: Int
  }

  /// Images of one class that were taken for another, or for their own.
  public struct Confusion: Equatable, Sendable {
    /// The test set.
    public var set: String
    /// Names of the class, and of the one that was predicted.
    public var truth, prediction: String
    /// How many.
    public var images: Int
  }

  /// An image that was taken for another class.
  public struct Mistake: Equatable, Sendable {
    /// The test set.
    public var set: String
    /// The image, from the image root of the data set.
    public var path: String
    /// Labels of its class, and of the one that was predicted.
    public var label, prediction: Int
    /// Probability of the predicted class, by the model.
    public var confidence: Double
  }

  /// In order of test sets and labels.
  public var classes: [ClassCount]
  /// Those that occur.
  public var confusions: [Confusion]
  /// The most confident first; at most `largestCount`.
  public var mistakes: [Mistake]

  /// Mistakes that are kept.
  public static let largestCount = 48
  private static let largest = 1 << 30

  /// Reads the folder of a test; nil where there is none.
  ///
  /// Throws `Failure(.badData)` where a file of it is damaged.
  public init?(contentsOf folder: URL) throws {
    func bytes(_ name: String) throws -> [UInt8] {
      try SmallFile.bytes(
        of: folder.appending(path: name), limit: Self.largest, what: "the file of a test",
        remedy: "move the folder of the test away")
    }
    guard FileManager.default.fileExists(atPath: folder.appending(path: "predictions.jsonl").path) else { return nil }
    classes = try Self.rows(try bytes("classes.csv"), folder.appending(path: "classes.csv").path) { row in
      guard row.count == 9, let label = Int(row[3]), let images = Int(row[5]), let correct = Int(row[6]),
        RunRecord.counts.contains(images), (0...images).contains(correct)
      else {
        return nil
      }
      return ClassCount(set: row[2], label: label, name: row[4], images: images, correct: correct)
    }
    confusions = try Self.rows(try bytes("confusion.csv"), folder.appending(path: "confusion.csv").path) { row in
      guard row.count == 6, let images = Int(row[5]), RunRecord.counts.contains(images) else { return nil }
      return Confusion(set: row[2], truth: row[3], prediction: row[4], images: images)
    }
    mistakes = try Self.mistakes(try bytes("predictions.jsonl"), folder.appending(path: "predictions.jsonl").path)
  }

  /// Name of a class; its label where there is no such class.
  public func className(_ label: Int, in set: String) -> String {
    classes.first { $0.set == set && $0.label == label }?.name ?? "\(label)"
  }

  private static func rows<Row>(_ bytes: [UInt8], _ file: String, _ row: ([String]) -> Row?) throws -> [Row] {
    try CSVText.records(String(decoding: bytes, as: UTF8.self), file: file).dropFirst().map { record in
      guard let row = row(record.fields) else { throw damaged("\(file):\(record.line)") }
      return row
    }
  }

  private static func mistakes(_ bytes: [UInt8], _ file: String) throws -> [Mistake] {
    var mistakes: [Mistake] = []
    for (index, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
      guard let record = try? JSONValue(parsing: Array(line)), let set = record["set"]?.string,
        let path = record["path"]?.string, let label = record["label"]?.integer
      else { throw damaged("\(file):\(index + 1)") }
      // An image that was skipped has no prediction.
      guard let prediction = record["prediction"]?.integer, prediction != label else { continue }
      mistakes.append(
        Mistake(
          set: set, path: path, label: label, prediction: prediction, confidence: record["confidence"]?.number ?? 0))
    }
    return Array(mistakes.sorted { ($1.confidence, $0.path) < ($0.confidence, $1.path) }.prefix(largestCount))
  }

  private static func damaged(_ place: String) -> Failure {
    Failure(.badData, at: place, "is no line that skiptune wrote", remedy: "move the folder of the test away")
  }
}

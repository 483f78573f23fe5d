import Diagnostics
import StrictJSON

/// A step of training, as metrics.jsonl has it.
public struct StepRecord: Equatable, Sendable {
  /// Number of the step, from 0.
  public var step: Int
  /// Mean loss of the batch; NaN where it was not finite.
  public var loss: Double
  /// Learning rates.
  public var textRate, imageRate: Double
  /// What the step took.
  public var seconds: Double
}

/// metrics.jsonl in parts.
struct MetricLines {
  var steps: [StepRecord] = []
  var scores: [RunRecord.TestName: [String: RunRecord.Score]] = [:]

  /// Reads all lines; a last one that was cut off is left out, as a run that was killed, or still writes, may leave one.
  ///
  /// Throws `Failure(.badData)` for other lines that are no JSON.
  init(_ bytes: [UInt8], file: String) throws {
    let isWhole = bytes.last == UInt8(ascii: "\n")
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    for (index, line) in lines.enumerated() {
      guard let record = try? JSONValue(parsing: Array(line)) else {
        if index == lines.count - 1, !isWhole { return }
        throw Failure(.badData, at: "\(file):\(index + 1)", "is no JSON", remedy: "restore the file")
      }
      add(record)
    }
  }

  private mutating func add(_ record: JSONValue) {
    // Tests of checkpoints name a step, too.
    if record["test"] == nil, let step = record["step"]?.integer, RunRecord.counts.contains(step) {
      steps.append(
        StepRecord(
          step: step, loss: record["loss"]?.number ?? .nan, textRate: record["text_lr"]?.number ?? .nan,
          imageRate: record["image_lr"]?.number ?? .nan, seconds: record["seconds"]?.number ?? .nan))
    } else if let test = record["test"]?.string.flatMap(RunRecord.TestName.init), let set = record["classes"]?.string,
      let images = record["images"]?.integer, let correct = record["correct"]?.integer,
      RunRecord.counts.contains(images), (0...images).contains(correct)
    {
      scores[test, default: [:]][set] = RunRecord.Score(
        images: images, correct: correct, macroF1: record["macro_f1"]?.number, step: (steps.last?.step ?? -1) + 1)
    }
  }
}

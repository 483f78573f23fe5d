import Files
import Foundation
import StrictJSON

/// How far a trial has come, from the lines of metrics.jsonl, which may be growing.
struct TrialProgress: Equatable {
  /// Steps done.
  var step = 0
  /// Whole epochs done.
  var epoch = 0
  /// Seconds of the steps.
  var seconds = 0.0
  /// Steps of an epoch; nil while the first one is not over.
  var stepsPerEpoch: Int?
  /// Of the last step; nil where it is not finite.
  var loss: Double?
  /// The last evaluation's, in percent.
  var accuracy: Double?
  /// The same, of base and new classes.
  var harmonicMean: Double?

  private static let largest = 1 << 30
  /// Counts that may be true.
  private static let counts = 0..<1 << 40

  /// Reads what a run directory tells; nil where there is nothing yet.
  init?(run folder: URL) {
    let file = folder.appending(path: "metrics.jsonl")
    guard let bytes = try? SmallFile.bytes(of: file, limit: Self.largest), !bytes.isEmpty else { return nil }
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      // The last line may be half there.
      guard let record = try? JSONValue(parsing: Array(line)) else { continue }
      add(record)
    }
  }

  private mutating func add(_ record: JSONValue) {
    if record["test"] != nil {
      if let accuracy = record["accuracy"]?.number { self.accuracy = accuracy }
      if let mean = record["harmonic_mean"]?.number { harmonicMean = mean }
    } else if let step = record["step"]?.integer, let epoch = record["epoch"]?.integer,
      Self.counts.contains(step), Self.counts.contains(epoch)
    {
      if epoch > self.epoch, epoch > 0 { stepsPerEpoch = max(1, step / epoch) }
      (self.step, self.epoch) = (step + 1, epoch)
      seconds += record["seconds"]?.number ?? 0
      loss = record["loss"]?.number
    }
  }

  /// Seconds that are left of so many epochs at the pace so far; nil where that is not known.
  func secondsLeft(of epochs: Int?) -> Double? {
    guard let epochs, let stepsPerEpoch, step > 0 else { return nil }
    return seconds / Double(step) * max(0, Double(epochs) * Double(stepsPerEpoch) - Double(step))
  }
}

import Foundation
import Reporting

/// How fast training goes, for the line that shows its progress.
struct TrainingPace {
  /// Steps that the rates are means of.
  private static let remembered = 32

  private var recent: [(seconds: Double, sentBytes: Int)] = []
  private var stepsTaken = 0
  /// Of all steps.
  private(set) var sentBytes = 0
  private let start = ContinuousClock.now

  /// Time since training began in this process.
  var elapsed: Duration { start.duration(to: .now) }

  /// Counts a step.
  mutating func add(seconds: Double, sentBytes: Int) {
    if recent.count == Self.remembered { recent.removeFirst() }
    recent.append((seconds, sentBytes))
    stepsTaken += 1
    self.sentBytes += sentBytes
  }

  /// Of the last steps, of `globalBatch` images each; nil before the first.
  func imagesPerSecond(globalBatch: Int) -> Double? {
    let seconds = recent.reduce(0) { $0 + $1.seconds }
    return seconds > 0 ? Double(globalBatch * recent.count) / seconds : nil
  }

  /// By the mean of all steps so far with the features that they needed, which `elapsed` holds too; nil before the first.
  func timeLeft(stepsLeft: Int, elapsed: Duration) -> Duration? {
    stepsTaken > 0 ? elapsed / stepsTaken * max(0, stepsLeft) : nil
  }

  /// Such as `loss 0.1234, 812 images/s, 1.2 MB/s sent, all done in 3 min 20 s`, of steps of `globalBatch` images.
  func words(loss: Double?, globalBatch: Int, stepsLeft: Int, elapsed: Duration) -> String {
    let seconds = recent.reduce(0) { $0 + $1.seconds }
    let bytes = recent.reduce(0) { $0 + $1.sentBytes }
    var words = loss.map { ["loss \(Readable.fixed($0, 4))"] } ?? []
    if let rate = imagesPerSecond(globalBatch: globalBatch) {
      words.append(Readable.rate(rate, "image"))
      if bytes > 0 { words.append("\(Readable.bytes(Int(Double(bytes) / seconds)))/s sent") }
    }
    if stepsLeft > 0, let left = timeLeft(stepsLeft: stepsLeft, elapsed: elapsed) {
      words.append("all done in \(Readable.duration(left))")
    }
    return words.joined(separator: ", ")
  }
}

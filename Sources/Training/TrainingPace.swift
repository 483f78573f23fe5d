import Foundation
import Reporting

/// How fast training goes, for the line that shows its progress.
struct TrainingPace {
  /// Steps that the rates are means of.
  private static let remembered = 32

  private var recent: [(seconds: Double, sentBytes: Int)] = []
  private var stepsTaken = 0
  private let start = ContinuousClock.now

  /// Time since training began in this process.
  var elapsed: Duration { start.duration(to: .now) }

  /// Counts a step.
  mutating func add(seconds: Double, sentBytes: Int) {
    if recent.count == Self.remembered { recent.removeFirst() }
    recent.append((seconds, sentBytes))
    stepsTaken += 1
  }

  /// Such as `loss 0.1234, 812 images/s, 1.2 MB/s sent, all done in 3 min 20 s`, of steps of `globalBatch` images.
  ///
  /// What is left is told by the mean of all steps so far with the features that they needed, which `elapsed` holds too.
  func words(loss: Double?, globalBatch: Int, stepsLeft: Int, elapsed: Duration) -> String {
    let seconds = recent.reduce(0) { $0 + $1.seconds }
    let bytes = recent.reduce(0) { $0 + $1.sentBytes }
    var words = loss.map { ["loss \(Readable.fixed($0, 4))"] } ?? []
    if seconds > 0 {
      words.append(Readable.rate(Double(globalBatch * recent.count) / seconds, "image"))
      if bytes > 0 { words.append("\(Readable.bytes(Int(Double(bytes) / seconds)))/s sent") }
    }
    if stepsTaken > 0, stepsLeft > 0 {
      words.append("all done in \(Readable.duration(elapsed / stepsTaken * stepsLeft))")
    }
    return words.joined(separator: ", ")
  }
}

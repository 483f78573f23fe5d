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

  /// What else there is to say of a run that trains.
  struct Standing {
    var loss: Double?
    /// Of the last test, percent.
    var accuracy: Double?
    var balance: RankBalance?
    /// Images of a step of all ranks.
    var globalBatch: Int
    /// To the end of the run.
    var stepsLeft: Int
  }

  /// Such as `loss 0.1234, accuracy 93.20%, 3 min 20 s left, 812 images/s, balance 97%, 1.2 MB/s sent`: what matters most first.
  ///
  /// The brief form is for terminals of 80 columns.
  func words(_ standing: Standing, elapsed: Duration, isBrief: Bool = false) -> String {
    var words = standing.loss.map { ["loss \(Readable.fixed($0, 4))"] } ?? []
    if let accuracy = standing.accuracy {
      words.append(isBrief ? "acc \(Readable.fixed(accuracy, 1))%" : "accuracy \(Readable.fixed(accuracy, 2))%")
    }
    if standing.stepsLeft > 0, let left = timeLeft(stepsLeft: standing.stepsLeft, elapsed: elapsed) {
      words.append("\(Readable.duration(left)) left")
    }
    if let rate = imagesPerSecond(globalBatch: standing.globalBatch) {
      words.append(Readable.rate(rate, isBrief ? "img" : "image").replacing("imgs", with: "img"))
    }
    if let balance = standing.balance, balance.evenness != nil { words.append(balance.words(isBrief: isBrief)) }
    let seconds = recent.reduce(0) { $0 + $1.seconds }
    let bytes = recent.reduce(0) { $0 + $1.sentBytes }
    if bytes > 0, seconds > 0 {
      words.append("\(Readable.bytes(Int(Double(bytes) / seconds)))/s\(isBrief ? "" : " sent")")
    }
    return words.joined(separator: ", ")
  }
}

/// What came of a run's checkpoints, from one start to its end.
struct CheckpointCounts: Codable, Equatable, Sendable {
  /// Completed.
  var saved = 0
  /// Left out, as another one was being written.
  var skipped = 0
  /// That could not be written.
  var failed = 0
  /// Of those, why the last one.
  var lastFailure: String?
  /// Seconds between steps for which this rank did not train.
  var pausedSeconds = 0.0
  /// Seconds that it waited for the last one.
  var finalWaitSeconds = 0.0

  /// In words; nil where there was nothing.
  var summary: String? {
    guard saved + skipped + failed > 0 else { return nil }
    var parts = ["\(saved) saved"]
    if skipped > 0 { parts.append("\(skipped) left out") }
    if failed > 0 { parts.append("\(failed) FAILED") }
    return "checkpoints: " + parts.joined(separator: ", ") + (lastFailure.map { ", the last one so: \($0)" } ?? "")
  }
}

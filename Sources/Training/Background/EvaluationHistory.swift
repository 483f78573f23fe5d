import Files
import Foundation

/// What is known of a run's checkpoints from their evaluations, on rank 0: read back when the run goes on, added to as results
/// come in.
final class EvaluationHistory {
  static let name = "evaluations.jsonl"
  /// Largest file that is read back; an evaluation takes some hundred bytes per test set.
  private static let largest = 1 << 30

  /// A checkpoint that was left out, as a newer one came before its turn.
  private struct Omission: Codable {
    var step: Int
    var omitted: Bool
  }

  private let file: LineFile
  private let checkpoint: CheckpointSettings
  private let patience: Int?
  /// Ascending steps.
  private(set) var evaluations: [CheckpointEvaluation] = []
  private var omitted: Set<Int> = []

  /// Takes up what `url` says of steps up to `step`; of later ones the run has gone back behind.
  ///
  /// Lines that were cut off count for nothing. Throws `Failure` for a file that cannot be read or written.
  init(_ url: URL, upTo step: Int, _ checkpoint: CheckpointSettings, patience: Int?) throws {
    (self.checkpoint, self.patience) = (checkpoint, patience)
    var (known, omissions, kept): ([CheckpointEvaluation], [Int], [UInt8]) = ([], [], [])
    for line in try Self.lines(of: url) {
      if let evaluation = try? CheckpointEvaluation(encoded: Data(line)), evaluation.step <= step {
        known.append(evaluation)
      } else if let omission = try? JSONDecoder().decode(Omission.self, from: Data(line)), omission.step <= step {
        omissions.append(omission.step)
      } else {
        continue
      }
      kept += line + [UInt8(ascii: "\n")]
    }
    try AtomicFile.write(kept, to: url)
    file = try LineFile(appendingTo: url)
    omitted = Set(omissions)
    known.forEach(insert)
  }

  private static func lines(of url: URL) throws -> [ArraySlice<UInt8>] {
    guard FileManager.default.fileExists(atPath: url.path) else { return [] }
    return try SmallFile.bytes(of: url, limit: largest, what: "the evaluations of the run")
      .split(separator: UInt8(ascii: "\n"))
  }

  /// Whether there is nothing more to be found out about a step's checkpoint.
  func isSettled(_ step: Int) -> Bool { omitted.contains(step) || evaluations.contains { $0.step == step } }

  /// Notes what was found, on the disk first; false where it is known already.
  func add(_ evaluation: CheckpointEvaluation) throws -> Bool {
    guard !evaluations.contains(where: { $0.step == evaluation.step }) else { return false }
    try file.append(String(decoding: try evaluation.encoded(), as: UTF8.self))
    try file.synchronize()
    insert(evaluation)
    return true
  }

  /// Notes that a checkpoint is not evaluated.
  func omit(_ step: Int) throws {
    let line = try JSONEncoder().encode(Omission(step: step, omitted: true))
    try file.append(String(decoding: line, as: UTF8.self))
    omitted.insert(step)
  }

  private func insert(_ evaluation: CheckpointEvaluation) {
    guard !evaluations.contains(where: { $0.step == evaluation.step }) else { return }
    let place = evaluations.firstIndex { $0.step > evaluation.step } ?? evaluations.endIndex
    evaluations.insert(evaluation, at: place)
  }

  // MARK: What follows

  /// The best checkpoint by `checkpoint.keep_best`; nil where that is no number of evaluations.
  ///
  /// Of several equal ones, the newest.
  var best: BestCheckpoint? {
    guard let metric = checkpoint.metric, metric.isOfTest else { return nil }
    var best: BestCheckpoint?
    for evaluation in evaluations {
      guard let value = evaluation.value(metric) else { continue }
      if let best, isBetter(best.value, than: value) { continue }
      best = BestCheckpoint(
        metric: metric.rawValue, value: value, step: evaluation.step, checkpoint: evaluation.checkpoint)
    }
    return best
  }

  /// Whether as many evaluations as `limits.patience` allows have come after the last that was better than all before it.
  var isOutOfPatience: Bool {
    guard let patience, let metric = checkpoint.metric else { return false }
    var record: Double?
    var since = 0
    for value in evaluations.compactMap({ $0.value(metric) }) {
      if record.map({ isBetter(value, than: $0) }) ?? true { (record, since) = (value, 0) } else { since += 1 }
    }
    return since >= patience
  }

  private func isBetter(_ value: Double, than other: Double) -> Bool {
    checkpoint.isHigherBetter ? value > other : value < other
  }
}

/// The checkpoint of a run with the best number.
struct BestCheckpoint: Codable, Sendable, Equatable {
  /// As `checkpoint.keep_best` names it.
  var metric: String
  var value: Double
  var step: Int
  /// Name of its folder.
  var checkpoint: String
}

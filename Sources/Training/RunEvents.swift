import EventFiles
import Foundation
import Reporting

/// What TensorBoard shows of a run: the records of metrics.jsonl as curves, features of each epoch, and the configuration.
///
/// A loss stands at the number of its step, as in metrics.jsonl; a test at the number of steps that were done before it.
struct RunEvents {
  private let file: EventFile
  private let globalBatch: Int
  private var stepsDone: Int
  /// Of checkpoints that are tested beside training: these come late and are all told again by a run that goes on, so they are
  /// a run of their own for TensorBoard.
  private var evaluations: EventFile?
  private let evaluationFolder: URL

  /// Begins a file in a run directory, for the steps from `step` on; `configuration` is YAML.
  ///
  /// Throws `Failure` where it cannot be written.
  init(in folder: URL, from step: Int, globalBatch: Int, configuration: String) throws {
    file = try EventFile(in: folder, from: step)
    self.globalBatch = globalBatch
    stepsDone = step
    evaluationFolder = folder.appending(path: "evaluations")
    let lines = configuration.split(separator: "\n").map { "    \($0)" }
    try file.append(.text(tag: "config", markdown: lines.joined(separator: "\n")), step: step)
  }

  /// Tells what a record of metrics.jsonl holds.
  ///
  /// Throws `Failure(.inputOutput)`.
  mutating func add(_ record: MetricRecord) throws {
    if record["test"] == "checkpoint" {
      try addEvaluation(record)
    } else if case .integer(let step)? = record["step"] {
      stepsDone = step + 1
      try file.append(.scalars(scalars(ofStep: record)), step: step)
    } else if case .text(let set)? = record["classes"] {
      try file.append(.scalars(scalars(ofTest: record, set)), step: stepsDone)
    }
  }

  /// Tells how long the features of an epoch took, at the first step that uses them.
  func addFeatures(seconds: Double) throws {
    try file.append(.scalars([Event.Scalar("seconds/features_of_epoch", seconds)]), step: stepsDone)
  }

  /// Waits until everything is on the disk.
  func synchronize() throws {
    try file.synchronize()
    try evaluations?.synchronize()
  }

  private mutating func addEvaluation(_ record: MetricRecord) throws {
    guard case .integer(let step)? = record["step"], case .text(let dataset)? = record["data_set"] else { return }
    if evaluations == nil {
      try FileManager.default.createDirectory(at: evaluationFolder, withIntermediateDirectories: true)
      evaluations = try EventFile(in: evaluationFolder, from: 0)
    }
    var scalars: [Event.Scalar] = []
    if case .text(let set)? = record["classes"] { scalars = self.scalars(ofTest: record, "\(dataset)/\(set)") }
    if let mean = record["harmonic_mean"]?.number { scalars.append(Event.Scalar("accuracy/\(dataset)/H", mean)) }
    try evaluations?.append(.scalars(scalars), step: step)
  }

  private func scalars(ofStep record: MetricRecord) -> [Event.Scalar] {
    var scalars = [
      ("loss", "loss"), ("learning_rate/text", "text_lr"), ("learning_rate/image", "image_lr"),
      ("seconds/step", "seconds"), ("traffic/sent_bytes", "sent_bytes"),
    ].compactMap { tag, field in record[field]?.number.map { Event.Scalar(tag, $0) } }
    if let seconds = record["seconds"]?.number, seconds > 0 {
      scalars.append(Event.Scalar("speed/images_per_second", Double(globalBatch) / seconds))
    }
    if case .object(let times)? = record["exchange_seconds"] {
      scalars += times.fields.compactMap { field in
        field.value.number.map { Event.Scalar("exchange_seconds/\(field.name)", $0) }
      }
    }
    return scalars
  }

  private func scalars(ofTest record: MetricRecord, _ set: String) -> [Event.Scalar] {
    [("accuracy", "accuracy"), ("macro_f1", "macro_f1"), ("seconds/test", "seconds")]
      .compactMap { tag, field in record[field]?.number.map { Event.Scalar("\(tag)/\(set)", $0) } }
  }
}

extension MetricValue {
  fileprivate var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .float(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
}

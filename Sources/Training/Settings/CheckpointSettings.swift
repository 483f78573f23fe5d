import Checkpoints
import Configuration
import ShardFiles

/// When state is saved, and how much of it is kept.
struct CheckpointSettings: Sendable {
  /// What happens to a checkpoint that is due while another one is being written.
  enum WhenBusy: String, Sendable, CaseIterable {
    case wait, skip
  }

  /// What follows when a checkpoint cannot be written.
  enum OnError: String, Sendable, CaseIterable {
    case stop
    case goOn = "continue"
  }

  /// Numbers of a checkpoint that the best one can be chosen by.
  enum Metric: String, Sendable, CaseIterable {
    case loss
    case epochLoss = "epoch_loss"
    case accuracy
    case harmonicMean = "harmonic_mean"
    case macroF1 = "macro_f1"

    /// Whether it is known once the checkpoint was evaluated, and not when it is saved.
    var isOfTest: Bool { self != .loss && self != .epochLoss }
  }

  /// Which value of a metric is best.
  enum Direction: String, Sendable, CaseIterable {
    case lowest, highest
  }

  var everySteps: Int?
  var everyEpochs: Int
  /// What is kept by what is known when a checkpoint is saved.
  var retention: CheckpointRetention
  /// What the best checkpoint is chosen by; nil for nothing.
  var metric: Metric?
  var isHigherBetter: Bool
  var options: ShardOptions
  var whenBusy: WhenBusy
  var onError: OnError

  init(_ reader: SettingsReader) throws {
    everySteps = try reader.optionalInteger("every_steps", in: 1..., "steps from one checkpoint to the next")
    everyEpochs = try reader.integer(
      "every_epochs", default: 1, in: 0..., "epochs from one checkpoint to the next; 0 for none at the end of epochs")
    (retention, metric, isHigherBetter) = try Self.retention(reader)
    options = ShardOptions(
      level: try reader.integer(
        "level", default: 1, in: ShardOptions.levels, "level of zstd; higher ones are slower and hardly smaller"),
      threads: try reader.integer(
        "threads", default: 1, in: 1...64,
        "threads of each rank that compress; of low priority, each with 17 MB of memory"))
    whenBusy = try reader.choice(
      "when_busy", default: .wait,
      "whether a checkpoint that is due while one is being written waits for it or is left out")
    onError = try reader.choice(
      "on_error", default: .stop,
      "whether a run whose checkpoint cannot be written stops, or goes on and tries again when the next is due")
  }

  private static func retention(_ reader: SettingsReader) throws -> (CheckpointRetention, Metric?, Bool) {
    let last = try reader.integer("keep_last", default: 2, in: 1..., "checkpoints that are kept, the newest ones")
    let metric = try reader.optionalChoice(
      "keep_best", of: Metric.self,
      "number of a checkpoint by which the best one is kept too, and named by checkpoints/best: the last step's loss, the mean "
        + "of its epoch so far, or of its evaluation accuracy or macro-F1 on the trained classes, or H")
    let direction = try reader.optionalChoice(
      "best_is", of: Direction.self,
      "which value of keep_best is the best; without it, the lowest loss or the highest of the others")
    let isHigherBetter = direction.map { $0 == .highest } ?? metric?.isOfTest ?? false
    let retention = CheckpointRetention(
      last: last,
      everySteps: try reader.optionalInteger(
        "keep_every_steps", in: 1..., "checkpoints whose step is a multiple of this are kept too"),
      everyHours: try reader.optionalNumber(
        "keep_every_hours", in: .above(0), "one checkpoint per so many hours is kept too"),
      best: metric.flatMap {
        $0.isOfTest ? nil : CheckpointRetention.Best(metric: $0.rawValue, isHigherBetter: isHigherBetter)
      })
    return (retention, metric, isHigherBetter)
  }

  /// Whether any checkpoint is asked for; a run that is stopped saves its state all the same.
  var isEnabled: Bool { everySteps != nil || everyEpochs > 0 }

  /// Whether a checkpoint is due after a step that left training at `position`.
  func isDue(at position: TrainingPosition) -> Bool {
    if let everySteps, position.step.isMultiple(of: everySteps) { return true }
    return position.batch == 0 && everyEpochs > 0 && position.epoch.isMultiple(of: everyEpochs)
  }
}

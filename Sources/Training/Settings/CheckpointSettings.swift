import Configuration

/// When state is saved, and how much of it is kept.
struct CheckpointSettings: Sendable {
  var everySteps: Int?
  var everyEpochs: Int
  var keepLast: Int
  var level: Int

  init(_ reader: SettingsReader) throws {
    everySteps = try reader.optionalInteger("every_steps", in: 1..., "steps from one checkpoint to the next")
    everyEpochs = try reader.integer(
      "every_epochs", default: 1, in: 0..., "epochs from one checkpoint to the next; 0 for none at the end of epochs")
    keepLast = try reader.integer("keep_last", default: 2, in: 1..., "checkpoints that are kept, the newest ones")
    level = try reader.integer(
      "level", default: 1, in: 1...19, "level of zstd; higher ones are slower and hardly smaller")
  }

  /// Whether any checkpoint is asked for; a run that is stopped saves its state all the same.
  var isEnabled: Bool { everySteps != nil || everyEpochs > 0 }

  /// Whether a checkpoint is due after a step that left training at `position`.
  func isDue(at position: TrainingPosition) -> Bool {
    if let everySteps, position.step.isMultiple(of: everySteps) { return true }
    return position.batch == 0 && everyEpochs > 0 && position.epoch.isMultiple(of: everyEpochs)
  }
}

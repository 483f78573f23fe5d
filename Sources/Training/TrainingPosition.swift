/// How far training has come.
struct TrainingPosition: Equatable, Sendable {
  /// Epochs done.
  var epoch = 0
  /// Batches done of the epoch that follows.
  var batch = 0
  /// Steps done in all.
  var step = 0

  /// Epochs done, and the one that was left in the middle.
  var epochsBegun: Int { batch == 0 ? epoch : epoch + 1 }
}

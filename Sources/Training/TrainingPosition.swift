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

/// Which state a run starts from.
public enum Resume: Equatable, Sendable {
  /// The untuned model; what an unfinished run left is moved aside.
  case never
  /// The newest checkpoint that is whole, or the untuned model where there is none.
  case auto
  /// The checkpoint that `latest` names, which must be whole.
  case latest
  /// The checkpoint in this folder.
  case checkpoint(path: String)

  /// The words of `--resume`: `never`, `auto`, `latest` or a path.
  public init(_ text: String) {
    self =
      switch text {
      case "never": .never
      case "auto": .auto
      case "latest": .latest
      default: .checkpoint(path: text)
      }
  }
}

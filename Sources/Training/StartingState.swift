import Foundation

/// Which checkpoint a run goes on from.
public enum Resume: Equatable, Sendable {
  /// None; what an unfinished run left is moved aside.
  case never
  /// The newest of the run directory that is whole; where there never was one, as `never`.
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

/// What a run starts from: a checkpoint of itself, or a model.
public struct StartingState: Equatable, Sendable {
  /// The checkpoint to go on from.
  public var resume: Resume
  /// Folder of a checkpoint, of any run, whose trained parameters a run begins with that goes on from none.
  public var initialCheckpoint: String?
  /// Whether to go on although settings or data differ from those of the checkpoint.
  public var acceptsDifferences: Bool

  /// A run goes on where it stopped, and otherwise begins with the untuned model.
  public init(_ resume: Resume = .auto, initialCheckpoint: String? = nil, acceptsDifferences: Bool = false) {
    self.resume = resume
    self.initialCheckpoint = initialCheckpoint
    self.acceptsDifferences = acceptsDifferences
  }
}

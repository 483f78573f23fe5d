/// What can be wrong with a data set that was read.
public enum FindingKind: String, Sendable, CaseIterable {
  /// An image of the lists has no file.
  case missing
  /// An image cannot be decoded.
  case unreadable
  /// A class has no images in a list that is not empty.
  case absentClass = "absent-class"
  /// Classes have names that make the same prompt.
  case className = "class-name"
  /// Images of the same pixels have different labels.
  case labelConflict = "label-conflict"
  /// The same pixels are among the images for testing and among those for training or validation.
  case trainTest = "train-test"
  /// The same pixels are more than once in one list.
  case repeated
}

/// One thing that is wrong with a data set.
public struct Finding: Sendable, Equatable {
  /// Which rule is broken.
  public let kind: FindingKind
  /// Which images or classes break it, in one line.
  public let words: String
}

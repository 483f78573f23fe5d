/// How labelled images that come without lists are divided into training, validation and test images.
///
/// Class by class in order of label, one random stream for all: the images are shuffled as CPython's `random.shuffle` does
/// after `random.seed(seed)`; the first `round(n * train)` are for training, the next `round(n * validation)` for
/// validation, the rest for testing, with Python's rounding of halves to even.
public struct SeededDivision: Sendable, Equatable {
  /// Draws the division.
  public var seed: Int
  /// Share of each class's images for training, between 0 and 1.
  public var train: Double
  /// Share for validation; the rest is for testing.
  public var validation: Double

  /// Half of the images for training, a fifth for validation, the rest for testing, as published splits have it.
  public init(seed: Int = 1, train: Double = 0.5, validation: Double = 0.2) {
    self.seed = seed
    self.train = train
    self.validation = validation
  }

  /// The three lists; each class gets at least one training and one test image.
  ///
  /// `items` are in the order that a class's images are shuffled from. Returns nil for the lists and the label where a
  /// class has too few images for that.
  func divide(_ items: [DatasetItem]) -> (lists: [SplitList: [DatasetItem]], tooSmall: Int?) {
    var random = PythonRandom(seed: seed)
    var lists: [SplitList: [DatasetItem]] = [:]
    for (label, ofLabel) in Dictionary(grouping: items, by: \.label).sorted(by: { $0.key < $1.key }) {
      var images = ofLabel
      random.shuffle(&images)
      let training = Int((Double(images.count) * train).rounded(.toNearestOrEven))
      let validating = Int((Double(images.count) * validation).rounded(.toNearestOrEven))
      guard training >= 1, training + validating < images.count else { return ([:], label) }
      lists[.train, default: []] += images[..<training]
      lists[.validation, default: []] += images[training..<training + validating]
      lists[.test, default: []] += images[(training + validating)...]
    }
    return (lists, nil)
  }
}

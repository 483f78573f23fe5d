import Diagnostics

/// The few-shot subsets of CoOp-style papers, item for item.
///
/// Published numbers were trained on `random.sample` of CPython, seeded just before; the same draws give the same images.
public enum FewShot {
  /// Published runs validate on at most this many images a class.
  public static let validationLimit = 4

  /// `shots` training images and `min(shots, 4)` validation images of each class.
  ///
  /// Classes come in order of first appearance; a class with fewer images than asked for gives all of them and uses no
  /// random numbers. One random stream runs through the training list and on through the validation list.
  /// Traps unless `shots >= 1`.
  public static func subset(
    train: [DatasetItem], validation: [DatasetItem], shots: Int, seed: Int
  ) -> (train: [DatasetItem], validation: [DatasetItem]) {
    precondition(shots >= 1, "\(shots) shots")
    var random = PythonRandom(seed: seed)
    let train = draw(shots, from: train, with: &random)
    return (train, draw(min(shots, validationLimit), from: validation, with: &random))
  }

  private static func draw(
    _ shots: Int, from items: [DatasetItem], with random: inout PythonRandom
  ) -> [DatasetItem] {
    var order: [Int] = []
    var itemsOfLabel: [Int: [DatasetItem]] = [:]
    for item in items {
      if itemsOfLabel[item.label] == nil { order.append(item.label) }
      itemsOfLabel[item.label, default: []].append(item)
    }
    return order.flatMap { label in
      let ofLabel = itemsOfLabel[label, default: []]
      return ofLabel.count < shots ? ofLabel : random.sample(ofLabel, shots)
    }
  }
}

extension Dataset {
  /// The data set with the few-shot training and validation lists; the test list stays whole.
  ///
  /// See ``FewShot/subset(train:validation:shots:seed:)``. Throws `Failure(.usage)` unless `shots >= 1`.
  public func fewShot(shots: Int, seed: Int) throws -> Dataset {
    guard shots >= 1 else {
      throw Failure(
        .usage, "\(shots) shots: a class needs at least 1 image", remedy: "choose 1 or more, or train on all images")
    }
    var result = self
    (result.train, result.validation) = FewShot.subset(
      train: train, validation: validation, shots: shots, seed: seed)
    return result
  }
}

import CLIPModel
import Kernels
import Tensors

/// What tells classes apart: the class with the highest score is the prediction.
public protocol ClassScoring: Sendable {
  /// Classes that are told apart.
  var classCount: Int { get }

  /// Scores `[images, classes]` of normalised pixels `[images, 3, size, size]`, cut from the arena: logits, whose softmax
  /// is the confidence that calibration is measured by.
  func scores(_ pixels: Tensor, arena: Arena, by product: some MatrixProduct) -> Tensor
}

/// The class whose text is nearest to the image.
public struct NearestText: ClassScoring {
  private let model: CLIP
  private let classFeatures: Tensor

  /// `classFeatures [classes, embedding]` are unit rows, in the order of the labels.
  public init(_ model: CLIP, classFeatures: Tensor) {
    self.model = model
    self.classFeatures = classFeatures
  }

  /// Classes that are told apart.
  public var classCount: Int { classFeatures.rowCount }

  /// `exp(logit_scale) cos(image, class)`.
  public func scores(_ pixels: Tensor, arena: Arena, by product: some MatrixProduct) -> Tensor {
    let features = model.imageFeatures(pixels, arena: arena, by: product)
    Normalization.forward(features, into: features, norm: arena.tensor([features.rowCount]))
    let scores = arena.tensor([features.rowCount, classCount])
    product.multiply(MatrixView(features), MatrixView(classFeatures).transposed, into: MatrixView(scores))
    let scale = model.logitScale
    for index in 0..<scores.count { scores.pointer[index] *= scale }
    return scores
  }
}

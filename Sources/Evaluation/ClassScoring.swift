import CLIPModel
import Kernels
import SkipTuning
import Tensors

/// What tells classes apart: the class with the highest score is the prediction.
public protocol ClassScoring: Sendable {
  /// Classes that are told apart.
  var classCount: Int { get }

  /// How far images go through the image encoder before anything that training may change.
  var inputStage: ImageStage { get }

  /// Scores `[images, classes]` of normalised pixels `[images, 3, size, size]`, cut from the arena: logits, whose softmax
  /// is the confidence that calibration is measured by.
  func scores(_ pixels: Tensor, arena: Arena, by product: some MatrixProduct) -> Tensor

  /// The same, to the bit, of images that were taken to the input stage; overwrites `x`.
  func scores(of x: Tensor, images: Int, arena: Arena, by product: some MatrixProduct) -> Tensor
}

/// The class whose text is nearest to the image.
public struct NearestText: ClassScoring {
  private let model: CLIP
  private let classFeatures: Tensor
  /// As asked for.
  public let inputStage: ImageStage

  /// `classFeatures [classes, embedding]` are unit rows, in the order of the labels.
  public init(_ model: CLIP, classFeatures: Tensor, from inputStage: ImageStage = .pixels) {
    self.model = model
    self.classFeatures = classFeatures
    // Class tokens after the last norm are no place to go on from: the projection follows at once.
    self.inputStage = inputStage == .pooled ? .projected : inputStage
  }

  /// Classes that are told apart.
  public var classCount: Int { classFeatures.rowCount }

  /// `exp(logit_scale) cos(image, class)`.
  public func scores(_ pixels: Tensor, arena: Arena, by product: some MatrixProduct) -> Tensor {
    scores(model.imageFeatures(pixels, arena: arena, by: product), arena, by: product)
  }

  /// The same.
  public func scores(of x: Tensor, images: Int, arena: Arena, by product: some MatrixProduct) -> Tensor {
    scores(
      model.imageFeatures(of: x, images: images, at: inputStage, arena: arena, by: product), arena, by: product)
  }

  private func scores(_ features: Tensor, _ arena: Arena, by product: some MatrixProduct) -> Tensor {
    Normalization.forward(features, into: features, norm: arena.tensor([features.rowCount]))
    let scores = arena.tensor([features.rowCount, classCount])
    product.multiply(MatrixView(features), MatrixView(classFeatures).transposed, into: MatrixView(scores))
    let scale = model.logitScale
    for index in 0..<scores.count { scores.pointer[index] *= scale }
    return scores
  }
}

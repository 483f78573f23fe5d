import CLIPModel
import Kernels
import Tensors

/// Loss and gradients of one batch.
///
/// Legend: b images of this rank, C classes of the task, k kept classes, e embedding.
public final class SkipTuningStep<Product: MatrixProduct> {
  /// What came of a batch.
  public struct Outcome: Sendable {
    /// Cross-entropy of each local image, over the kept classes.
    public let losses: [Double]
    /// The classes that were trained against, ascending.
    public let keptClasses: [Int]
  }

  /// Gradients of the last batch, of this rank's share of it.
  public let gradients: ParameterStore

  private let model: CLIP
  private let trained: TrainedParameters
  private let classSkip: ClassSkip
  private let textPrefix: PrefixFeatures
  private let prototypes: Tensor  // [C, e], unit rows of the untuned model
  private let product: Product
  private let arena = Arena()
  private let gradientTowers: [Encoder: TowerParameters]

  /// Prepares steps on a model that is still untuned: class prototypes are taken from it here.
  ///
  /// `textPrefix` holds one prompt per class, at the start layer.
  public init(
    _ model: CLIP, _ trained: TrainedParameters, _ classSkip: ClassSkip, textPrefix: PrefixFeatures, by product: Product
  ) {
    precondition(textPrefix.layout.count == classSkip.classCount)
    self.model = model
    self.trained = trained
    self.classSkip = classSkip
    self.textPrefix = textPrefix
    self.product = product
    let gradients = trained.makeStore(model.parameters.layout)
    self.gradients = gradients
    gradientTowers = Dictionary(
      uniqueKeysWithValues: Encoder.allCases.map {
        ($0, TowerParameters(gradients, $0, depth: model.tower($0).depth, from: trained.startLayer))
      })
    prototypes = model.unitTextFeatures(of: textPrefix, from: trained.startLayer, by: product)
  }

  /// Computes this rank's part of the gradient of the mean loss over `globalBatch` images.
  ///
  /// - Parameters:
  ///   - images: Features of the local images at the start layer; overwritten.
  ///   - labels: Their classes, `[b]`.
  ///   - globalBatch: Images of all ranks together.
  ///   - step: Number of the step, for masks that are redrawn.
  ///   - maximumOverBatch: Replaces each of C scores by its maximum over the images of all ranks. Collective where it
  ///     communicates.
  public func run(
    images: PrefixFeatures, labels: [Int], globalBatch: Int, step: Int,
    maximumOverBatch: (inout [Float]) throws -> Void
  ) rethrows -> Outcome {
    arena.reset()
    gradients.values.fill(0)
    let imagePass = model.imageTower.forward(
      images.values, images.layout, from: trained.startLayer, arena: arena, by: product)
    let image = UnitRows(imagePass.features, arena)

    var scores = classScores(image.rows, labels: labels)
    try maximumOverBatch(&scores)
    let kept = classSkip.keptClasses(scores: scores, step: step)

    let texts = textPrefix.gathered(kept, in: arena)
    let textPass = model.textTower.forward(
      texts.values, texts.layout, from: trained.startLayer, arena: arena, by: product)
    let text = UnitRows(textPass.features, arena)

    let (losses, dImage, dText) = crossEntropy(image.rows, text.rows, labels: labels, kept, globalBatch)
    text.backward(dText)
    model.textTower.backward(dText, textPass, gradients: gradientTowers[.text]!, arena: arena, by: product)
    image.backward(dImage)
    model.imageTower.backward(dImage, imagePass, gradients: gradientTowers[.image]!, arena: arena, by: product)
    return Outcome(losses: losses, keptClasses: kept)
  }

  /// Best cosine of each class prototype to a local image, `[C]`; the images' own classes come out on top.
  private func classScores(_ images: Tensor, labels: [Int]) -> [Float] {
    let similarity = arena.tensor([images.rowCount, prototypes.rowCount])
    product.multiply(MatrixView(images), MatrixView(prototypes).transposed, into: MatrixView(similarity))
    var scores = [Float](repeating: -.infinity, count: prototypes.rowCount)
    for (image, label) in labels.enumerated() {
      similarity.row(image)[label] = ClassSkip.ownClassScore
      for index in scores.indices { scores[index] = max(scores[index], similarity.row(image)[index]) }
    }
    return scores
  }

  /// Losses `[b]`, and gradients of the unit features of images `[b, e]` and kept classes `[k, e]`.
  private func crossEntropy(
    _ images: Tensor, _ texts: Tensor, labels: [Int], _ kept: [Int], _ globalBatch: Int
  ) -> (losses: [Double], dImages: Tensor, dTexts: Tensor) {
    let logits = arena.tensor([images.rowCount, kept.count])
    product.multiply(MatrixView(images), MatrixView(texts).transposed, into: MatrixView(logits))
    let scale = model.logitScale
    for index in 0..<logits.count { logits[index] *= scale }
    let position = Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1, $0) })
    let losses = CrossEntropy.lossesAndGradient(
      logits, labels: labels.map { position[$0]! }, scale: scale / Float(globalBatch))

    let dImages = arena.tensor(images.shape)
    product.multiply(MatrixView(logits), MatrixView(texts), into: MatrixView(dImages))
    let dTexts = arena.tensor(texts.shape)
    product.multiply(MatrixView(logits).transposed, MatrixView(images), into: MatrixView(dTexts))
    return (losses, dImages, dTexts)
  }
}

/// Features scaled to unit length, and the way back.
private struct UnitRows {
  let rows: Tensor
  let norm: Tensor

  init(_ features: Tensor, _ arena: Arena) {
    rows = arena.tensor(features.shape)
    norm = arena.tensor([features.rowCount])
    Normalization.forward(features, into: rows, norm: norm)
  }

  /// Turns the gradient of the unit rows into that of the features, in place.
  func backward(_ gradient: Tensor) { Normalization.backward(gradient, y: rows, norm: norm) }
}

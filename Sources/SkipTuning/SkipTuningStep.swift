import CLIPModel
import Kernels
import Tensors

/// Loss and gradients of one batch.
///
/// Legend: b images of this share, C classes of the task, k kept classes, e embedding.
public final class SkipTuningStep<Product: MatrixProduct> {
  /// What came of a batch.
  public struct Outcome: Sendable {
    /// Cross-entropy of each local image, over the kept classes.
    public let losses: [Double]
    /// The classes that were trained against, ascending.
    public let keptClasses: [Int]
    /// Whether gradients were made.
    public let hasGradients: Bool
  }

  /// Gradients of the last batch, of this share of it.
  public let gradients: ParameterStore

  private let model: CLIP
  private let trained: TrainedParameters
  private let classSkip: ClassSkip
  private let textPrefix: PrefixFeatures
  private let prototypes: Tensor  // [C, e], unit rows of the untuned model
  private let product: Product
  let arena = Arena()
  private let gradientTowers: [Encoder: TowerParameters]

  /// Prepares steps on a model that is still untuned: class prototypes are taken from it here.
  ///
  /// `textPrefix` holds one prompt per class, at the start layer. `gradients` may be given to have them in memory of the
  /// caller's.
  public init(
    _ model: CLIP, _ trained: TrainedParameters, _ classSkip: ClassSkip, textPrefix: PrefixFeatures,
    gradients: ParameterStore? = nil, by product: Product
  ) {
    precondition(textPrefix.layout.count == classSkip.classCount)
    self.model = model
    self.trained = trained
    self.classSkip = classSkip
    self.textPrefix = textPrefix
    self.product = product
    let gradients = gradients ?? trained.makeStore(model.parameters.layout)
    self.gradients = gradients
    gradientTowers = Dictionary(
      uniqueKeysWithValues: Encoder.allCases.map {
        ($0, TowerParameters(gradients, $0, depth: model.tower($0).depth, from: trained.startLayer))
      })
    prototypes = model.unitTextFeatures(of: textPrefix, from: trained.startLayer, by: product)
  }

  /// Computes this share's part of the gradient of the mean loss over `globalBatch` images.
  ///
  /// Nil where `exchange` does not go on to gradients. The image encoder's gradients come first: the sums of text gradients
  /// that it does not need are under way meanwhile, and the next step uses the text encoder's parameters last.
  ///
  /// - Parameters:
  ///   - images: Features of the share's images at the start layer; overwritten.
  ///   - labels: Their classes, `[b]`.
  ///   - globalBatch: Images of all shares together.
  ///   - step: Number of the step, for masks that are redrawn.
  ///   - exchange: What is known of the other shares. Collective where it communicates.
  public func run(
    images: PrefixFeatures, labels: [Int], globalBatch: Int, step: Int, exchange: some BatchExchange
  ) throws -> Outcome {
    arena.reset()
    let imagePass = try model.imageTower.forward(
      images.values, images.layout, from: trained.startLayer, arena: arena, by: product
    ) { try exchange.willUse(.image, layer: $0) }
    let image = UnitRows(imagePass.features, arena)

    var scores = classScores(image.rows, labels: labels)
    try exchange.maximumOverBatch(&scores)
    let kept = classSkip.keptClasses(scores: scores, step: step)
    let texts = try TextShare(kept, of: textPrefix, exchange)
    let pass = try textForward(texts, exchange)

    let (losses, dImage, dText) = crossEntropy(image.rows, pass.features, labels: labels, kept, globalBatch)
    guard try exchange.goesOn(losses: losses) else {
      return Outcome(losses: losses, keptClasses: kept, hasGradients: false)
    }
    try exchange.begin()
    try exchange.startTextGradients(dText, tokens: texts.tokens)
    image.backward(dImage)
    try model.imageTower.backward(dImage, imagePass, gradients: gradientTowers[.image]!, arena: arena, by: product) {
      try exchange.gradientsReady(.image, layer: $0)
    }
    try exchange.finishTextGradients(dText)
    try textBackward(dText, texts, pass, exchange)
    return Outcome(losses: losses, keptClasses: kept, hasGradients: true)
  }

  /// The kept classes, and those of them whose texts this share runs.
  private struct TextShare {
    /// Classes of this share.
    let classes: [Int]
    /// Their rows among the kept classes.
    let rows: Range<Int>
    /// Tokens of every kept class.
    let tokens: [Int]

    init(_ kept: [Int], of prefix: PrefixFeatures, _ exchange: some BatchExchange) throws {
      tokens = kept.map { prefix.layout.rows(of: $0).count }
      rows = exchange.textShare(tokens: tokens)
      classes = Array(kept[rows])
    }
  }

  private struct TextPass {
    /// Unit features of all kept classes, `[k, e]`.
    let features: Tensor
    /// What the backward pass of this share needs; nil where the share has no texts.
    let share: (pass: Tower.Pass, unit: UnitRows)?
  }

  private func textForward(_ texts: TextShare, _ exchange: some BatchExchange) throws -> TextPass {
    let features = arena.tensor([texts.tokens.count, model.configuration.embeddingWidth])
    var share: (pass: Tower.Pass, unit: UnitRows)?
    if texts.classes.isEmpty {
      // Others wait for what this share has to hand out before it may wait for their features.
      for layer in trained.startLayer...model.textTower.depth { try exchange.willUse(.text, layer: layer) }
    } else {
      // Each step keeps other classes, whose prompts have a few rows more or less.
      let inputs = textPrefix.gathered(texts.classes, rowMultiple: product.rowMultiple, in: arena)
      let pass = try model.textTower.forward(
        inputs.values, inputs.layout, from: trained.startLayer, arena: arena, by: product
      ) { try exchange.willUse(.text, layer: $0) }
      let unit = UnitRows(pass.features, arena)
      features.rows(texts.rows).copy(from: unit.rows)
      share = (pass, unit)
    }
    try exchange.completeTexts(features, tokens: texts.tokens)
    return TextPass(features: features, share: share)
  }

  private func textBackward(
    _ dText: Tensor, _ texts: TextShare, _ pass: TextPass, _ exchange: some BatchExchange
  ) throws {
    guard let share = pass.share else {
      for layer in (trained.startLayer...model.textTower.depth).reversed() {
        try exchange.gradientsReady(.text, layer: layer)
      }
      return
    }
    let rows = dText.rows(texts.rows)
    share.unit.backward(rows)
    try model.textTower.backward(rows, share.pass, gradients: gradientTowers[.text]!, arena: arena, by: product) {
      try exchange.gradientsReady(.text, layer: $0)
    }
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

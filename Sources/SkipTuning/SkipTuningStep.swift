import CLIPModel
import Kernels
import Tensors

/// Loss and gradients of one batch: images against the prompts of the kept classes.
///
/// What is trained of the encoders is up to two branches: Skip Tuning's step, that of full fine-tuning and that of prompt
/// tuning differ in these alone. Legend: b images of this share, C classes of the task, k kept classes, e embedding.
public final class SkipTuningStep<Product: MatrixProduct>: TrainingStep {
  /// Gradients of the last batch, of this share of it.
  public let gradients: ParameterStore

  private let model: CLIP
  private let images: any ImageBranch
  private let texts: any TextBranch
  private let classCount: Int
  private let skip: Skip?
  private let product: Product
  let arena = Arena()

  /// CSkip, and the prototypes that it ranks classes by.
  private struct Skip {
    let classes: ClassSkip
    let prototypes: Tensor  // [C, e], unit rows of the untuned model
  }

  private init(
    _ model: CLIP, _ images: any ImageBranch, _ texts: any TextBranch, classCount: Int, _ skip: Skip?,
    gradients: ParameterStore, by product: Product
  ) {
    self.model = model
    self.images = images
    self.texts = texts
    self.classCount = classCount
    self.skip = skip
    self.gradients = gradients
    self.product = product
  }

  /// Steps that train both encoders from a block on.
  ///
  /// The model is still untuned: class prototypes are taken from it here. `textPrefix` holds one prompt per class, at the
  /// start layer. `gradients` may be given to have them in memory of the caller's. Images come at `.block(startLayer)`.
  public convenience init(
    _ model: CLIP, _ trained: TrainedParameters, _ classSkip: ClassSkip, textPrefix: PrefixFeatures,
    gradients: ParameterStore? = nil, by product: Product
  ) {
    precondition(textPrefix.layout.count == classSkip.classCount)
    let gradients = gradients ?? trained.makeStore(model.parameters.layout)
    let start = trained.startLayer
    func tower(_ encoder: Encoder) -> TowerParameters {
      TowerParameters(gradients, encoder, depth: model.tower(encoder).depth, from: start)
    }
    self.init(
      model, TrainedImageTower(tower: model.imageTower, startLayer: start, gradients: tower(.image)),
      TrainedTextTower(tower: model.textTower, startLayer: start, prefix: textPrefix, gradients: tower(.text)),
      classCount: classSkip.classCount,
      Skip(
        classes: classSkip, prototypes: model.unitTextFeatures(of: textPrefix, from: start, by: product)),
      gradients: gradients, by: product)
  }

  /// Steps that train both encoders and their embeddings, with CSkip where `classSkip` is given.
  ///
  /// The model is still untuned: class prototypes are taken from it here. `prompts` are one per class. Images come as
  /// `.pixels`.
  public convenience init(
    whole model: CLIP, _ classSkip: ClassSkip?, prompts: [[Int32]], gradients: ParameterStore, by product: Product
  ) {
    let skip = classSkip.map { classSkip in
      let prefix = model.textPrefix(prompts, upTo: 0, arena: Arena(), by: product)
      return Skip(classes: classSkip, prototypes: model.unitTextFeatures(of: prefix, from: 0, by: product))
    }
    self.init(
      model, TrainedImageEncoder(model, gradients), TrainedTextEncoder(model, prompts: prompts, gradients),
      classCount: prompts.count, skip, gradients: gradients, by: product)
  }

  /// Steps that train the context of prompts, one per class with room for it.
  ///
  /// Images come `.projected`.
  public convenience init(
    contextOf model: CLIP, prompts: [[Int32]], gradients: ParameterStore, by product: Product
  ) {
    // No weight of the text encoder changes.
    let frozen = model.freezing(.text, upTo: model.textTower.depth, for: product)
    self.init(
      model, FrozenImages(),
      LearnedContextTexts(model: frozen, prompts: prompts, dContext: gradients[PromptContext.name]!),
      classCount: prompts.count, nil, gradients: gradients, by: product)
  }

  /// Computes this share's part of the gradient of the mean loss over `globalBatch` images.
  ///
  /// The image encoder's gradients come first: the sums of text gradients that it does not need are under way meanwhile,
  /// and the next step uses the text encoder's parameters last.
  public func run(
    images: PrefixFeatures, labels: [Int], globalBatch: Int, step: Int, exchange: some BatchExchange
  ) throws -> StepOutcome {
    arena.reset()
    let imagePass = try self.images.forward(images, arena: arena, by: product, exchange: exchange)
    let image = UnitRows(imagePass.features, arena)

    let kept = try keptClasses(image.rows, labels: labels, step: step, exchange)
    let share = try TextShare(kept, of: texts, exchange)
    let pass = try textForward(share, exchange)

    let (losses, dImage, dText) = crossEntropy(image.rows, pass.features, labels: labels, kept, globalBatch)
    guard try exchange.goesOn(losses: losses) else {
      return StepOutcome(losses: losses, keptClasses: kept, hasGradients: false)
    }
    try exchange.begin()
    try exchange.startTextGradients(dText, tokens: share.tokens)
    image.backward(dImage)
    try imagePass.backward(dImage)
    try exchange.finishTextGradients(dText)
    try textBackward(dText, share, pass, exchange)
    return StepOutcome(losses: losses, keptClasses: kept, hasGradients: true)
  }

  /// As `TrainingStep` says.
  public func releaseActivations() { arena.release() }

  private func keptClasses(
    _ images: Tensor, labels: [Int], step: Int, _ exchange: some BatchExchange
  ) throws -> [Int] {
    guard let skip else { return Array(0..<classCount) }
    var scores = classScores(images, skip.prototypes, labels: labels)
    try exchange.maximumOverBatch(&scores)
    return skip.classes.keptClasses(scores: scores, step: step)
  }

  /// The kept classes, and those of them whose texts this share runs.
  private struct TextShare {
    /// Classes of this share.
    let classes: [Int]
    /// Their rows among the kept classes.
    let rows: Range<Int>
    /// Tokens of every kept class.
    let tokens: [Int]

    init(_ kept: [Int], of texts: any TextBranch, _ exchange: some BatchExchange) throws {
      tokens = kept.map(texts.tokenCount)
      rows = exchange.textShare(tokens: tokens)
      classes = Array(kept[rows])
    }
  }

  private struct TextPass {
    /// Unit features of all kept classes, `[k, e]`.
    let features: Tensor
    /// What the backward pass of this share needs; nil where the share has no texts.
    let share: (pass: BranchPass, unit: UnitRows)?
  }

  private func textForward(_ share: TextShare, _ exchange: some BatchExchange) throws -> TextPass {
    let features = arena.tensor([share.tokens.count, model.configuration.embeddingWidth])
    var own: (pass: BranchPass, unit: UnitRows)?
    if share.classes.isEmpty {
      // Others wait for what this share has to hand out before it may wait for their features.
      for layer in texts.layers { try exchange.willUse(.text, layer: layer) }
    } else {
      let pass = try texts.forward(share.classes, arena: arena, by: product, exchange: exchange)
      let unit = UnitRows(pass.features, arena)
      features.rows(share.rows).copy(from: unit.rows)
      own = (pass, unit)
    }
    try exchange.completeTexts(features, tokens: share.tokens)
    return TextPass(features: features, share: own)
  }

  private func textBackward(
    _ dText: Tensor, _ share: TextShare, _ pass: TextPass, _ exchange: some BatchExchange
  ) throws {
    guard let own = pass.share else {
      for layer in texts.layers.reversed() { try exchange.gradientsAreZero(.text, layer: layer) }
      return
    }
    let rows = dText.rows(share.rows)
    own.unit.backward(rows)
    try own.pass.backward(rows)
  }

  /// Best cosine of each class prototype to a local image, `[C]`; the images' own classes come out on top.
  private func classScores(_ images: Tensor, _ prototypes: Tensor, labels: [Int]) -> [Float] {
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

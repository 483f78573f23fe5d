import CLIPModel
import Kernels
import Planning
import SkipTuning
import Tensors
import TestSupport
import Testing

/// Counts against the products that the real step makes, on the models of the goldens: towers of different widths, depths
/// and head sizes.
@Suite struct WorkTests {
  @Test(arguments: [
    ("model", 0, 3), ("model", 6, 1), ("model", 11, 4), ("model", 12, 2), ("model-gelu", 1, 2), ("model-gelu", 2, 5),
  ])
  func aStepMakesTheProductsThatArePlanned(folder: String, startLayer: Int, images: Int) throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/\(folder)"))
    let product = CountingProduct()
    // Prompts of uneven lengths that begin alike, of which a given set is kept.
    let prompts: [[Int32]] = (0..<7).map { label in
      let tail: [Int32] = (0...2 * label).map { Int32(10 + label % 3 + $0) }
      return [1, 2, 3] + tail
    }
    let mask = [true, false, true, true, false, true, false]
    let texts = model.textPrefix(prompts, upTo: startLayer, arena: Arena(), by: product)
    #expect(
      product.takeCount()
        == PrefixWork.texts(
          model.configuration, SequenceBatch(texts: model.textEmbedding.layout(prompts)), upTo: startLayer
        ).operations)

    let trained = TrainedParameters(of: model, from: startLayer)
    let classSkip = ClassSkip(classCount: prompts.count, .init(ratio: 0.3), seed: 1, mask: mask)
    let step = SkipTuningStep(model, trained, classSkip, textPrefix: texts, by: product)
    let features = Self.imageFeatures(model, images, upTo: startLayer, product)
    #expect(
      product.takeCount() - Self.prototypeOperations(model, prompts, from: startLayer)
        == PrefixWork.images(model.configuration, count: images, upTo: startLayer).operations)

    let outcome = try step.run(
      images: features, labels: Array(repeating: 0, count: images), globalBatch: images, step: 0,
      exchange: RankedClasses())
    #expect(outcome.keptClasses.count == 4)
    let kept = texts.layout.selecting(outcome.keptClasses).layout
    let work = StepWork(
      model.configuration, startLayer: startLayer, images: images, texts: SequenceBatch(texts: kept), keptClasses: 4,
      classCount: prompts.count)
    #expect(product.takeCount() == work.total.operations)
    #expect(work.parameters == trained.count)
  }

  private static func imageFeatures(
    _ model: CLIP, _ images: Int, upTo startLayer: Int, _ product: CountingProduct
  ) -> PrefixFeatures {
    let size = model.configuration.imageSize
    var random = CounterRandom(seed: 5, stream: 1)
    let pixels = Tensor((0..<images * 3 * size * size).map { _ in Float(random.uniform() - 0.5) })
      .reshaped([images, 3, size, size])
    let layout = model.imagePrefixLayout(count: images, upTo: startLayer)
    let x = Tensor(uninitialized: [layout.tokenCount, model.imageTower.width])
    model.imagePrefix(pixels, into: x, upTo: startLayer, arena: Arena(), by: product)
    return PrefixFeatures(x, layout)
  }

  /// What the step makes once, when it is set up: features of all prompts.
  private static func prototypeOperations(_ model: CLIP, _ prompts: [[Int32]], from startLayer: Int) -> Int {
    let batch = SequenceBatch(texts: model.textEmbedding.layout(prompts))
    let whole = PrefixWork.texts(model.configuration, batch, upTo: model.textTower.depth).operations
    let prefix = PrefixWork.texts(model.configuration, batch, upTo: startLayer).operations
    return whole - prefix + 2 * batch.count * model.configuration.embeddingWidth * model.textTower.width
  }

  /// Facts of the published model: docs/method.md names them.
  @Test func parametersOfThePublishedModels() throws {
    let shape = try CLIPPresets.configuration(named: "vit-b/16")
    #expect(shape.parameterCount == 149_620_737)
    #expect(Self.work(shape, startLayer: 6).parameters == 62_099_456)
    let all = StepWork(
      shape, startLayer: 0, images: 1, texts: SequenceBatch(images: 1, tokens: 10), keptClasses: 1, classCount: 0,
      trainsEmbeddings: true)
    // All but the logit scale.
    #expect(all.parameters == 149_620_736)
    #expect(try CLIPPresets.configuration(named: "ViT-B/32").parameterCount == 151_277_313)
    #expect(try CLIPPresets.configuration(named: "ViT-L/14").parameterCount == 427_616_513)
    #expect(try CLIPPresets.configuration(named: "ViT-L/14-336").parameterCount == 427_944_193)
  }

  @Test(arguments: CLIPPresets.shapes.map(\.name))
  func layoutsOfThePresetsHaveAsManyParameters(name: String) throws {
    let shape = try CLIPPresets.configuration(named: name)
    let layout = ParameterLayout(shape)
    #expect(layout.count == shape.parameterCount)
    for startLayer in 0...12 {
      let trained = Encoder.allCases.reduce(0) { $0 + layout.trainedRange(of: $1, from: startLayer).count }
      #expect(Self.work(shape, startLayer: startLayer).parameters == trained)
    }
  }

  private static func work(_ shape: CLIPConfiguration, startLayer: Int) -> StepWork {
    StepWork(
      shape, startLayer: startLayer, images: 4, texts: SequenceBatch(images: 52, tokens: 10), keptClasses: 52,
      classCount: 100)
  }

  /// The step of docs/benchmarks.md, counted by hand: a forward pass and twice as much backward.
  ///
  /// Of the last block keys and values are for all rows, the rest for one row of each sequence; texts attend without
  /// products.
  @Test func operationsOfThePublishedStep() throws {
    let shape = try CLIPPresets.configuration(named: "ViT-B/16")
    func blocks(_ n: Int, _ q: Int, _ w: Int, attention: Int) -> Int {
      3 * (5 * (24 * n * w * w + attention) + 4 * n * w * w + 20 * q * w * w)
    }
    let images = blocks(4 * 197, 4, 768, attention: 4 * 4 * 197 * 197 * 768)
    let texts = blocks(520, 52, 512, attention: 0)
    let readOuts = 3 * 2 * 512 * (4 * 768 + 52 * 512)
    let loss = 2 * 4 * 512 * (100 + 3 * 52)
    #expect(Self.work(shape, startLayer: 6).total.operations == images + texts + readOuts + loss)
  }

  @Test func promptsThatBeginAlikeShareTheirBeginning() {
    // Two shared tokens, then three of its own for each: 2 + 4 * 3 rows, which see 1, 2 and then 3, 4, 5 rows.
    let layout = SequenceLayout(sharingPrefixesOf: (0..<4).map { [1, 2, 10 + $0, 20, 21] })
    let exact = SequenceBatch(texts: layout)
    #expect(exact.rows == 14 && exact.lengths == 20 && exact.seen == 3 + 4 * 12)
    #expect(PromptSet(count: 4, length: 5, shared: 2).batch(of: 4) == exact)
    #expect(PromptSet(count: 4, lengths: 20, rows: 14) == PromptSet(count: 4, length: 5, shared: 2))
    #expect(PromptSet(count: 4, length: 5, shared: 2).batch(of: 1).rows == 5)
  }

  @Test func tapesAreAsLongAsPlanned() throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model"))
    let product = CountingProduct()
    // A chunk of its own for each tensor, so that the arena's size is that of its tensors.
    let arena = Arena(chunkCount: 1)
    let features = Self.imageFeatures(model, 5, upTo: 4, product)
    _ = try model.imageTower.forward(features.values, features.layout, from: 4, arena: arena, by: product)
    let memory = StepMemory(
      model.configuration, startLayer: 4, images: 5, texts: PromptSet(count: 1, length: 1, shared: 0).batch(of: 0),
      epochImages: 0, classes: PromptSet(count: 1, length: 1, shared: 0).batch(of: 0), ownedParameters: 0,
      gradientParameters: 0)
    let scratch = 4 * Self.scratch(model.configuration.vision, images: 5, tokens: model.configuration.tokensPerImage)
    // Tensors begin at cache lines: a few bytes each.
    #expect(abs(Double(memory.activations - scratch) / Double(arena.capacityInBytes) - 1) < 0.01)
  }

  /// Where activations are made once more, a step does the forward passes of all blocks but the last twice, and no more.
  @Test func recomputingIsCounted() throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model"))
    let product = CountingProduct()
    let features = Self.imageFeatures(model, 5, upTo: 4, product)
    let gradients = TowerParameters(ParameterStore(model.parameters.layout), .image, depth: model.imageTower.depth)
    var operations: [Int] = []
    for recomputes in [false, true] {
      let tower = model.imageTower.recomputing(recomputes)
      let arena = Arena()
      _ = product.takeCount()
      let pass = try tower.forward(features.values, features.layout, from: 4, arena: arena, by: product)
      try tower.backward(pass.features, pass, gradients: gradients, arena: arena, by: product)
      operations.append(product.takeCount())
    }
    let planned = [false, true].map { recomputes in
      StepWork(
        model.configuration, startLayer: 4, images: 5,
        texts: PromptSet(count: 1, length: 1, shared: 0).batch(of: 0), keptClasses: 0, classCount: 0,
        recomputes: recomputes
      ).units.filter { $0.encoder == .image }.reduce(0) { $0 + $1.forward.operations + $1.backward.operations }
    }
    #expect(operations == planned)
  }

  private static func scratch(_ tower: CLIPConfiguration.Tower, images: Int, tokens: Int) -> Int {
    let n = images * tokens
    return n * tower.width + max(n * (tower.mlpWidth + tower.width), 5 * n * tower.width + tokens * tokens)
  }
}

/// The whole batch, in which classes rank by their number.
private struct RankedClasses: BatchExchange {
  func maximumOverBatch(_ scores: inout [Float]) {
    for label in scores.indices { scores[label] = label == 0 ? ClassSkip.ownClassScore : -Float(label) }
  }
  func textShare(tokens: [Int]) -> Range<Int> { tokens.indices }
  func completeTexts(_ features: Tensor, tokens: [Int]) {}
  func goesOn(losses: [Double]) -> Bool { true }
  func startTextGradients(_ gradients: Tensor, tokens: [Int]) {}
  func finishTextGradients(_ gradients: Tensor) {}
  func begin() {}
  func willUse(_ encoder: Encoder, layer: Int) {}
  func gradientsReady(_ encoder: Encoder, layer: Int) {}
  func gradientsAreZero(_ encoder: Encoder, layer: Int) { Issue.record("there are gradients") }
}

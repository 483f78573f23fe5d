import CLIPModel

/// What one rank computes in one training step.
public struct StepWork: Sendable {
  /// A part of a step that has gradients of its own: a block, or an encoder's norm and projection.
  public struct Unit: Sendable {
    /// Which encoder it belongs to.
    public let encoder: Encoder
    /// The rank's work on the way up, and on the way down.
    public let forward: ComputeWork, backward: ComputeWork
    /// Rows of its products: small numbers are slow.
    public let rows: Int
    /// Trained parameters.
    public let parameters: Int
  }

  /// The order of the forward pass, image encoder first.
  public let units: [Unit]
  /// Scores of all classes, logits, and their gradients.
  public let loss: ComputeWork
  /// Rows of the loss's products.
  public let lossRows: Int

  /// Work of a step that trains from `startLayer` on.
  ///
  /// - Parameters:
  ///   - images: Images of this rank.
  ///   - texts: Prompts that this rank runs through the text encoder.
  ///   - keptClasses: Classes that the loss is taken over.
  ///   - classCount: Classes of the task; 0 where none are skipped and so none are scored.
  ///   - trainsEmbeddings: Whether embeddings are trained too: full fine-tuning, with `startLayer` 0.
  ///   - recomputes: Whether backward passes run all blocks but the last forward once more.
  public init(
    _ configuration: CLIPConfiguration, startLayer: Int, images: Int, texts: SequenceBatch, keptClasses: Int,
    classCount: Int, trainsEmbeddings: Bool = false, recomputes: Bool = false
  ) {
    let batches: [Encoder: SequenceBatch] = [
      .image: configuration.imageBatch(images, from: startLayer), .text: texts,
    ]
    units = Encoder.allCases.flatMap { encoder in
      let batch = batches[encoder]!
      let embedding =
        trainsEmbeddings ? [Self.embedding(encoder, configuration, batch)] : []
      return embedding + Self.blocks(encoder, configuration, batch, from: startLayer, recomputes: recomputes)
    }
    let e = configuration.embeddingWidth
    loss =
      .product(images, e, classCount) + 3 * .product(images, e, keptClasses)
      // Rows to unit length and back, for images and texts.
      + .pass(10 * (images + texts.count) * e)
    lossRows = images
  }

  /// Trained parameters.
  public var parameters: Int { units.reduce(0) { $0 + $1.parameters } }

  /// The units in the order in which their gradients are ready: the image encoder's from top to bottom, then the text
  /// encoder's.
  public var backwardOrder: [Unit] {
    Encoder.allCases.flatMap { encoder in units.filter { $0.encoder == encoder }.reversed() }
  }

  /// All products and passes of the step but the update's.
  public var total: ComputeWork { units.reduce(loss) { $0 + $1.forward + $1.backward } }

  private static func blocks(
    _ encoder: Encoder, _ configuration: CLIPConfiguration, _ batch: SequenceBatch, from startLayer: Int,
    recomputes: Bool
  ) -> [Unit] {
    let work = configuration.work(encoder)
    func unit(_ forward: ComputeWork, _ backward: ComputeWork, rows: Int, parameters: Int) -> Unit {
      Unit(encoder: encoder, forward: forward, backward: backward, rows: rows, parameters: parameters)
    }
    let readOut = unit(
      work.readOutForward(batch), work.readOutBackward(batch), rows: batch.count, parameters: work.readOutParameters)
    guard startLayer < work.tower.depth else { return [readOut] }
    let forward = work.blockForward(batch, keepsTape: true)
    let block = unit(
      forward, (recomputes ? 1 : 0) * forward + work.blockBackward(batch), rows: batch.rows,
      parameters: work.blockParameters)
    // Most of its operations are those of keys and values, of all rows.
    let last = unit(
      work.lastBlockForward(batch), work.lastBlockBackward(batch), rows: batch.rows, parameters: work.blockParameters)
    return Array(repeating: block, count: work.tower.depth - startLayer - 1) + [last, readOut]
  }

  /// What enters the first block, where it is trained too.
  private static func embedding(
    _ encoder: Encoder, _ configuration: CLIPConfiguration, _ batch: SequenceBatch
  ) -> Unit {
    let w = encoder == .image ? configuration.vision.width : configuration.text.width
    let passes = ComputeWork.pass(4 * batch.rows * w)
    switch encoder {
    case .image:
      let patches = ComputeWork.product(
        batch.count * configuration.patchesPerImage, 3 * configuration.patchSize * configuration.patchSize, w)
      return Unit(
        encoder: encoder, forward: patches + passes, backward: patches + passes, rows: batch.rows,
        parameters: configuration.embeddingParameters(encoder))
    case .text:
      return Unit(
        encoder: encoder, forward: passes, backward: passes, rows: batch.rows,
        parameters: configuration.embeddingParameters(encoder))
    }
  }
}

/// What is computed once an epoch or once a run: features that enter the start layer.
public enum PrefixWork {
  /// One batch of images through patches and the blocks before `startLayer`.
  public static func images(_ configuration: CLIPConfiguration, count: Int, upTo startLayer: Int) -> ComputeWork {
    let batch = SequenceBatch(images: count, tokens: configuration.tokensPerImage)
    let w = configuration.vision.width
    let patch = 3 * configuration.patchSize * configuration.patchSize
    let patches = count * configuration.patchesPerImage
    return .product(patches, patch, w) + .pass(2 * patches * patch + 7 * batch.rows * w)
      + configuration.work(.image).prefix(batch, upTo: startLayer)
  }

  /// Prompts through the blocks before `startLayer`.
  public static func texts(_ configuration: CLIPConfiguration, _ batch: SequenceBatch, upTo startLayer: Int)
    -> ComputeWork
  {
    .pass(4 * batch.rows * configuration.text.width) + configuration.work(.text).prefix(batch, upTo: startLayer)
  }
}

extension CLIPConfiguration {
  /// Parameters of what enters an encoder's first block.
  func embeddingParameters(_ encoder: Encoder) -> Int {
    switch encoder {
    case .image: vision.width * (1 + 3 * patchSize * patchSize + tokensPerImage + 2)
    case .text: text.width * (vocabularySize + contextLength)
    }
  }

  /// Images as they enter block `startLayer`: behind the last block only the token that is read.
  func imageBatch(_ count: Int, from startLayer: Int) -> SequenceBatch {
    SequenceBatch(images: count, tokens: startLayer == vision.depth ? 1 : tokensPerImage)
  }

  /// Parameters of the whole model, the logit scale included.
  public var parameterCount: Int {
    1
      + Encoder.allCases.reduce(0) { sum, encoder in
        let work = work(encoder)
        return sum + embeddingParameters(encoder) + work.tower.depth * work.blockParameters + work.readOutParameters
      }
  }
}

import CLIPModel

/// What one rank holds in memory while it trains, in bytes.
public struct StepMemory: Sendable, Equatable {
  /// All parameters of the model.
  public var weights: Int
  /// Gradients of the trained parameters that there is room for at a time.
  public var gradients: Int
  /// Momentum of the parameters that this rank updates.
  public var momentum: Int
  /// What the forward pass keeps for the backward pass, and the most that a backward pass needs beside.
  public var activations: Int
  /// Image features of an epoch's share as far as they are kept in memory, and text features of all classes, at the start
  /// layer.
  public var features: Int

  /// How activations are kept.
  public struct Way: Sendable, Equatable {
    /// Bytes of the numbers that products are taken of: 4 (fp32) or 2 (bf16).
    public var factorBytes = 4
    /// Whether activations are made once more in the backward pass.
    public var recomputes = false

    /// The program's defaults.
    public init() {}
  }

  /// All of it; the program, its libraries' buffers and images in flight come on top.
  public var total: Int { weights + gradients + momentum + activations + features }

  /// Memory of a rank that trains from `startLayer` on.
  ///
  /// - Parameters:
  ///   - images: Images of this rank in a step.
  ///   - texts: Prompts that this rank runs through the text encoder.
  ///   - epochImages: Images of this rank in an epoch, whose features are kept.
  ///   - classes: Prompts of all classes, whose features are kept.
  ///   - ownedParameters: Trained parameters whose momentum this rank holds.
  ///   - gradientParameters: Trained parameters whose gradients this rank holds at a time.
  ///   - kept: How image features are kept.
  ///   - trainsEmbeddings: Whether embeddings are trained too; features at the start layer are then not kept.
  ///   - way: How activations are kept.
  public init(
    _ configuration: CLIPConfiguration, startLayer: Int, images: Int, texts: SequenceBatch, epochImages: Int,
    classes: SequenceBatch, ownedParameters: Int, gradientParameters: Int, kept: Scenario.Features = .init(),
    trainsEmbeddings: Bool = false, _ way: Way = Way()
  ) {
    let float = MemoryLayout<Float>.stride
    let pictures = configuration.imageBatch(images, from: startLayer)
    weights = float * configuration.parameterCount
    gradients = float * gradientParameters
    momentum = float * ownedParameters
    activations =
      Self.activations(configuration, startLayer: startLayer, [(.image, pictures), (.text, texts)], way)
    let imageFeatures = configuration.imageBatch(epochImages, from: startLayer).rows * configuration.vision.width
    let inMemory = min(kept.bytesPerElement * imageFeatures, kept.memoryBytes ?? .max)
    let textFeatures = classes.rows * configuration.text.width
    features =
      trainsEmbeddings
      ? 0 : inMemory + float * (textFeatures + classes.count * configuration.embeddingWidth)
  }

  /// Bytes of both encoders' tapes, which live until the step's end, and the larger backward pass.
  static func activations(
    _ configuration: CLIPConfiguration, startLayer: Int, _ batches: [(Encoder, SequenceBatch)], _ way: Way
  ) -> Int {
    let tapes = batches.reduce(0) { $0 + configuration.work($1.0).tapes($1.1, from: startLayer, way) }
    // The kept classes' features are copied out of those of all classes.
    let copies = batches.reduce(0) {
      $1.0 == .text ? $0 + MemoryLayout<Float>.stride * $1.1.rows * configuration.text.width : $0
    }
    return tapes + copies + (batches.map { configuration.work($0).backwardScratch($1, way) }.max() ?? 0)
  }
}

import CLIPModel
import SkipTuning

/// What is trained, on what, and how ranks work together: everything a forecast needs but the machine.
public struct Scenario: Sendable {
  /// What is trained.
  public enum Method: Sendable, Equatable {
    /// Skip Tuning from a start layer, against the kept classes.
    case skipTuning(startLayer: Int, ClassSkip.Settings)
    /// Every parameter, embeddings included, against all classes.
    case fullFineTuning
  }

  /// Images of a step.
  public enum Batch: Sendable, Equatable {
    /// Of all ranks together: the same training at any number of ranks.
    case global(Int)
    /// Of each rank: larger batches with more ranks.
    case perRank(Int)
  }

  /// How gradients and parameters are exchanged.
  public struct Exchange: Sendable, Equatable {
    /// Bytes of a number on the wire: 4 (fp32) or 2 (bf16).
    public var bytesPerElement = 4
    /// Whether the exchange goes on while the rank computes.
    public var overlaps = true
    /// Share of the time that could be hidden behind computing and is hidden: the network needs processors too.
    public var hiddenShare = 0.8
    /// Whether each rank updates a share of the parameters, which are then gathered.
    public var isSharded = true
    /// Whether each rank runs a share of the kept classes' texts.
    public var isClassParallel = true
    /// Whether ranks of a node reduce among themselves first, so that each node sends once.
    public var isTwoLevel = true
    /// Bytes that are exchanged at a time.
    public var bucketBytes = 8_000_000
    /// Steps from one exchange to the next.
    public var localSteps = 1

    /// The engine's defaults.
    public init() {}
  }

  /// How image features of an epoch are kept.
  public struct Features: Sendable, Equatable {
    /// Bytes of a number: 4 (fp32) or 2 (fp16, bf16).
    public var bytesPerElement = 4
    /// Most bytes that a rank keeps in memory, the rest being in a file; nil for all.
    public var memoryBytes: Int?

    /// The program's defaults.
    public init() {}
  }

  /// The model's shape.
  public var configuration: CLIPConfiguration
  /// What is trained of it.
  public var method: Method
  /// The prompts of all classes.
  public var classes: PromptSet
  /// Kept classes of a step where they are known; nil to expect what CSkip keeps.
  public var keptClasses: Int?
  /// Images of a step.
  public var batch: Batch
  /// Training images of an epoch: their features are kept.
  public var epochImages: Int
  /// Ranks on each node.
  public var ranksPerNode: Int
  /// How ranks work together.
  public var exchange: Exchange
  /// How image features are kept.
  public var features = Features()
  /// How activations are kept.
  public var activations = StepMemory.Way()
  /// Seconds that one thread takes to read, decode and crop an image.
  public var decodeSeconds: Double
  /// What a node's disk, or its share of a common one, takes in bytes a second.
  public var diskBandwidth: Double

  /// A scenario of known parts.
  public init(
    _ configuration: CLIPConfiguration, _ method: Method, classes: PromptSet, batch: Batch, epochImages: Int,
    ranksPerNode: Int = 1, exchange: Exchange = Exchange(), decodeSeconds: Double = 0, diskBandwidth: Double = 500e6
  ) {
    self.configuration = configuration
    self.method = method
    self.classes = classes
    self.batch = batch
    self.epochImages = epochImages
    self.ranksPerNode = ranksPerNode
    self.exchange = exchange
    self.decodeSeconds = decodeSeconds
    self.diskBandwidth = diskBandwidth
  }

  /// First trained block; 0 where all are.
  public var startLayer: Int { if case .skipTuning(let layer, _) = method { layer } else { 0 } }

  var trainsEmbeddings: Bool { method == .fullFineTuning }

  /// Classes that a step's loss is over: those that CSkip always keeps, and of the rest as many as its chances add up to.
  var kept: Int {
    if let keptClasses { return keptClasses }
    guard case .skipTuning(_, let settings) = method else { return classes.count }
    let skip = ClassSkip(classCount: classes.count, settings, seed: 0)
    return Int(skip.probabilities.reduce(0, +).rounded())
  }

  /// Some of the prompts as they enter the start layer: behind the last block only the token that is read.
  func texts(_ count: Int) -> SequenceBatch {
    startLayer == configuration.text.depth ? SequenceBatch(images: count, tokens: 1) : classes.batch(of: count)
  }

  /// Images of a step of all ranks together.
  func globalBatch(ranks: Int) -> Int {
    switch batch {
    case .global(let images): images
    case .perRank(let images): images * ranks
    }
  }
}

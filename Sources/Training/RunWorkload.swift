import CLIPModel

/// What a run worked on, as far as its speed depends on it: what `skiptune plan --validate` compares forecasts with.
struct RunWorkload: Codable, Sendable, Equatable {
  /// Sizes of one encoder.
  struct Tower: Codable, Sendable, Equatable {
    var depth, width, headCount, mlpWidth: Int
  }

  /// Sizes of the model.
  struct Model: Codable, Sendable, Equatable {
    var vision, text: Tower
    var imageSize, patchSize, contextLength, vocabularySize, embeddingWidth: Int
  }

  /// How ranks worked together.
  struct Exchange: Codable, Sendable, Equatable {
    /// Bytes of a number on the wire.
    var bytesPerElement: Int
    /// Whether the exchange went on while the ranks computed.
    var overlaps: Bool
    /// Whether each rank updated a share of the parameters.
    var isSharded: Bool
    /// Whether each rank ran a share of the kept classes' texts.
    var isClassParallel: Bool
    /// Whether ranks of a host reduced among themselves first.
    var isTwoLevel: Bool
    /// Bytes exchanged at a time.
    var bucketBytes: Int
    /// Steps from one exchange to the next.
    var localSteps: Int

    init(_ settings: ExchangeSettings) {
      bytesPerElement = settings.precision == .float32 ? 4 : 2
      isSharded = settings.mode == .sharded
      overlaps = settings.overlap && isSharded
      isClassParallel = settings.classParallelText
      isTwoLevel = settings.twoLevel && isSharded
      localSteps = settings.localSteps
      bucketBytes = settings.bucketCounts.usual * MemoryLayout<Float>.stride
    }
  }

  var model: Model
  var globalBatch: Int
  /// Images of an epoch.
  var epochImages: Int
  /// Classes of the task, their prompts' tokens, and the rows that these take, as what they have in common counts once.
  var classes, promptTokens, promptRows: Int
  /// Classes that a step trained against, on average.
  var meanKeptClasses: Double
  /// Most ranks that shared a host.
  var ranksPerNode: Int
  var exchange: Exchange

  /// What `inputs` are, trained by ranks of which `ranksPerNode` share a host.
  init(
    _ inputs: RunInputs, _ exchange: ExchangeSettings, meanKeptClasses: Double, epochImages: Int, ranksPerNode: Int
  ) {
    self.exchange = Exchange(exchange)
    model = Model(inputs.model.configuration)
    globalBatch = inputs.globalBatch
    self.epochImages = epochImages
    classes = inputs.prompts.count
    promptTokens = inputs.prompts.reduce(0) { $0 + $1.count }
    promptRows = inputs.model.textEmbedding.layout(inputs.prompts).tokenCount
    self.meanKeptClasses = meanKeptClasses
    self.ranksPerNode = ranksPerNode
  }
}

extension RunWorkload.Model {
  init(_ configuration: CLIPConfiguration) {
    func sizes(_ tower: CLIPConfiguration.Tower) -> RunWorkload.Tower {
      RunWorkload.Tower(
        depth: tower.depth, width: tower.width, headCount: tower.headCount, mlpWidth: tower.mlpWidth)
    }
    self.init(
      vision: sizes(configuration.vision), text: sizes(configuration.text), imageSize: configuration.imageSize,
      patchSize: configuration.patchSize, contextLength: configuration.contextLength,
      vocabularySize: configuration.vocabularySize, embeddingWidth: configuration.embeddingWidth)
  }
}

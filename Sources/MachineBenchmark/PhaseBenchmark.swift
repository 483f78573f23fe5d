import CLIPModel
import Collectives
import Kernels
import Optimization
import Planning
import SkipTuning
import Tensors

/// What is trained and tested.
public struct PhaseTask: Sendable, Equatable {
  /// First trained block of both encoders.
  public var startLayer = 6
  /// Images of a step of each rank.
  public var images = 4
  /// Classes, tokens of their prompts, and how many of these all prompts begin with.
  public var classes = 100, tokens = 10, sharedTokens = 5
  /// What CSkip keeps of the classes.
  public var classSkip = ClassSkip.Settings()
  /// Images that features are made of at a time, and that are tested at a time.
  public var featureImages = PrefixFeatures.imagesAtATime, testImages = 32

  /// The published task's sizes.
  public init() {}
}

/// Times of the parts of a training, on a model with random weights: how long values take to compute does not depend on them.
///
/// Each rank works by itself, all at once; nothing is exchanged. Images are pixels in memory: decoding them is another
/// measurement.
public struct PhaseBenchmark<Product: MatrixProduct> {
  private let model: CLIP
  private let task: PhaseTask
  private let collectives: any Collectives
  private let product: Product
  private let threads: Int
  /// Seconds that each of four measurements may take.
  var budget = 4.0

  /// A benchmark of a model of the given shape, which takes memory as training does.
  public init(
    _ configuration: CLIPConfiguration, _ task: PhaseTask, _ collectives: any Collectives, threads: Int,
    by product: Product
  ) {
    precondition((1...configuration.contextLength).contains(task.tokens) && task.sharedTokens < task.tokens)
    self.task = task
    self.collectives = collectives
    self.product = product
    self.threads = threads
    let parameters = ParameterStore(ParameterLayout(configuration))
    Self.fill(parameters.values, 0.02)
    model = CLIP(configuration, parameters)
  }

  /// Measures everything; `onProgress` is told what comes next.
  ///
  /// Collective: all ranks call this in the same order. The same on all ranks.
  public func run(onProgress: (String) -> Void = { _ in }) throws -> PhaseReport {
    onProgress("products")
    let peak = try peakRate()
    var phases: [PhaseReport.Phase] = []
    for (name, measure) in [("step", step), ("features", features), ("test", test), ("texts", texts)] {
      onProgress(name)
      phases.append(try measure())
    }
    return PhaseReport(
      precision: product.operandFormat == .float32 ? "fp32" : "bf16", ranks: collectives.worldSize, threads: threads,
      peak: peak, phases: phases)
  }

  /// Median seconds of `body` here, of which the middle rank's counts.
  private func seconds(_ body: () throws -> Void) throws -> Double {
    try collectives.barrier()
    return try collectives.median(try Timing.median(budget: budget, body))
  }

  /// Values of which products stay ordinary numbers.
  private static func fill(_ tensor: Tensor, _ spread: Float) {
    ThreadPool.shared.split(tensor.count, grain: 1 << 16) { part in
      var random = CounterRandom(seed: 7, stream: UInt32(truncatingIfNeeded: part.lowerBound))
      for index in part { tensor[index] = (Float(random.uniform()) - 0.5) * 2 * spread }
    }
  }

  private static func noise(_ shape: [Int], _ spread: Float = 1) -> Tensor {
    let tensor = Tensor(uninitialized: shape)
    fill(tensor, spread)
    return tensor
  }
}

// MARK: - What everything is compared with

extension PhaseBenchmark {
  /// Operations a second of the product that is fastest of the model's: many rows by the MLP's first weight.
  private func peakRate() throws -> Double {
    let tower = model.configuration.vision
    let rows = 2048
    let x = Operand(Self.noise([rows, tower.width], 0.1), as: product.operandFormat)
    let weight = Operand(Self.noise([tower.mlpWidth, tower.width], 0.1), as: product.operandFormat)
    let result = Tensor(uninitialized: [rows, tower.mlpWidth])
    let time = try seconds {
      product.multiply(x.view, weight.view.transposed, into: MatrixView(result))
    }
    return Double(2 * rows * tower.width * tower.mlpWidth) / time
  }
}

// MARK: - Phases

extension PhaseBenchmark {
  private var configuration: CLIPConfiguration { model.configuration }

  /// Token ids that begin alike, one prompt for each class.
  private var prompts: [[Int32]] {
    let end = Int32(configuration.vocabularySize - 1)
    return (0..<task.classes).map { label in
      (0..<task.tokens).map { position in
        if position == task.tokens - 1 { return end }
        let id = position < task.sharedTokens ? position : position * task.classes + label
        return Int32(id % (configuration.vocabularySize - 1))
      }
    }
  }

  private func step() throws -> PhaseReport.Phase {
    let trained = TrainedParameters(of: model, from: task.startLayer)
    let prefix = model.textPrefix(prompts, upTo: task.startLayer, arena: Arena(), by: product)
    let timed = TimedProduct(product)
    let skip = ClassSkip(classCount: task.classes, task.classSkip, seed: 1)
    let updates = LayerUpdates(model, trained, SGD())
    let step = SkipTuningStep(model, trained, skip, textPrefix: prefix, gradients: updates.gradients, by: timed)
    let layout = model.imagePrefixLayout(count: task.images, upTo: task.startLayer)
    let images = PrefixFeatures(Self.noise([layout.tokenCount, model.imageTower.width]), layout)
    let labels = (0..<task.images).map { $0 % task.classes }
    var (number, kept) = (0, [Int]())
    func once() throws {
      kept = try step.run(
        images: images, labels: labels, globalBatch: task.images, step: number,
        exchange: WholeBatch { _ = updates.update($0, layer: $1, rate: 1e-9) }
      ).keptClasses
      number += 1
    }
    // What the library prepares for a shape, and memory, are there after the first.
    try once()
    timed.reset()
    let first = number
    let time = try seconds(once)
    let work = StepWork(
      configuration, startLayer: task.startLayer, images: task.images,
      texts: SequenceBatch(texts: prefix.layout.selecting(kept).layout), keptClasses: kept.count,
      classCount: task.classes
    ).total
    return PhaseReport.Phase(
      name: "step", unit: "step", count: 1, seconds: time, operations: work.operations,
      products: timed.share(ofCalls: number - first))
  }

  private func features() throws -> PhaseReport.Phase {
    let frozen = model.freezing(.image, upTo: task.startLayer, for: product)
    let count = task.featureImages
    let pixels = Self.noise([count, 3, configuration.imageSize, configuration.imageSize])
    let layout = model.imagePrefixLayout(count: count, upTo: task.startLayer)
    let x = Tensor(uninitialized: [layout.tokenCount, model.imageTower.width])
    let arena = Arena()
    let time = try seconds {
      arena.reset()
      frozen.imagePrefix(pixels, into: x, upTo: task.startLayer, arena: arena, by: product)
    }
    return PhaseReport.Phase(
      name: "features", unit: "image", count: count, seconds: time,
      operations: PrefixWork.images(configuration, count: count, upTo: task.startLayer).operations)
  }

  private func test() throws -> PhaseReport.Phase {
    let frozen = model.freezing(.image, upTo: configuration.vision.depth, for: product)
    let count = task.testImages
    let pixels = Self.noise([count, 3, configuration.imageSize, configuration.imageSize])
    let classes = Self.noise([task.classes, configuration.embeddingWidth])
    let arena = Arena()
    let time = try seconds {
      arena.reset()
      let features = frozen.imageFeatures(pixels, arena: arena, by: product)
      product.multiply(
        MatrixView(features), MatrixView(classes).transposed,
        into: MatrixView(arena.tensor([count, task.classes])))
    }
    let comparing = 2 * count * configuration.embeddingWidth * (configuration.vision.width + task.classes)
    return PhaseReport.Phase(
      name: "test", unit: "image", count: count, seconds: time,
      operations: comparing
        + PrefixWork.images(configuration, count: count, upTo: configuration.vision.depth).operations)
  }

  private func texts() throws -> PhaseReport.Phase {
    let frozen = model.freezing(.text, upTo: configuration.text.depth, for: product)
    let arena = Arena()
    let time = try seconds {
      arena.reset()
      _ = frozen.textFeatures(prompts, arena: arena, by: product)
    }
    let batch = SequenceBatch(texts: model.textEmbedding.layout(prompts))
    let reading = 2 * task.classes * configuration.embeddingWidth * configuration.text.width
    return PhaseReport.Phase(
      name: "texts", unit: "class", count: task.classes, seconds: time,
      operations: reading + PrefixWork.texts(configuration, batch, upTo: configuration.text.depth).operations)
  }
}

/// Products that are timed, but for those inside loops of the thread pool, which run side by side.
private final class TimedProduct<Product: MatrixProduct>: MatrixProduct, @unchecked Sendable {
  // One thread asks for these products at a time.
  private let product: Product
  private var (operations, seconds) = (0, 0.0)

  init(_ product: Product) { self.product = product }

  var operandFormat: ElementFormat { product.operandFormat }
  var rowMultiple: Int { product.rowMultiple }

  func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ epilogue: Epilogue) {
    seconds += Timing.seconds { product.multiply(a, b, into: c, epilogue) }
    operations += 2 * c.rows * c.columns * a.shape.columns
  }

  func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView) { product.multiplyInTask(a, b, into: c) }

  func reset() { (operations, seconds) = (0, 0) }

  func share(ofCalls calls: Int) -> PhaseReport.Products {
    PhaseReport.Products(operations: operations / max(1, calls), seconds: seconds / Double(max(1, calls)))
  }
}

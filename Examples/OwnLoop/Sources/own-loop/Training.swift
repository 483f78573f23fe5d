import CLIPModel
import Datasets
import Kernels
import Optimization
import SkipTuning
import Tensors

/// Skip Tuning of both encoders from a block on.
struct Training {
  let task: Task
  /// The first block that is trained (omega); those before it run once for each image and each prompt.
  let startLayer: Int
  let epochs: Int
  let batchSize: Int
  let rates: LearningRateSchedule

  /// Trains the task's model in place; `onEpoch` is told the number of each epoch, from 1, and its mean loss.
  func run(onEpoch: (_ number: Int, _ loss: Double) -> Void) throws {
    let (model, layout) = (task.model, task.model.parameters.layout)
    let trained = TrainedParameters(of: model, from: startLayer)
    let step = SkipTuningStep(
      model, trained, ClassSkip(classCount: task.prompts.count, ClassSkip.Settings(), seed: 1),
      textPrefix: model.textPrefix(task.prompts, upTo: startLayer, arena: Arena(), by: task.product), by: task.product)
    let labels = task.images.train.map(\.label)
    let features = try imagePrefix()
    let momentum = trained.makeStore(layout)
    let arena = Arena()
    var steps = 0
    for epoch in 0..<epochs {
      let plan = try EpochPlan(
        labels: labels, globalBatchSize: batchSize, order: .published(shots: 16), seed: 1, epoch: epoch)
      var losses: [Double] = []
      for batch in plan.batches {
        arena.reset()
        losses += try step.run(
          images: features.gathered(batch, in: arena), labels: batch.map { labels[$0] }, globalBatch: batchSize,
          step: steps, exchange: WholeBatch()
        ).losses
        update(trained, step.gradients, momentum, rate: rates.rate(epoch: epoch))
        steps += 1
      }
      onEpoch(epoch + 1, losses.reduce(0, +) / Double(losses.count))
    }
  }

  /// The training images through the blocks that stay as they are: LSkip does this once.
  private func imagePrefix() throws -> PrefixFeatures {
    let files = task.images.train.map { task.images.url(of: $0) }
    let layout = task.model.imagePrefixLayout(count: files.count, upTo: startLayer)
    let features = PrefixFeatures(
      Tensor(uninitialized: [layout.tokenCount, task.model.imageTower.width]), layout)
    let (loader, arena) = (task.loader(files), Arena())
    while let batch = try loader.next() {
      arena.reset()
      task.model.imagePrefix(
        batch.pixels, into: features.window(batch.range).values, upTo: startLayer, arena: arena, by: task.product)
    }
    return features
  }

  /// One update of what is trained of each encoder.
  private func update(
    _ trained: TrainedParameters, _ gradients: ParameterStore, _ momentum: ParameterStore, rate: Double
  ) {
    for encoder in Encoder.allCases {
      guard let window = trained.windows[encoder] else { continue }
      SGD().update(
        task.model.parameters.values(in: window), gradient: gradients.values(in: window),
        momentumBuffer: momentum.values(in: window), rate: rate)
    }
  }
}

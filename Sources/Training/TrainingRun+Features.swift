import CLIPModel
import SkipTuning

// What a run makes features with, and the weights that it needs for that alone.

extension TrainingRun {
  /// Frozen weights that may leave memory; where ranks share them, one must not.
  func makeResting(
    _ inputs: RunInputs, _ method: any TrainingMethod, _ trained: TrainedParameters
  ) -> RestingWeights? {
    guard method.kind.tunesModel, !sharesParameters else { return nil }
    return RestingWeights(inputs.weights, inputs.model, trained)
  }

  func makeExtractor(_ inputs: RunInputs, _ method: any TrainingMethod) -> PrefixExtractor<Product> {
    let prefix = FrozenPrefix(
      inputs.model.freezing(
        .image, upTo: inputs.model.frozenImageBlocks(before: method.imageStage), for: environment.product),
      method.imageStage, environment.product)
    return PrefixExtractor(
      prefix: prefix, dataset: inputs.training, transform: inputs.trainingTransform, seed: UInt64(settings.seed),
      loaderThreads: loaderThreads, storage: settings.features, kept: keptFeatures(of: prefix, inputs))
  }

  /// Features of the training images that are kept, by epoch.
  private func keptFeatures(
    of prefix: FrozenPrefix<Product>, _ inputs: RunInputs
  ) -> (_ epoch: Int) -> KeptFeatures<Product>? {
    guard settings.features.cache != nil else { return { _ in nil } }
    let images = inputs.training.train
    let fingerprint = ImageViews.fingerprint(inputs.training, images)
    return { epoch in
      featureCache.trainingFeatures(
        of: prefix,
        ImageViews(
          images.count, fingerprint, inputs.trainingTransform, seed: UInt64(settings.seed), epoch: epoch,
          words: "\(inputs.training.name), training images"))
    }
  }

  private var loaderThreads: Int { settings.limits.loaderThreads ?? environment.threads }
}

import CLIPModel
import Checkpoints
import Configuration
import Datasets
import Diagnostics
import Evaluation
import Foundation
import Kernels
import Reporting
import SkipTuning
import Tensors
import TunedModels

/// What tuning changed, and on what the gradient falls: `skiptune analyze`.
public struct AnalysisResults: Codable, Sendable {
  /// Of the program.
  public var version: String
  /// The data set that was trained on.
  public var dataset: String
  /// The checkpoint.
  public var source: String
  /// First block that the run trained: features before it cannot change.
  public var startLayer: Int
  /// Files of the images that were sampled.
  public var images: [String]
  /// Their classes.
  public var labels: [Int]
  /// Of the classes that were trained on, by label.
  public var classNames: [String]
  /// One per class.
  public var prompts: [String]
  /// Of class tokens.
  public var imageChange: FeatureChange
  /// Of end-of-text tokens.
  public var textChange: FeatureChange
  /// Of the untuned model, where training begins.
  public var gradientShares: GradientShares
  /// What to skip.
  public var recommendation: SkipRecommendation

  /// Sorted, indented JSON with `snake_case` keys.
  public func json() throws -> Data { try ReportJSON.document(self) }
}

/// An analysis of a run's newest checkpoint on some of its training images.
public struct AnalysisRun<Product: MatrixProduct> {
  private let settings: RunSettings
  private let folder: URL
  private let environment: TrainingRun<Product>.Environment

  /// Of a run directory; `overrides` change where model and data are.
  ///
  /// Throws `Failure` where there is none.
  public init(_ folder: URL, overrides: [String], _ environment: TrainingRun<Product>.Environment) throws {
    self.folder = folder
    self.environment = environment
    let file = folder.appendingPathComponent("config.resolved.yaml")
    guard FileManager.default.fileExists(atPath: file.path) else {
      throw Failure(.missingInput, at: folder.path, "is no run directory", remedy: "name the folder of a run")
    }
    settings = try RunSettings.read(ConfigurationSource(files: [file], overrides: overrides)).settings
    guard settings.method.kind.tunesModel else {
      throw Failure(
        .usage, at: folder.path, "its method, \(settings.method.kind.rawValue), changes no weight of the model",
        remedy: "name the folder of a run of skip-tuning or full")
    }
  }

  /// Analyses at most so many images.
  ///
  /// Throws `Failure`. Collective: all ranks call this, and each computes it all: it is small.
  public func run(imageLimit: Int) throws -> AnalysisResults {
    let collectives = environment.collectives
    let checkpoint = try Checkpoint.find(folder, collectives)
    return try collectives.agree {
      let task = try TaskInputs(settings)
      let inputs = try RunInputs(settings, task, CLIP(task.weights), worldSize: 1)
      let tuned = try CLIP(task.weights)
      try tuned.apply(TunedWeights(checkpoint), base: settings.model.path)
      let items = Self.sample(inputs.training.train, imageLimit)
      try inputs.training.verifyImagesExist(items)
      let pixels = try load(items, inputs)
      let comparison = FeatureComparison(before: inputs.model, after: tuned, by: environment.product)
      let changes = (image: comparison.images(pixels), text: comparison.prompts(inputs.prompts))
      let shares = shares(pixels, items, inputs)
      return AnalysisResults(
        version: environment.version, dataset: inputs.training.name, source: checkpoint.folder.path,
        startLayer: settings.method.startLayer, images: items.map { inputs.training.url(of: $0).path },
        labels: items.map(\.label), classNames: inputs.training.classNames,
        prompts: inputs.training.classNames.map { inputs.test.template.prompt(for: $0) }, imageChange: changes.image,
        textChange: changes.text, gradientShares: shares,
        recommendation: SkipRecommendation([changes.image, changes.text], shares))
    }
  }

  /// Items spread evenly over the list, which is ordered by class.
  private static func sample(_ items: [DatasetItem], _ limit: Int) -> [DatasetItem] {
    items.count <= limit ? items : (0..<limit).map { items[$0 * items.count / limit] }
  }

  /// The images as tests prepare them.
  private func load(_ items: [DatasetItem], _ inputs: RunInputs) throws -> Tensor {
    let size = inputs.model.configuration.imageSize
    let pixels = Tensor(uninitialized: [items.count, 3, size, size])
    let loader = ImageLoader(
      requests: items.map { ImageRequest(url: inputs.training.url(of: $0), stream: (0, 0)) }, batchSize: 32,
      transform: inputs.testTransform, seed: 0, threads: environment.threads, lookahead: 2)
    let values = 3 * size * size
    while let batch = try loader.next() {
      pixels.slice(batch.range.lowerBound * values..<batch.range.upperBound * values)
        .copy(from: batch.pixels.reshaped([batch.range.count * values]))
    }
    return pixels
  }

  private func shares(_ pixels: Tensor, _ items: [DatasetItem], _ inputs: RunInputs) -> GradientShares {
    let (model, arena) = (inputs.model, Arena())
    let texts = model.unitTextFeatures(
      of: model.textPrefix(inputs.prompts, upTo: 0, arena: arena, by: environment.product), from: 0,
      by: environment.product)
    let features = model.imageFeatures(pixels, arena: arena, by: environment.product)
    let images = Tensor(uninitialized: features.shape)
    Normalization.forward(features, into: images, norm: arena.tensor([features.rowCount]))
    return GradientShares(
      images: images, labels: items.map(\.label), texts: texts, logitScale: model.logitScale, by: environment.product)
  }
}

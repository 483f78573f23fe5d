import Checkpoints
import Datasets
import Foundation
import ShardFiles

/// What a result depends on beside the settings, as hashes (XXH3-128) and words: two runs whose entries and settings are
/// equal measure the same thing.
struct ResultProvenance: Codable, Sendable, Equatable {
  /// Of all parameters before any tuning, as in checkpoints.
  var weights: String
  /// Manifest of the checkpoint whose parameters were laid over them; nil for a training and for untuned weights.
  var tunedWeights: String?
  var parameters: Int
  /// Classes of the data set, and the hash of their names in order of label.
  var classes: Int
  var classNames: String
  /// Paths and labels of the images trained on, in order; nil where nothing is trained.
  var trainingImages: String?
  /// Paths and labels of the images of each test set, in order.
  var testImages: [String: String]
  /// That of the data set, or those of tests, one after the other.
  var template: String
  /// Token ids of the prompts of each test set: of all templates, then those of the method.
  var prompts: [String: String]
  /// Resizing, crop and normalisation of test images.
  var preprocessing: String
  /// Of numbers in products and sums, on the wire, and of kept features.
  var precision: Precision
  var seed: Int

  /// Precision of numbers by use.
  struct Precision: Codable, Sendable, Equatable {
    /// As asked for: `bf16` is computed in fp32 where a CPU of the run has no arithmetic for it.
    var compute: String
    var exchange: String
    var features: String
  }

  /// What a test on these inputs depends on; `weights` is the fingerprint of the model before any tuning.
  init(_ inputs: TestInputs, _ settings: RunSettings, weights: Hash128, tunedWeights: Hash128? = nil) {
    self.weights = "\(weights)"
    self.tunedWeights = tunedWeights.map { "\($0)" }
    parameters = inputs.model.parameters.layout.modelCount
    classes = inputs.whole.classNames.count
    var names = HashStream()
    for name in inputs.whole.classNames { names.append(text: name) }
    classNames = "\(names.hash)"
    testImages = Dictionary(
      uniqueKeysWithValues: inputs.sets.map { ($0.name, "\(RunFacts.hash(of: $0.dataset.test))") })
    template = settings.templateWords(inputs.template)
    prompts = Dictionary(
      uniqueKeysWithValues: inputs.sets.map { set in
        let all = set.prompts.joined() + set.methodPrompts
        return (set.name, "\(RunFacts.hash(of: all.map { $0.map(Int.init) }))")
      })
    preprocessing = RunFacts.words(inputs.transform)
    precision = Precision(
      compute: settings.compute.precision.rawValue, exchange: settings.exchange.precision.rawValue,
      features: settings.features.storage.rawValue)
    seed = settings.seed
  }

  /// What a training and its tests depend on.
  init(_ inputs: RunInputs, _ settings: RunSettings, weights: Hash128) {
    self.init(inputs.test, settings, weights: weights)
    trainingImages = "\(RunFacts.hash(of: inputs.training.train))"
  }
}

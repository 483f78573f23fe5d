import Datasets
import Evaluation
import ShardFiles

/// One model on one test set of a job: the same list on all ranks.
struct JobTest {
  /// Index of the weights and of the data set in the plan.
  let weights: Int
  let dataset: Int
  let set: TestInputs.TestSet
  /// What tells classes apart; nil for the model's own way, image against prompts.
  let method: (any TrainingMethod)?
  let template: String
  let task: String
  /// Hash of all that the outcome depends on.
  let identity: String

  init(
    _ inputs: TestInputs, _ set: TestInputs.TestSet, _ settings: RunSettings, weights: Int, dataset: Int,
    _ base: Hash128, _ tuned: Hash128?, batchSize: Int
  ) {
    (self.weights, self.dataset, self.set) = (weights, dataset, set)
    // The model itself is tested as CLIP is, and so are models of which only weights were tuned.
    method = tuned != nil && inputs.method?.kind.tunesModel == false ? inputs.method : nil
    task = settings.task.rawValue
    let provenance = ResultProvenance(inputs, settings, weights: base, tunedWeights: tuned)
    template = provenance.template
    var stream = HashStream()
    for text in [
      provenance.weights, provenance.tunedWeights ?? "", inputs.whole.name, set.name, provenance.classNames,
      provenance.testImages[set.name]!, provenance.template, provenance.prompts[set.name]!, provenance.preprocessing,
      provenance.precision.compute, method.map { "\($0)" } ?? "",
    ] { stream.append(text: text) }
    // Images that pass the model together round together.
    stream.append(number: batchSize)
    identity = "\(stream.hash)"
  }

  var items: [DatasetItem] { self.set.dataset.test }
  var classNames: [String] { self.set.dataset.classNames }
}

import CLIPModel
import Checkpoints
import Collectives
import Datasets
import Diagnostics
import Evaluation
import ShardFiles

/// A model and the data sets that it is tested on, loaded and judged before anything is computed.
struct JobInputs {
  let datasets: [RunSettings]
  /// What the model was read for; nil where every data set is left out.
  let task: TaskInputs?
  let model: CLIP?
  /// By data set; nil for one that is left out.
  private let inputs: [TestInputs?]
  /// Of the untuned model.
  private let base: Hash128?
  let missing: [JobResults.Missing]

  /// Reads the data sets, then the model, with `model`; it must be untuned.
  ///
  /// `judge` is given every data set. Throws the same `Failure` on all ranks; data sets that are not there are left out
  /// where the settings of the first one say so. Collective: all ranks call this.
  init(
    _ datasets: [RunSettings], _ collectives: any MessagePassing, report: RunReport,
    judge: (TaskInputs) throws -> Void = { _ in }, model read: (TaskInputs) throws -> CLIP
  ) throws {
    self.datasets = datasets
    var presence = Presence(settings: datasets[0], collectives: collectives, report: report)
    let tasks = try datasets.map { settings in
      try presence.find(settings) {
        let task = try TaskInputs(settings)
        try judge(task)
        return task
      }
    }
    task = tasks.lazy.compactMap { $0 }.first
    guard let task else {
      (model, inputs, base, missing) = (nil, datasets.map { _ in nil }, nil, presence.missing)
      return
    }
    try collectives.agree { try Self.judge(tasks.compactMap { $0 }, like: task, datasets[0]) }
    let model = try read(task)
    inputs = try zip(datasets, tasks).map { settings, task in
      guard let task else { return nil }
      return try presence.find(settings) {
        let inputs = try TestInputs(settings, task, model)
        // One look per node is enough: its ranks see the same disks.
        if collectives.nodeRank == 0 { try inputs.verifyImagesExist() }
        return inputs
      }
    }
    (self.model, base, missing) = (model, BaseFingerprint.of(model), presence.missing)
  }

  /// How test images become the model's input; nil where there is none.
  var transform: ImageTransform? { inputs.lazy.compactMap { $0?.transform }.first }

  /// The tests of weights that the job calls by number, with their hash, on all data sets; nil for the model's own.
  func tests(ofWeights index: Int, _ hash: Hash128?, batchSize: Int) -> [JobTest] {
    inputs.enumerated().flatMap { place, inputs in
      (inputs?.sets ?? []).map { set in
        JobTest(
          inputs!, set, datasets[place], weights: index, dataset: place, base!, hash, batchSize: batchSize)
      }
    }
  }

  /// Throws unless the method adds the same parameters to the model whatever the data set.
  private static func judge(_ tasks: [TaskInputs], like first: TaskInputs, _ settings: RunSettings) throws {
    func additions(_ task: TaskInputs) -> [ParameterLayout.Addition] {
      task.method?.additions(to: task.weights.configuration) ?? []
    }
    guard let other = tasks.first(where: { additions($0) != additions(first) }) else { return }
    throw Failure(
      .usage, at: "--datasets",
      "\(settings.method.kind.rawValue) has other parameters for \(other.whole.name) than for \(first.whole.name)",
      remedy: "evaluate them in two jobs")
  }
}

/// Which data sets are there.
private struct Presence {
  let settings: RunSettings
  let collectives: any MessagePassing
  let report: RunReport
  private(set) var missing: [JobResults.Missing] = []

  init(settings: RunSettings, collectives: any MessagePassing, report: RunReport) {
    (self.settings, self.collectives, self.report) = (settings, collectives, report)
  }

  /// What `read` finds of a data set; nil where that is not there and is to be left out.
  mutating func find<Found>(_ dataset: RunSettings, _ read: () throws -> Found) throws -> Found? {
    do {
      return try collectives.agree(read)
    } catch let failure as Failure where failure.status == .missingInput && skipsMissing {
      let name = try dataset.data.location().name
      report.warning("\(name) is left out: \(failure)")
      missing.append(JobResults.Missing(dataset: name, problem: "\(failure)"))
      return nil
    }
  }

  private var skipsMissing: Bool { settings.evaluation.onMissingData == .skip }
}

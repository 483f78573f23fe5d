import Configuration
import Datasets
import Diagnostics
import Foundation
import Reporting
import Training

/// The trainings and tests of a protocol, each with settings that were judged.
public struct ProtocolPlan: Sendable {
  /// One training run in a folder of its own.
  struct Training: Sendable {
    let dataset: String
    let shots: Int
    let seed: Int
    let settings: RunSettings
    let resolved: ResolvedConfiguration

    /// The run directory.
    var folder: URL { settings.folder }
  }

  /// One test on a target.
  struct Test: Sendable {
    let target: String
    /// Index of the training whose weights are tested; nil for the untuned model.
    let training: Int?
    let settings: RunSettings
    /// The JSON file of its results.
    let file: URL
  }

  /// What is done at a time.
  enum Job: Hashable, Sendable {
    /// By index.
    case training(Int)
    case test(Int)
  }

  let kind: ProtocolKind
  /// What all runs lie in.
  let folder: URL
  let settings: ProtocolSettings
  private(set) var trainings: [Training] = []
  private(set) var tests: [Test] = []
  private(set) var jobs: [Job] = []

  /// Reads the files and `key.path=value` options for each run, with its data set's file laid over them.
  ///
  /// Throws `Failure` for settings that are wrong or do not make up the protocol; looks at no data.
  public init(_ kind: ProtocolKind, files: [URL], overrides: [String]) throws {
    let base = try RunSettings.read(ConfigurationSource(files: files, overrides: overrides), for: .plan).settings
    self.kind = kind
    folder = base.folder
    settings = base.protocolSettings
    try judge(base)
    let configuration = PlannedConfiguration(
      files: files, overrides: overrides, place: "protocol.data_sets")
    if kind.hasTargets, base.testsZeroShot {
      for target in settings.targets { try addTest(on: target, of: nil, configuration) }
    }
    // Seed by seed, so that all data sets have a result early.
    for seed in settings.seeds {
      for dataset in settings.datasets {
        for shots in settings.shots { try addTraining(on: dataset, shots: shots, seed: seed, configuration) }
      }
    }
    try judgeNames()
  }

  /// Names of the data sets that are trained on, in order.
  var datasetNames: [String] { trainings.map(\.dataset).distinct() }

  /// Names of the targets, in order.
  var targetNames: [String] { tests.map(\.target).distinct() }

  /// The JSON file that a finished job leaves.
  func file(of job: Job) -> URL {
    switch job {
    case .training(let index): trainings[index].folder.appending(path: "results.json")
    case .test(let index): tests[index].file
    }
  }

  /// A run in words: `DescribableTextures, 16 shots, seed 1`.
  func words(_ job: Job) -> String {
    switch job {
    case .training(let index): words(trainings[index])
    case .test(let index):
      "\(tests[index].target), "
        + (tests[index].training.map { "tested with the weights of \(words(trainings[$0]))" } ?? "tested untuned")
    }
  }

  private func words(_ training: Training) -> String {
    "\(training.dataset), \(training.shots) \(training.shots == 1 ? "shot" : "shots"), seed \(training.seed)"
  }

  // MARK: Making

  private mutating func addTraining(
    on dataset: String, shots: Int, seed: Int, _ configuration: PlannedConfiguration
  ) throws {
    let name = try configuration.datasetName(dataset)
    let place = folder.appending(path: "\(name)/shots_\(shots)/seed\(seed)")
    var more = ["task=\(kind.task)", "data.shots=\(shots)", "seed=\(seed)"]
    if settings.shortened.contains(name), let epochs = settings.fewerEpochs { more.append("optim.epochs=\(epochs)") }
    let (runSettings, resolved) = try configuration.read(dataset, in: place, more)
    trainings.append(
      Training(dataset: name, shots: shots, seed: seed, settings: runSettings, resolved: resolved))
    jobs.append(.training(trainings.count - 1))
    guard kind.hasTargets else { return }
    for target in settings.targets { try addTest(on: target, of: trainings.count - 1, configuration) }
  }

  private mutating func addTest(on target: String, of training: Int?, _ configuration: PlannedConfiguration) throws {
    let name = try configuration.datasetName(target)
    let place =
      training.map { index in
        let folder = trainings[index].folder
        return folder.deletingLastPathComponent().appending(path: folder.lastPathComponent + ".targets")
      } ?? folder.appending(path: "zero-shot.targets")
    let (runSettings, _) = try configuration.read(target, in: place, ["task=\(kind.task)"])
    tests.append(
      Test(target: name, training: training, settings: runSettings, file: place.appending(path: "\(name).json")))
    jobs.append(.test(tests.count - 1))
  }

  // MARK: Judging

  private func judge(_ base: RunSettings) throws {
    func require(_ condition: Bool, _ key: String, _ problem: String, _ remedy: String) throws {
      if !condition { throw Failure(.usage, at: "protocol.\(key)", problem, remedy: remedy) }
    }
    let preset = "configs/protocols/\(kind.rawValue).yaml"
    try require(
      !settings.datasets.isEmpty, "data_sets", "names no data sets", "give -c \(preset), or a list of your own")
    try require(
      kind == .fewShot || settings.shots.count == 1, "shots", "\(kind.rawValue) has one number of shots",
      "name one, or start the protocol once for each, in folders of their own")
    try require(
      !kind.hasTargets || settings.datasets.count == 1, "data_sets",
      "\(kind.rawValue) trains on one data set, not on \(settings.datasets.count)", "name the one in protocol.data_sets"
    )
    try require(
      kind.hasTargets == !settings.targets.isEmpty, "targets",
      kind.hasTargets ? "names no data sets to test on" : "is of no meaning to \(kind.rawValue)",
      kind.hasTargets ? "give -c \(preset), or a list of your own" : "leave it out")
    try judgeMethod(base)
    guard base.testsTuned else {
      throw Failure(.usage, at: "evaluate.tuned", "a protocol is about the tuned model", remedy: "set it to true")
    }
    guard !kind.hasTargets || base.savesCheckpoints else {
      throw Failure(
        .usage, at: "checkpoint", "\(kind.rawValue) tests the weights of checkpoints, and none are saved",
        remedy: "set checkpoint.every_epochs: 1")
    }
  }

  private func judgeMethod(_ base: RunSettings) throws {
    guard base.tellsNewClasses || kind == .fewShot else {
      throw Failure(
        .usage, at: "method.kind",
        "\(base.methodName) knows no classes but those it is trained on, \(kind.rawValue) tests others",
        remedy: "use it in \(ProtocolKind.fewShot.rawValue)")
    }
    guard base.trains || !kind.hasTargets else {
      throw Failure(
        .usage, at: "method.kind", "\(base.methodName) trains nothing, \(kind.rawValue) tests what was trained",
        remedy: "choose another method: its tables have the untuned model's results, too")
    }
  }

  /// Throws where two data sets would share a folder, a name makes none, or fewer epochs are set for nobody.
  private func judgeNames() throws {
    for (names, count, key) in [
      (datasetNames, settings.datasets.count, "data_sets"), (targetNames, settings.targets.count, "targets"),
    ] where names.count != count {
      throw Failure(
        .usage, at: "protocol.\(key)", "two entries are the same data set", remedy: "give data.name to each")
    }
    for name in datasetNames + targetNames {
      let isPlain = name.allSatisfy { $0.isLetter || $0.isNumber || "-_. ".contains($0) } && name.first != "."
      guard isPlain, !name.isEmpty, name != "zero-shot.targets" else {
        throw Failure(
          .usage, at: "data.name", "\(quoted(name)) cannot be the name of a folder",
          remedy: "use letters, digits, - and _")
      }
    }
    for name in settings.shortened where !datasetNames.contains(name) && DatasetCatalog.entry(named: name)?.name != name
    {
      let near = nearestMatch(to: name, among: datasetNames + DatasetCatalog.entries.map(\.name))
      throw Failure(
        .usage, at: "protocol.fewer_epochs_for", "no data set is called \(quoted(name))",
        remedy: near.map { "did you mean \($0)?" } ?? "name some of \(datasetNames.joined(separator: ", "))")
    }
  }
}

import Checkpoints
import Collectives
import Diagnostics
import Foundation
import Kernels
import ShardFiles
import StrictJSON
import Tensors

/// Bringing state back. All methods are collective.
extension RunCheckpoints {
  /// Whether a run goes on with the files that an earlier start left beside the folder of checkpoints.
  static func goesOn(_ start: StartingState, in folder: URL) -> Bool {
    let directory = CheckpointDirectory(folder)
    return switch start.resume {
    case .never: false
    case .auto: directory.holdsCheckpoints
    case .latest: true
    case .checkpoint(let path): directory.holds(URL(fileURLWithPath: path))
    }
  }

  /// Throws where a folder that the user named is none of a checkpoint, before anything is written.
  static func judgePaths(_ start: StartingState, in folder: URL) throws {
    if case .checkpoint(let path) = start.resume { try judge(path, "--resume") }
    if let path = start.initialCheckpoint, !goesOn(start, in: folder) { try judge(path, "--init-from") }
  }

  private static func judge(_ path: String, _ option: String) throws {
    let checkpoints = URL(fileURLWithPath: path).appendingPathComponent("checkpoints").path
    if FileManager.default.fileExists(atPath: checkpoints) {
      throw Failure(
        .missingInput, at: path, "\(option) names a run, not one of its checkpoints",
        remedy: "name a folder in \(checkpoints)")
    }
    guard FileManager.default.fileExists(atPath: path) else {
      throw Failure(
        .missingInput, at: path, "\(option) names a folder that does not exist",
        remedy: "check the path; skiptune checkpoint list RUN lists the checkpoints of a run")
    }
  }

  /// Makes the folder ready, and brings back the state to go on from; nil where training starts from the beginning.
  ///
  /// Throws the same `Failure` on all ranks where that state is damaged or of another run.
  func restore(_ start: StartingState) throws -> RunProgress? {
    for name in try directory.prepare(collectives) {
      report.info("removed \(name), which a stopped run had not completed")
    }
    guard let checkpoint = try find(start.resume) else { return nil }
    let differences = try judge(checkpoint, start)
    try load(checkpoint)
    try supersede(after: checkpoint)
    let manifest = checkpoint.manifest
    run.provenance.inherit(manifest.state["provenance"])
    run.provenance.resumedStep = manifest.step
    run.provenance.acceptedDifferences += differences.map { "step \(manifest.step): \($0)" }
    report.info(
      "resuming from \(checkpoint.name): \(manifest.epoch) epochs and \(manifest.batchesDone) batches are done")
    return try progress(of: manifest, differences)
  }

  private func find(_ resume: Resume) throws -> Checkpoint? {
    switch resume {
    case .never: nil
    case .auto: try directory.newest(collectives) { report.warning("passing over a damaged checkpoint: \($0)") }
    case .latest: try directory.latest(collectives)
    case .checkpoint(let path): try directory.checkpoint(at: URL(fileURLWithPath: path), collectives)
    }
  }

  /// In what the checkpoint's run differs from this one, said as warnings.
  ///
  /// Throws where it may not: in trained tensors or base weights never, in anything else unless the user accepts it.
  private func judge(_ checkpoint: Checkpoint, _ start: StartingState) throws -> [RunDifference] {
    let place = checkpoint.folder.path
    let differences = try collectives.agree {
      let state = checkpoint.manifest.state
      var differences = run.identity.differences(from: state["identity"])
      if let path = start.initialCheckpoint, let other = Self.otherOrigin(path, than: state["provenance"]) {
        differences.append(other)
      }
      guard differences.isEmpty || start.acceptsDifferences else { throw differences.refusal(at: place) }
      try checkpoint.manifest.checkFits(tensors: tensors, baseFingerprint: baseFingerprint, at: place)
      return differences
    }
    for difference in differences { report.warning("\(checkpoint.name) is gone on from although \(difference)") }
    return differences
  }

  /// The difference between the checkpoint that a run began with and the one at `path`; nil where that is the same one, or
  /// gone by now.
  private static func otherOrigin(_ path: String, than provenance: JSONValue?) -> RunDifference? {
    guard let now = (try? Checkpoint(reading: URL(fileURLWithPath: path))).map(InitialCheckpoint.init) else {
      return nil
    }
    let former = provenance?["initial_checkpoint"]
    if former?["manifest_hash"]?.string == now.hash { return nil }
    return RunDifference(
      key: "--init-from", former: former?["path"]?.string ?? "not given", current: "\(now.path) (manifest \(now.hash))")
  }

  /// Checkpoints of later steps than one of this folder belong to a history that is left.
  private func supersede(after checkpoint: Checkpoint) throws {
    guard directory.holds(checkpoint.folder) else { return }
    let names = try collectives.agree {
      collectives.rank == 0 ? try directory.supersede(after: checkpoint.manifest.step) : []
    }
    for name in names { report.warning("\(name) is newer than what the run goes on from: renamed, as superseded") }
  }

  private func load(_ checkpoint: Checkpoint) throws {
    try loadParameters(checkpoint)
    try collectives.agree {
      for state in engine.states {
        let sources = state.sources(checkpoint.manifest.vectorNames)
        if sources.count > 1 {
          report.warning("\(state.name) begins as the mean of \(sources.joined(separator: ", "))")
        }
        for range in state.held { try load(sources, of: checkpoint, range, into: state.values(range)) }
      }
    }
  }

  /// Reads a range of a vector, or the mean of several; of none, leaves the values as they are.
  private func load(_ names: [String], of checkpoint: Checkpoint, _ range: Range<Int>, into values: Tensor) throws {
    guard let first = names.first else { return }
    try checkpoint.read(first, range, into: values.buffer)
    guard names.count > 1 else { return }
    let other = Tensor(uninitialized: [range.count])
    for name in names.dropFirst() {
      try checkpoint.read(name, range, into: other.buffer)
      ElementWise.add(other, to: values)
    }
    for index in 0..<values.count { values[index] /= Float(names.count) }
  }

  private func loadParameters(_ checkpoint: Checkpoint) throws {
    let parameters = Tensor(uninitialized: [vector.count])
    let base = BaseValues { [vector] in vector.copy($0, to: $1) }
    try checkpoint.readAll("parameters", into: parameters.buffer, base: base, collectives)
    if !sharesParameters || collectives.nodeRank == 0 { vector.write(parameters) }
    try collectives.barrier()
  }

  private func progress(of manifest: CheckpointManifest, _ differences: [RunDifference]) throws -> RunProgress {
    var zeroShot = try manifest.state["zero_shot"]?.string.map {
      try JSONDecoder().decode(RunResults.TestOutcome.self, from: Data($0.utf8))
    }
    if zeroShot != nil, differences.concernTests {
      report.warning("the test of the untuned model is left out of the results: it was one of other data")
      zeroShot = nil
    }
    return RunProgress(
      position: TrainingPosition(epoch: manifest.epoch, batch: manifest.batchesDone, step: manifest.step),
      loss: manifest.metrics["loss"], epochLoss: RunningMean(manifest.state["epoch_loss"]), zeroShot: zeroShot)
  }
}

// MARK: - Beginning with a checkpoint of another run

extension RunCheckpoints {
  /// The checkpoint whose parameters a new run begins with, verified.
  ///
  /// Throws the same `Failure` on all ranks where it is damaged, or of other base weights or trained tensors.
  func findInitial(_ path: String) throws -> Checkpoint {
    let checkpoint = try directory.checkpoint(at: URL(fileURLWithPath: path), collectives)
    try collectives.agree {
      try checkpoint.manifest.checkFits(
        tensors: tensors, baseFingerprint: baseFingerprint, at: checkpoint.folder.path)
    }
    return checkpoint
  }

  /// Takes over the trained parameters; momentum and position stay those of a new run.
  func begin(with checkpoint: Checkpoint) throws {
    try loadParameters(checkpoint)
    run.provenance.initialCheckpoint = InitialCheckpoint(checkpoint)
    report.info("beginning with the parameters of \(checkpoint.folder.path), after \(checkpoint.manifest.step) steps")
  }
}

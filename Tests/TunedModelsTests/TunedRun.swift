import CLIPModel
import Collectives
import Foundation
import ShardFiles
import StrictJSON
import Tensors
import TestSupport

@testable import Checkpoints
@testable import TunedModels

/// A base model of the goldens, and checkpoints of a training whose values are a formula.
struct TunedRun {
  let folder: URL
  let base: URL
  let startLayer: Int
  let configuration: CLIPConfiguration
  /// Untuned.
  let before: ParameterStore

  /// Copies a model of the goldens; the default one is stored as bf16.
  init(in folder: URL, model: String = "model-gelu-bf16", startLayer: Int = 1) throws {
    self.folder = folder
    self.startLayer = startLayer
    base = folder.appendingPathComponent("base")
    if !FileManager.default.fileExists(atPath: base.path) {
      try FileManager.default.copyItem(at: Goldens.url("towers/\(model)"), to: base)
    }
    let clip = try CLIP(huggingFaceFolder: base)
    (configuration, before) = (clip.configuration, clip.parameters)
  }

  private var windows: [Range<Int>] {
    Encoder.allCases.map { before.layout.trainedRange(of: $0, from: startLayer) }
  }

  var tensors: [TrainedTensor] {
    var end = 0
    return before.layout.slots.filter { slot in windows.contains { $0.contains(slot.range.lowerBound) } }.map { slot in
      defer { end += slot.range.count }
      return TrainedTensor(name: slot.name, shape: slot.shape, range: end..<end + slot.range.count)
    }
  }

  /// All weights after a step: near the base, some exactly it, some -0.
  func after(_ step: Int) -> ParameterStore {
    let store = before.copied()
    var random = CounterRandom(seed: UInt64(step))
    for index in windows.joined() {
      let value = store.values[index]
      store.values[index] =
        switch index % 7 {
        case 0: value
        case 1: -0.0
        default: value + Float(0.01 * random.uniform(-1, 1))
        }
    }
    return store
  }

  /// The trained vector of a whole model.
  func trained(_ store: ParameterStore) -> Tensor { Tensor(windows.joined().map { store.values[$0] }) }

  func manifest(_ step: Int, state: [String: JSONValue] = [:]) -> CheckpointManifest {
    CheckpointManifest(
      step: step, epoch: step / 10, batchesDone: step % 10,
      baseFingerprint: BaseFingerprint.of(before.slots.map { ($0.name, before[$0.name]!) }), tensors: tensors,
      metrics: ["loss": 0.5],
      state: [
        "classes": .array([.string("a \"cat\""), .string("dög, small")]), "template": .string("a photo of a {}."),
        "identity": .object([JSONMember("seed", .string("1"))]),
      ].merging(state) { $1 })
  }

  /// Saves a step and returns its checkpoint.
  @discardableResult
  func save(
    _ step: Int, worldSize: Int = 1, in name: String = "run", state: [String: JSONValue] = [:],
    values: Tensor? = nil, momentum: Tensor? = nil
  ) throws -> Checkpoint {
    let parameters = values ?? trained(after(step))
    let momentum = momentum ?? normalTensor([parameters.count], seed: UInt64(step))
    let directory = CheckpointDirectory(folder.appendingPathComponent("\(name)/checkpoints"))
    let (before, manifest) = (trained(before), manifest(step, state: state))
    _ = try LoopbackWorld.run(size: worldSize) { collectives in
      try directory.prepare(collectives)
      guard let draft = try directory.begin(step: step, collectives) else { return }
      let share = evenShard(of: parameters.count, rank: collectives.rank, worldSize: worldSize)
      var options = ShardOptions()
      options.frameCount = 1000
      let shard = draft.writeShard(
        [
          ShardSource("parameters", start: share.lowerBound, parameters.slice(share), base: BaseValues(before)),
          ShardSource("momentum", start: share.lowerBound, momentum.slice(share)),
        ], options: options)
      try directory.commit(draft, shard: shard, manifest: manifest, at: 0, collectives)
    }
    return try Checkpoint(reading: directory.folder(step: step))
  }

  func weights() throws -> WeightsFile { try WeightsFile(huggingFaceFolder: base) }

  func baseModel() throws -> BaseModel { try BaseModel(weights()) }

  /// Writes an export and returns its place.
  func export(_ tuned: TunedWeights, _ format: ExportFormat, as name: String) throws -> URL {
    let output = folder.appendingPathComponent(name)
    try tuned.export(format, over: weights(), base: baseModel(), programVersion: "9.8.7", to: output)
    return output
  }
}

extension ParameterStore {
  var bits: [UInt32] { values.bits }
}

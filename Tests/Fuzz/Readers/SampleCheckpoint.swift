import Checkpoints
import Collectives
import Foundation
import ShardFiles
import Tensors

/// A checkpoint of two tensors by two ranks, in small frames.
struct SampleCheckpoint {
  /// Before training.
  let base = Tensor((0..<300).map { Float($0) / 7 })
  /// What holds it.
  let folder: URL

  init(in url: URL) throws {
    let directory = CheckpointDirectory(url.appending(path: "checkpoints"))
    folder = directory.folder(step: 12)
    let base = base
    let after = Tensor((0..<300).map { Float($0) / 7 + ($0 % 3 == 0 ? 0 : 0.001) })
    let manifest = CheckpointManifest(
      step: 12, epoch: 1, batchesDone: 2, baseFingerprint: BaseFingerprint.of([("weights", base)]),
      tensors: [
        .init(name: "image.weight", shape: [100], range: 0..<100),
        .init(name: "text.weight", shape: [2, 100], range: 100..<300),
      ], metrics: ["loss": 0.5], state: ["mask": .array([.bool(true)]), "seed": .integer(.max)])
    _ = try LoopbackWorld.run(size: 2) { collectives in
      try directory.prepare(collectives)
      guard let draft = try directory.begin(step: 12, collectives) else { return }
      var options = ShardOptions()
      options.frameCount = 64
      let share = evenShard(of: 300, rank: collectives.rank, worldSize: 2)
      let shard = draft.writeShard(
        [
          ShardSource("parameters", start: share.lowerBound, after.slice(share), base: BaseValues(base)),
          ShardSource("momentum", start: share.lowerBound, after.slice(share)),
        ], options: options)
      try directory.commit(draft, shard: shard, manifest: manifest, at: 0, collectives)
    }
  }
}

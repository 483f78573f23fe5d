import CLIPModel
import Collectives
import Foundation
import Tensors

extension CLIP {
  /// Reads a pretrained CLIP on all ranks.
  ///
  /// Where `isShared`, the ranks of each host have one copy of the weights, which one of them reads and judges: what a rank
  /// changes, all of its host see. Else each rank reads its own. The header is judged by all, before memory is taken.
  /// Throws the same `Failure` on all ranks. Collective: all ranks call this in the same order.
  static func read(
    _ source: () throws -> ModelSource, isShared: Bool, among collectives: any MessagePassing
  ) throws -> (model: CLIP, weights: WeightsFile) {
    let weights = try collectives.agree { try WeightsFile(source()) }
    let store =
      try isShared ? shared(weights.layout, among: collectives) : ParameterStore(weights.layout)
    try collectives.agree {
      if !isShared || collectives.nodeRank == 0 { try weights.read(into: store) }
    }
    return (CLIP(weights.configuration, store), weights)
  }

  /// Zeros for all parameters, in memory that the ranks of each host have in common.
  private static func shared(
    _ layout: ParameterLayout, among collectives: any MessagePassing
  ) throws -> ParameterStore {
    let memory = try collectives.nodeMemory(byteCount: layout.count * MemoryLayout<Float>.stride, counters: 0)
    let storage = FloatStorage(
      memory.bytes.baseAddress!.assumingMemoryBound(to: Float.self), count: layout.count, keptBy: memory)
    return ParameterStore(layout, windows: [0..<layout.count], values: Tensor(storage, shape: [layout.count]))
  }
}

extension MessagePassing {
  /// Whether any host has several ranks; the same on all ranks.
  var hasSharedHosts: Bool { nodeCount < worldSize }
}

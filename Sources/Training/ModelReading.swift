import CLIPModel
import Collectives
import Foundation
import Tensors

extension CLIP {
  /// Reads a pretrained CLIP on all ranks, of weights that each has judged by their header, with what `method` adds to it.
  ///
  /// Where `isShared`, the ranks of each host have one copy of the parameters, which one of them reads, judges and begins:
  /// what a rank changes, all of its host see. Else each rank reads its own. Throws the same `Failure` on all ranks.
  /// Collective: all ranks call this in the same order.
  static func read(
    _ weights: WeightsFile, for method: (any TrainingMethod)?, isShared: Bool, among collectives: any MessagePassing
  ) throws -> CLIP {
    let layout = ParameterLayout(
      weights.configuration, adding: method?.additions(to: weights.configuration) ?? [])
    let model = CLIP(
      weights.configuration, try isShared ? shared(layout, among: collectives) : ParameterStore(layout))
    try collectives.agree {
      guard !isShared || collectives.nodeRank == 0 else { return }
      try weights.read(into: model.parameters)
      method?.initialize(model)
    }
    return model
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

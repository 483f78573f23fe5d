import CLIPModel
import Collectives
import Tensors

extension CLIP {
  /// The same model over weights that the ranks of each host have in common.
  ///
  /// What one of them changes, all see. Collective: all ranks call this in the same order.
  func shared(among collectives: any MessagePassing) throws -> CLIP {
    let count = parameters.values.count
    let memory = try collectives.nodeMemory(byteCount: count * MemoryLayout<Float>.stride, counters: 0)
    let storage = FloatStorage(
      memory.bytes.baseAddress!.assumingMemoryBound(to: Float.self), count: count, keptBy: memory)
    let values = Tensor(storage, shape: [count])
    if collectives.nodeRank == 0 { values.copy(from: parameters.values) }
    try collectives.barrier()
    return CLIP(configuration, ParameterStore(parameters.layout, windows: parameters.windows, values: values))
  }
}

import Collectives
import Tensors

/// Gradients of all ranks of a node, each of which the others may read.
struct GradientMemory {
  /// This rank's, `[count]`.
  let own: Tensor
  /// Those of all ranks of the node, in order of rank.
  let all: [Tensor]

  /// Memory that is there.
  init(own: Tensor, all: [Tensor]) {
    self.own = own
    self.all = all
  }

  /// Zeros.
  ///
  /// Collective: all ranks call this in the same order.
  init(count: Int, _ topology: ExchangeTopology, _ messages: any MessagePassing) throws {
    let stride = (count + BucketPlan.alignment - 1) / BucketPlan.alignment * BucketPlan.alignment
    let sharing = topology.local.count > 1 ? topology.local.count : 0
    // Collective, so a rank that is alone on its node asks too; its gradients are better off in memory of its own.
    let memory = try messages.nodeMemory(byteCount: sharing * stride * MemoryLayout<Float>.stride, counters: 0)
    guard sharing > 0 else {
      own = Tensor(zeros: [count])
      all = [own]
      return
    }
    let storage = FloatStorage(
      memory.bytes.baseAddress!.assumingMemoryBound(to: Float.self), count: topology.local.count * stride,
      keptBy: memory)
    all = topology.local.indices.map { Tensor(storage, offset: $0 * stride, shape: [count]) }
    own = all[topology.localRank]
  }
}

/// How far the ranks of a node are with each bucket, for all of them to see.
struct ProgressBoard {
  /// What a rank tells.
  enum Mark: Int, CaseIterable {
    /// Its gradients of a bucket are final.
    case ready
    /// What it handles of the bucket's new parameters is there.
    case arrived
  }

  private let memory: any NodeMemory
  private let topology: ExchangeTopology
  private let buckets: Int

  /// A board for `buckets` buckets.
  ///
  /// Collective: all ranks call this in the same order.
  init(buckets: Int, _ topology: ExchangeTopology, _ messages: any MessagePassing) throws {
    self.buckets = buckets
    self.topology = topology
    memory = try messages.nodeMemory(byteCount: 0, counters: Mark.allCases.count * topology.local.count * buckets)
  }

  /// Tells that this rank has come so far in the exchange of that number.
  func set(_ mark: Mark, _ bucket: Int, _ number: UInt64) {
    memory.setCounter(index(mark, topology.localRank, bucket), to: number)
  }

  /// Whether all ranks of the node have come so far.
  func haveAll(_ mark: Mark, _ bucket: Int, _ number: UInt64) -> Bool {
    topology.local.indices.allSatisfy { memory.counter(index(mark, $0, bucket)) >= number }
  }

  private func index(_ mark: Mark, _ place: Int, _ bucket: Int) -> Int {
    (mark.rawValue * topology.local.count + place) * buckets + bucket
  }
}

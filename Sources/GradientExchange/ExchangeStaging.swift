import Kernels
import Tensors

/// Memory for what is on its way, and for what rounding took away.
final class ExchangeStaging {
  private let plan: BucketPlan
  private let options: ShardedExchange.Options
  private let foreignOwners: [Int]
  /// Where each foreign owner's slices begin in the memory of one bucket.
  private let places: [Int: Int]
  private let largestSlice: Int
  private let otherNodes: Int

  private let incomingWords: FloatStorage
  private let outgoingWords: FloatStorage
  private let outgoingHalves: FloatStorage
  private let incomingHalves: FloatStorage
  private let updateHalves: FloatStorage
  private let former: Tensor

  /// What rounding took from the sums sent to other nodes, by bucket and foreign owner, one after the other.
  let sumResidual: Tensor
  private let residualStarts: [Int]
  /// What rounding took from the updates handed out, by owned element.
  let updateResidual: Tensor

  init(_ plan: BucketPlan, _ topology: ExchangeTopology, _ options: ShardedExchange.Options) {
    self.plan = plan
    self.options = options
    let owners = topology.foreignOwners
    foreignOwners = owners
    otherNodes = topology.otherNodes.count
    places = Dictionary(uniqueKeysWithValues: owners.enumerated().map { ($1, $0) })
    let largest = plan.buckets.flatMap(\.slices).map(\.count).max() ?? 0
    // A line more, so that places of any size are aligned.
    largestSlice = (largest + BucketPlan.alignment - 1) / BucketPlan.alignment * BucketPlan.alignment
    let rounds = options.precision == .bfloat16
    let owned = plan.owned(by: topology.rank).reduce(0) { $0 + $1.count }
    let perOwner = options.window * owners.count * largestSlice
    incomingWords = FloatStorage(uninitialized: options.window * otherNodes * largestSlice)
    outgoingWords = FloatStorage(uninitialized: topology.local.count > 1 ? perOwner : 0)
    outgoingHalves = FloatStorage(uninitialized: rounds ? perOwner / 2 : 0)
    incomingHalves = FloatStorage(uninitialized: rounds ? perOwner / 2 : 0)
    updateHalves = FloatStorage(uninitialized: rounds ? (owned + 1) / 2 : 0)
    former = Tensor(uninitialized: [rounds ? largestSlice : 0])
    updateResidual = Tensor(zeros: [rounds ? owned : 0])
    var end = 0
    residualStarts = plan.buckets.map { bucket in
      defer { end += owners.reduce(0) { $0 + bucket.slices[$1].count } }
      return end
    }
    sumResidual = Tensor(zeros: [rounds ? end : 0])
  }

  /// Where the sum of another node for this rank's slice is received; `position` counts the other nodes.
  func incoming(_ index: Int, _ position: Int, count: Int) -> UnsafeMutableRawBufferPointer {
    let start = (index % options.window * otherNodes + position) * largestSlice
    return UnsafeMutableRawBufferPointer(
      start: incomingWords.pointer + start, count: count * options.precision.byteCount)
  }

  /// Received fp32 values as a vector.
  func floats(_ bytes: UnsafeMutableRawBufferPointer) -> Tensor {
    let start = bytes.baseAddress!.assumingMemoryBound(to: Float.self) - incomingWords.pointer
    return Tensor(incomingWords, offset: start, shape: [bytes.count / MemoryLayout<Float>.stride])
  }

  /// Where this node's sum of a foreign slice is made.
  func outgoingSum(_ index: Int, _ owner: Int, count: Int) -> Tensor {
    Tensor(outgoingWords, offset: place(index, owner), shape: [count])
  }

  /// Where this node's sum of a foreign slice is rounded.
  func outgoingBits(_ index: Int, _ owner: Int, count: Int) -> UnsafeMutableBufferPointer<UInt16> {
    halves(outgoingHalves, place(index, owner), count)
  }

  /// Where the change of a foreign slice is received.
  func incomingBits(_ index: Int, _ owner: Int, count: Int) -> UnsafeMutableBufferPointer<UInt16> {
    halves(incomingHalves, place(index, owner), count)
  }

  /// Where the change of owned elements is rounded.
  func updateBits(_ owned: Range<Int>) -> UnsafeMutableBufferPointer<UInt16> {
    halves(updateHalves, owned.lowerBound, owned.count)
  }

  /// Room for the parameters of a slice.
  func formerParameters(count: Int) -> Tensor { former.slice(0..<count) }

  /// What rounding took from the sums of a foreign slice.
  func residual(_ index: Int, _ owner: Int) -> Tensor {
    let slices = plan.buckets[index].slices
    let start = residualStarts[index] + foreignOwners.prefix { $0 != owner }.reduce(0) { $0 + slices[$1].count }
    return sumResidual.slice(start..<start + slices[owner].count)
  }

  private func place(_ index: Int, _ owner: Int) -> Int {
    (index % options.window * foreignOwners.count + places[owner]!) * largestSlice
  }

  private func halves(_ storage: FloatStorage, _ start: Int, _ count: Int) -> UnsafeMutableBufferPointer<UInt16> {
    let start = UnsafeMutableRawPointer(storage.pointer).assumingMemoryBound(to: UInt16.self) + start
    return UnsafeMutableBufferPointer(start: start, count: count)
  }
}

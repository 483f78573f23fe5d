import CMPIShims
import Collectives
import Diagnostics

// Every operation is made of messages of its own: nothing here waits inside the library, the order of a sum's terms is
// known, and ranks that are in different operations wait, which the watchdog sees, instead of taking each other's data.

/// The operation that messages belong to.
private enum OperationKind: Int {
  case barrier, allReduce, broadcast, allGather
}

/// One operation of this rank: what its messages are told apart by, and its name in words.
private struct Operation {
  private static let kinds = 8
  let tag: Int
  let words: () -> String

  /// `isOfPart` tells operations of some ranks from those of all, which the same two ranks may be in.
  init(_ kind: OperationKind, number: Int, isOfPart: Bool, words: @escaping () -> String) {
    tag = (number * Self.kinds + kind.rawValue + (isOfPart ? Self.kinds / 2 : 0)) % MessageTag.end
    self.words = words
  }
}

extension MPICollectives {
  /// Bytes up to which a tree is the way, as it needs the fewest messages.
  private static let shortBuffer = 64 << 10
  /// Bytes of a long buffer that are reduced at a time, so that what comes in from others stays in the cache.
  private static let partSize = 4 << 20

  private func begin(_ kind: OperationKind, _ words: @autoclosure @escaping () -> String) -> Operation {
    watchdog.begin()
    let number = operationCount.withLock { count in
      count += 1
      return count
    }
    return Operation(kind, number: number, isOfPart: members != nil, words: words)
  }

  /// Waits for every rank.
  ///
  /// In turn k a rank tells the one 2^k ranks ahead that it and all it has heard of are here.
  public func barrier() throws {
    let operation = begin(.barrier, "barrier")
    let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    var distance = 1
    while distance < worldSize {
      let (next, previous) = ((rank + distance) % worldSize, (rank + worldSize - distance) % worldSize)
      try wait(
        for: [try receive(nothing, from: previous, operation), try send(nothing, to: next, operation)], operation)
      distance *= 2
    }
  }

  /// Copies from one rank to all: a short buffer along a tree; of a long one each rank gets a share, and sends it to all.
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws {
    precondition((0..<worldSize).contains(root), "root \(root) is not in a world of \(worldSize)")
    let operation = begin(.broadcast, "broadcast of \(bytes.count) bytes from rank \(root)")
    guard worldSize > 1, !bytes.isEmpty else { return }
    if bytes.count <= Self.shortBuffer { return try passDown(bytes, root: root, operation) }
    for part in parts(of: bytes.indices, limit: Self.partSize) {
      let shares = shares(of: UnsafeMutableRawBufferPointer(rebasing: bytes[part]), elementSize: 1)
      let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
      try exchange(operation, send: { rank == root ? shares[$0] : nothing }) { $0 == root ? shares[rank] : nothing }
      try exchange(operation, send: { $0 == root ? nothing : shares[rank] }) { rank == root ? nothing : shares[$0] }
    }
  }

  /// Reduces in place, with sums in an order that depends on nothing but the number of ranks and the size of the buffer.
  ///
  /// A short buffer goes up a tree to rank 0 and down again. Of a long one each rank reduces a share, in order of rank, and
  /// sends it to all: as few bytes as in a ring, in two turns.
  public func allReduce<Element: CollectiveElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ reduction: Reduction
  ) throws {
    let count = buffer.count
    let operation = begin(.allReduce, "all-reduce of \(count) \(Element.elementKind)")
    guard worldSize > 1, !buffer.isEmpty else { return }
    let bytes = UnsafeMutableRawBufferPointer(buffer)
    let element = (size: MemoryLayout<Element>.stride, kind: Element.elementKind.shim)
    func reduce(_ values: UnsafeMutableRawBufferPointer, _ totals: UnsafeMutableRawBufferPointer) throws {
      try call("MPI_Reduce_local") {
        mpi_shim_reduce(
          values.baseAddress, totals.baseAddress, Int32(totals.count / element.size), element.kind, reduction.shim)
      }
    }
    if bytes.count <= Self.shortBuffer {
      try passUp(bytes, operation, reduce)
      return try passDown(bytes, root: 0, operation)
    }
    for part in parts(of: bytes.indices, limit: Self.partSize) {
      let shares = shares(of: UnsafeMutableRawBufferPointer(rebasing: bytes[part]), elementSize: element.size)
      try reduceShares(shares, operation, reduce)
    }
  }

  /// The bytes of every rank: their counts first, then the bytes.
  public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    let operation = begin(.allGather, "all-gather of bytes")
    var counts = [Int](repeating: 0, count: worldSize)
    counts[rank] = bytes.count
    let width = MemoryLayout<Int>.stride
    try counts.withUnsafeMutableBytes { counts in
      try exchangeSegments(counts, (0..<worldSize).map { $0 * width..<($0 + 1) * width }, operation)
    }
    let segments = segments(of: counts, total: counts.reduce(0, +))
    var gathered = [UInt8](repeating: 0, count: segments.last?.upperBound ?? 0)
    gathered.replaceSubrange(segments[rank], with: bytes)
    try gathered.withUnsafeMutableBytes { try exchangeSegments($0, segments, operation) }
    return segments.map { Array(gathered[$0]) }
  }

  /// Completes a buffer from the parts of all ranks.
  public func allGather(into buffer: UnsafeMutableBufferPointer<Float>, counts: [Int]) throws {
    let segments = segments(of: counts, total: buffer.count)
    let count = buffer.count
    let operation = begin(.allGather, "all-gather of \(count) floats")
    let stride = MemoryLayout<Float>.stride
    try exchangeSegments(
      UnsafeMutableRawBufferPointer(buffer), segments.map { $0.lowerBound * stride..<$0.upperBound * stride }, operation
    )
  }

  /// Consecutive parts of at most `limit` indices.
  func parts(of whole: Range<Int>, limit: Int) -> some Sequence<Range<Int>> {
    stride(from: whole.lowerBound, to: whole.upperBound, by: limit).lazy.map { start in
      start..<min(whole.upperBound, start + limit)
    }
  }
}

// MARK: - Patterns of messages

extension MPICollectives {
  private typealias Reduce = (UnsafeMutableRawBufferPointer, UnsafeMutableRawBufferPointer) throws -> Void

  private func send(_ bytes: UnsafeMutableRawBufferPointer, to rank: Int, _ operation: Operation) throws -> Transfer {
    try start(.send, bytes, rank, operation.tag, MPI_SHIM_EXCHANGES)
  }

  private func receive(
    _ bytes: UnsafeMutableRawBufferPointer, from rank: Int, _ operation: Operation
  ) throws -> Transfer {
    try start(.receive, bytes, rank, operation.tag, MPI_SHIM_EXCHANGES)
  }

  private func wait(for transfers: [Transfer], _ operation: Operation) throws {
    try wait(for: transfers, in: operation.words)
  }

  /// The even shares of all ranks in a buffer of whole elements.
  private func shares(of bytes: UnsafeMutableRawBufferPointer, elementSize: Int) -> [UnsafeMutableRawBufferPointer] {
    (0..<worldSize).map { peer in
      let share = evenShard(of: bytes.count / elementSize, rank: peer, worldSize: worldSize)
      let range = share.lowerBound * elementSize..<share.upperBound * elementSize
      return UnsafeMutableRawBufferPointer(rebasing: bytes[range])
    }
  }

  /// Reduces the buffers of all ranks into that of rank 0; the others' are left with sums of some.
  ///
  /// In turn k every rank that is an odd multiple of 2^k passes to the even one below what it has from those above.
  private func passUp(_ bytes: UnsafeMutableRawBufferPointer, _ operation: Operation, _ reduce: Reduce) throws {
    var distance = 1
    while distance < worldSize {
      if rank & distance != 0 {
        return try wait(for: [try send(bytes, to: rank - distance, operation)], operation)
      }
      if rank + distance < worldSize {
        let incoming = scratch.buffers(count: 1, size: bytes.count)[0]
        try wait(for: [try receive(incoming, from: rank + distance, operation)], operation)
        try reduce(incoming, bytes)
      }
      distance *= 2
    }
  }

  /// The same tree from `root` down.
  private func passDown(_ bytes: UnsafeMutableRawBufferPointer, root: Int, _ operation: Operation) throws {
    let place = (rank + worldSize - root) % worldSize
    func peer(_ place: Int) -> Int { (place + root) % worldSize }
    // The distance to the rank above: the lowest bit of the place, and for the root beyond all places.
    var distance = 1
    while distance < worldSize, place & distance == 0 { distance *= 2 }
    if place != 0 { try wait(for: [try receive(bytes, from: peer(place - distance), operation)], operation) }
    var transfers: [Transfer] = []
    while distance > 1 {
      distance /= 2
      if place + distance < worldSize {
        transfers.append(try send(bytes, to: peer(place + distance), operation))
      }
    }
    try wait(for: transfers, operation)
  }

  /// Every rank reduces its own share of all ranks' buffers and sends it to all others.
  private func reduceShares(
    _ shares: [UnsafeMutableRawBufferPointer], _ operation: Operation, _ reduce: Reduce
  ) throws {
    let own = shares[rank]
    let incoming = scratch.buffers(count: worldSize, size: own.count)
    try exchange(operation, send: { shares[$0] }) { incoming[$0] }
    if !own.isEmpty {
      // In order of rank, in the memory of rank 0's contribution.
      let total = rank == 0 ? own : incoming[0]
      for peer in 1..<worldSize { try reduce(peer == rank ? own : incoming[peer], total) }
      if rank != 0 { own.copyMemory(from: UnsafeRawBufferPointer(total)) }
    }
    try exchange(operation, send: { _ in own }) { shares[$0] }
  }

  /// All ranks send their own segment of a buffer to all others.
  private func exchangeSegments(
    _ buffer: UnsafeMutableRawBufferPointer, _ segments: [Range<Int>], _ operation: Operation
  ) throws {
    let parts = segments.map { UnsafeMutableRawBufferPointer(rebasing: buffer[$0]) }
    try exchange(operation, send: { _ in parts[rank] }) { parts[$0] }
  }

  /// A message to and from every other rank; what is empty is not sent.
  private func exchange(
    _ operation: Operation, send: (Int) -> UnsafeMutableRawBufferPointer,
    receive: (Int) -> UnsafeMutableRawBufferPointer
  ) throws {
    var transfers: [Transfer] = []
    // Everybody begins with another rank, so that no rank is sent to by all at once.
    let peers = (1..<max(1, worldSize)).map { (rank + $0) % worldSize }
    for peer in peers.reversed() where !receive(peer).isEmpty {
      transfers.append(try self.receive(receive(peer), from: peer, operation))
    }
    for peer in peers where !send(peer).isEmpty {
      transfers.append(try self.send(send(peer), to: peer, operation))
    }
    try wait(for: transfers, operation)
  }

  /// Calls MPI while no other thread does.
  func call(_ function: String, _ body: () -> Int32) throws {
    let code = watchdog.locked(body)
    if code != 0 { try fail(function, code) }
  }
}

/// Memory for what comes in during a reduction, kept between calls.
final class Scratch: @unchecked Sendable {  // Used by the thread that communicates.
  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  deinit { memory.deallocate() }

  /// Buffers of the same size, whose content is not defined.
  func buffers(count: Int, size: Int) -> [UnsafeMutableRawBufferPointer] {
    let stride = (size + 63) / 64 * 64
    if memory.count < count * stride {
      memory.deallocate()
      memory = .allocate(byteCount: count * stride, alignment: 64)
    }
    return (0..<count).map { UnsafeMutableRawBufferPointer(rebasing: memory[$0 * stride..<$0 * stride + size]) }
  }
}

extension ElementKind {
  fileprivate var shim: mpi_shim_element {
    switch self {
    case .float32: MPI_SHIM_FLOAT32
    case .float64: MPI_SHIM_FLOAT64
    case .int64: MPI_SHIM_INT64
    }
  }
}

extension Reduction {
  fileprivate var shim: mpi_shim_reduction {
    switch self {
    case .sum: MPI_SHIM_SUM
    case .max: MPI_SHIM_MAX
    case .min: MPI_SHIM_MIN
    }
  }
}

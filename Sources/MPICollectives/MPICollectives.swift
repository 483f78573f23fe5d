import CMPIShims
import Collectives
import Diagnostics
import Foundation

/// The ranks of an MPI run; started without a launcher, a world of one.
///
/// MPI is asked for `MPI_THREAD_SERIALIZED`: any thread may communicate, one at a time. In Open MPI that costs nothing
/// over the level that ties communication to the thread that started it, and the program may run on a thread of its own
/// with a larger stack. MPI makes progress only inside calls.
public final class MPICollectives: MessagePassing {
  /// This process among all, in `0..<worldSize`.
  public let rank: Int
  /// Number of processes in the run.
  public let worldSize: Int
  /// This process among those that share this host's memory, in order of `rank`.
  public let nodeRank: Int
  /// Number of processes that share this host's memory.
  public let nodeSize: Int
  /// What MPI calls this host.
  public let hostName: String
  /// Node of each rank; ranks of a node share memory.
  public let nodes: [Int]

  /// Most elements in one call of the library, whose counts are 32-bit.
  let maximumCount: Int

  /// Elements reduced at a time.
  ///
  /// 4 MiB of floats: the library allocates a temporary of the size of each call, and up to here malloc reuses that memory
  /// instead of mapping it afresh.
  private static let reductionCount = 1 << 20

  private init(maximumCount: Int) throws {
    var identity: (rank: Int32, size: Int32, nodeRank: Int32, nodeSize: Int32) = (0, 0, 0, 0)
    try check(
      "MPI_Comm_rank", mpi_shim_identity(&identity.rank, &identity.size, &identity.nodeRank, &identity.nodeSize))
    rank = Int(identity.rank)
    worldSize = Int(identity.size)
    nodeRank = Int(identity.nodeRank)
    nodeSize = Int(identity.nodeSize)
    hostName = try text(capacity: 256) { try check("MPI_Get_processor_name", mpi_shim_host_name($0, $1)) }
    nodes = try Self.nodes(worldSize: worldSize)
    self.maximumCount = maximumCount
  }

  /// Node of each rank, numbered in order of their lowest ranks.
  private static func nodes(worldSize: Int) throws -> [Int] {
    var leader: Int32 = 0
    try check("MPI_Bcast", mpi_shim_node_leader(&leader))
    var leaders = [Int64](repeating: 0, count: worldSize)
    try check("MPI_Allgather", mpi_shim_allgather_int64(Int64(leader), &leaders))
    let numbers = Dictionary(uniqueKeysWithValues: Set(leaders).sorted().enumerated().map { ($1, $0) })
    return leaders.map { numbers[$0]! }
  }

  /// Starts MPI with the settings of `OpenMPIEnvironment` and joins the run.
  ///
  /// Call once per process. Collective: all ranks call this first. Throws a usage failure if a launcher started several processes that do not
  /// find each other. `maximumCount` is for tests of what happens beyond the library's 32-bit counts.
  public static func initialize(maximumCount: Int = Int(Int32.max)) throws -> MPICollectives {
    precondition((1...Int(Int32.max)).contains(maximumCount), "counts of MPI are 32-bit")
    OpenMPIEnvironment.prepare()
    var isSerialized: Int32 = 0
    try check("MPI_Init_thread", mpi_shim_init(&isSerialized))
    guard isSerialized != 0 else {
      throw Failure(
        .usage, at: "MPI_Init_thread", "this MPI cannot be used from several threads in turn",
        remedy: "install an Open MPI built with thread support")
    }
    let collectives = try MPICollectives(maximumCount: maximumCount)
    try LaunchEnvironment.current.validate(worldSize: collectives.worldSize)
    return collectives
  }

  /// Ends MPI; nothing can be communicated afterwards.
  ///
  /// Collective: all ranks call this last.
  public func finalize() throws {
    try check("MPI_Finalize", rank: rank, mpi_shim_finalize())
  }

  /// Ends all processes of the run at once with an exit status; for failures that other ranks do not know of.
  public func abort(status: ExitStatus) -> Never {
    mpi_shim_abort(status.rawValue)
    fatalError("MPI_Abort returned")
  }

  /// Ends this process because of a failure, with its exit status, after `speak` has told the user.
  ///
  /// If all ranks come here, as they do after `agree`, rank 0 alone speaks and the run ends in good order. If some do not
  /// within `patience`, they know nothing of the failure and wait for this rank: it speaks for itself and ends them too.
  public func end(with failure: Failure, patience: Duration = .seconds(3), speak: (_ isShared: Bool) -> Void) -> Never {
    let milliseconds = Int32(clamping: Int64(patience / .milliseconds(1)))
    let isShared = mpi_shim_meet_at_end(milliseconds) != 0
    if rank == 0 || !isShared { speak(isShared) }
    if !isShared { abort(status: failure.status) }
    try? finalize()
    exit(failure.status.rawValue)
  }

  /// Waits for every rank.
  public func barrier() throws {
    try check("MPI_Barrier", rank: rank, mpi_shim_barrier())
  }

  /// Reduces in place, in parts of at most 4 MiB of floats.
  public func allReduce<Element: CollectiveElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ operation: Reduction
  ) throws {
    let limit = min(maximumCount, Self.reductionCount)
    for part in parts(of: buffer.indices, limit: limit) {
      let start = buffer.baseAddress! + part.lowerBound
      let code = mpi_shim_allreduce(start, Int32(part.count), Element.elementKind.shim, operation.shim)
      try check("MPI_Allreduce", rank: rank, code)
    }
  }

  /// Copies from one rank to all.
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws {
    precondition((0..<worldSize).contains(root), "root \(root) is not in a world of \(worldSize)")
    for part in parts(of: bytes.indices, limit: maximumCount) {
      let start = bytes.baseAddress! + part.lowerBound
      try check("MPI_Bcast", rank: rank, mpi_shim_broadcast_bytes(start, Int32(part.count), Int32(root)))
    }
  }

  /// Gathers the bytes of all ranks: their counts first, then the bytes.
  public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var counts = [Int64](repeating: 0, count: worldSize)
    try check("MPI_Allgather", rank: rank, mpi_shim_allgather_int64(Int64(bytes.count), &counts))
    let total = counts.reduce(0) { $0 + Int($1) }
    let segments = segments(of: counts.map { Int($0) }, total: total)
    var gathered = [UInt8](repeating: 0, count: total)
    gathered.replaceSubrange(segments[rank], with: bytes)
    try gathered.withUnsafeMutableBytes { buffer in
      try complete(buffer, segments, elementSize: 1, mpi_shim_allgatherv_bytes)
    }
    return segments.map { Array(gathered[$0]) }
  }

  /// Completes a buffer from the parts of all ranks.
  public func allGather(into buffer: UnsafeMutableBufferPointer<Float>, counts: [Int]) throws {
    let segments = segments(of: counts, total: buffer.count)
    try complete(UnsafeMutableRawBufferPointer(buffer), segments, elementSize: 4, mpi_shim_allgatherv_float32)
  }

  /// Gathers segments, given in elements, in one call, or if the library's counts do not suffice with a broadcast of each.
  private func complete(
    _ buffer: UnsafeMutableRawBufferPointer, _ segments: [Range<Int>], elementSize: Int,
    _ gather: (UnsafeMutableRawPointer?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> Int32
  ) throws {
    guard !buffer.isEmpty else { return }
    if buffer.count / elementSize <= maximumCount {
      let counts = segments.map { Int32($0.count) }
      let offsets = segments.map { Int32($0.lowerBound) }
      return try check("MPI_Allgatherv", rank: rank, gather(buffer.baseAddress, counts, offsets))
    }
    for (root, segment) in segments.enumerated() {
      let bytes = (segment.lowerBound * elementSize)..<(segment.upperBound * elementSize)
      try broadcast(UnsafeMutableRawBufferPointer(rebasing: buffer[bytes]), root: root)
    }
  }

  /// Consecutive parts of at most `limit` indices.
  func parts(of whole: Range<Int>, limit: Int) -> some Sequence<Range<Int>> {
    stride(from: whole.lowerBound, to: whole.upperBound, by: limit).lazy.map { start in
      start..<min(whole.upperBound, start + limit)
    }
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

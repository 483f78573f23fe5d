import CMPIShims
import Collectives
import Diagnostics
import Foundation
import Synchronization

/// The ranks of an MPI run; started without a launcher, a world of one.
///
/// MPI is asked for `MPI_THREAD_SERIALIZED`: any thread may communicate, one at a time. In Open MPI that costs nothing
/// over the level that ties communication to the thread that started it, and the program may run on a thread of its own
/// with a larger stack. MPI makes progress only inside calls.
///
/// Nothing waits in a blocking call of the library: `Watchdog` looks again and again, and ends a wait that is in vain.
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
  let watchdog: Watchdog
  let scratch = Scratch()
  /// Ranks of the run of which this is the world; nil for all.
  let members: [Int]?
  /// Operations of this world that this rank has begun.
  let operationCount = Mutex(0)

  private init(maximumCount: Int, deadline: Duration) throws {
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
    members = nil
    watchdog = Watchdog(rank: rank, nodes: nodes, deadline: deadline)
  }

  /// Some ranks of `whole`, with the watchdog that this process has.
  private init(_ whole: MPICollectives, _ members: [Int]) {
    precondition(whole.members == nil, "a part of a part of the ranks")
    rank = whole.place(in: members)
    worldSize = members.count
    nodes = whole.nodes(of: members)
    let node = nodes[rank]
    nodeRank = nodes[..<rank].count { $0 == node }
    nodeSize = nodes.count { $0 == node }
    hostName = whole.hostName
    maximumCount = whole.maximumCount
    watchdog = whole.watchdog
    self.members = members
  }

  /// Some of the ranks as a world of their own.
  ///
  /// Waits ask all ranks of the run where they are. It neither ends MPI nor the run: do that with the whole.
  public func world(of ranks: [Int]) -> any MessagePassing { MPICollectives(self, ranks) }

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
  /// Call once per process. Collective: all ranks call this first. Throws a usage failure if a launcher started several
  /// processes that do not find each other. Ends the process if the others do not come within `deadline`, which is also
  /// what waits begin with. `maximumCount` is for tests of what happens beyond the library's 32-bit counts.
  public static func initialize(
    deadline: Duration = .seconds(600), maximumCount: Int = Int(Int32.max)
  ) throws -> MPICollectives {
    precondition((1...Int(Int32.max)).contains(maximumCount), "counts of MPI are 32-bit")
    OpenMPIEnvironment.prepare()
    let exitGuard = ExitGuard(
      after: deadline, saying: "skiptune: no answer for \(deadline.inWords) in MPI_Init_thread: a rank did not start")
    defer { exitGuard.cancel() }
    var isSerialized: Int32 = 0
    try check("MPI_Init_thread", mpi_shim_init(&isSerialized))
    guard isSerialized != 0 else {
      throw Failure(
        .usage, at: "MPI_Init_thread", "this MPI cannot be used from several threads in turn",
        remedy: "install an Open MPI built with thread support")
    }
    let collectives = try MPICollectives(maximumCount: maximumCount, deadline: deadline)
    try LaunchEnvironment.current.validate(worldSize: collectives.worldSize)
    let hosts = try collectives.allGather(Array(collectives.hostName.utf8))
    collectives.watchdog.start(hosts: hosts.map { String(decoding: $0, as: UTF8.self) })
    return collectives
  }

  /// How long a wait may see nothing happen.
  ///
  /// Then the ranks ask each other where they are. If one does not answer, the run is lost. If all do and one is at work,
  /// it gets the same time again, up to ten times. A run that is lost ends here, all ranks with status 70, and not by a
  /// failure that is thrown.
  public var deadline: Duration {
    get { watchdog.state.withLock { $0.deadline } }
    set { watchdog.state.withLock { $0.deadline = newValue } }
  }

  /// What this rank is doing.
  public var activity: @Sendable () -> String {
    get { watchdog.state.withLock { $0.activity } }
    set { watchdog.state.withLock { $0.activity = newValue } }
  }

  /// Called on one rank before it ends with the others, because they have lost each other.
  ///
  /// By default writes the failure to standard error.
  public var reportLoss: @Sendable (Failure) -> Void {
    get { watchdog.state.withLock { $0.reportLoss } }
    set { watchdog.state.withLock { $0.reportLoss = newValue } }
  }

  /// Called on one rank when others are given more time, with the reason in words.
  public var reportPatience: @Sendable (String) -> Void {
    get { watchdog.state.withLock { $0.reportPatience } }
    set { watchdog.state.withLock { $0.reportPatience = newValue } }
  }

  /// Name and version of the MPI library, such as `Open MPI v4.1.4`.
  public static func libraryVersion() throws -> String {
    let words = try text(capacity: 4096) { try check("MPI_Get_library_version", mpi_shim_library_version($0, $1)) }
    // What follows is how and when it was built.
    return words.split(whereSeparator: { $0 == "," || $0.isNewline }).first.map(String.init) ?? "unknown"
  }

  /// Whether ranks of a host may read each other's memory, so that long messages among them are copied once.
  public static var ranksReadPeers: Bool { cpu_shim_can_read_peers() == 1 }
}

import Collectives
import Diagnostics

/// A chunk that a worker is doing, a batch at a time.
public protocol ChunkWork: AnyObject {
  /// Batches that are not done yet; above 0 at first.
  var remainingSteps: Int { get }

  /// Does a batch; what it throws ends the work of all ranks.
  func step() throws

  /// What the coordinator is to know, once all steps are done.
  func result() throws -> [UInt8]
}

/// Which part rank 0 takes, which hands the work out.
public enum CoordinatorRole: String, Sendable, CaseIterable {
  /// It works too, and answers between two batches.
  case shared
  /// It only answers; waiting costs next to nothing. A world of one works all the same.
  case dedicated
}

/// Does the work of a queue on all ranks, of which rank 0 hands it out.
public struct WorkSharing {
  /// Rank 0's view of what comes of the work.
  public struct Coordination {
    /// The work; asked for on rank 0 only.
    public var queue: () -> WorkQueue
    /// Is told each chunk's result, on rank 0, as it comes in; what it throws ends the work of all ranks.
    public var onResult: (WorkChunk, [UInt8]) throws -> Void

    /// Work, and who is told what comes of it.
    public init(queue: @escaping () -> WorkQueue, onResult: @escaping (WorkChunk, [UInt8]) throws -> Void) {
      self.queue = queue
      self.onResult = onResult
    }
  }

  private let collectives: any MessagePassing
  private let role: CoordinatorRole

  /// Work among these ranks.
  public init(_ collectives: any MessagePassing, _ role: CoordinatorRole) {
    self.collectives = collectives
    self.role = role
  }

  /// The ranks that work.
  public var workers: Range<Int> { (role == .dedicated && collectives.worldSize > 1 ? 1 : 0)..<collectives.worldSize }

  /// Returns when all work is done, and rank 0 has been told every result.
  ///
  /// `start` begins a chunk on the rank that does it. What any of the closures throws is thrown alike on all ranks; each
  /// drops its chunk after the batch that it is at. Collective: all ranks call this in the same order.
  public func run(_ coordination: Coordination, start: @escaping (WorkChunk) throws -> any ChunkWork) throws {
    let end =
      collectives.rank == 0
      ? try WorkCoordinator(collectives, coordination, works: workers.contains(0), start).run()
      : try Worker(collectives, start).run()
    try collectives.agree { try end.get() }
  }
}

import CKernels
import Synchronization
import Tensors

/// The threads that a process computes with: every loop and every product shares them, so that there are never more than
/// were asked for.
///
/// Libraries behind `MatrixProduct` are called from these threads, one call a thread, and start none of their own.
public final class ThreadPool: @unchecked Sendable {  // The C side is made for use from any thread.
  private let pool: OpaquePointer

  /// A pool of `threads` threads, the one that asks included; of fewer where the system grants no more.
  public init(threads: Int) {
    precondition(threads > 0, "computing needs a thread")
    guard let pool = skt_pool_create(threads) else { fatalError("out of memory for \(threads) threads") }
    self.pool = pool
  }

  deinit { skt_pool_destroy(pool) }

  /// Threads, the one that asks included.
  public var threads: Int { skt_pool_threads(pool) }

  /// Calls `body` once for each index below `count`, several at a time, and returns when all calls have.
  ///
  /// Calls that run at the same time have different slots below `threads`. What `body` does must be safe on several threads
  /// at once. Where the pool is taken, by another thread or by a call that this one is part of, the calling thread does all
  /// by itself; as it does where all calls together take fewer than `worthwhile` of the unit that `work` counts.
  public func run(_ count: Int, work: Int = worthwhile, _ body: (_ index: Int, _ slot: Int) -> Void) {
    if count <= 1 || threads == 1 || work < Self.worthwhile {
      for index in 0..<count { body(index, 0) }
      return
    }
    withoutActuallyEscaping(body) { body in
      var body = body
      withUnsafeMutablePointer(to: &body) {
        skt_pool_run(
          pool, count, { $0!.assumingMemoryBound(to: ((Int, Int) -> Void).self).pointee($1, $2) }, $0)
      }
    }
  }

  /// Multiplications that are worth waking a thread for: some 10 us.
  public static let worthwhile = 1 << 20

  /// Calls `body` with consecutive parts of `0..<count`, several at a time, of at least about `grain` elements each.
  ///
  /// Parts begin at multiples of 16, so that threads do not write to the same cache line.
  public func split(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let lines = (count + 15) / 16
    let parts = max(1, min(threads, count / max(1, grain), lines))
    run(parts) { part, _ in
      let lower = lines * part / parts * 16
      body(lower..<min(count, lines * (part + 1) / parts * 16))
    }
  }
}

extension ThreadPool {
  /// Elements that are worth waking a thread for.
  static let grain = 1 << 14

  /// Divides the elements of a tensor.
  func splitElements(of x: Tensor, _ body: (Range<Int>) -> Void) { split(x.count, grain: Self.grain, body) }

  /// Divides the rows of a matrix: for loops whose rows have nothing to do with each other.
  func splitRows(of x: Tensor, _ body: (Range<Int>) -> Void) {
    split(x.rowCount, grain: Self.grain / max(1, x.columnCount), body)
  }

  /// Divides the columns of a matrix: for sums over rows, whose order then does not depend on the number of threads.
  func splitColumns(_ rows: Int, _ columns: Int, _ body: (Range<Int>) -> Void) {
    split(columns, grain: Self.grain / max(1, rows), body)
  }
}

// MARK: - The process's pool

extension ThreadPool {
  private static let current = Mutex(ThreadPool(threads: 1))

  /// The pool that loops and products use; of one thread unless `useThreads` was called.
  public static var shared: ThreadPool { current.withLock { $0 } }

  /// Makes `shared` a pool of `threads` threads.
  ///
  /// Threads are a resource of the process, so this is a setting of the process, not of a value.
  public static func useThreads(_ threads: Int) {
    current.withLock { pool in
      if pool.threads != threads { pool = ThreadPool(threads: threads) }
    }
  }
}

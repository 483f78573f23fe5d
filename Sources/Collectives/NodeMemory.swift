import Synchronization

/// Memory that the ranks of a node share.
///
/// `bytes` are plain memory: a rank that writes some of them and then sets a counter has them seen by a rank that reads
/// the new value of that counter and then the bytes.
public protocol NodeMemory: AnyObject, Sendable {
  /// The shared bytes; valid while this object lives.
  var bytes: UnsafeMutableRawBufferPointer { get }

  /// Value of a counter, at first 0; what was written before it was set is visible afterwards (acquire).
  func counter(_ index: Int) -> UInt64

  /// Sets a counter; publishes what this rank has written (release).
  func setCounter(_ index: Int, to value: UInt64)
}

/// How counters and bytes lie in one block of shared memory: counters first, one per cache line, then from a page's
/// start the bytes.
package struct NodeMemoryLayout: Sendable, Equatable {
  private static let lineSize = 64
  static let pageSize = 4096

  let byteCount: Int
  let counters: Int

  /// Traps if either is negative.
  package init(byteCount: Int, counters: Int) {
    precondition(byteCount >= 0 && counters >= 0, "no memory of \(byteCount) bytes with \(counters) counters")
    self.byteCount = byteCount
    self.counters = counters
  }

  /// In words, for failures.
  package var call: String { "nodeMemory(byteCount: \(byteCount), counters: \(counters))" }

  private var offset: Int { (counters * Self.lineSize + Self.pageSize - 1) / Self.pageSize * Self.pageSize }

  /// Bytes of the block, never 0.
  package var blockSize: Int { max(offset + byteCount, Self.pageSize) }

  /// The shared bytes of a block.
  package func bytes(of block: UnsafeMutableRawPointer) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: block + offset, count: byteCount)
  }

  /// A counter of a block; traps if there is none of that number.
  ///
  /// Zeroed memory is a counter of 0. An atomic integer has the size and the content of the integer, so processes may share it.
  package func counter(_ index: Int, of block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Atomic<UInt64>> {
    precondition((0..<counters).contains(index), "counter \(index) of \(counters)")
    return (block + index * Self.lineSize).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}

/// Node memory over a block from anywhere.
package final class NodeMemoryBlock: NodeMemory, @unchecked Sendable {  // The block is shared by its nature.
  private let block: UnsafeMutableRawPointer
  private let layout: NodeMemoryLayout
  private let release: @Sendable (UnsafeMutableRawPointer, Int) -> Void
  private let didSetCounter: @Sendable () -> Void

  /// Takes over a zeroed block of `layout.blockSize` bytes that starts a page; `release` gets it and its size back.
  package init(
    _ block: UnsafeMutableRawPointer, _ layout: NodeMemoryLayout, didSetCounter: @escaping @Sendable () -> Void = {},
    release: @escaping @Sendable (UnsafeMutableRawPointer, Int) -> Void
  ) {
    self.block = block
    self.layout = layout
    self.release = release
    self.didSetCounter = didSetCounter
  }

  /// Memory of this process alone.
  convenience init(heapFor layout: NodeMemoryLayout, didSetCounter: @escaping @Sendable () -> Void) {
    let block = UnsafeMutableRawPointer.allocate(
      byteCount: layout.blockSize, alignment: NodeMemoryLayout.pageSize)
    block.initializeMemory(as: UInt8.self, repeating: 0, count: layout.blockSize)
    self.init(block, layout, didSetCounter: didSetCounter) { block, _ in block.deallocate() }
  }

  deinit { release(block, layout.blockSize) }

  package var bytes: UnsafeMutableRawBufferPointer { layout.bytes(of: block) }

  package func counter(_ index: Int) -> UInt64 {
    layout.counter(index, of: block).pointee.load(ordering: .acquiring)
  }

  package func setCounter(_ index: Int, to value: UInt64) {
    layout.counter(index, of: block).pointee.store(value, ordering: .releasing)
    didSetCounter()
  }
}

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A block of 32-bit floats, aligned to a cache line, that tensors are views of.
///
/// Sharing is by reference: two tensors over one storage see each other's writes. Nothing here is locked; whoever hands a
/// storage to several threads splits it so that no two write the same element.
public final class FloatStorage: @unchecked Sendable {
  /// First element.
  public let pointer: UnsafeMutablePointer<Float>
  /// Elements in the block.
  public let count: Int

  /// Who keeps the memory; nil where it is this storage's own.
  private let owner: AnyObject?
  /// Bytes that are mapped; 0 where the memory is malloc's.
  private let mappedBytes: Int

  /// Bytes to which every storage of its own is aligned: a cache line, and the widest vector register.
  public static let alignment = 64

  /// From this size on memory is mapped, not malloc's: it goes back to the system at once, whichever thread lets go of it,
  /// and the system may use large pages, of which it hands out and looks up fewer.
  static let leastMappedBytes = 2 << 20

  /// Memory whose content is not defined yet.
  public convenience init(uninitialized count: Int) { self.init(count: count, zeros: false) }

  /// Memory that holds zeros; large blocks are not touched for it.
  public convenience init(zeros count: Int) { self.init(count: count, zeros: true) }

  private init(count: Int, zeros: Bool) {
    precondition(count >= 0, "a storage cannot hold \(count) elements")
    let bytes = max(1, count) * MemoryLayout<Float>.stride
    var block: UnsafeMutableRawPointer?
    if bytes >= Self.leastMappedBytes {
      // A mapping begins as zeros.
      block = mapMemory(bytes)
    } else if posix_memalign(&block, Self.alignment, bytes) == 0, zeros {
      memset(block!, 0, bytes)
    }
    guard let block else { fatalError("out of memory for \(count) floats") }
    self.pointer = block.bindMemory(to: Float.self, capacity: max(1, count))
    self.count = count
    mappedBytes = bytes >= Self.leastMappedBytes ? bytes : 0
    owner = nil
  }

  /// Memory that `owner` keeps, from `pointer` on: it is not freed here, and the owner lives as long as this storage.
  public init(_ pointer: UnsafeMutablePointer<Float>, count: Int, keptBy owner: AnyObject) {
    precondition(count >= 0, "a storage cannot hold \(count) elements")
    self.pointer = pointer
    self.count = count
    self.owner = owner
    mappedBytes = 0
  }

  /// Gives the memory of a range of elements back to the system, as far as its pages hold nothing else: their values are
  /// lost, and whoever reads or writes them before `restore` traps.
  ///
  /// Nothing happens to memory that is small or somebody else's.
  func discard(_ range: Range<Int>) {
    guard let pages = pages(of: range) else { return }
    madvise(pages.baseAddress, pages.count, MADV_DONTNEED)
    mprotect(pages.baseAddress, pages.count, PROT_NONE)
  }

  /// Makes discarded memory good for use: it holds zeros.
  func restore(_ range: Range<Int>) {
    guard let pages = pages(of: range) else { return }
    guard mprotect(pages.baseAddress, pages.count, PROT_READ | PROT_WRITE) == 0 else {
      fatalError("out of memory for \(range.count) floats")
    }
  }

  /// The pages that lie in a range of mapped memory; nil where there are none.
  private func pages(of range: Range<Int>) -> UnsafeMutableRawBufferPointer? {
    let size = Int(sysconf(Int32(_SC_PAGESIZE)))
    let start = UnsafeMutableRawPointer(pointer + range.lowerBound).alignedUp(toMultipleOf: size)
    let end = UnsafeMutableRawPointer(pointer + range.upperBound).alignedDown(toMultipleOf: size)
    guard mappedBytes > 0, start < end else { return nil }
    return UnsafeMutableRawBufferPointer(start: start, count: end - start)
  }

  deinit {
    guard owner == nil else { return }
    if mappedBytes > 0 { munmap(pointer, mappedBytes) } else { free(pointer) }
  }
}

/// Pages of zeros, large ones where the system has them; nil where it has no memory.
private func mapMemory(_ bytes: Int) -> UnsafeMutableRawPointer? {
  let block = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
  guard let block, block != UnsafeMutableRawPointer(bitPattern: -1) else { return nil }
  #if os(Linux)
  // Advice: a system that has no large pages does without.
  madvise(block, bytes, MADV_HUGEPAGE)
  #endif
  return block
}

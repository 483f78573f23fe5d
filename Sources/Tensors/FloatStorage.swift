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

  /// Bytes to which every storage of its own is aligned: a cache line, and the widest vector register.
  public static let alignment = 64

  /// Memory whose content is not defined yet.
  public init(uninitialized count: Int) {
    precondition(count >= 0, "a storage cannot hold \(count) elements")
    var block: UnsafeMutableRawPointer?
    let status = posix_memalign(&block, Self.alignment, max(1, count) * MemoryLayout<Float>.stride)
    guard status == 0, let block else { fatalError("out of memory for \(count) floats") }
    self.pointer = block.bindMemory(to: Float.self, capacity: max(1, count))
    self.count = count
    owner = nil
  }

  /// Memory that `owner` keeps, from `pointer` on: it is not freed here, and the owner lives as long as this storage.
  public init(_ pointer: UnsafeMutablePointer<Float>, count: Int, keptBy owner: AnyObject) {
    precondition(count >= 0, "a storage cannot hold \(count) elements")
    self.pointer = pointer
    self.count = count
    self.owner = owner
  }

  deinit { if owner == nil { free(pointer) } }
}

import CMPIShims
import Collectives
import Diagnostics
import Foundation

extension MPICollectives {
  /// Memory that the ranks of this node map from one anonymous file.
  ///
  /// Unlike a shared window of MPI it is freed by whoever lets go of it last, without a call of all ranks, and is not
  /// bound to the size of `/dev/shm`, which containers keep small.
  public func nodeMemory(byteCount: Int, counters: Int) throws -> any NodeMemory {
    let layout = NodeMemoryLayout(byteCount: byteCount, counters: counters)
    let made = Result { nodeRank == 0 ? try AnonymousFile(size: layout.blockSize) : nil }
    // Where the others find it: process and descriptor of the node's lowest rank.
    let descriptor = (try? made.get())?.descriptor ?? -1
    let offers = try allGather([layout.blockSize, Int(getpid()), Int(descriptor)].flatMap(Self.bytes))
    let leader = nodes.firstIndex(of: node)!
    let offer = offers[leader].withUnsafeBytes { bytes in
      (0..<3).map { bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Int>.size, as: Int.self) }
    }
    let block = try withExtendedLifetime(made) {
      try agree {
        if let file = try made.get() { return try file.map() }
        guard offer[0] == layout.blockSize else {
          throw Failure(
            .internalError,
            "ranks are out of step: rank \(rank) calls \(layout.call), rank \(leader) of its node another size")
        }
        guard offer[2] >= 0 else { throw Failure(.inputOutput, "rank \(leader) has no memory to share") }
        return try AnonymousFile(process: offer[1], descriptor: offer[2], size: layout.blockSize).map()
      }
    }
    return NodeMemoryBlock(block, layout) { munmap($0, $1) }
  }

  private static func bytes(_ number: Int) -> [UInt8] { withUnsafeBytes(of: number, Array.init) }
}

/// A file without a name that exists as long as somebody has it open or mapped.
private final class AnonymousFile {
  let descriptor: Int32
  private let size: Int

  /// A new file of zeros.
  init(size: Int) throws {
    self.size = size
    descriptor = memory_shim_create_file()
    guard descriptor >= 0, ftruncate(descriptor, size) == 0 else { throw Self.failure("memfd_create", size) }
  }

  /// The file that another process of this host has open.
  init(process: Int, descriptor: Int, size: Int) throws {
    self.size = size
    self.descriptor = open("/proc/\(process)/fd/\(descriptor)", O_RDWR | O_CLOEXEC)
    guard self.descriptor >= 0 else { throw Self.failure("/proc/\(process)/fd/\(descriptor)", size) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// The whole file as memory, which outlives this object.
  func map() throws -> UnsafeMutableRawPointer {
    let block = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let block, block != MAP_FAILED else { throw Self.failure("mmap", size) }
    return block
  }

  private static func failure(_ place: String, _ size: Int) -> Failure {
    Failure(
      .inputOutput, at: place,
      "no memory of \(size) bytes for the ranks of a node: \(String(cString: strerror(errno)))",
      remedy: "check limits on memory, and that the ranks of a host see each other's processes")
  }
}

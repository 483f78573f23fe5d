import Foundation

/// What a worker is at, in memory that outlives it: its supervisor reads it when the worker has died.
final class Progress {
  private enum Slot: Int, CaseIterable {
    case current, done, accepted, refusals, slowest, slowestMicroseconds, memory
  }

  private let slots: UnsafeMutablePointer<Int>
  private static let size = Slot.allCases.count * MemoryLayout<Int>.size

  init(_ file: URL) {
    let descriptor = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    precondition(descriptor >= 0 && ftruncate(descriptor, off_t(Self.size)) == 0, "no progress at \(file.path)")
    let memory = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    close(descriptor)
    precondition(memory != MAP_FAILED, "no progress at \(file.path)")
    slots = memory!.bindMemory(to: Int.self, capacity: Slot.allCases.count)
  }

  deinit { munmap(slots, Self.size) }

  /// The input that is being read, or was read last.
  var current: Int {
    get { slots[Slot.current.rawValue] }
    set { slots[Slot.current.rawValue] = newValue }
  }

  /// Inputs that were read.
  var done: Int {
    get { slots[Slot.done.rawValue] }
    set { slots[Slot.done.rawValue] = newValue }
  }

  /// Inputs that the reader took.
  var accepted: Int {
    get { slots[Slot.accepted.rawValue] }
    set { slots[Slot.accepted.rawValue] = newValue }
  }

  /// Refusals that begin differently: how many of the reader's checks were met.
  var refusals: Int {
    get { slots[Slot.refusals.rawValue] }
    set { slots[Slot.refusals.rawValue] = max(newValue, refusals) }
  }

  /// The input that took longest, and how long.
  var slowest: (input: Int, microseconds: Int) {
    get { (slots[Slot.slowest.rawValue], slots[Slot.slowestMicroseconds.rawValue]) }
    set {
      guard newValue.microseconds > slowest.microseconds else { return }
      (slots[Slot.slowest.rawValue], slots[Slot.slowestMicroseconds.rawValue]) = newValue
    }
  }

  /// What the largest worker grew by, in bytes.
  var memory: Int {
    get { slots[Slot.memory.rawValue] }
    set { slots[Slot.memory.rawValue] = max(newValue, memory) }
  }
}

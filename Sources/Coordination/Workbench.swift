/// The chunk that a rank is doing and the one that it will do next, whose images are being loaded already.
struct Workbench {
  private struct Running {
    let chunk: WorkChunk
    let work: any ChunkWork
  }

  /// A chunk that is done.
  struct Finished {
    let chunk: WorkChunk
    let seconds: Double
    let result: [UInt8]
  }

  private let start: (WorkChunk) throws -> any ChunkWork
  private var current: Running?
  private var next: Running?
  private var began = ContinuousClock.now

  init(_ start: @escaping (WorkChunk) throws -> any ChunkWork) { self.start = start }

  var isEmpty: Bool { current == nil }

  /// Whether it is time to ask for more: early enough that work is there when the last batch is done.
  var wantsMore: Bool { next == nil && (current?.work.remainingSteps ?? 0) <= 1 }

  /// Takes a chunk for when what is there is done.
  mutating func add(_ chunk: WorkChunk) throws {
    let running = Running(chunk: chunk, work: try start(chunk))
    if current == nil {
      current = running
      began = .now
    } else {
      next = running
    }
  }

  /// Does a batch, if there is one; the chunk if it was its last.
  mutating func step() throws -> Finished? {
    guard let running = current else { return nil }
    try running.work.step()
    guard running.work.remainingSteps == 0 else { return nil }
    let now = ContinuousClock.now
    let seconds = began.duration(to: now) / .seconds(1)
    (current, next, began) = (next, nil, now)
    return Finished(chunk: running.chunk, seconds: seconds, result: try running.work.result())
  }

  /// Forgets all work.
  mutating func clear() { (current, next) = (nil, nil) }
}

import Coordination

/// Workers that take from a queue in a world of made-up time, as ranks do: each asks for its next chunk as it begins the
/// last batch of the one it has.
struct ScheduleSimulation {
  private enum Event {
    case ask
    case finish(WorkChunk, seconds: Double)
  }

  private struct Entry {
    var time: Double
    var worker: Int
    var event: Event
  }

  let batch: Int
  /// Seconds of a worker for an item of a unit.
  let secondsPerItem: (_ worker: Int, _ unit: Int) -> Double
  private var queue: WorkQueue
  private var entries: [Entry] = []
  private var freeAt: [Double]
  private var waiting: Set<Int> = []

  /// Chunks in the order in which they were finished.
  private(set) var finished: [WorkChunk] = []
  /// When the last one was.
  private(set) var makespan = 0.0

  init(
    _ todo: [[Range<Int>]], batch: Int, workers: Int, sizing: WorkQueue.Sizing,
    secondsPerItem: @escaping (_ worker: Int, _ unit: Int) -> Double
  ) {
    self.batch = batch
    self.secondsPerItem = secondsPerItem
    queue = WorkQueue(todo, batch: batch, workers: 0..<workers, sizing: sizing)
    freeAt = Array(repeating: 0, count: workers)
    for worker in 0..<workers { ask(worker, at: 0) }
    while let index = entries.indices.min(by: { entries[$0].time < entries[$1].time }) {
      perform(entries.remove(at: index))
    }
    precondition(queue.isExhausted && queue.outstandingCount == 0, "the simulation ended early")
  }

  private mutating func ask(_ worker: Int, at time: Double) {
    entries.append(Entry(time: time, worker: worker, event: .ask))
  }

  private mutating func perform(_ entry: Entry) {
    let worker = entry.worker
    switch entry.event {
    case .ask:
      switch queue.take(for: worker) {
      case .chunk(let chunk): begin(chunk, worker, at: entry.time)
      case .later: waiting.insert(worker)
      case .nothing: queue.leave(worker)
      }
    case .finish(let chunk, let seconds):
      queue.finish(chunk, seconds: seconds)
      finished.append(chunk)
      makespan = max(makespan, entry.time)
      if waiting.remove(worker) != nil { ask(worker, at: entry.time) }
    }
  }

  private mutating func begin(_ chunk: WorkChunk, _ worker: Int, at time: Double) {
    let each = secondsPerItem(worker, chunk.unit)
    let start = max(time, freeAt[worker])
    let seconds = Double(chunk.items.count) * each
    freeAt[worker] = start + seconds
    entries.append(
      Entry(time: freeAt[worker], worker: worker, event: .finish(chunk, seconds: seconds)))
    ask(worker, at: max(start, freeAt[worker] - Double(min(batch, chunk.items.count)) * each))
  }
}

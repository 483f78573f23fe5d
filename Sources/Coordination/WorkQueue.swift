/// Items of one unit of work that one worker does at a time.
public struct WorkChunk: Hashable, Sendable {
  /// Index of the unit.
  public var unit: Int
  /// Items of the unit; it begins at a multiple of the batch.
  public var items: Range<Int>

  /// Some items of a unit.
  public init(unit: Int, items: Range<Int>) {
    self.unit = unit
    self.items = items
  }
}

/// Work that is handed out on demand: the longest unit first, in chunks that follow each worker's speed and become smaller
/// towards the end (guided self-scheduling).
///
/// Pure bookkeeping: nothing is sent and no clock is read. Chunks are whole batches, counted from the unit's first item, so
/// that an item always meets the same others in a batch, however the work is cut.
public struct WorkQueue: Sendable {
  /// How large chunks are.
  public enum Sizing: Sendable, Equatable {
    /// As many items as a worker does in this time, fewer towards the end.
    case seconds(Double)
    /// Always so many items, rounded up to whole batches.
    case items(Int)
  }

  /// What is said to a worker that asks for work.
  public enum Grant: Sendable, Equatable {
    case chunk(WorkChunk)
    /// Ask again when a chunk that the worker has is finished: others may be done with everything by then.
    case later
    /// There is nothing for this worker any more.
    case nothing
  }

  private let batch: Int
  private let sizing: Sizing
  /// What nobody has taken yet, by unit, ascending.
  private var todo: [[Range<Int>]]
  private var speeds: WorkSpeeds
  private var active: Set<Int>
  private var outstanding: [WorkChunk: Int] = [:]

  /// Work of which `todo[unit]` is to be done, for workers that are known by any numbers.
  ///
  /// Ranges ascend and begin at multiples of `batch`. Traps on a batch or size below 1.
  public init(_ todo: [[Range<Int>]], batch: Int, workers: some Sequence<Int>, sizing: Sizing) {
    precondition(batch > 0, "batches of \(batch) items")
    if case .items(let count) = sizing { precondition(count > 0, "chunks of \(count) items") }
    precondition(todo.joined().allSatisfy { $0.lowerBound.isMultiple(of: batch) }, "work begins within a batch")
    self.todo = todo.map { $0.filter { !$0.isEmpty } }
    self.batch = batch
    self.sizing = sizing
    active = Set(workers)
    speeds = WorkSpeeds()
  }

  /// Items that nobody has taken yet.
  public var untakenCount: Int { todo.joined().reduce(0) { $0 + $1.count } }

  /// Whether nothing is left to hand out.
  public var isExhausted: Bool { todo.allSatisfy(\.isEmpty) }

  /// Chunks that were taken and are not finished.
  public var outstandingCount: Int { outstanding.count }

  /// Work for a worker that asks.
  public mutating func take(for worker: Int) -> Grant {
    guard let unit = longestUnit else { return .nothing }
    if let refusal = refusal(of: worker, unit) { return refusal }
    let first = todo[unit][0]
    let size = min(first.count, chunkSize(for: worker, unit))
    let chunk = WorkChunk(unit: unit, items: first.lowerBound..<first.lowerBound + size)
    if size == first.count {
      todo[unit].removeFirst()
    } else {
      todo[unit][0] = chunk.items.upperBound..<first.upperBound
    }
    outstanding[chunk] = worker
    return .chunk(chunk)
  }

  /// Notes that a chunk is done, and how long it took.
  ///
  /// Traps where nobody has taken it.
  public mutating func finish(_ chunk: WorkChunk, seconds: Double) {
    guard let worker = outstanding.removeValue(forKey: chunk) else { preconditionFailure("\(chunk) was not taken") }
    speeds.note(seconds: seconds, items: chunk.items.count, worker, chunk.unit)
  }

  /// Notes that a worker will ask for nothing any more.
  public mutating func leave(_ worker: Int) { active.remove(worker) }

  // MARK: Rules

  private var longestUnit: Int? {
    todo.indices.filter { !todo[$0].isEmpty }.max { (seconds(ofUnit: $0), $1) < (seconds(ofUnit: $1), $0) }
  }

  /// Time that one worker of usual speed needs for what is left of a unit.
  private func seconds(ofUnit unit: Int) -> Double {
    Double(todo[unit].reduce(0) { $0 + $1.count }) * speeds.secondsPerItem(ofUnit: unit)
  }

  /// Time that some workers together need for all that nobody has taken.
  private func secondsLeft(for workers: Set<Int>) -> Double {
    let itemsPerSecond = workers.reduce(0) { $0 + 1 / speeds.secondsPerItem(of: $1) }
    // Units differ in speed: a slow disk, for example.
    let work = todo.indices.reduce(0) { $0 + seconds(ofUnit: $1) } / speeds.secondsPerItem
    return work / itemsPerSecond
  }

  /// Why a worker gets nothing although there is something: the others will have done everything before it is through
  /// with a single batch.
  private func refusal(of worker: Int, _ unit: Int) -> Grant? {
    let others = active.subtracting([worker])
    guard case .seconds = sizing, !others.isEmpty, speeds.isKnown(worker) else { return nil }
    let inHand = outstanding.filter { $0.value == worker }.reduce(0) { $0 + $1.key.items.count }
    let own = Double(inHand + batch) * speeds.secondsPerItem(of: worker, unit)
    guard own > secondsLeft(for: others) else { return nil }
    return inHand > 0 ? .later : .nothing
  }

  private func chunkSize(for worker: Int, _ unit: Int) -> Int {
    switch sizing {
    case .items(let count): return (count + batch - 1) / batch * batch
    case .seconds(let target):
      // Who has never been seen at work begins with the least.
      guard speeds.isKnown(worker) else { return batch }
      let seconds = min(target, secondsLeft(for: active.union([worker])) / 2)
      let batches = seconds / (speeds.secondsPerItem(of: worker, unit) * Double(batch))
      return max(1, Int(min(batches, 1e9))) * batch
    }
  }
}

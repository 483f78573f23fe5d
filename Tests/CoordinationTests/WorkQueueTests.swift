import Coordination
import Testing

@Suite struct WorkQueueTests {
  /// Test sets of very different sizes, as the published ones are.
  private static let sizes = [5000, 2465, 3669, 8041, 2463, 3030, 3333, 1985, 1692, 810, 378, 1000, 5088, 750, 300]
  private static let todo = sizes.map { [0..<$0] }

  private func makespan(
    _ sizing: WorkQueue.Sizing, workers: Int, _ secondsPerItem: @escaping (Int, Int) -> Double
  ) -> Double {
    ScheduleSimulation(Self.todo, batch: 32, workers: workers, sizing: sizing, secondsPerItem: secondsPerItem).makespan
  }

  /// Every test set in even contiguous shares, one after the other, all ranks waiting for the slowest of each.
  private func staticMakespan(workers: Int, _ secondsPerItem: (Int, Int) -> Double) -> Double {
    Self.sizes.enumerated().reduce(0) { total, set in
      let share = Double((set.element + workers - 1) / workers)
      return total + (0..<workers).map { share * secondsPerItem($0, set.offset) }.max()!
    }
  }

  @Test func oneWorkerAtAQuarterOfTheSpeed() {
    let speeds = [1, 1, 1, 0.25]
    let seconds = { (worker: Int, unit: Int) in 0.01 / speeds[worker] }
    let ideal = Double(Self.sizes.reduce(0, +)) * 0.01 / speeds.reduce(0, +)
    let shared = makespan(.seconds(5), workers: 4, seconds)
    let divided = staticMakespan(workers: 4, seconds)
    #expect(shared <= 1.15 * ideal && shared >= ideal, "\(shared) s of \(ideal) s")
    #expect(divided >= 3 * ideal, "\(divided) s of \(ideal) s")
  }

  /// One directory on a slow disk: its images take four times as long, whoever reads them.
  @Test func oneSlowUnit() {
    let speeds = [1, 1, 1, 0.25]
    let cost = { (unit: Int) in unit == 8 ? 0.04 : 0.01 }
    let work = Self.sizes.enumerated().reduce(0) { $0 + Double($1.element) * cost($1.offset) }
    let ideal = work / speeds.reduce(0, +)
    let shared = makespan(.seconds(5), workers: 4) { worker, unit in cost(unit) / speeds[worker] }
    #expect(shared <= 1.15 * ideal, "\(shared) s of \(ideal) s")
  }

  /// A worker that becomes slow when half is done is found out by its next chunks.
  @Test func chunksBecomeSmallerTowardsTheEnd() {
    let run = ScheduleSimulation(
      [[0..<100_000]], batch: 10, workers: 3, sizing: .seconds(20), secondsPerItem: { _, _ in 0.01 })
    let sizes = run.finished.map(\.items.count)
    #expect(sizes.prefix(3).allSatisfy { $0 == 10 }, "who is unknown begins with a batch")
    #expect(sizes.max() == 2000, "the time that is asked for")
    #expect(sizes.suffix(3).allSatisfy { $0 <= 20 }, "\(sizes.suffix(3))")
    #expect(sizes.count < 400)
  }

  @Test func theLongestUnitComesFirst() {
    var queue = WorkQueue([[0..<10], [0..<30], [0..<30], [0..<29]], batch: 10, workers: [0], sizing: .items(10))
    var units: [Int] = []
    while case .chunk(let chunk) = queue.take(for: 0) { units.append(chunk.unit) }
    #expect(units == [1, 2, 3, 1, 2, 3, 0, 1, 2, 3])
    #expect(queue.isExhausted && queue.untakenCount == 0 && queue.outstandingCount == 10)
  }

  /// Whoever comes when, however long it takes: every item is handed out once, and chunks begin with batches.
  @Test(arguments: 0..<40) func everyItemOnce(seed: UInt64) {
    var random = SplitMix(seed)
    let batch = Int.random(in: 1...9, using: &random)
    let workers = Int.random(in: 1...5, using: &random)
    let todo = (0..<Int.random(in: 1...6, using: &random)).map { _ in ranges(batch, &random) }
    let sizing: WorkQueue.Sizing =
      Bool.random(using: &random)
      ? .items(Int.random(in: 1...50, using: &random)) : .seconds(Double.random(in: 0.001...3, using: &random))
    let speeds = (0..<workers).map { _ in Double.random(in: 0.1...10, using: &random) }
    let run = ScheduleSimulation(todo, batch: batch, workers: workers, sizing: sizing) { worker, unit in
      0.01 * speeds[worker] * Double(unit + 1)
    }
    var seen = todo.map { _ in Set<Int>() }
    for chunk in run.finished {
      #expect(chunk.items.lowerBound.isMultiple(of: batch))
      for item in chunk.items { #expect(seen[chunk.unit].insert(item).inserted) }
    }
    #expect(seen == todo.map { Set($0.joined()) })
  }

  /// Ranges that begin at multiples of the batch, some of them empty.
  private func ranges(_ batch: Int, _ random: inout SplitMix) -> [Range<Int>] {
    var start = 0
    return (0..<Int.random(in: 0...4, using: &random)).map { _ in
      let length = Int.random(in: 0...60, using: &random)
      defer { start = (start + length + batch - 1) / batch * batch + batch }
      return start..<start + length
    }
  }
}

/// Random numbers that are the same every time.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

import Foundation
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import Kernels

@Suite struct ThreadPoolTests {
  /// Each index is done once, whatever the numbers, over and over: the pool's threads sleep and wake in between.
  @Test(arguments: [1, 2, 3, 8]) func everyIndexOnce(threads: Int) {
    let pool = ThreadPool(threads: threads)
    for round in 0..<2000 {
      let count = [0, 1, 2, 3, 7, 64, 1000][round % 7]
      let calls = Counts(count)
      let used = Counts(pool.threads)
      pool.run(count) { index, slot in
        calls.add(index)
        used.add(slot)
      }
      #expect(calls.values.allSatisfy { $0 == 1 })
      #expect(used.values.reduce(0, +) == count)
      if round.isMultiple(of: 100) { usleep(300) }
    }
  }

  /// Calls that overlap have different slots, so that each may have scratch memory of its own.
  @Test func slotsAreNotShared() {
    let pool = ThreadPool(threads: 4)
    let owners = Counts(pool.threads)
    for _ in 0..<50 {
      pool.run(40) { _, slot in
        let before = owners.add(slot)
        usleep(20)
        #expect(before == 0)
        owners.add(slot, -1)
      }
    }
  }

  /// Loops in quick succession, which threads that are still awake wait for: no thread misses one.
  ///
  /// Each call waits for the others to begin, so a loop with a thread less would not end by itself.
  @Test(arguments: [2, 3]) func everyThreadComesToEveryLoop(threads: Int) {
    let pool = ThreadPool(threads: threads)
    let missed = Counts(1)
    for _ in 0..<2000 {
      let begun = Atomic<Int>(0)
      let limit = ContinuousClock.now + .seconds(5)
      pool.run(threads) { _, _ in
        begun.add(1, ordering: .relaxed)
        while begun.load(ordering: .relaxed) < threads {
          if ContinuousClock.now > limit {
            missed.add(0)
            return
          }
          sched_yield()
        }
      }
      guard missed.values == [0] else { break }
    }
    #expect(missed.values == [0])
  }

  /// A loop inside a loop, and loops of several threads at once, are done by who asks for them.
  @Test func loopsNestAndCollide() {
    let pool = ThreadPool(threads: 3)
    let calls = Counts(64)
    pool.run(8) { outer, _ in pool.run(8) { inner, slot in calls.add(outer * 8 + inner) } }
    #expect(calls.values.allSatisfy { $0 == 1 })
    let total = Counts(1)
    let askers = ThreadPool(threads: 4)
    askers.run(200) { _, _ in pool.run(10) { _, _ in total.add(0) } }
    #expect(total.values == [2000])
  }

  @Test func partsCoverTheWholeAndKeepCacheLinesApart() {
    for (threads, count, grain) in [(3, 100, 1), (2, 1, 1), (4, 4096, 1024), (5, 17, 1), (2, 0, 1)] {
      let parts = Mutex<[Range<Int>]>([])
      ThreadPool(threads: threads).split(count, grain: grain) { part in parts.withLock { $0.append(part) } }
      let sorted = parts.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } }
      #expect(sorted.flatMap { $0 } == Array(0..<count))
      #expect(sorted.allSatisfy { $0.lowerBound.isMultiple(of: 16) })
      #expect(sorted.count <= threads)
    }
  }

  /// Tiles cover the result once and read little: the definition of a division of work.
  @Test(arguments: [(788, 3072, 768), (3072, 768, 788), (4, 4000, 4000), (1, 1, 1), (5000, 3, 3000), (33, 65, 4096)])
  func tilesCoverTheResult(rows: Int, columns: Int, depth: Int) {
    for threads in [1, 2, 3, 4, 6, 16] {
      let tiling = Tiling(rows: rows, columns: columns, depth: depth, threads: threads)
      #expect(tiling.count <= threads)
      var covered = [Int](repeating: 0, count: rows * columns)
      for index in 0..<tiling.count {
        let (tileRows, tileColumns) = tiling[index]
        for row in tileRows { for column in tileColumns { covered[row * columns + column] += 1 } }
      }
      #expect(covered.allSatisfy { $0 == 1 })
    }
    #expect(Tiling(rows: 788, columns: 3072, depth: 768, threads: 2).columnParts == 2)
    #expect(Tiling(rows: 3072, columns: 768, depth: 788, threads: 2).rowParts == 2)
    #expect(Tiling(rows: 64, columns: 64, depth: 64, threads: 8).count == 1)
  }
}

/// Counters that several threads add to.
private final class Counts: Sendable {
  private let counts: Mutex<[Int]>
  init(_ count: Int) { counts = Mutex(Array(repeating: 0, count: count)) }
  var values: [Int] { counts.withLock { $0 } }
  @discardableResult func add(_ index: Int, _ amount: Int = 1) -> Int {
    counts.withLock { counts in
      counts[index] += amount
      return counts[index] - amount
    }
  }
}

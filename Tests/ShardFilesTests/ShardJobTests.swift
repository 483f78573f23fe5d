import Diagnostics
import Foundation
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import ShardFiles

/// Several threads, some of which come late or wait, at one file.
@Suite struct ShardJobTests {
  private static func sources() -> [ShardSource] {
    let values = Tensor(bits: WordCodingTests.words(2350, seed: 31))
    let base = Tensor(bits: WordCodingTests.words(3000, seed: 32))
    return [
      ShardSource("parameters", start: 5, values, base: BaseValues(base)),
      ShardSource("empty", start: 0, Tensor(zeros: [0])), ShardSource("momentum", start: 5, values),
    ]
  }

  private static func job(_ file: URL, threads: Int = 1, _ faults: FaultPoints = .none) -> ShardJob {
    ShardJob(sources(), to: file, options: ShardRoundTripTests.smallFrames(threads: threads), faults: faults)
  }

  @Test(arguments: [1, 2, 5]) func anyNumberOfThreadsMakesTheSameFile(threads: Int) throws {
    try withScratchFolder { folder in
      let alone = folder.appendingPathComponent("alone")
      let expected = try ShardWriter.write(Self.sources(), to: alone, options: ShardRoundTripTests.options)
      for round in 0..<20 {
        let file = folder.appendingPathComponent("shard-\(round)")
        let job = Self.job(file, threads: threads)
        job.start()
        // Sometimes the caller comes to help at once, sometimes when all is done.
        if round % 2 == 1 { while !job.isFinished { usleep(100) } }
        #expect(try job.finish().get() == expected)
        #expect(job.isFinished)
        #expect(try Data(contentsOf: file) == Data(contentsOf: alone))
      }
    }
  }

  /// As a training step does that helps with a part of the work.
  @Test func theWorkCanBeDoneInShares() throws {
    try withScratchFolder { folder in
      let writes = Mutex(0)
      let job = Self.job(
        folder.appendingPathComponent("shard"),
        FaultPoints { change in if change.hasPrefix("write") { writes.withLock { $0 += 1 } } })
      for (share, frames) in [(-0.5, 0), (0.0, 0), (0.1, 5), (0.1, 5), (0.5, 24), (1.5, 48)] {
        job.help(toShare: share)
        #expect(writes.withLock { $0 } == (frames == 0 ? 0 : frames + 1), "with the header, at \(share)")
        #expect(job.isFinished == (frames == 48))
      }
      _ = try job.finish().get()
    }
  }

  /// As where the machine leaves no time for threads of low priority.
  @Test func whoWaitsNeedsNoOtherThread() throws {
    try withScratchFolder { folder in
      let job = Self.job(folder.appendingPathComponent("shard"))
      #expect(!job.isFinished)
      let description = try job.finish().get()
      #expect(description.sections.map(\.count) == [2350, 0, 2350])
      #expect(job.isFinished)
    }
  }

  @Test func nothingAtAllIsAFileToo() throws {
    try withScratchFolder { folder in
      for (number, sources) in [[], [ShardSource("momentum", start: 0, Tensor(zeros: [0]))]].enumerated() {
        let file = folder.appendingPathComponent("shard-\(number)")
        let job = ShardJob(sources, to: file, options: ShardOptions(threads: 3), faults: .none)
        job.start()
        let description = try job.finish().get()
        #expect(description.sections.count == sources.count)
        try ShardReader(file, expecting: description).verifyHash()
      }
    }
  }

  /// Each change of the file system fails in turn; the outcome comes when no thread is at work any more, and is the failure.
  @Test(arguments: [1, 4]) func oneFailureEndsAllThreads(threads: Int) throws {
    try withScratchFolder { folder in
      let changes = Mutex(0)
      let counting = FaultPoints { _ in changes.withLock { $0 += 1 } }
      _ = try Self.job(folder.appendingPathComponent("shard"), counting).finish().get()
      let count = changes.withLock { $0 }
      #expect(count > 50)
      for moment in 0..<count {
        let passed = Mutex(0)
        let faults = FaultPoints { change in
          let number = passed.withLock { number in
            defer { number += 1 }
            return number
          }
          if number == moment { throw Failure(.inputOutput, at: change, "No space left on device") }
        }
        let job = Self.job(folder.appendingPathComponent("shard-\(moment)"), threads: threads, faults)
        job.start()
        let failure = failure { _ = try job.finish().get() }
        #expect(failure?.status == .inputOutput, "change \(moment)")
        #expect(job.isFinished)
        #expect(passed.withLock { $0 } == moment + 1, "nothing is changed after the failure")
      }
    }
  }

  @Test func baseValuesThatCannotBeReadAreAFailure() throws {
    try withScratchFolder { folder in
      let values = Tensor(repeating: 0.1, shape: [950])
      for index in 0..<950 { values[index] += Float(index % 7) * 1e-8 }
      let base = BaseValues { range, target in
        if range.contains(700) { throw Failure(.inputOutput, at: "model", "it is gone") }
        target.update(repeating: 0.1)
      }
      let job = ShardJob(
        [ShardSource("parameters", start: 0, values, base: base)], to: folder.appendingPathComponent("shard"),
        options: ShardRoundTripTests.smallFrames(threads: 3), faults: .none)
      job.start()
      let failure = failure { _ = try job.finish().get() }
      #expect(failure?.place == "model")
    }
  }

  @Test func whatComesAfterwardsMayRefuseTheFile() throws {
    try withScratchFolder { folder in
      let job = ShardJob(
        Self.sources(), to: folder.appendingPathComponent("shard"), options: ShardRoundTripTests.options, faults: .none
      ) { throw Failure(.inputOutput, "refused") }
      #expect(failure { _ = try job.finish().get() }?.problem == "refused")
    }
  }

  /// A disk that does not answer is spoken of, again and again.
  @Test func waitingIsSaid() throws {
    try withScratchFolder { folder in
      let slow = FaultPoints { if $0.hasPrefix("sync") { usleep(300_000) } }
      let job = Self.job(folder.appendingPathComponent("shard"), slow)
      job.start()
      usleep(100_000)  // By now the thread of low priority waits for the disk.
      var said = 0
      _ = try job.finish(everySeconds: 0.05) { said += 1 }.get()
      #expect(said >= 2)
    }
  }
}

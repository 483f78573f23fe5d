import Collectives
import Datasets
import Diagnostics
import Foundation
import ShardFiles
import Synchronization

/// Decodes image files, on several threads and ranks.
enum ImageSweep {
  /// The verdict on each file, on all ranks; each rank decodes its share.
  ///
  /// `progress` is told how many files of this rank's share are done, one call at a time, from any thread.
  /// Collective: all ranks call this in the same order with the same files.
  static func verdicts(
    on files: [URL], threads: Int, _ collectives: any Collectives, progress: @escaping @Sendable (Int) -> Void
  ) throws -> [ImageVerdict] {
    let share = evenShard(of: files.count, rank: collectives.rank, worldSize: collectives.worldSize)
    let own = verdicts(on: Array(files[share]), threads: threads, progress: progress)
    return try collectives.allGather(own.encoded()).flatMap { bytes in
      guard let verdicts = [ImageVerdict](encoded: bytes) else {
        throw Failure(.internalError, "the verdicts of a rank on its images cannot be read")
      }
      return verdicts
    }
  }

  /// The same on this rank.
  static func verdicts(
    on files: [URL], threads count: Int, progress: @escaping @Sendable (Int) -> Void
  ) -> [ImageVerdict] {
    let work = Work(files, progress)
    // This thread helps too, so the work is done even where no other can be started.
    let helpers = (1..<max(1, min(count, files.count))).compactMap { _ in JoinableThread { work.run() } }
    work.run()
    for helper in helpers { helper.join() }
    return work.verdicts
  }

  /// What threads share.
  private final class Work: Sendable {
    private struct State {
      var claimed = 0
      var done = 0
      var verdicts: [ImageVerdict]
    }

    private let files: [URL]
    private let progress: @Sendable (Int) -> Void
    private let state: Mutex<State>

    init(_ files: [URL], _ progress: @escaping @Sendable (Int) -> Void) {
      self.files = files
      self.progress = progress
      state = Mutex(State(verdicts: Array(repeating: .missing, count: files.count)))
    }

    var verdicts: [ImageVerdict] { state.withLock { $0.verdicts } }

    func run() {
      while let index = claim() {
        let verdict = ImageVerdict(of: files[index])
        state.withLock { state in
          state.verdicts[index] = verdict
          state.done += 1
          progress(state.done)
        }
      }
    }

    private func claim() -> Int? {
      state.withLock { state in
        guard state.claimed < files.count else { return nil }
        defer { state.claimed += 1 }
        return state.claimed
      }
    }
  }
}

extension ImageVerdict {
  /// Reads and decodes a file.
  init(of file: URL) {
    do {
      let image = try ImageDecoder.decode(contentsOf: file)
      var stream = HashStream()
      stream.append(number: image.width)
      stream.append(number: image.height)
      image.pixels.withUnsafeBytes { stream.append($0) }
      self = .sound(stream.hash)
    } catch let failure as Failure where failure.status == .missingInput {
      self = .missing
    } catch {
      self = .unreadable((error as? Failure)?.problem ?? "\(error)")
    }
  }
}

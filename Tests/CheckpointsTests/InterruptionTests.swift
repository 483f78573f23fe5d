import Collectives
import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Checkpoints
@testable import ShardFiles

/// Deaths and disk errors at every change of the file system in turn.
@Suite struct InterruptionTests {
  private static let ranks = 2
  private static let rules = CheckpointRetention(last: 2)

  /// Saves a step, then deletes what the rules say, as a run does.
  private static func saveAndClean(_ run: SavedRun, _ step: Int, _ faults: FaultPoints = .none) throws {
    try run.save(step, worldSize: ranks, faults: faults)
    try CheckpointDirectory(run.folder, faults: faults).applyRetention(rules)
  }

  private static func withTwoCheckpoints<T>(_ body: (SavedRun) throws -> T) throws -> T {
    try withScratchFolder { folder in
      let run = SavedRun(count: 100, in: folder)
      for step in [1, 2] { try saveAndClean(run, step) }
      return try body(run)
    }
  }

  /// How many changes there are in saving and cleaning.
  private static func changes() throws -> Int {
    try withTwoCheckpoints { run in
      let counter = Interruption(at: .max, in: run.folder, .death)
      try saveAndClean(run, 3, counter.faults)
      return counter.count
    }
  }

  /// The newest is whole whatever moment all ranks die at, with what was not synced lost; and the next run goes on.
  @Test func deathAtEveryChange() throws {
    let changes = try Self.changes()
    #expect(changes > 25)
    for moment in 0..<changes {
      try Self.withTwoCheckpoints { run in
        let death = Interruption(at: moment, in: run.folder, .death)
        #expect(throws: (any Error).self) { try Self.saveAndClean(run, 3, death.faults) }
        let reports = Reports()
        let newest = try run.newestStep(worldSize: 3, passingOver: reports.add)
        #expect(newest == 2 || newest == 3, "moment \(moment): \(death.last)")
        #expect(reports.all.isEmpty, "moment \(moment): \(reports.all)")
        try Self.saveAndClean(run, 4)
        #expect(try run.newestStep() == 4)
        #expect(try run.names() == ["latest", newest == 3 ? "step-00000003" : "step-00000002", "step-00000004"])
      }
    }
  }

  /// A change that fails once, as on a full disk: an error, nothing left aside, everything that was there untouched.
  @Test func errorAtEveryChange() throws {
    let changes = try Self.changes()
    for moment in 0..<changes {
      try Self.withTwoCheckpoints { run in
        let before = try snapshot(run.folder)
        let error = Interruption(at: moment, in: run.folder, .error)
        let failure = failure { try Self.saveAndClean(run, 3, error.faults) }
        #expect(failure?.status == .inputOutput, "moment \(moment): \(error.last)")
        let newest = try run.newestStep()
        if newest == 2 {
          #expect(try snapshot(run.folder) == before, "moment \(moment): \(error.last)")
        } else {
          #expect(newest == 3)
        }
        try Self.saveAndClean(run, 3)
        #expect(try run.newestStep() == 3)
        #expect(try run.directory.prepare(LoopbackWorld.alone()).isEmpty)
      }
    }
  }

  @Test func aFolderThatIsRemovedDuringTheSave() throws {
    try Self.withTwoCheckpoints { run in
      let before = try snapshot(run.folder)
      let failure = failure {
        _ = try LoopbackWorld.run(size: Self.ranks) { collectives in
          let draft = try #require(try run.directory.begin(step: 3, collectives))
          if collectives.rank == 0 { try FileManager.default.removeItem(at: draft.folder) }
          try collectives.barrier()
          let shard = draft.writeShard(run.sources(3, collectives))
          try run.directory.commit(draft, shard: shard, manifest: run.manifest(3), collectives)
        }
      }
      #expect(failure?.status == .cannotCreate)
      #expect(try snapshot(run.folder) == before)
    }
  }

  @Test func aShardThatIsCutAfterItWasWritten() throws {
    try Self.withTwoCheckpoints { run in
      let before = try snapshot(run.folder)
      let failure = failure {
        _ = try LoopbackWorld.run(size: Self.ranks) { collectives in
          let draft = try #require(try run.directory.begin(step: 3, collectives))
          let shard = draft.writeShard(run.sources(3, collectives))
          try collectives.barrier()
          if collectives.rank == 0 { truncate(draft.folder.path + "/shard-00001-of-00002.zst", 20) }
          try run.directory.commit(draft, shard: shard, manifest: run.manifest(3), collectives)
        }
      }
      #expect(failure?.problem.contains("20 bytes instead of") == true)
      #expect(try snapshot(run.folder) == before)
    }
  }
}

/// Makes one change of the file system fail, and after a death all later ones too.
private final class Interruption: @unchecked Sendable {  // Guarded by `lock`.
  enum Kind { case death, error }

  private struct State {
    var count = 0
    var last = ""
    /// Files with content that is not on the disk yet.
    var unsynced: Set<String> = []
    /// The file whose sync is under way.
    var syncing: String?
  }

  private let moment: Int
  private let folder: URL
  private let kind: Kind
  private let lock = NSLock()
  private var state = State()

  init(at moment: Int, in folder: URL, _ kind: Kind) {
    self.moment = moment
    self.folder = folder
    self.kind = kind
  }

  var faults: FaultPoints { FaultPoints { [self] in try self.before($0) } }
  var count: Int { lock.withLock { state.count } }
  /// The change that failed.
  var last: String { lock.withLock { state.last } }

  private func before(_ change: String) throws {
    try lock.withLock {
      defer { state.count += 1 }
      if kind == .death, state.count > moment { throw Death() }
      let parts = change.split(separator: " ").map(String.init)
      if let synced = state.syncing { state.unsynced.remove(synced) }
      state.syncing = parts[0] == "sync" ? parts[1] : nil
      if parts[0] == "write" { state.unsynced.insert(parts[1]) }
      guard state.count == moment else { return }
      state.last = change
      if kind == .error { throw Failure(.inputOutput, at: parts[1], "No space left on device") }
      loseContent(of: state.unsynced)
      throw Death()
    }
  }

  /// As after a power cut: names may be there and the content not.
  private func loseContent(of files: Set<String>) {
    for path in (try? FileManager.default.subpathsOfDirectory(atPath: folder.path)) ?? [] {
      let file = folder.appendingPathComponent(path)
      if path.contains(".partial-"), files.contains(file.lastPathComponent) { truncate(file.path, 0) }
    }
  }

  private struct Death: Error {}
}

import Collectives
import Diagnostics
import Foundation
import ShardFiles
import Tensors
import TestSupport
import Testing

@testable import Checkpoints

/// Real processes that are killed or refused by the system while they save one checkpoint after the other.
@Suite(.serialized) struct ProcessTests {
  /// As in the scenarios.
  private static let training = SampleTraining(count: 3000)

  private static func start(_ scenario: String, _ folder: URL, _ number: Int) throws -> ProcessRunner.Outcome {
    try ProcessRunner.run(
      BuiltProducts.url("skiptune-scenarios"), [scenario, folder.path, String(number)], timeout: .seconds(120))
  }

  /// The newest step, all of its values compared; nothing may be damaged.
  private static func newestStep(_ folder: URL) throws -> Int? {
    let alone = LoopbackWorld.alone()
    let damage = { (failure: Failure) in _ = Issue.record("\(failure)") }
    guard let newest = try CheckpointDirectory(folder).newest(alone, passingOver: damage) else { return nil }
    try newest.verify(.frames)
    let step = newest.manifest.step
    for (vector, expected) in [("parameters", training.parameters(step)), ("momentum", training.momentum(step))] {
      let values = Tensor(zeros: [training.count])
      try newest.readAll(vector, into: values.buffer, base: BaseValues(training.base), alone)
      #expect(values.bits == expected.bits)
    }
    return step
  }

  @Test func killedAtAnyMoment() throws {
    try withScratchFolder { folder in
      var former = 0
      for round in 0..<60 {
        // Every third dies while it loads and cleans up, or in its first save; the others at moments spread over four saves.
        let isEarly = round % 3 == 2
        let outcome =
          isEarly
          ? try Self.start("checkpoints-until-killed-early", folder, round * 7919 % 20_000)
          : try Self.start("checkpoints-until-killed", folder, round * 7919 % 4000)
        #expect(outcome.status == 128 + SIGKILL, "\(outcome.stderr)")
        let step = try Self.newestStep(folder) ?? 0
        #expect(isEarly ? step >= former : step > former)
        former = step
      }
    }
  }

  @Test func filesThatMayNotGrow() throws {
    try withScratchFolder { folder in
      _ = try Self.start("checkpoints-until-killed", folder, 1500)
      let step = try #require(try Self.newestStep(folder))
      _ = try CheckpointDirectory(folder).prepare(LoopbackWorld.alone())
      let before = try snapshot(folder)
      for limit in [1, 20, 3000] {
        let outcome = try Self.start("checkpoints-until-full", folder, limit)
        #expect(outcome.status == ExitStatus.inputOutput.rawValue)
        #expect(outcome.stderr.contains("writing failed: File too large"), "\(outcome.stderr)")
        #expect(outcome.stderr.contains("step-000"))
        #expect(try snapshot(folder) == before)
      }
      #expect(try Self.newestStep(folder) == step)
    }
  }

  @Test func aFolderThatIsReadOnly() throws {
    try withScratchFolder { folder in
      _ = try Self.start("checkpoints-until-killed", folder, 1500)
      _ = try CheckpointDirectory(folder).prepare(LoopbackWorld.alone())
      let before = try snapshot(folder)
      chmod(folder.path, 0o555)
      defer { chmod(folder.path, 0o755) }
      let outcome = try Self.start("checkpoints-as-nobody", folder, 0)
      #expect(outcome.status == ExitStatus.cannotCreate.rawValue, "\(outcome.stderr)")
      #expect(
        outcome.stderr.contains("Permission denied (rank 0 of 2); choose a folder that you may write to"),
        "\(outcome.stderr)")
      #expect(try snapshot(folder) == before)
    }
  }

  /// A disk of 80 KiB, in a name space of its own, with room for two checkpoints.
  @Test(.enabled("mounting a small disk is not allowed here") { try PrivateMounts.areAllowed() })
  func aDiskThatIsFull() throws {
    try withScratchFolder { folder in
      let script = """
        mount -t tmpfs -o size=80k none "$1" && "$0" checkpoints-until-full "$1" 0
        status=$?; ls "$1"; cp -r "$1"/. "$2"; exit $status
        """
      let (disk, copy) = (folder.appendingPathComponent("disk"), folder.appendingPathComponent("copy"))
      for folder in [disk, copy] {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
      }
      let outcome = try PrivateMounts.run(script, [BuiltProducts.url("skiptune-scenarios").path, disk.path, copy.path])
      #expect(outcome.status == ExitStatus.inputOutput.rawValue, "\(outcome.stderr)")
      #expect(
        outcome.stderr.contains("No space left on device (rank ")
          && outcome.stderr.contains("; free some space on that disk"), "\(outcome.stderr)")
      #expect(!outcome.stdout.contains("partial"), "\(outcome.stdout)")
      #expect(try #require(try Self.newestStep(copy)) >= 1)
    }
  }
}

import Collectives
import Diagnostics
import Foundation
import ShardFiles
import Tensors
import TestSupport
import Testing

@testable import Checkpoints

/// Step 1 is good, step 2 is damaged in every way: the damage is named, and step 1 is loaded or offered.
@Suite struct DamageTests {
  private static func withDamage(
    count: Int = 30, worldSize: Int = 2, _ damage: (SavedRun) throws -> Void
  ) throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: count, in: folder)
      for step in [1, 2] { try run.save(step, worldSize: worldSize) }
      try damage(run)
    }
  }

  /// Expects that step 2 is refused at a file that `place` ends the path of, in each way of loading.
  private static func expectRefusal(_ run: SavedRun, place: String, _ problem: String = "") throws {
    let reports = Reports()
    #expect(try run.newestStep(worldSize: 3, passingOver: reports.add) == 1)
    #expect(reports.all.count == 1)
    #expect(reports.all[0].place?.contains("step-00000002" + place) == true, "\(reports.all)")
    #expect(problem.isEmpty || reports.all[0].problem.contains(problem), "\(reports.all)")
    let alone = LoopbackWorld.alone()
    for failure in [
      failure { _ = try run.directory.latest(alone) },
      failure { _ = try run.directory.checkpoint(at: run.folder(2), alone) },
    ] {
      #expect(failure?.problem == reports.all[0].problem)
      #expect(failure?.remedy == "use \(run.folder(1).path), which is whole")
    }
  }

  @Test func everyFlippedByteOfEveryFile() throws {
    try Self.withDamage { run in
      for name in try FileManager.default.contentsOfDirectory(atPath: run.folder(2).path) {
        let file = run.folder(2).appendingPathComponent(name)
        let bytes = try Data(contentsOf: file)
        for index in bytes.indices {
          var damaged = bytes
          damaged[index] ^= UInt8(1) << (index % 8)
          try damaged.write(to: file)
          let reports = Reports()
          #expect(try run.newestStep(passingOver: reports.add) == 1, "\(name), byte \(index)")
          #expect(reports.all.first?.place?.contains(name) == true)
        }
        try bytes.write(to: file)
      }
      #expect(try run.newestStep() == 2)
    }
  }

  @Test func everyTruncationOfEveryFile() throws {
    try Self.withDamage { run in
      for name in try FileManager.default.contentsOfDirectory(atPath: run.folder(2).path) {
        let file = run.folder(2).appendingPathComponent(name)
        let bytes = try Data(contentsOf: file)
        for length in bytes.indices {
          try bytes[..<length].write(to: file)
          #expect(try run.newestStep() == 1, "\(name), \(length) bytes")
        }
        try bytes.write(to: file)
      }
      #expect(try run.newestStep() == 2)
    }
  }

  @Test func aMissingShard() throws {
    try Self.withDamage { run in
      try FileManager.default.removeItem(at: run.shard(1, of: 2, step: 2))
      try Self.expectRefusal(run, place: "/shard-00001-of-00002.zst", "does not exist")
    }
  }

  @Test func aShardTooMany() throws {
    try Self.withDamage { run in
      try FileManager.default.copyItem(at: run.shard(1, of: 2, step: 2), to: run.shard(2, of: 3, step: 2))
      try Self.expectRefusal(run, place: "/shard-00002-of-00003.zst", "does not know this shard")
    }
  }

  /// All sizes are equal: only the hash tells the shards apart.
  @Test func aShardOfAnotherRun() throws {
    try Self.withDamage(count: 128) { run in
      let foreign = try replacingValues(of: Data(contentsOf: run.shard(0, of: 2, step: 2)))
      try foreign.write(to: run.shard(0, of: 2, step: 2))
      try Self.expectRefusal(run, place: "/shard-00000-of-00002.zst", "belongs to another checkpoint")
    }
  }

  @Test func swappedShards() throws {
    try Self.withDamage { run in
      let shards = [0, 1].map { run.shard($0, of: 2, step: 2) }
      let contents = try shards.map { try Data(contentsOf: $0) }
      for (shard, content) in zip(shards, contents.reversed()) { try content.write(to: shard) }
      try Self.expectRefusal(run, place: "/shard-0000")
    }
  }

  @Test func aMissingManifest() throws {
    try Self.withDamage { run in
      try FileManager.default.removeItem(at: run.folder(2).appendingPathComponent("manifest.json"))
      try Self.expectRefusal(run, place: "/manifest.json", "does not exist")
    }
  }

  @Test func theManifestOfAnotherStep() throws {
    try Self.withDamage { run in
      let manifests = [1, 2].map { run.folder($0).appendingPathComponent("manifest.json") }
      try Data(contentsOf: manifests[0]).write(to: manifests[1])
      try Self.expectRefusal(run, place: "/manifest.json", "step 1")
    }
  }

  @Test func aManifestThatPromisesPetabytes() throws {
    try Self.withDamage { run in
      let file = run.folder(2).appendingPathComponent("manifest.json")
      let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
      try Data(rehashed(text.replacing("\"count\": 15,", with: "\"count\": 1125899906842624,"))).write(to: file)
      try Self.expectRefusal(run, place: "/manifest.json", "1125899906842624 elements, but its frames hold 15")
    }
  }

  /// Thousands of random changes to the text, with the hash made right: refused, or else harmless to read.
  @Test func randomManifestsBehindARightHashNeverCrash() throws {
    try Self.withDamage { run in
      let file = run.folder(2).appendingPathComponent("manifest.json")
      let text = Array(try Data(contentsOf: file))
      var random = CounterRandom(seed: 5)
      var accepted = 0
      let alone = LoopbackWorld.alone()
      for _ in 0..<4000 {
        try Data(rehashed(String(decoding: mutated(text, &random), as: UTF8.self))).write(to: file)
        guard let checkpoint = try? Checkpoint(reading: run.folder(2)) else { continue }
        accepted += 1
        for vector in checkpoint.manifest.vectorNames {
          let values = run.training.base.copied()
          try? checkpoint.readAll(vector, into: values.buffer, base: BaseValues(values), alone)
        }
        try? checkpoint.verify(.frames)
      }
      // Most changes are refused; some, as to a metric or a name, cannot be.
      #expect((1..<2000).contains(accepted), "\(accepted)")
    }
  }

  private func mutated(_ text: [UInt8], _ random: inout CounterRandom) -> [UInt8] {
    var changed = text
    // The last lines are the hash, which is made anew.
    let place = random.integer(below: text.count - 60)
    let length = random.integer(below: 6)
    let alphabet = Array("0123456789-.e[]{},:\" ".utf8)
    let end = min(place + length, text.count - 60)
    switch random.integer(below: 4) {
    case 0: changed[place] = alphabet[random.integer(below: alphabet.count)]
    case 1: changed.removeSubrange(place..<end)
    case 2: changed.insert(contentsOf: text[place..<end], at: place)
    default: changed.insert(alphabet[random.integer(below: 11)], at: place)
    }
    return changed
  }

  @Test func aManifestThatIsNoFileOrFarTooLarge() throws {
    try Self.withDamage { run in
      let file = run.folder(2).appendingPathComponent("manifest.json")
      try FileManager.default.removeItem(at: file)
      try FileManager.default.createDirectory(at: file, withIntermediateDirectories: false)
      try Self.expectRefusal(run, place: "/manifest.json", "regular file")
      try FileManager.default.removeItem(at: file)
      try Data().write(to: file)
      truncate(file.path, 1 << 40)
      try Self.expectRefusal(run, place: "/manifest.json", "at most 16 MiB")
    }
  }

  @Test func nothingIsWhole() throws {
    try Self.withDamage { run in
      for step in [1, 2] { try Data().write(to: run.shard(0, of: 2, step: step)) }
      let failure = failure { _ = try run.newestStep(worldSize: 2) }
      #expect(failure?.status == .badData)
      #expect(failure?.problem.contains("all 2 checkpoints are damaged") == true)
    }
  }

  @Test(arguments: ["", "step-2", "../step-00000002", "step-00000002\nstep-00000001", "\u{0}"])
  func aPointerToNothingSensible(text: String) throws {
    try Self.withDamage { run in
      try Data(text.utf8).write(to: run.folder.appendingPathComponent("latest"))
      #expect(failure { _ = try run.directory.latest(LoopbackWorld.alone()) }?.status == .badData)
      #expect(try run.newestStep() == 2)
    }
  }

  @Test func aPointerThatIsMissingOrPointsToAMissingCheckpoint() throws {
    try Self.withDamage { run in
      try Data("step-00000009\n".utf8).write(to: run.folder.appendingPathComponent("latest"))
      let dangling = failure { _ = try run.directory.latest(LoopbackWorld.alone()) }
      #expect(dangling?.status == .missingInput)
      #expect(dangling?.remedy == "use \(run.folder(2).path), which is whole")
      try FileManager.default.removeItem(at: run.folder.appendingPathComponent("latest"))
      #expect(failure { _ = try run.directory.latest(LoopbackWorld.alone()) }?.status == .missingInput)
    }
  }

  @Test func commandsSeeDamageAndLeftovers() throws {
    try Self.withDamage { run in
      try Data().write(to: run.shard(0, of: 2, step: 2))
      let partial = run.folder.appendingPathComponent("step-00000003.partial-x")
      try FileManager.default.createDirectory(at: partial, withIntermediateDirectories: false)
      let listing = try run.directory.list()
      #expect(listing.map(\.name) == ["step-00000002", "step-00000001", "step-00000003.partial-x"])
      #expect(listing.map(\.isLatest) == [true, false, false])
      guard case .damaged(let damage) = listing[0].condition, case .complete(let manifest) = listing[1].condition,
        case .leftover = listing[2].condition
      else {
        Issue.record("\(listing)")
        return
      }
      #expect(damage.place == run.shard(0, of: 2, step: 2).path)
      #expect(manifest.step == 1)
      try Checkpoint(reading: run.folder(1)).verify(.frames)
    }
  }

  /// The last byte of a shard belongs to a checksum: the size stays.
  private func replacingValues(of shard: Data) -> Data {
    var changed = shard
    changed[changed.count - 1] ^= 0x55
    return changed
  }
}

import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import FeatureCache

/// The folder: budget, eviction, several users.
@Suite struct CacheFolderTests {
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private var url: URL { scratch.file("cache") }
  private static let size = FeatureEntryTests.description().fileSize

  private func folder(_ entries: Int? = nil) -> CacheFolder { CacheFolder(url, budget: entries.map { $0 * Self.size }) }

  private func make(_ key: UInt64, in folder: CacheFolder) throws -> FeatureEntry {
    try folder.entry(FeatureEntryTests.description(key)) { Issue.record("\($0)") }
  }

  private func keys(_ folder: CacheFolder) -> Set<UInt64> { Set(folder.list().map(\.description.key.low)) }

  /// Makes an entry look unused for so long.
  private func age(_ key: UInt64, hours: Double) throws {
    let file = url.appendingPathComponent("\(FeatureEntryTests.description(key).key).features")
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -3600 * hours)], ofItemAtPath: file.path)
  }

  @Test func theLongestUnusedGoesFirst() throws {
    let folder = folder(3)
    for key in 1...3 as ClosedRange<UInt64> { _ = try make(key, in: folder) }
    for (key, hours) in [(1, 1.0), (2, 3), (3, 2)] as [(UInt64, Double)] { try age(key, hours: hours) }
    _ = try make(4, in: folder)
    #expect(keys(folder) == [1, 3, 4])
    // Opened, and so used.
    _ = try make(3, in: folder)
    _ = try make(5, in: folder)
    #expect(keys(folder) == [3, 4, 5])
  }

  @Test func whatIsInUseStays() throws {
    let folder = folder(2)
    let first = try make(1, in: folder)
    try age(1, hours: 5)
    _ = try make(2, in: folder)
    _ = try make(3, in: folder)
    #expect(keys(folder) == [1, 3])
    #expect(folder.list().filter(\.isInUse).map(\.description.key.low) == [1])
    let third = try make(3, in: folder)
    #expect(throws: CacheFolder.Refusal.budget(needed: Self.size, budget: 2 * Self.size)) { try make(4, in: folder) }
    #expect(throws: CacheFolder.Refusal.budget(needed: Self.size, budget: Self.size - 1)) {
      try make(9, in: CacheFolder(scratch.file("small"), budget: Self.size - 1))
    }
    let cleared = try folder.clear()
    #expect(cleared.deleted == 0 && cleared.kept == 2)
    withExtendedLifetime((first, third)) {}
  }

  @Test func whatIsClearedIsGone() throws {
    let folder = folder()
    #expect(try folder.clear() == (0, 0, 0) && folder.list().isEmpty)
    for key in 1...3 as ClosedRange<UInt64> { try FeatureEntryTests.write(make(key, in: folder), 1) }
    #expect(folder.list().map(\.present) == [1, 1, 1])
    let cleared = try folder.clear()
    #expect(cleared.deleted == 3 && cleared.bytes == 3 * Self.size && folder.list().isEmpty)
  }

  @Test func aDamagedEntryIsMadeAnew() throws {
    let folder = folder()
    try FeatureEntryTests.write(make(1, in: folder), 1)
    let file = url.appendingPathComponent("\(FeatureEntryTests.description().key).features")
    try Data(contentsOf: file).prefix(5000).write(to: file)
    var told: [Failure] = []
    let anew = try folder.entry(FeatureEntryTests.description()) { told.append($0) }
    #expect(told.count == 1 && told[0].place == file.path)
    #expect(anew.maker(of: 1) == nil)
  }

  @Test func deadMakersLeaveNothing() throws {
    let folder = folder()
    _ = try make(1, in: folder)
    try Data("half".utf8).write(to: url.appendingPathComponent(".dead.partial"))
    _ = try make(2, in: folder)
    #expect(try FileManager.default.contentsOfDirectory(atPath: url.path).filter { $0.hasSuffix("partial") } == [])
  }

  @Test func aFolderThatCannotBeIsARefusal() throws {
    try Data().write(to: scratch.file("file"))
    let nowhere = CacheFolder(scratch.file("file/cache"), budget: nil)
    #expect(throws: CacheFolder.Refusal.self) {
      try nowhere.entry(FeatureEntryTests.description()) { Issue.record("\($0)") }
    }
  }

  @Test func manyMakeAndFillAtOnce() throws {
    let folder = folder(4)
    DispatchQueue.concurrentPerform(iterations: 8) { index in
      for round in 0..<20 {
        let key = UInt64((index + round) % 4)
        guard let entry = try? folder.entry(FeatureEntryTests.description(key), onDamage: { Issue.record("\($0)") })
        else {
          Issue.record("no entry")
          return
        }
        let image = round % 5
        do {
          let (content, bytes) = try FeatureEntryTests.read(entry, image)
          if content == .whole(maker: 5) { #expect(bytes == FeatureEntryTests.features(image)) }
          try FeatureEntryTests.write(entry, image)
        } catch { Issue.record(error) }
      }
    }
    #expect(keys(folder) == [0, 1, 2, 3])
    #expect(folder.list().allSatisfy { $0.present == 5 })
  }
}

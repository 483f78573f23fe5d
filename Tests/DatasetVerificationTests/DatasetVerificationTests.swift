import Collectives
import Datasets
import Diagnostics
import Foundation
import Reporting
import ShardFiles
import TestSupport
import Testing

@testable import DatasetVerification

@Suite struct DatasetVerificationTests {
  /// A data set in a scratch folder: each item is a list, a path, a label, and what the file holds (nil: there is none).
  static func dataset(
    _ scratch: ScratchFolder, names: [String] = ["cat", "dog"],
    _ items: [(list: SplitList, path: String, label: Int, content: Data?)]
  ) throws -> Dataset {
    for item in items { try item.content?.write(to: scratch.file(item.path)) }
    func list(_ list: SplitList) -> [DatasetItem] {
      items.filter { $0.list == list }.map { DatasetItem(path: $0.path, label: $0.label, className: names[$0.label]) }
    }
    return Dataset(
      name: "pets", imageRoot: scratch.url, train: list(.train), validation: list(.validation), test: list(.test),
      classNames: names)
  }

  static func verify(_ dataset: Dataset, ranks: Int = 1, threads: Int = 2) throws -> [DatasetVerification] {
    try LoopbackWorld.run(size: ranks) { collectives in
      try DatasetVerification(
        dataset, threads: threads, console: ConsoleOutput(isTerminal: false) { _ in }, collectives)
    }
  }

  static func picture(_ number: Int) -> Data { PatternImage.png(label: 0, number: number) }

  @Test func aSoundDataSetHasNoFindings() throws {
    let scratch = try ScratchFolder()
    let dataset = try Self.dataset(
      scratch,
      [
        (.train, "a.png", 0, Self.picture(0)), (.train, "b.png", 1, Self.picture(1)),
        (.test, "c.png", 0, Self.picture(2)), (.test, "d.png", 1, Self.picture(3)),
      ])
    let verification = try Self.verify(dataset)[0]
    #expect(verification.findings.isEmpty)
    #expect(verification.problem(accepting: []) == nil)
  }

  @Test(arguments: [1, 2, 3, 8]) func everyKindIsFoundAtAnyNumberOfRanks(ranks: Int) throws {
    let scratch = try ScratchFolder()
    let truncated = try Data(contentsOf: Goldens.url("images/files/ycbcr_420.jpg")).prefix(400)
    let dataset = try Self.dataset(
      scratch, names: ["cat", "sea_Lion", "Sea  lion", "dog"],
      [
        (.train, "a.png", 0, Self.picture(0)), (.train, "again.png", 0, Self.picture(0)),
        (.train, "other.png", 1, Self.picture(1)), (.train, "gone.png", 2, nil),
        (.train, "cut.jpg", 3, truncated), (.validation, "v.png", 3, Self.picture(5)),
        (.test, "t.png", 0, Self.picture(0)), (.test, "u.png", 2, Self.picture(1)),
        (.test, "gif.jpg", 1, try Data(contentsOf: Goldens.url("images/files/gif.jpg"))),
      ])
    let verifications = try Self.verify(dataset, ranks: ranks)
    let expected = [
      Finding(kind: .absentClass, words: "class 3, dog, has no image in test"),
      Finding(kind: .className, words: "sea lion: labels 1, 2"),
      Finding(kind: .missing, words: "gone.png"),
      Finding(kind: .trainTest, words: "train a.png = train again.png = test t.png"),
      Finding(kind: .repeated, words: "train a.png = train again.png"),
      Finding(kind: .labelConflict, words: "train other.png (label 1) = test u.png (label 2)"),
      Finding(kind: .trainTest, words: "train other.png = test u.png"),
    ]
    for verification in verifications {
      #expect(verification.findings.filter { $0.kind != .unreadable } == expected)
      let unreadable = verification.findings(.unreadable).map(\.words)
      #expect(unreadable.count == 2)
      #expect(unreadable.first?.hasPrefix("cut.jpg: the JPEG is truncated") == true, "\(unreadable)")
      #expect(unreadable.last == "gif.jpg: is a GIF; skiptune reads JPEG and PNG")
      #expect(
        verification.problem(accepting: [.repeated])
          == "1 missing, 2 unreadable, 1 absent-class, 1 class-name, 1 label-conflict, 2 train-test")
      #expect(verification.problem(accepting: Set(FindingKind.allCases)) == nil)
    }
  }

  @Test func formatDoesNotHideThatPixelsAreTheSame() throws {
    let scratch = try ScratchFolder()
    let png = Self.picture(3)
    var other = png
    // An unknown chunk after the header changes the file and not the picture.
    other.insert(contentsOf: [0, 0, 0, 0, 0x73, 0x6b, 0x69, 0x50] + Self.checksum("skiP"), at: 33)
    let dataset = try Self.dataset(
      scratch, names: ["cat"], [(.train, "a.png", 0, png), (.test, "b.png", 0, other)])
    let findings = try Self.verify(dataset)[0].findings
    #expect(findings == [Finding(kind: .trainTest, words: "train a.png = test b.png")])
  }

  @Test func verdictsReachOtherRanksAsTheyAre() throws {
    let verdicts: [ImageVerdict] = [
      .missing, .sound(Hash128(high: .max, low: 1)), .unreadable("ünï: x"), .unreadable(""), .missing,
    ]
    #expect([ImageVerdict](encoded: verdicts.encoded()) == verdicts)
    #expect([ImageVerdict](encoded: []) == [])
    #expect([ImageVerdict](encoded: [1, 2, 3]) == nil)
    #expect([ImageVerdict](encoded: [7]) == nil)
    #expect([ImageVerdict](encoded: verdicts.encoded().dropLast(2) + [2]) == nil)
  }

  /// CRC-32 of a chunk without content.
  private static func checksum(_ name: String) -> [UInt8] {
    var remainder = UInt32.max
    for byte in name.utf8 {
      remainder ^= UInt32(byte)
      for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    return withUnsafeBytes(of: (~remainder).bigEndian, [UInt8].init)
  }
}

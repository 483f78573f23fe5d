import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import EventFiles

/// What TensorBoard reads of these files is compared by Tests/Reference/check_events.py, which launch/test runs.
@Suite struct EventFileTests {
  /// The vectors of RFC 3720, appendix B.4, and the check value of catalogues of checksums.
  @Test(
    arguments: [
      (Array("123456789".utf8), 0xE306_9283), (Array(repeating: 0, count: 32), 0x8A91_36AA),
      (Array(repeating: 0xFF, count: 32), 0x62A8_AB43), (Array(0..<32), 0x46DD_794E), ([], 0),
    ] as [([UInt8], UInt32)])
  func checksums(_ bytes: [UInt8], _ expected: UInt32) {
    #expect(CRC32C.checksum(bytes) == expected)
  }

  /// The examples of protobuf.dev: 150 in field 1, "testing" in field 2.
  @Test func fieldsAreEncodedAsDocumented() {
    var message = ProtobufMessage()
    message.add(1, integer: 150)
    message.add(2, text: "testing")
    #expect(message.bytes == [0x08, 0x96, 0x01, 0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6E, 0x67])
    #expect(ProtobufMessage.integer(1, of: message.bytes[...]) == 150)
    #expect(ProtobufMessage.integer(3, of: message.bytes[...]) == nil)
  }

  @Test func negativeIntegersTakeTenBytes() {
    var message = ProtobufMessage()
    message.add(1, integer: -2)
    #expect(message.bytes == [0x08, 0xFE] + Array(repeating: 0xFF, count: 8) + [0x01])
    #expect(ProtobufMessage.integer(1, of: message.bytes[...]) == -2)
  }

  /// A file cut or damaged at any byte ends before the record that is not whole.
  @Test func whatIsNotWholeIsLeftOut() {
    let records = [[UInt8](1...9), [], [UInt8](repeating: 7, count: 300)].map(EventRecords.record)
    let whole = records.flatMap { $0 }
    let ends = records.reduce(into: [0]) { $0.append($0.last! + $1.count) }
    for end in 0...whole.count {
      let contents = EventRecords.contents(Array(whole[..<end]))
      #expect(contents.count == ends.lastIndex { $0 <= end })
    }
    for place in whole.indices {
      var damaged = whole
      damaged[place] ^= 0x10
      #expect(EventRecords.contents(damaged).count == ends.lastIndex { $0 <= place })
    }
  }

  @Test func aRunThatGoesOnTellsNoStepTwice() throws {
    let folder = try ScratchFolder()
    try write(steps: 0..<10, in: folder.url)
    try write(steps: 6..<12, in: folder.url)
    try write(steps: 12..<13, in: folder.url)
    let files = try EventFile.files(in: folder.url)
    #expect(files.count == 3)
    #expect(try files.map(steps) == [[0, 0] + Array(0..<6), [0, 6] + Array(6..<12), [0, 12, 12]])
  }

  @Test func aTornRecordIsCutOff() throws {
    let folder = try ScratchFolder()
    try write(steps: 0..<3, in: folder.url)
    let file = try EventFile.files(in: folder.url)[0]
    let bytes = try Data(contentsOf: file)
    try bytes.dropLast(3).write(to: file)
    try write(steps: 3..<4, in: folder.url)
    #expect(try steps(of: file) == [0, 0, 0, 1])
  }

  @Test func filesOfOneSecondAreInOrder() throws {
    let folder = try ScratchFolder()
    for _ in 0..<3 { try write(steps: 0..<1, in: folder.url) }
    let seconds = try EventFile.files(in: folder.url).compactMap { Int($0.lastPathComponent.split(separator: ".")[3]) }
    #expect(seconds.count == 3 && Set(seconds).count == 3 && seconds == seconds.sorted())
  }

  @Test func aFolderThatIsNotThereIsRefused() throws {
    let folder = try ScratchFolder()
    let failure = #expect(throws: Failure.self) { try EventFile(in: folder.file("none"), from: 0) }
    #expect(failure?.status == .cannotCreate)
  }

  private func write(steps: Range<Int>, in folder: URL) throws {
    let file = try EventFile(in: folder, from: steps.lowerBound)
    for step in steps { try file.append(.scalars([Event.Scalar("loss", Double(step))]), step: step) }
  }

  private func steps(of file: URL) throws -> [Int] {
    EventRecords.contents(Array(try Data(contentsOf: file))).map(Event.step)
  }
}

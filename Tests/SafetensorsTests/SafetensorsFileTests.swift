import Diagnostics
import Foundation
import Safetensors
import StrictJSON
import Tensors
import TestSupport
import Testing

/// Against files and verdicts of the reference implementation (Tests/Reference/safetensors_goldens.py).
@Suite struct SafetensorsFileTests {
  private let types = Goldens.url("safetensors/types.safetensors")
  private let expected: JSONValue

  init() throws { expected = try golden("types") }

  @Test func floatsOfEveryWidthMatchTheReferenceBitForBit() throws {
    let file = try SafetensorsFile(contentsOf: types)
    let members = try #require(expected["floats"]?.members)
    #expect(members.count == 9)
    for (name, value) in members.map({ ($0.key, $0.value) }) {
      let shape = try #require(value["shape"]?.elements).compactMap(\.integer)
      let bits = try #require(value["bits"]?.elements).compactMap(\.integer)
      let tensor = try file.tensor(name)
      #expect(file.shape(of: name) == shape)
      #expect(tensor.shape == shape)
      #expect(tensor.array.map { Int($0.bitPattern) } == bits, "\(name)")
    }
  }

  @Test func partsOfFloatsAreThoseOfTheWhole() throws {
    let file = try SafetensorsFile(contentsOf: types)
    for name in try #require(expected["floats"]?.members).map(\.key) {
      let whole = try file.tensor(name)
      for first in 0...whole.count {
        for end in first...whole.count {
          let part = Tensor(repeating: -7, shape: [end - first])
          try file.readElements(first..<end, of: name, into: part.buffer)
          #expect(part.bits == whole.slice(first..<end).bits, "\(name)")
        }
      }
    }
    #expect(failure { try file.readElements(0..<0, of: "bool", into: Tensor(zeros: [0]).buffer) }?.status == .badData)
  }

  @Test func integersOfEveryWidthMatchTheReference() throws {
    let file = try SafetensorsFile(contentsOf: types)
    let members = try #require(expected["integers"]?.members)
    #expect(members.count == 9)
    for member in members {
      #expect(try file.integers(member.key) == member.value["values"]?.elements?.compactMap(\.integer), "\(member.key)")
    }
  }

  @Test func namesTypesAndMetadataAreReadAsWritten() throws {
    let file = try SafetensorsFile(contentsOf: types)
    let names = ["floats", "integers"].flatMap { expected[$0]?.members?.map(\.key) ?? [] }
    #expect(file.names == names.sorted())
    #expect(file.metadata == ["format": "pt", "schlüssel": "wert\n\"mit\" zeichen 🦜"])
    #expect(file.elementType(of: "brain") == .bfloat16)
    #expect(file.elementType(of: "bool") == .bool)
    #expect(file.elementType(of: "nothing") == nil)
    #expect(file.shape(of: "nothing") == nil)
  }

  @Test func headersAreAcceptedExactlyWhenTheReferenceAcceptsThem() throws {
    let verdicts = try #require(try golden("verdicts").elements)
    #expect(verdicts.count > 50)
    let folder = try ScratchFolder()
    for verdict in verdicts {
      let header = try #require(verdict["header"]?.string)
      let url = try folder.write(fileBytes(header, dataSize: try #require(verdict["dataSize"]?.integer)))
      let accepts: Bool
      do {
        _ = try SafetensorsFile(contentsOf: url)
        accepts = true
      } catch let failure as Failure {
        #expect(failure.status == .badData && failure.place == url.path)
        accepts = false
      }
      #expect(accepts == verdict["accepted"]?.bool, "\(header)")
    }
  }

  @Test func aHugeTensorIsNeverConvertedInOnePiece() throws {
    // Longer than the piece that conversions work in, and not a multiple of it.
    let count = (1 << 18) * 2 + 77
    let header = "{\"x\":{\"dtype\":\"BF16\",\"shape\":[\(count)],\"data_offsets\":[0,\(count * 2)]}}"
    var bytes = fileBytes(header)
    for i in 0..<count { bytes += [0, UInt8(truncatingIfNeeded: i % 127)] }
    let folder = try ScratchFolder()
    let tensor = try SafetensorsFile(contentsOf: try folder.write(bytes)).tensor("x")
    let expected = (0..<count).map { HalfPrecision.float(fromBFloat16: UInt16($0 % 127) << 8) }
    #expect(tensor.array == expected)
  }
}

/// Wrong files end in one-line failures that name file, tensor and rule.
@Suite struct SafetensorsDamageTests {
  private static let two = #""dtype":"F32","shape":[2],"data_offsets":[0,8]"#

  @Test(
    arguments: [
      (fileBytes("{}").dropLast(3), ["7 bytes are too few"]),
      (fileBytes("{}", claimedLength: 100_000_001)[...], ["claims more than 100000000 bytes"]),
      (fileBytes("{}", claimedLength: .max)[...], ["claims more than"]),
      (fileBytes("{}", claimedLength: 99_999_999)[...], ["claims 99999999 bytes", "has only 10"]),
      (fileBytes("nonsense")[...], ["does not start with '{'"]),
      (Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\n".utf8)[...], ["pointer of Git LFS"]),
      (fileBytes("{\"a\":")[...], ["line 1, column 6 of the header", "malformed JSON: the text ends too early"]),
      (fileBytes("{\"a\":{\(two)},\"a\":{\(two)}}", dataSize: 8)[...], ["key \"a\" is given twice"]),
      (fileBytes("{\"a\\u001b\":{\"shape\":[]}}")[...], ["tensor \"a\\u{1B}\"", "no dtype"]),
      (fileBytes(#"{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#)[...], ["\"a\"", "unknown dtype \"F33\""]),
      (fileBytes(#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#)[...], ["\"a\"", "list of sizes"]),
      (fileBytes(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#)[...], ["begin and an end"]),
      (
        fileBytes(#"{"a":{"dtype":"F32","shape":[1125899906842624,4194304],"data_offsets":[0,8]}}"#)[...],
        ["too large"]
      ),
      (
        fileBytes(#"{"a":{"dtype":"F32","shape":[250000000000000],"data_offsets":[0,1000000000000000]}}"#)[...],
        ["\"a\"", "beyond the end of the file"]
      ),
      (
        fileBytes(#"{"a":{"dtype":"F32","shape":[4611686018427387904,0,4],"data_offsets":[0,0]}}"#)[...], ["too large"]
      ),
      (fileBytes("{\"a\":{\(two)},\"b\":{\(two)}}", dataSize: 8)[...], ["overlaps"]),
      (fileBytes(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, dataSize: 8)[...], ["leaves a gap"]),
      (fileBytes("{\"a\":{\(two)}}", dataSize: 11)[...], ["3 bytes at the end belong to no tensor"]),
      (fileBytes("{\"a\":{\(two)},\"__metadata__\":{\"k\":1}}", dataSize: 8)[...], ["__metadata__ member \"k\""]),
      (fileBytes(String(repeating: "{\"a\":", count: 100_000))[...], ["nest deeper than 64"]),
    ] as [(ArraySlice<UInt8>, [String])])
  func badFilesAreNamed(bytes: ArraySlice<UInt8>, fragments: [String]) throws {
    let folder = try ScratchFolder()
    let url = try folder.write(bytes)
    let failure = try #require(throws: Failure.self) { try SafetensorsFile(contentsOf: url) }
    #expect(failure.status == .badData)
    for fragment in [url.path] + fragments { #expect(failure.description.contains(fragment), "\(failure)") }
  }

  @Test func whatIsNotThereOrNoFileIsNamed() throws {
    let folder = try ScratchFolder()
    let missing = folder.url.appendingPathComponent("none.safetensors")
    #expect(try #require(throws: Failure.self) { try SafetensorsFile(contentsOf: missing) }.status == .missingInput)
    #expect(try #require(throws: Failure.self) { try SafetensorsFile(contentsOf: folder.url) }.status == .badData)
    let pipe = folder.url.appendingPathComponent("pipe")
    #expect(mkfifo(pipe.path, 0o600) == 0)
    #expect(try #require(throws: Failure.self) { try SafetensorsFile(contentsOf: pipe) }.status == .badData)
  }

  @Test func wrongRequestsAreNamed() throws {
    let file = try SafetensorsFile(contentsOf: Goldens.url("safetensors/types.safetensors"))
    let unknown = try #require(throws: Failure.self) { try file.tensor("matrux") }
    #expect(unknown.description.contains("\"matrux\"") && unknown.description.contains("\"matrix\""))
    let integer = try #require(throws: Failure.self) { try file.tensor("int64") }
    #expect(integer.description.contains("\"int64\" holds I64"))
    let float = try #require(throws: Failure.self) { try file.integers("half") }
    #expect(float.description.contains("\"half\" holds F16"))
  }

  @Test func integersThatDoNotFitAreRefused() throws {
    let folder = try ScratchFolder()
    var bytes = fileBytes(#"{"a":{"dtype":"U64","shape":[1],"data_offsets":[0,8]}}"#, dataSize: 8)
    bytes[bytes.count - 1] = 0x80
    let file = try SafetensorsFile(contentsOf: try folder.write(bytes))
    let failure = try #require(throws: Failure.self) { try file.integers("a") }
    #expect(failure.description.contains("above 9223372036854775807"))
  }

  @Test func aFileCutWhileOpenFailsWithoutASignal() throws {
    let folder = try ScratchFolder()
    let url = try folder.write(fileBytes("{\"a\":{\(Self.two)}}", dataSize: 8))
    let file = try SafetensorsFile(contentsOf: url)
    #expect(truncate(url.path, 20) == 0)
    let failure = try #require(throws: Failure.self) { try file.tensor("a") }
    #expect(failure.status == .inputOutput && failure.description.contains("shorter"))
  }

  @Test func noTruncationIsAccepted() throws {
    let bytes = [UInt8](try Data(contentsOf: Goldens.url("safetensors/written.safetensors")))
    let folder = try ScratchFolder()
    for length in bytes.indices {
      let url = try folder.write(bytes[..<length])
      #expect(throws: Failure.self, "\(length) bytes") { try SafetensorsFile(contentsOf: url) }
    }
  }

  /// Every outcome is allowed but a trap, and another error than `Failure`.
  @Test func randomDamageNeverTraps() throws {
    let bytes = [UInt8](try Data(contentsOf: Goldens.url("safetensors/written.safetensors")))
    var random = CounterRandom(seed: 5)
    let folder = try ScratchFolder()
    var acceptedCount = 0
    for _ in 0..<1_000 {
      var damaged = bytes
      for _ in 0...Int(random.uniform() * 4) {
        let position = Int(random.uniform() * Double(bytes.count))
        damaged[position] = UInt8(truncatingIfNeeded: Int(random.uniform() * 256))
      }
      let url = try folder.write(damaged)
      do {
        let file = try SafetensorsFile(contentsOf: url)
        acceptedCount += 1
        for name in file.names { _ = try? file.tensor(name) }
      } catch is Failure {
        continue
      }
    }
    #expect(acceptedCount > 0 && acceptedCount < 1_000)
  }
}

import Diagnostics
import Foundation
import RestrictedPickle
import TestSupport
import Testing

/// Against pickles that CPython wrote: Tests/Reference/pickle_goldens.py.
@Suite struct PickleGoldenTests {
  struct Value: Decodable {
    let words: String
    let pickles: [Data]
  }

  struct Refusal: Decodable {
    let words: String
    let pickle: Data
  }

  static let reader = PickleReader(
    allowing: [
      PickleGlobal("collections", "OrderedDict"), PickleGlobal("torch._utils", "_rebuild_tensor_v2"),
      PickleGlobal("dassl.data.datasets.base_dataset", "Datum"),
    ], allowsPersistentIDs: true)

  static func refusals() throws -> [Refusal] {
    try JSONDecoder().decode([Refusal].self, from: Data(contentsOf: Goldens.url("pickles/refused.json")))
  }

  static func values() throws -> [Value] {
    try JSONDecoder().decode([Value].self, from: Data(contentsOf: Goldens.url("pickles/values.json")))
  }

  @Test func valuesAreThoseThatPythonPickled() throws {
    let values = try Self.values()
    #expect(values.count == 14)
    for value in values {
      for (protocolNumber, pickle) in value.pickles.enumerated() {
        let read = try Self.reader.value(of: Array(pickle), name: "test")
        #expect(read.words == value.words, "protocol \(protocolNumber) of \(value.pickles.count)")
      }
    }
  }

  @Test func whatAsksToBeExecutedOrIsDamagedIsRefused() throws {
    let reader = PickleReader(allowing: [])
    for refusal in try Self.refusals() {
      let failure = try #require(
        failure { _ = try reader.value(of: Array(refusal.pickle), name: "x.pkl") }, "\(refusal.words)")
      #expect(failure.status == .badData)
      #expect(failure.description.hasPrefix("x.pkl: the pickle cannot be read: "))
      #expect(failure.problem.contains(refusal.words), "\(failure)")
      #expect(failure.problem.contains("(at byte "))
    }
  }

  @Test func aNameThatIsNotAllowedIsNamedWithItsPlace() throws {
    let failure = failure {
      _ = try PickleReader(allowing: []).value(of: Array("(lp0\ncos\nsystem\n.".utf8), name: "x.pkl")
    }
    #expect(
      failure?.description
        == "x.pkl: the pickle cannot be read: it names \"os.system\", which is not allowed here (at byte 5); "
        + "use a file that was made for this purpose; nothing in this one was executed")
  }

  /// Damaged pickles end in a value or in a failure of ours, never in a trap or without end.
  @Test(arguments: 0..<8) func anyDamageEndsWell(seed: Int) throws {
    let pickles = try Self.values().flatMap(\.pickles).map { Array($0) }.filter { $0.count < 5000 }
    var random = SystemLikeRandom(state: UInt64(seed))
    for _ in 0..<4000 {
      var bytes = pickles[random.below(pickles.count)]
      for _ in 0...random.below(4) {
        switch random.below(3) {
        case 0: bytes[random.below(bytes.count)] = UInt8(random.below(256))
        case 1: bytes.removeSubrange(random.below(bytes.count)...)
        default: bytes.insert(UInt8(random.below(256)), at: random.below(bytes.count))
        }
        if bytes.isEmpty { bytes = [0x2e] }
      }
      do {
        _ = try Self.reader.value(of: bytes, name: "damaged")
      } catch {
        #expect((error as? Failure)?.status == .badData)
      }
    }
  }

  private struct SystemLikeRandom {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
  }
}

extension PickleValue {
  /// As `words` of pickle_goldens.py.
  var words: String {
    switch self {
    case .none: "None"
    case .bool(let bool): bool ? "True" : "False"
    case .int(let int): "\(int)"
    case .float(let float): "f" + Self.hexadecimal(withUnsafeBytes(of: float.bitPattern.bigEndian, [UInt8].init))
    case .string(let string): Self.quoted(string)
    case .bytes(let bytes): "b" + Self.hexadecimal(bytes)
    case .list(let elements): "[\(elements.map(\.words).joined(separator: ","))]"
    case .tuple(let elements): Self.tuple(elements)
    case .set(let elements):
      "s{\(elements.map(\.words).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.joined(separator: ","))}"
    case .dict(let pairs): Self.dictionary(pairs)
    case .global(let global): "\(global)"
    case .persistent(let name): "p" + name.words
    case .record(let record):
      "\(record.global)\(Self.tuple(record.arguments))|\(record.state?.words ?? "")|"
        + "\(PickleValue.list(record.elements).words)|\(Self.dictionary(record.pairs))"
    }
  }

  private static func tuple(_ elements: [PickleValue]) -> String {
    "(\(elements.map(\.words).joined(separator: ",")))"
  }

  private static func dictionary(_ pairs: [PicklePair]) -> String {
    "{\(pairs.map { "\($0.key.words):\($0.value.words)" }.joined(separator: ","))}"
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// As Python's `json.dumps`, ASCII only.
  private static func quoted(_ text: String) -> String {
    text.utf16.reduce("\"") { result, unit in
      switch unit {
      case 0x22: result + "\\\""
      case 0x5c: result + "\\\\"
      case 0x0a: result + "\\n"
      case 0x20..<0x7f: result + String(UnicodeScalar(UInt8(unit)))
      default:
        result + "\\u" + String(repeating: "0", count: 4 - String(unit, radix: 16).count) + String(unit, radix: 16)
      }
    } + "\""
  }
}

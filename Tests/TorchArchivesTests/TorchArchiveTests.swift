import Diagnostics
import Foundation
import RestrictedPickle
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import TorchArchives

/// On files that torch.save and torch.jit.save wrote, against what torch.load gives: Tests/Reference/weights_goldens.py.
@Suite struct TorchArchiveTests {
  static func archive(_ name: String) throws -> TorchArchive {
    try TorchArchive(contentsOf: Goldens.url("weights/\(name)"))
  }

  static func values(_ archive: TorchArchive, _ name: String) throws -> [Float] {
    let values = Tensor(uninitialized: [archive.shape(of: name)!.reduce(1, *)])
    try archive.readElements(0..<values.count, of: name, into: values.buffer)
    return values.array
  }

  /// All element types, and views of every kind, whole and by range.
  @Test func valuesAreThoseThatTorchLoads() throws {
    let archive = try Self.archive("archives/tensors.pt")
    let expected = try SafetensorsFile(contentsOf: Goldens.url("weights/archives/tensors.safetensors"))
    #expect(archive.names == expected.names && archive.names.count == 13 && archive.kind == .stateDictionary)
    var random = CounterRandom(seed: 1)
    for name in archive.names {
      let truth = try expected.tensor(name)
      #expect(archive.shape(of: name) == truth.shape, "\(name)")
      let bits = try Self.values(archive, name).map(\.bitPattern)
      #expect(bits == truth.array.map(\.bitPattern), "\(name)")
      for _ in 0..<10 {
        let ends = [random.integer(below: truth.count + 1), random.integer(below: truth.count + 1)].sorted()
        let part = Tensor(uninitialized: [ends[1] - ends[0]])
        try archive.readElements(ends[0]..<ends[1], of: name, into: part.buffer)
        #expect(part.array == Array(truth.array[ends[0]..<ends[1]]), "\(name) \(ends)")
      }
    }
    try archive.verify()
    #expect(archive.elementType(of: "bfloat") == .bfloat16 && archive.elementType(of: "none") == nil)
  }

  @Test func aScriptTellsOfItsModules() throws {
    let archive = try Self.archive("openai-script.pt")
    #expect(archive.kind == .torchScript && archive.moduleClasses.contains("QuickGELU"))
    #expect(archive.shape(of: "visual.conv1.weight") == [64, 3, 8, 8])
    #expect(archive.elementType(of: "visual.conv1.weight") == .float16)
  }

  @Test(arguments: [
    ("old.pt", "before version 1.6", "torch.save it again"),
    ("expanded.pt", "does not lie within its storage", "check"),
    ("whole-module.pt", "which is not allowed here", "state_dict()"),
    ("no-tensors.pt", "holds no tensors", "give a file"),
    ("deflated.pt", "compressed or encrypted", "packed again"),
  ]) func whatIsNotReadIsRefusedWithTheWayOut(name: String, problem: String, remedy: String) throws {
    let refusal = try #require(failure { _ = try Self.archive("archives/\(name)") })
    #expect(refusal.status == .badData && refusal.place?.contains(name) == true)
    #expect(refusal.problem.contains(problem) && refusal.remedy?.contains(remedy) == true, "\(refusal)")
    #expect(!refusal.description.contains("\n"))
  }
}

/// Damage ends in one line of ours or in equal values, never in a trap.
@Suite struct TorchArchiveDamageTests {
  private static func outcome(_ bytes: Data, at url: URL) throws -> [String: [UInt32]]? {
    try bytes.write(to: url)
    do {
      let archive = try TorchArchive(contentsOf: url)
      try archive.verify()
      return Dictionary(
        uniqueKeysWithValues: try archive.names.map {
          ($0, try TorchArchiveTests.values(archive, $0).map(\.bitPattern))
        })
    } catch let failure as Failure {
      #expect(!failure.description.contains("\n"))
      return nil
    }
  }

  /// A bit of every byte of the file flipped; and every length.
  @Test(arguments: ["archives/tensors.pt", "archives/expanded.pt"]) func everyByteAndLength(name: String) throws {
    let bytes = try Data(contentsOf: Goldens.url("weights/\(name)"))
    try withScratchFolder { folder in
      let url = folder.appendingPathComponent("damaged.pt")
      let truth = try Self.outcome(bytes, at: url)
      for position in bytes.indices {
        var damaged = bytes
        damaged[position] ^= position.isMultiple(of: 2) ? 0x01 : 0x80
        let outcome = try Self.outcome(damaged, at: url)
        #expect(outcome == nil || outcome == truth, "byte \(position)")
        let cut = try Self.outcome(bytes.prefix(position), at: url)
        #expect(cut == nil, "\(position) bytes")
      }
    }
  }

  /// Pickles that are damaged but have their checksum, as a hostile file would: tensors stay within their storages.
  @Test(arguments: 0..<4) func hostilePickles(seed: Int) throws {
    var random = CounterRandom(seed: UInt64(seed))
    let pickles = try ["archives/tensors.pt", "openai-script.pt"].map { name -> [UInt8] in
      let data = Array(try Data(contentsOf: Goldens.url("weights/\(name)")))
      let start = try #require(data.firstRange(of: [0x80, 0x02])).lowerBound
      return Array(data[start..<min(data.count, start + 20_000)])
    }
    for _ in 0..<3000 {
      var bytes = pickles[random.integer(below: 2)]
      for _ in 0...random.integer(below: 4) {
        bytes[random.integer(below: bytes.count)] = UInt8(random.integer(below: 256))
      }
      do {
        for tensor in try TorchContents(pickle: bytes, name: "x").tensors.values {
          #expect(tensor.start + tensor.span <= tensor.storageCount && tensor.count <= tensor.storageCount)
        }
      } catch is Failure {} catch is TorchProblem {}
    }
  }
}

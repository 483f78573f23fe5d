import CLIPModel
import Checkpoints
import Foundation
import RestrictedPickle
import Safetensors
import ShardFiles
import Tensors
import TestSupport
import TorchArchives
import TunedModels

func safetensorsReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  try SafetensorsWriter.write(
    [
      SafetensorsWriter.Declaration(name: "a", shape: [2, 3]), .init(name: "b", shape: []),
      .init(name: "c", shape: [0]),
    ],
    metadata: ["format": "pt", "note": "é"], to: folder.file("small")
  ) { [Tensor([1, 2, 3, 4, 5, 6], shape: [2, 3]), Tensor([7], shape: []), Tensor([], shape: [0])][$0] }
  let seeds = try ["safetensors/types.safetensors", "safetensors/written.safetensors"].map {
    try FuzzSeed("file", contentsOf: Goldens.url($0))
  }
  return FuzzReader(
    seeds: seeds + [try FuzzSeed("file", contentsOf: folder.file("small"))],
    words: [
      "\"dtype\":\"F32\"", "\"BF16\"", "\"F64\"", "\"I64\"", "\"BOOL\"", "\"F4\"", "\"F8_E5M2\"", "\"shape\":[]",
      "\"data_offsets\":[0,0]", "[0,9223372036854775807]", "[4294967296,4294967296]", "[0,4611686018427387904,4]",
    ], nesting: ["[", "{\"a\":"]
  ) { bytes, _ in
    let file = try SafetensorsFile(contentsOf: folder.replace("file", bytes))
    for name in file.namesByPosition {
      if file.elementType(of: name)!.isReadableAsFloat {
        _ = try file.tensor(name)
      } else if file.elementType(of: name)!.bitWidth >= 8 {
        _ = try? file.integers(name)
      }
    }
  }
}

/// What PyTorch wrote, in the order of the tensors' names; values of strided ones too.
private func readAll(_ archive: TorchArchive) throws {
  for name in archive.names where archive.elementType(of: name)!.isReadableAsFloat {
    let count = archive.shape(of: name)!.reduce(1, *)
    let piece = min(count, 1 << 16)
    let values = Tensor(uninitialized: [piece])
    try archive.readElements(0..<piece, of: name, into: values.buffer)
    try archive.readElements(count - piece..<count, of: name, into: values.buffer)
  }
  try archive.verify()
}

func torchArchiveReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let refused: Set = ["expanded", "deflated", "no-tensors", "old", "whole-module"]
  let seeds = try ["tensors", "expanded", "deflated", "no-tensors", "old", "whole-module"].map {
    try FuzzSeed("file.pt", contentsOf: Goldens.url("weights/archives/\($0).pt"), isValid: !refused.contains($0))
  }
  return FuzzReader(
    seeds: seeds,
    words: ["PK\u{1}\u{2}", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "PK\u{6}\u{6}", "PK\u{6}\u{7}"] + pickleWords,
    nesting: pickleNesting, repair: Repairs.zip
  ) { bytes, file in try readAll(TorchArchive(contentsOf: folder.replace(file, bytes))) }
}

private let pickleWords = [
  "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch\nFloatStorage\n", "ccollections\nOrderedDict\n", "cposix\nsystem\n",
  "h\0",
  "q\0", "(lp0\n", "I01\n", "L99999999999999999999L\n", "X\u{4}\0\0\0", "C\u{4}", "U\u{4}", "K\u{1}", "M\u{1}\u{1}",
  "J\0\0\0\0",
  "}", "]", ")", "t", "s", "u", "a", "e", "R", "b", "0", "1", "2", "(", ".", "Q", "G\0\0\0\0\0\0\0\0",
]
private let pickleNesting = ["(", "]", "(l", "]q\0h\0a", "2", "}q\0", ")\u{85}", "]2a"]

func pickleReader(_: URL) throws -> FuzzReader {
  struct Golden: Decodable {
    var pickles: [String]?
    var pickle: String?
  }
  func pickles(_ name: String) throws -> [Data] {
    let goldens = try JSONDecoder().decode([Golden].self, from: Data(contentsOf: Goldens.url("pickles/\(name).json")))
    return goldens.flatMap { ($0.pickles ?? []) + [$0.pickle].compactMap { $0 } }.compactMap { Data(base64Encoded: $0) }
  }
  let names = try FileManager.default.contentsOfDirectory(atPath: Goldens.url("pickles").path).sorted()
  let subsets = try names.filter { $0.hasSuffix(".pkl") }.map {
    try FuzzSeed("pickle", contentsOf: Goldens.url("pickles/\($0)"))
  }
  let whole = try pickles("values").filter { $0.count < 4000 }.map { FuzzSeed("pickle", $0) }
  let refused = try pickles("refused").map { FuzzSeed("pickle", $0, isValid: false) }
  let reader = PickleReader(
    where: { $0.module == "collections" || $0.module.hasPrefix("torch") || $0.module.hasPrefix("dassl.") },
    allowsPersistentIDs: true)
  return FuzzReader(seeds: subsets + whole + refused, words: pickleWords, nesting: pickleNesting) { bytes, _ in
    let value = try reader.value(of: bytes, name: "input")
    precondition(value == value || "\(value)".contains("nan"))
  }
}

func checkpointReader(_ url: URL) throws -> FuzzReader {
  let whole = try SampleCheckpoint(in: url)
  let folder = try FolderUnderTest(whole.folder)
  let names = try FileManager.default.contentsOfDirectory(atPath: whole.folder.path).sorted()
  let seeds = try names.map { try FuzzSeed($0, contentsOf: folder.file($0)) }
  _ = try folder.adding(seeds)
  return FuzzReader(
    seeds: seeds,
    words: ["\"planes\"", "\"difference-planes\"", "\"frames\": [[0, 0, 0]]", "[16, 20, 64]", "(\u{b5}/\u{fd}"],
    nesting: ["[", "{\"a\":"], repair: Repairs.manifest
  ) { bytes, file in
    try folder.replace(file, bytes)
    let checkpoint = try Checkpoint(reading: whole.folder)
    try checkpoint.verify(.sizes)
    let count = checkpoint.manifest.trainedCount
    for name in checkpoint.manifest.vectorNames where count <= 1 << 20 {
      let values = Tensor(uninitialized: [count])
      let base = count == whole.base.count ? BaseValues(whole.base) : nil
      if name == "parameters", base == nil { continue }
      try checkpoint.read(name, 0..<count, into: values.buffer, base: base)
    }
    try checkpoint.verify(.frames)
  }
}

func deltaReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let weights = try WeightsFile(huggingFaceFolder: Goldens.url("weights/model"))
  let base = try BaseModel(weights)
  let slots = weights.layout.slots.filter { $0.range.count <= 128 }
  try SafetensorsWriter.write(
    slots.map { SafetensorsWriter.Declaration(name: $0.name, shape: $0.shape) },
    metadata: [
      "format": "skiptune-delta", "format_version": "1", "base_fingerprint": "\(base.fingerprint)",
      "method": "skip-tuning", "source": "step-00000012", "skiptune_version": "1", "start_layer": "1",
      "template": "a photo of a {}.", "classes": "[\"a cat\", \"a dog\"]",
    ], to: folder.file("small")
  ) { try weights.tensor(slots[$0].range, shape: slots[$0].shape) }
  let seeds = [try FuzzSeed("file", contentsOf: folder.file("small"))]
  return FuzzReader(
    seeds: seeds,
    words: slots.prefix(8).map(\.name) + ["\"F32\"", "\"F16\"", "\"shape\":[]", "\"data_offsets\":[0,0]"],
    nesting: ["[", "{\"a\":"]
  ) { bytes, _ in _ = try TunedWeights(deltaFile: folder.replace("file", bytes)).movement(from: base) }
}

import Datasets
import Foundation
import StrictJSON
import TestSupport

func jsonReader(_: URL) throws -> FuzzReader {
  let goldens = [
    "safetensors/written.json", "gradients/rounding.json", "pickles/refused.json", "weights/model/config.json",
  ]
  let seeds = try goldens.map { try FuzzSeed("json", contentsOf: Goldens.url($0)) }
  let small = FuzzSeed(
    "json", #"{"a": [1, -2.5e-3, true, false, null, "\u00e9\ud83d\ude00\n"], "b": {"c": {}, "d": []}}"#)
  return FuzzReader(seeds: seeds + [small], nesting: ["[", "{\"a\":", "[{\"a\":"]) { bytes, _ in
    let value = try JSONValue(parsing: bytes, file: "input")
    // What is read can be written, and reads the same again.
    let text = JSONText.pretty(value)
    let again = try JSONValue(parsing: Array(text.utf8), file: "input")
    precondition(again == value, "\(text.prefix(200))")
  }
}

private let splitText = """
  {"train": [["a/1.jpg", 0, "cat"], ["b/1.jpg", 1, "dog"]], "val": [], "other": [[[]]],
   "test": [["a/2.jpg", 0, "cat"], ["b/2.jpg", 1, "d\\u00f6g"]]}
  """

func splitReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  var seeds = [FuzzSeed("split.json", splitText.replacing("d\\u00f6g", with: "dog"))]
  seeds.append(FuzzSeed("split.json", splitText.utf8, isValid: false))
  return FuzzReader(
    seeds: seeds, words: ["\"train\"", "\"val\"", "\"test\"", "[\"a\", 0, \"cat\"]", "../x", "\"cat\""],
    nesting: ["[", "{\"a\":"]
  ) { bytes, file in
    let split = try SplitFile(contentsOf: folder.replace(file, bytes))
    let again = try SplitFile(train: split.train, validation: split.validation, test: split.test)
    precondition(again == split)
  }
}

func fewShotReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let names = try FileManager.default.contentsOfDirectory(atPath: Goldens.url("pickles").path).sorted()
  let pickles = try names.filter { $0.hasSuffix(".pkl") }.map {
    try FuzzSeed("subset", contentsOf: Goldens.url("pickles/\($0)"))
  }
  let text = FuzzSeed(
    "subset", #"{"data_set": "D", "shots": 1, "train": [["a/1.jpg", 0, "cat"]], "val": [["b.jpg", 1, "dog"]]}"#)
  return FuzzReader(
    seeds: pickles + [text, text],
    words: ["impath", "label", "classname", "domain", "Datum", "train", "val", "_impath"],
    nesting: ["[", "{\"a\":", "(", "]", "}q\0"]
  ) { bytes, file in _ = try FewShotSubset(contentsOf: folder.replace(file, bytes)) }
}

func manifestReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let classes = [("cat", 0), ("dog", 1)]
  let rows = classes.flatMap { name, label in (0..<6).map { ("\(name)/\($0).jpg", label, name) } }
  let csv = "path,label,class_name\n" + rows.map { "\($0.0),\($0.1),\"\($0.2)\"\n" }.joined()
  let split = "path,split,class_name,label\r\na.jpg,train,\"a, \"\"b\"\"\",0\r\nb.jpg,test,\"a, \"\"b\"\"\",0\r\n"
  let lines = rows.map { #"{"path": "\#($0.0)", "label": \#($0.1), "class_name": "\#($0.2)"}"# + "\n" }.joined()
  let more = #"{"path": "a", "label": 0, "class_name": "x", "split": "train"}"# + "\n"
  let seeds = [
    FuzzSeed("a.csv", csv), FuzzSeed("a.csv", split), FuzzSeed("a.jsonl", lines),
    FuzzSeed("a.jsonl", more + more.replacing("train", with: "test") + more.replacing("train", with: "val")),
  ]
  return FuzzReader(
    seeds: seeds, words: ["path", "label", "class_name", "split", "train", "test", "val", "\"\"", ",\"", "\"\n"],
    nesting: ["\"", "[", "{\"a\":", "\n"]
  ) { bytes, file in
    try folder.replace(file, bytes)
    _ = try DatasetLocation(
      name: "own", dataRoot: folder.url, folder: ".", layout: .manifests([file], SeededDivision())
    ).read()
  }
}

private struct ImageIndex: Decodable {
  var decoded: [String: Size]

  struct Size: Decodable {}

  static func seeds(_ kind: String) throws -> [FuzzSeed] {
    let index = try JSONDecoder().decode(ImageIndex.self, from: Data(contentsOf: Goldens.url("images/index.json")))
    let names = try FileManager.default.contentsOfDirectory(atPath: Goldens.url("images/files").path).sorted()
    return try names.filter { $0.hasSuffix(kind) }.map { name in
      try FuzzSeed(
        "image", contentsOf: Goldens.url("images/files/\(name)"), isValid: index.decoded.keys.contains(name))
    }
  }
}

/// Pixels that an image may have here: what more would show is the libraries' speed.
private let pixelLimit = 1 << 20

func pngReader(_: URL) throws -> FuzzReader {
  FuzzReader(
    seeds: try ImageIndex.seeds(".png"),
    words: ["IHDR", "IDAT", "PLTE", "tRNS", "IEND", "gAMA", "zTXt", "iCCP", "sBIT"],
    repair: Repairs.png
  ) { bytes, _ in try decode(bytes) }
}

func jpegReader(_: URL) throws -> FuzzReader {
  FuzzReader(seeds: try ImageIndex.seeds(".jpg"), words: ["JFIF", "Adobe", "Exif"]) { bytes, _ in try decode(bytes) }
}

private func decode(_ bytes: [UInt8]) throws {
  let image = try ImageDecoder.decode(bytes, name: "input", pixelLimit: pixelLimit)
  precondition(image.pixels.count == 3 * image.width * image.height)
}

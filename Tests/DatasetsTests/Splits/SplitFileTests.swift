import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Datasets

extension ScratchFolder {
  /// Writes a file, and the folders it lies in.
  func file(_ name: String, _ content: Data) throws -> URL {
    let file = file(name)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try content.write(to: file)
    return file
  }
}

@Suite struct SplitFileTests {
  static let good = """
    {"train": [["a/1.jpg", 0, "abyssinian"], ["b/1.jpg", 1, "basset_hound"]],
     "val": [], "test": [["c/2.jpg", 2, "chihuahua"]]}
    """

  static func failure(_ body: () throws -> some Any) -> Failure? {
    do {
      _ = try body()
      return nil
    } catch {
      return error as? Failure
    }
  }

  static func read(_ text: String) throws -> SplitFile {
    let scratch = try ScratchFolder()
    return try SplitFile(contentsOf: scratch.file("split.json", Data(text.utf8)))
  }

  @Test func aGoodFileIsRead() throws {
    let split = try Self.read(Self.good)
    #expect(
      split.train == [
        DatasetItem(path: "a/1.jpg", label: 0, className: "abyssinian"),
        DatasetItem(path: "b/1.jpg", label: 1, className: "basset_hound"),
      ])
    #expect(split.validation.isEmpty)
    #expect(split.test == [DatasetItem(path: "c/2.jpg", label: 2, className: "chihuahua")])
    #expect(split.classNames == ["abyssinian", "basset_hound", "chihuahua"])
  }

  @Test func otherKeysEscapesAndSpacingAreUnderstood() throws {
    let split = try Self.read(
      """
      \u{feff}{ "note":{"made by":[1e3,-0.5,true,null,{}], "x":[]},\t"test":[["t.jpg",0,"caf\\u00e9 \\ud83d\\ude00"]],
      "val":[ ],\r\n"train":[["q\\"\\\\\\/\\t..jpg",0,"café 😀"]]}
      """)
    #expect(split.train[0].path == "q\"\\/\t..jpg")
    #expect(split.classNames == ["café 😀"])
  }

  /// Content of the file, and words that the one-line error must hold.
  static let badFiles: [(text: String, words: String)] = [
    ("", ":1:1: malformed JSON: the text ends too early (a split file must be an object)"),
    ("[1]", ":1:1: a split file must be an object, not a list"),
    ("{\"train\": [\n[\"a.jpg\", 0, \"a\"]\n", ":3:1: malformed JSON: the text ends too early (',' or ']' is missing)"),
    ("{\"train\": [\n  [\"a.jpg\" 0, \"a\"]]}", ":2:12: train[0]: malformed JSON: ',' or ']' is missing"),
    ("{\"train\": [}", ":1:12: train[0]: malformed JSON: an item must be a list"),
    ("{\"train\" []}", ":1:10: malformed JSON: ':' is missing after a key"),
    ("{\"train\": [[\"a", "train[0]: malformed JSON: the text ends inside a string"),
    ("{\"train\": [[\"a\u{1}\"]]}", ":1:15: train[0]: malformed JSON: a control character inside a string"),
    ("{\"train\": [[\"\\x\"]]}", ":1:15: train[0]: malformed JSON: an unknown escape"),
    ("{\"train\": [[\"\\u12g4\"]]}", "\\u without four hexadecimal digits"),
    ("{\"train\": [[\"\\ud800x\"]]}", "half of a surrogate pair"),
    (good + "x", ":2:51: malformed JSON: text after the end"),
    ("{\"val\": [], \"val\": []}", ":1:13: the key \"val\" is given twice"),
    ("{\"other\": nul}", ":1:11: malformed JSON: an unknown word"),
    ("{\"other\": 01}", "a number with a leading zero"),
    ("{\"other\": 1.}", "a digit is missing"),
    ("{\"other\": " + String(repeating: "[", count: 100_000), "values nest deeper than 64 levels"),
    ("{\"train\": " + String(repeating: "[", count: 100_000), "train[0]: the image path must be a string, not a list"),
    ("{\"train\": 5}", "the list \"train\" must be a list, not a number"),
    ("{\"train\": [[\"a\", 0, \"a\"], 5]}", "train[1]: an item must be a list, not a number"),
    ("{\"train\": [[1]]}", "train[0]: the image path must be a string, not a number"),
    ("{\"val\": [[\"a\", \"1\"]]}", "val[0]: the label must be a whole number, not a string"),
    ("{\"val\": [[\"a\", true]]}", "val[0]: the label must be a whole number, not true or false"),
    ("{\"val\": [[\"a\", 1.5]]}", ":1:16: val[0]: the label must be a whole number below 2^63, not 1.5"),
    ("{\"val\": [[\"a\", 9223372036854775808]]}", "must be a whole number below 2^63, not 9223372036854775808"),
    ("{\"val\": [[\"a\", 1, null]]}", "val[0]: the class name must be a string, not null"),
    (
      "{\"val\": [[\"a\", 1, \"b\", 2]]}",
      "val[0]: an item is a list of image path, label and class name; this one has more"
    ),
    (
      "{\"val\": [[\"a\", 1]]}",
      "val[0]: an item is a list of image path, label and class name; the one that ends here has 2"
    ),
    ("{\"val\": [[]]}", "the one that ends here has 0 of the three"),
    ("{}", "the list \"train\" is missing"),
    ("{\"train\": [], \"test\": []}", "the list \"val\" is missing"),
    ("{\"train\": [], \"val\": [], \"test\": []}", "the list \"train\" is empty"),
    (split(train: item()), "the list \"test\" is empty"),
    (split(train: item(label: -1), test: item()), "train[0]: the label -1 is negative"),
    (split(train: item(name: " "), test: item()), "train[0]: the class name is empty"),
    (split(train: item(path: ""), test: item()), "train[0]: the image path is empty"),
    (split(train: item(), test: item(path: "/etc/passwd")), "test[0]: the image path \"/etc/passwd\" leaves the image"),
    (split(train: item(), test: item(path: "../a.jpg")), "test[0]: the image path \"../a.jpg\" leaves the image root"),
    (split(train: item(), test: item(path: "a/../../b.jpg")), "\"a/../../b.jpg\" leaves the image root"),
    (split(train: item(), test: item(path: "a/..")), "\"a/..\" leaves the image root"),
    (split(train: item(path: "a\\u0000b"), test: item()), "train[0]: the image path holds a NUL character"),
    (
      split(train: item(label: 1, name: "b"), test: item(label: 3, name: "d")),
      "no image has label 0, though labels go up to 3"
    ),
    (
      split(train: item(), test: item(label: Int.max, name: "b")),
      "no image has label 1, though labels go up to 9223372"
    ),
    (
      split(train: item(), test: item(name: "dog")),
      "test[0] names label 0 \"dog\", but train[0] names it \"cat\"; give each"
    ),
  ]

  private static func item(path: String = "a.jpg", label: Int = 0, name: String = "cat") -> String {
    "[\"\(path)\", \(label), \"\(name)\"]"
  }

  private static func split(train: String, test: String = "") -> String {
    "{\"train\": [\(train)], \"val\": [], \"test\": [\(test)]}"
  }

  @Test(arguments: badFiles.indices)
  func aBadFileIsRefusedWithOneLine(index: Int) throws {
    let (text, words) = Self.badFiles[index]
    let failure = try #require(Self.failure { try Self.read(text) })
    #expect(failure.status == .badData)
    #expect(failure.description.contains(words), "\(failure)")
    #expect(failure.description.contains("split.json"))
    #expect(!failure.description.contains("\n"))
  }

  @Test func aStringMustBeUTF8() throws {
    let scratch = try ScratchFolder()
    let url = try scratch.file("split.json", Data("{\"".utf8) + [0xff, 0xfe] + Data("\": 1}".utf8))
    #expect(Self.failure { try SplitFile(contentsOf: url) }?.problem == "malformed JSON: a string that is not UTF-8")
  }

  @Test func anAbsentFileAndAFolderAreToldApart() throws {
    let scratch = try ScratchFolder()
    let absent = Self.failure { try SplitFile(contentsOf: scratch.url.appending(path: "none.json")) }
    #expect(absent?.status == .missingInput)
    #expect(absent?.description.contains("none.json: the split file does not exist") == true)
    let folder = Self.failure { try SplitFile(contentsOf: scratch.url) }
    #expect(folder?.status == .badData)
    #expect(folder?.description.contains("regular file") == true)
  }

  @Test func aHugeFileIsRefusedUnread() throws {
    let scratch = try ScratchFolder()
    let url = try scratch.file("huge.json", Data())
    let handle = try FileHandle(forWritingTo: url)
    try handle.truncate(atOffset: UInt64(SplitFile.byteLimit) + 1)
    try handle.close()
    #expect(Self.failure { try SplitFile(contentsOf: url) }?.problem.contains("at most 256 MiB") == true)
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let scratch = try ScratchFolder()
    let names = ["plain_name", "quote\" back\\slash", "tab\tnew\nline\u{1}", "ünï 😀/slash"]
    let items = names.enumerated().map { DatasetItem(path: "a/\($1).jpg", label: $0, className: $1) }
    let split = try SplitFile(train: items, validation: [items[2]], test: items.reversed())
    let url = scratch.url.appending(path: "written.json")
    try split.write(to: url)
    #expect(try SplitFile(contentsOf: url) == split)
    // Another reader agrees on the shape.
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: [[Any]]]
    #expect(object?["train"]?.map { $0[2] as? String } == names)
    #expect(object?["test"]?.map { $0[1] as? Int } == [3, 2, 1, 0])
    let nowhere = Self.failure { try split.write(to: scratch.url.appending(path: "absent/split.json")) }
    #expect(nowhere?.status == .cannotCreate)
  }
}

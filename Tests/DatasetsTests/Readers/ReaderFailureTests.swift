import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Datasets

/// What readers say about trees that something is wrong with.
@Suite struct ReaderFailureTests {
  /// A damage to the tree of a data set, and words of the one line that follows.
  struct Damage: Sendable, CustomTestStringConvertible {
    let name: String
    let words: [String]
    let status: Diagnostics.ExitStatus
    let damage: @Sendable (URL) throws -> Void

    var testDescription: String { "\(name): \(words[0])" }

    init(
      _ name: String, _ words: [String], _ status: Diagnostics.ExitStatus,
      _ damage: @escaping @Sendable (URL) throws -> Void
    ) {
      self.name = name
      self.words = words
      self.status = status
      self.damage = damage
    }

    init(_ name: String, _ words: [String], _ damage: @escaping @Sendable (URL) throws -> Void) {
      self.init(name, words, .badData, damage)
    }
  }

  static func write(_ text: String, _ path: String) -> @Sendable (URL) throws -> Void {
    { root in try Data(text.utf8).write(to: root.appending(path: path)) }
  }

  static func remove(_ path: String) -> @Sendable (URL) throws -> Void {
    { root in try FileManager.default.removeItem(at: root.appending(path: path)) }
  }

  /// Adds a line to a file.
  static func append(_ line: String, _ path: String) -> @Sendable (URL) throws -> Void {
    { root in
      let file = root.appending(path: path)
      let text = try String(contentsOf: file, encoding: .utf8)
      try Data((text + line + "\n").utf8).write(to: file)
    }
  }

  static func addFolder(_ path: String) -> @Sendable (URL) throws -> Void {
    { root in
      try FileManager.default.createDirectory(at: root.appending(path: path), withIntermediateDirectories: true)
    }
  }

  static let aircraft: [Damage] = [
    Damage(
      "FGVCAircraft", ["images_variant_test.txt:7: the variant \"707-321\" is not in", "did you mean 707-320?"],
      append("0000001 707-321", "fgvc_aircraft/images_variant_test.txt")),
    Damage(
      "FGVCAircraft", ["images_variant_val.txt:12: \"0000001\" has no class name"],
      append("0000001", "fgvc_aircraft/images_variant_val.txt")),
    Damage(
      "FGVCAircraft", ["images_variant_val.txt:12: the image path \"../1.jpg\" leaves the image root"],
      append("../1 707-320", "fgvc_aircraft/images_variant_val.txt")),
    Damage(
      "FGVCAircraft", ["variants.txt:5: no image has label 4, \"Concorde\""],
      append("Concorde", "fgvc_aircraft/variants.txt")),
    Damage(
      "FGVCAircraft", ["variants.txt:5: names the class \"An-12\" again, after line 4"],
      append("An-12", "fgvc_aircraft/variants.txt")),
    Damage("FGVCAircraft", ["variants.txt: the list of classes is empty"], write(" \n", "fgvc_aircraft/variants.txt")),
    Damage(
      "FGVCAircraft", ["images_variant_val.txt: the list of images does not exist"], .missingInput,
      remove("fgvc_aircraft/images_variant_val.txt")),
  ]

  static let wordNet: [Damage] = [
    Damage("ImageNet", ["images/val: the folder \"n1\" is no class of"], addFolder("imagenet/images/val/n1")),
    Damage(
      "ImageNet", ["images/train: 1 of the 6 classes of", "have no folder: n", "complete the copy"],
      { root in
        let train = root.appending(path: "imagenet/images/train")
        let folder = try FolderListing(of: train).folders[0]
        try FileManager.default.removeItem(at: train.appending(path: folder))
      }),
    Damage(
      "ImageNet", ["classnames.txt:7: \"n00000001\" has no class name"],
      append("n00000001", "imagenet/classnames.txt")),
    Damage(
      "ImageNet", ["classnames.txt: the list of class names does not exist"], .missingInput,
      remove("imagenet/classnames.txt")),
    Damage(
      "ImageNet", ["images/val: the image folder of ImageNet does not exist"], .missingInput, remove("imagenet/images")),
    Damage(
      "ImageNetV2", ["imagenetv2-matched-frequency-format-val: the folder \"12\" is no class", "folders are 0 to 11"],
      addFolder("imagenetv2/imagenetv2-matched-frequency-format-val/12")),
    Damage(
      "ImageNetV2", ["1 of the 12 classes of", "have no folder: 7"],
      remove("imagenetv2/imagenetv2-matched-frequency-format-val/7")),
    Damage(
      "ImageNetA", ["imagenet-a: there are 199 class folders, ImageNetA has 200"],
      { root in
        let images = root.appending(path: "imagenet-adversarial/imagenet-a")
        let folder = try FolderListing(of: images).folders[0]
        try FileManager.default.removeItem(at: images.appending(path: folder))
      }),
    Damage(
      "ImageNetR", ["class 0, \"", "has no images here"],
      { root in
        let images = root.appending(path: "imagenet-rendition/imagenet-r")
        let folder = try FolderListing(of: images).folders[0]
        for image in try FileManager.default.contentsOfDirectory(atPath: images.path + "/" + folder) {
          try FileManager.default.removeItem(atPath: images.path + "/" + folder + "/" + image)
        }
      }),
  ]

  static let ownLayouts: [Damage] = [
    Damage(
      "class-folders", ["test: the folder does not exist", "data.layout=class-tree"], .missingInput,
      { root in
        try remove("class-folders/test")(root)
        try remove("class-folders/val")(root)
      }),
    Damage("class-tree", ["empty: the class folder has no images"], addFolder("class-tree/empty")),
    Damage(
      "class-tree", ["two class folders have the same name, written with different code points"],
      addFolder("class-tree/A\u{308}rmel")),
    Damage(
      "class-tree", ["the 1 image of class \"lonely\" cannot be divided", "change data.division"],
      { root in
        try addFolder("class-tree/lonely")(root)
        try write("image", "class-tree/lonely/1.jpg")(root)
      }),
    Damage("csv", ["all.csv:1: the first line must name the columns"], write("a.jpg,0,cat\n", "csv/all.csv")),
    Damage("csv", ["all.csv: the manifest is empty"], write("\n", "csv/all.csv")),
    Damage(
      "csv", ["all.csv:3: the line has 2 fields, the header has 3"],
      write("path,label,class_name\na.jpg,0,cat\nb.jpg,1\n", "csv/all.csv")),
    Damage(
      "csv", ["all.csv:2: the label \"one\" is not a whole number"],
      write("path,label,class_name\na.jpg,one,cat\n", "csv/all.csv")),
    Damage(
      "csv", ["all.csv:2: the split \"tests\" is none of train, val and test", "did you mean test?"],
      write("path,label,class_name,split\na.jpg,0,cat,tests\n", "csv/all.csv")),
    Damage(
      "csv", ["all.csv:3: malformed CSV: a quote that is not closed"],
      write("path,label,class_name\na.jpg,0,cat\n\"b.jpg,1\n,dog", "csv/all.csv")),
    Damage(
      "csv", ["all.csv:2: malformed CSV: a quote within a field"],
      write("path,label,class_name\na\"b.jpg,0,cat\n", "csv/all.csv")),
    Damage(
      "csv", ["all.csv:4: names label 0 \"dog\", but", "all.csv:2 names it \"cat\""],
      write("path,label,class_name,split\na.jpg,0,cat,train\n\nb.jpg,0,dog,test\n", "csv/all.csv")),
    Damage(
      "csv", ["all.csv: no image has label 1, though labels go up to 2"],
      write("path,label,class_name,split\na.jpg,0,cat,train\nb.jpg,2,dog,test\n", "csv/all.csv")),
    Damage(
      "csv", ["all.csv:3: the image path \"/etc/passwd\" leaves the image root"],
      write("path,label,class_name,split\na.jpg,0,cat,train\n/etc/passwd,0,cat,test\n", "csv/all.csv")),
    Damage(
      "jsonl", ["all.jsonl:2: the image has no split, but that of line 1 has"],
      write(
        "{\"path\":\"a\",\"label\":0,\"class_name\":\"c\",\"split\":\"train\"}\n{\"path\":\"b\",\"label\":0,\"class_name\":\"c\"}\n",
        "jsonl/all.jsonl")),
    Damage(
      "jsonl", ["all.jsonl:2:10: the label must be a whole number, not a string"],
      write("{\"path\":\"a\",\"label\":0,\"class_name\":\"c\"}\n{\"label\":\"0\"}\n", "jsonl/all.jsonl")),
    Damage("jsonl", ["all.jsonl:1: the line must name path, label and class_name"], write("{}\n", "jsonl/all.jsonl")),
    Damage(
      "csv-files", ["test.csv:2: the image is of the split train, in the manifest of test"],
      write("path,label,class_name,split\na.jpg,0,apple,train\n", "csv-files/test.csv")),
  ]

  @Test(arguments: aircraft + wordNet + ownLayouts)
  func aDamagedTreeIsRefusedWithOneLine(damage: Damage) throws {
    let scratch = try ScratchFolder()
    try #require(try DatasetTrees.trees()[damage.name]).write(to: scratch.url)
    try damage.damage(scratch.url)
    let failure = try #require(
      SplitFileTests.failure {
        try DatasetLocation(name: damage.name, dataRoot: scratch.url, layout: ReaderGoldenTests.own[damage.name]).read()
      })
    #expect(failure.status == damage.status, "\(failure)")
    for words in damage.words { #expect(failure.description.contains(words), "\(failure)") }
  }

  @Test func aTestOnlyCopyOfImageNetIsRead() throws {
    let scratch = try ScratchFolder()
    try #require(try DatasetTrees.trees()["ImageNet"]).write(to: scratch.url)
    try Self.remove("imagenet/images/train")(scratch.url)
    let dataset = try DatasetLocation(name: "imagenet", dataRoot: scratch.url).read()
    #expect(dataset.train.isEmpty && dataset.test.count == 12 && dataset.classNames.count == 6)
  }

  @Test func aNameThatIsNotUTF8IsRefused() throws {
    let scratch = try ScratchFolder()
    let path = Array((scratch.url.path + "/").utf8) + [0x61, 0xff, 0x62, 0]
    #expect(path.withUnsafeBytes { mkdir($0.baseAddress!.assumingMemoryBound(to: CChar.self), 0o777) } == 0)
    let failure = try #require(SplitFileTests.failure { try FolderListing(of: scratch.url) })
    #expect(failure.description.contains("a name that is not UTF-8: a\\xffb"), "\(failure)")
  }
}

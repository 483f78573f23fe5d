import Configuration
import Datasets
import Diagnostics
import Foundation

/// The images and their classes.
struct DataSettings: Sendable {
  var root: URL
  var name: String
  var folder: String?
  var imageRoot: String?
  /// nil: as the data set is known to be laid out.
  var layout: OwnLayout?
  var template: String?
  /// Training images per class; nil for all.
  var shots: Int?
  /// A file that names the training images, instead of a draw; nil for none.
  var subset: String?

  /// The words of `data.layout`.
  enum Layout: String, CaseIterable {
    case auto, manifest
    case splitFile = "split-file"
    case classFolders = "class-folders"
    case classTree = "class-tree"
  }

  init(_ reader: SettingsReader, isRequired: Bool) throws {
    root = try reader.path("root", default: isRequired ? nil : ".", "folder that holds one folder per data set")
    name = try reader.string(
      "name", default: isRequired ? nil : "", example: "DescribableTextures",
      "data set, by its published name or your own")
    folder = try reader.optionalString(
      "folder", example: "dtd", "the data set's folder in the root, if not the usual one")
    imageRoot = try reader.optionalString(
      "image_root", example: "images", "where image paths start, relative to the folder")
    layout = try Self.layout(reader)
    template = try reader.optionalString(
      "template", example: "a photo of a {}.", "prompt; {} stands for the class name; default: the published one")
    try reader.require(
      template.map { (try? PromptTemplate($0)) != nil } ?? true, about: "template",
      "must hold {} exactly once, where the class name goes", remedy: "write for example \"\(PromptTemplate.fallback)\""
    )
    shots = try reader.optionalInteger("shots", in: 1..., "training images per class; without it, all of them")
    subset = try reader.optionalString(
      "subset", example: "split_fewshot/shot_{shots}-seed_{seed}.pkl",
      "JSON or published .pkl file of the few-shot subset to train on instead of drawing it, relative to the folder; "
        + "{shots} and {seed} stand for the run's")
  }

  private static func layout(_ reader: SettingsReader) throws -> OwnLayout? {
    let choice = try reader.choice(
      "layout", default: Layout.auto,
      "how the data set is laid out; auto: by split_file or manifest if one is given, else as the name is known to be")
    let splitFile = try reader.optionalString(
      "split_file", example: "split.json", "JSON with lists train, val and test of [path, label, class name]")
    let manifests = try reader.strings(
      "manifest", default: [], example: "train.csv", count: 0...3,
      "CSV or JSON Lines of path, label, class_name: one file of all images, or train and test, or train, val and test")
    let division = try reader.section("division", "how images that come without lists are divided") {
      try SeededDivision($0)
    }
    try reader.require(
      splitFile == nil || manifests.isEmpty, about: "manifest", "cannot be combined with data.split_file",
      remedy: "give one of the two")
    try reader.require(
      choice == .auto || (choice == .splitFile) == (splitFile != nil) && (choice == .manifest) == !manifests.isEmpty,
      about: "layout", "does not go with the lists that are given",
      remedy: "give data.split_file for split-file, data.manifest for manifest, and neither for the others")
    switch choice {
    case .classFolders: return .classFolders
    case .classTree: return .classTree(division)
    default: return splitFile.map { .splitFile($0) } ?? (manifests.isEmpty ? nil : .manifests(manifests, division))
    }
  }

  /// The data set that these settings name.
  ///
  /// Throws `Failure(.usage)`; does not look at the disk.
  func location() throws -> DatasetLocation {
    do {
      return try DatasetLocation(
        name: name, dataRoot: root, folder: folder, imageRoot: imageRoot, layout: layout, promptTemplate: template)
    } catch var failure as Failure {
      failure.place = failure.place ?? "data.name"
      throw failure
    }
  }
}

extension SeededDivision {
  fileprivate init(_ reader: SettingsReader) throws {
    let usual = SeededDivision()
    self.init(
      seed: try reader.integer(
        "seed", default: usual.seed, in: 0...Int(UInt32.max), "draws which images go where; not the run's seed"),
      train: try reader.number(
        "train", default: usual.train, in: .above(0), "share of each class's images for training"),
      validation: try reader.number(
        "val", default: usual.validation, in: 0..<1, "share for validation; the rest is for testing"))
    try reader.require(
      train + validation < 1, about: "train", "and data.division.val leave nothing for testing",
      remedy: "make them less than 1 together")
  }
}

import Foundation

/// What a run needs, small enough for hundreds of runs in a test: a CLIP with random weights, a data set of striped
/// pictures, and a configuration, all in a scratch folder.
///
/// The model is the one of the tower goldens: 12 blocks of width 32 in both encoders, pictures of 32 pixels, 600 tokens.
public final class SmallTask: Sendable {
  /// Classes of the data set; one half is base.
  public static let classNames = [
    "amber", "birch_bark", "coral", "denim", "ember", "fern", "granite", "harp_string", "ivory", "jade",
  ]
  /// Pictures of each class in the lists `train` and `test`.
  public static let trainingImages = 8, testImages = 5
  /// Blocks of each encoder.
  public static let depth = 12

  private let scratch: ScratchFolder

  /// Writes model, data and configuration.
  public init() throws {
    scratch = try ScratchFolder()
    try Self.writeModel(to: model)
    try Self.writeData(to: dataFolder)
    try Data(configurationText.utf8).write(to: configuration)
  }

  /// The folder that holds all others.
  public var folder: URL { scratch.url }
  /// The Hugging Face folder of the model.
  public var model: URL { scratch.file("model") }
  /// The data root.
  public var data: URL { scratch.file("data") }
  /// The data set's folder.
  public var dataFolder: URL { data.appendingPathComponent("stripes") }
  /// The split file.
  public var splitFile: URL { dataFolder.appendingPathComponent("split.json") }
  /// A picture of the data set.
  public func image(_ list: String, label: Int, number: Int) -> URL {
    dataFolder.appendingPathComponent(Self.imagePath(list, label, number))
  }
  /// The configuration file; it names everything but the run directory.
  public var configuration: URL { scratch.file("run.yaml") }
  /// A place for results.
  public func run(_ name: String) -> URL { scratch.file("runs").appendingPathComponent(name) }

  /// 60 steps with CSkip, augmentation and a learning rate at which the loss of random weights moves.
  private var configurationText: String {
    """
    seed: 3
    task: all-classes
    model:
      path: \(model.path)
    data:
      root: \(data.path)
      name: stripes
      split_file: split.json
      template: a photo of a {}.
    method:
      start_layer: 6
      class_skip:
        ratio: 0.5
    batch:
      global: 4
      order: random
    optim:
      text_lr: 0.01
      image_lr: 0.01
      epochs: 3
      warmup_lr: 0.001
    """ + "\n"
  }
}

// MARK: - Files

extension SmallTask {
  private static func writeModel(to folder: URL) throws {
    let files = FileManager.default
    try files.createDirectory(at: folder, withIntermediateDirectories: true)
    for name in ["config.json", "model.safetensors"] {
      try files.copyItem(at: Goldens.url("towers/model/\(name)"), to: folder.appendingPathComponent(name))
    }
    let merges = merges
    var tokens = byteSpellings + byteSpellings.map { $0 + "</w>" } + merges.map { $0.left + $0.right }
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    precondition(tokens.count == 600, "the model of the goldens has 600 tokens")
    let vocabulary = Dictionary(uniqueKeysWithValues: tokens.enumerated().map { ($1, $0) })
    try JSONEncoder().encode(vocabulary).write(to: folder.appendingPathComponent("vocab.json"))
    let lines = ["#version: 0.2"] + merges.map { "\($0.left) \($0.right)" }
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: folder.appendingPathComponent("merges.txt"))
  }

  /// Merges of two letters, as many as the vocabulary has room for.
  private static var merges: [(left: String, right: String)] {
    let letters = "abcdefghijklmnopqrstuvwxyz".map { String($0) }
    let pairs = ["e</w>", "o</w>", "r", "a"].flatMap { right in letters.map { ($0, right) } }
    return Array(pairs.prefix(600 - 2 * byteSpellings.count - 2))
  }

  /// How a vocabulary writes each byte: visible Latin-1 as itself, the rest from U+0100 on.
  private static var byteSpellings: [String] {
    let visible = Set(33...126).union(161...172).union(174...255)
    var next = 255
    return (0...255).map { byte in
      if !visible.contains(byte) { next += 1 }
      return String(UnicodeScalar(visible.contains(byte) ? byte : next)!)
    }
  }

  private static func imagePath(_ list: String, _ label: Int, _ number: Int) -> String {
    "\(classNames[label])/\(list)-\(number).png"
  }

  private static func writeData(to folder: URL) throws {
    var lists: [String: [String]] = [:]
    for (list, count, first) in [("train", trainingImages, 0), ("val", 1, 100), ("test", testImages, 200)] {
      for label in classNames.indices {
        for number in 0..<count {
          let path = imagePath(list, label, number)
          let file = folder.appendingPathComponent(path)
          try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
          try PatternImage.png(label: label, number: first + number).write(to: file)
          lists[list, default: []].append("[\"\(path)\", \(label), \"\(classNames[label])\"]")
        }
      }
    }
    let members = lists.sorted { $0.key < $1.key }.map { "\"\($0.key)\": [\n\($0.value.joined(separator: ",\n"))\n]" }
    try Data("{\(members.joined(separator: ",\n"))}\n".utf8).write(to: folder.appendingPathComponent("split.json"))
  }
}

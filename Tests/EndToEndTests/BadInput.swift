import Foundation
import Safetensors
import Tensors
import TestSupport
import Testing

/// Something that is wrong with what a user brings, and what the program must say.
struct BadInput: Sendable, CustomTestStringConvertible {
  let name: String
  /// Exit status.
  let status: Int32
  /// The culprit, the rule and the way out, as found in the one line on standard error.
  let words: [String]
  /// `--set` options.
  var settings: [String] = []
  /// Relative to the task's folder.
  var runDirectory = "runs/run"
  /// Damages the task's files.
  var damage: @Sendable (SmallTask) throws -> Void = { _ in }

  var testDescription: String { name }
}

extension BadInput {
  static let all = models + configurations + datasets + combinations

  private static let models = [
    BadInput(
      name: "no model folder", status: 66,
      words: ["nowhere: there is no such file or folder", "give the path of a model"],
      settings: ["model.path=nowhere"]),
    BadInput(
      name: "no weights", status: 66, words: ["model/model.safetensors", "check the path"],
      damage: { try FileManager.default.removeItem(at: $0.weights) }),
    BadInput(
      name: "no tokenizer", status: 66, words: ["model: has no tokenizer", "put vocab.json and merges.txt"],
      damage: { try FileManager.default.removeItem(at: $0.model.appendingPathComponent("merges.txt")) }),
    BadInput(
      name: "cut weights", status: 65, words: ["model.safetensors", "beyond the end of the file", "fetch it again"],
      damage: { try Data(contentsOf: $0.weights).prefix(100_000).write(to: $0.weights) }),
    BadInput(
      name: "header beyond the file", status: 65, words: ["model.safetensors", "header", "fetch it again"],
      damage: { try $0.overwriteWeights([0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0]) }),
    BadInput(
      name: "absurd header length", status: 65, words: ["model.safetensors", "header", "fetch it again"],
      damage: { try $0.overwriteWeights([UInt8](repeating: 0xFF, count: 8)) }),
    BadInput(
      name: "NaN in the weights", status: 65,
      words: ["model.safetensors", "visual_projection.weight", "NaN", "fetch the weights again"],
      damage: { try $0.changeTensor { $0[17] = .nan } }),
    BadInput(
      name: "wrong shape", status: 65,
      words: ["visual_projection.weight", "[32, 24]", "[24, 32]", "must come from the same model"],
      damage: { try $0.changeTensor(shape: [32, 24]) { _ in } }),
    BadInput(
      name: "not a CLIP", status: 65, words: ["config.json", "\"bert\"", "\"clip\""],
      damage: {
        try $0.replace("\"model_type\": \"clip\",", "\"model_type\": \"bert\",", in: "model/config.json")
      }),
    BadInput(
      name: "tokenizer of another model", status: 65, words: ["601 tokens", "600", "must belong to the weights"],
      damage: { try $0.addToken() }),
  ]

  private static let configurations = [
    BadInput(
      name: "unknown key", status: 64, words: ["run.yaml:18", "optim.text_rl", "did you mean optim.text_lr?"],
      damage: { try $0.replace("text_lr", "text_rl", in: "run.yaml") }),
    BadInput(
      name: "wrong type", status: 64, words: ["run.yaml:20", "optim.epochs", "many", "must be an integer"],
      damage: { try $0.replace("epochs: 3", "epochs: many", in: "run.yaml") }),
    BadInput(
      name: "wrong type in an option", status: 64, words: ["--set", "optim.epochs", "many", "must be an integer"],
      settings: ["optim.epochs=many"]),
    BadInput(
      name: "missing key", status: 64, words: ["data.name is not set", "--set data.name="],
      damage: { try $0.replace("  name: stripes\n", "", in: "run.yaml") }),
    BadInput(
      name: "no configuration file", status: 66, words: ["run.yaml", "there is no such configuration file"],
      damage: { try FileManager.default.removeItem(at: $0.configuration) }),
    BadInput(
      name: "template without a place for the class", status: 64,
      words: ["run.yaml:9", "data.template", "{} exactly once", "a photo of a {}."],
      damage: { try $0.replace("of a {}.", "of it.", in: "run.yaml") }),
    BadInput(
      name: "unknown data set", status: 64, words: ["data.name", "\"EuroSta\"", "did you mean EuroSAT?"],
      damage: {
        try $0.replace("  name: stripes\n  split_file: split.json", "  name: EuroSta", in: "run.yaml")
      }),
    BadInput(
      name: "both batch sizes", status: 64, words: ["batch.global", "batch.per_rank", "exactly once"],
      settings: ["batch.per_rank=2"]),
  ]

  private static let datasets = [
    BadInput(
      name: "missing image", status: 66,
      words: ["1 of 50 images of stripes are missing", "fern/test-2.png", "correct the image root"],
      damage: { try FileManager.default.removeItem(at: $0.image("test", label: 5, number: 2)) }),
    BadInput(
      name: "no split file", status: 66, words: ["split.json", "does not exist", "correct the data root"],
      damage: { try FileManager.default.removeItem(at: $0.splitFile) }),
    BadInput(
      name: "malformed split file", status: 65, words: ["split.json:53:9", "malformed JSON", "copy it again"],
      damage: { try $0.replace("\"train\": [", "\"train\" [", in: "data/stripes/split.json") }),
    BadInput(
      name: "labels with gaps", status: 65, words: ["split.json", "no image has label 9", "without gaps"],
      damage: { try $0.replace(", 9, \"jade\"", ", 11, \"jade\"", in: "data/stripes/split.json") }),
    BadInput(
      name: "class name too long for the text encoder", status: 65,
      words: ["class 9", "tokens, the model reads 77", "shorten the class name"],
      damage: {
        let name = String(repeating: "jade and pearl ", count: 20)
        try $0.replace(", 9, \"jade\"", ", 9, \"\(name)\"", in: "data/stripes/split.json")
      }),
    BadInput(
      name: "image outside of the image root", status: 65, words: ["split.json", "../jade", "leaves the image root"],
      damage: { try $0.replace("jade/test-0", "../jade/test-0", in: "data/stripes/split.json") }),
  ]

  private static let combinations = [
    BadInput(
      name: "batch larger than the data", status: 64,
      words: ["batch.global", "400 images", "80 training images", "choose a batch of at most 80"],
      settings: ["batch.global=400"]),
    BadInput(
      name: "start layer beyond the model", status: 64, words: ["method.start_layer", "13", "12 blocks", "choose 0"],
      settings: ["method.start_layer=13"]),
    BadInput(
      name: "mask of wrong length", status: 64,
      words: ["method.class_skip.mask", "3 entries", "10 classes", "or leave the mask out"],
      settings: ["method.class_skip.mask=[1, 0, 1]"]),
    BadInput(
      name: "run directory below a file", status: 73, words: ["run.yaml/run", "cannot be created", "Not a directory"],
      runDirectory: "run.yaml/run"),
    BadInput(
      name: "run directory with other files", status: 73,
      words: ["data: the folder holds files that are not of a skiptune run", "give an empty or new --run-dir"],
      runDirectory: "data"),
  ]
}

// MARK: - Damage

extension SmallTask {
  /// The model's weights.
  var weights: URL { model.appendingPathComponent("model.safetensors") }

  /// Replaces the first bytes of the weights.
  func overwriteWeights(_ bytes: [UInt8]) throws {
    var data = try Data(contentsOf: weights)
    data.replaceSubrange(0..<bytes.count, with: bytes)
    try data.write(to: weights)
  }

  /// Writes the weights anew with another image projection.
  func changeTensor(shape: [Int]? = nil, _ change: (Tensor) -> Void) throws {
    let file = try SafetensorsFile(contentsOf: weights)
    let name = "visual_projection.weight"
    let tensors = try file.names.map { (name: $0, tensor: try file.tensor($0)) }
    let declarations = tensors.map {
      SafetensorsWriter.Declaration(name: $0.name, shape: $0.name == name ? shape ?? $0.tensor.shape : $0.tensor.shape)
    }
    try SafetensorsWriter.write(declarations, to: weights) { index in
      if tensors[index].name == name { change(tensors[index].tensor) }
      return tensors[index].tensor
    }
  }

  /// Gives the tokenizer one token more than the model has.
  func addToken() throws {
    let file = model.appendingPathComponent("vocab.json")
    var vocabulary = try JSONDecoder().decode([String: Int].self, from: Data(contentsOf: file))
    vocabulary["zebra</w>"] = vocabulary.count
    try JSONEncoder().encode(vocabulary).write(to: file)
  }

  /// Replaces every occurrence of a text, of which there must be one.
  func replace(_ text: String, _ replacement: String, in path: String) throws {
    let file = folder.appendingPathComponent(path)
    let content = try String(contentsOf: file, encoding: .utf8)
    precondition(content.contains(text), "\(path) has no \(text)")
    try Data(content.replacingOccurrences(of: text, with: replacement).utf8).write(to: file)
  }
}

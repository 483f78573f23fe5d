import Diagnostics
import Files
import Foundation
import Kernels
import MatrixBackends
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import CLIPModel

/// One model in all forms, made by PyTorch: Tests/Reference/weights_goldens.py.
@Suite struct ModelSourceTests {
  static let archives = ["openai-script.pt", "openai-state.pt"]

  static func url(_ name: String) -> URL { Goldens.url("weights/\(name)") }

  static func source(_ name: String) throws -> ModelSource {
    // A state dictionary does not tell.
    try ModelSource(
      url(name).path,
      options: ModelSource.Options(activation: name == "openai-state.pt" ? .quickGELU : nil))
  }

  @Test(arguments: [
    ("model", ModelSource.Form.huggingFace), ("model/model.safetensors", .huggingFace), ("open_clip", .openCLIP),
    ("open_clip/open_clip_model.safetensors", .openCLIP), ("openai-script.pt", .openAI), ("openai-state.pt", .openAI),
  ]) func allFormsHoldTheSameModelToTheBit(name: String, form: ModelSource.Form) throws {
    let truth = try CLIP(huggingFaceFolder: Self.url("model"))
    let source = try Self.source(name)
    #expect(source.form == form)
    let model = try CLIP(source)
    #expect(model.parameters.values.bits == truth.parameters.values.bits)
    var configuration = truth.configuration
    configuration.eosTokenID = model.configuration.eosTokenID
    #expect(model.configuration == configuration)

    let stored = try StoredWeights(source, model.parameters.layout)
    var random = CounterRandom(seed: 5)
    for _ in 0..<40 {
      let ends = [
        random.integer(below: model.parameters.layout.count + 1),
        random.integer(below: model.parameters.layout.count + 1),
      ].sorted()
      let range = ends[0]..<min(ends[1], ends[0] + 5000)
      let values = Tensor(zeros: [range.count])
      try stored.read(range, into: values.buffer)
      #expect(values.bits == truth.parameters.values(in: range).bits)
    }
  }

  /// Against Hugging Face's CLIPModel; both sum in fp32, so 1e-5 of the length of a feature is rounding.
  @Test(arguments: archives + ["open_clip"]) func featuresAreThoseOfHuggingFace(name: String) throws {
    let model = try CLIP(Self.source(name))
    let golden = try SafetensorsFile(contentsOf: Self.url("outputs.safetensors"))
    let product = OpenBLASProduct(threads: 1)
    let images = model.imageFeatures(try golden.tensor("pixel_values"), arena: Arena(), by: product)
    #expect(relativeError(images, try golden.tensor("image.features")) < 1e-5)
    let (ids, lengths) = (try golden.integers("token_ids"), try golden.integers("lengths"))
    let width = ids.count / lengths.count
    let prompts = lengths.enumerated().map { row, length in
      ids[row * width..<row * width + length].map { Int32($0) }
    }
    let texts = model.textFeatures(prompts, arena: Arena(), by: product)
    #expect(relativeError(texts, try golden.tensor("text.features")) < 1e-5)
  }

  private func relativeError(_ values: Tensor, _ truth: Tensor) -> Double {
    let pairs = zip(values.array, truth.array).map { (Double($0), Double($1)) }
    let (difference, length) = pairs.reduce((0, 0)) { ($0.0 + ($1.0 - $1.1) * ($1.0 - $1.1), $0.1 + $1.1 * $1.1) }
    return values.shape == truth.shape ? (difference / length).squareRoot() : .infinity
  }

  // MARK: Activation

  @Test func whatTheActivationIsMustBeTold() throws {
    let untold = failure { _ = try WeightsFile(ModelSource(Self.url("openai-state.pt").path)) }
    #expect(untold?.status == .usage && untold?.remedy?.contains("model.activation (--activation)") == true)
    let options = ModelSource.Options(activation: .gelu)
    #expect(
      try WeightsFile(ModelSource(Self.url("openai-state.pt").path, options: options)).configuration.activation == .gelu
    )
    for name in ["openai-script.pt", "open_clip"] {
      let wrong = failure { _ = try WeightsFile(ModelSource(Self.url(name).path, options: options)) }
      #expect(wrong?.problem.contains("computes with quick_gelu, not with gelu") == true, "\(name)")
    }
  }

  @Test func anArchiveAndItsConfigurationMustAgree() throws {
    try withScratchFolder { folder in
      try FileManager.default.copyItem(
        at: Self.url("openai-script.pt"), to: folder.appendingPathComponent("open_clip_pytorch_model.bin"))
      let json = try String(contentsOf: Self.url("open_clip/open_clip_config.json"), encoding: .utf8)
      let file = folder.appendingPathComponent("open_clip_config.json")
      try Data(json.utf8).write(to: file)
      #expect(try WeightsFile(ModelSource(folder.path)).source.form == .openCLIP)
      try Data(json.replacing("\"quick_gelu\": true", with: "\"quick_gelu\": false").utf8).write(to: file)
      let refusal = failure { _ = try WeightsFile(ModelSource(folder.path)) }
      #expect(refusal?.problem.contains("compute with quick_gelu, open_clip_config.json says gelu") == true)
    }
  }

  @Test func publishedFilesAreKnownByTheirDigest() {
    let known = PublishedWeights.of(digest: "55e67d44" + String(repeating: "0", count: 56))
    #expect(known?.activation == .gelu && known?.name.contains("laion400m_e32") == true)
    #expect(PublishedWeights.of(digest: "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416e") == nil)
    #expect(PublishedWeights.all.allSatisfy { [8, 64].contains($0.digest.count) })
  }

  // MARK: What lies beside

  @Test func tokenizersOfBothFormsAreOne() throws {
    let truth = try CLIPTokenizer(huggingFaceFolder: Self.url("model"))
    let source = try Self.source("openai-script.pt")
    let configuration = try source.configuration()
    let tokenizer = try CLIPTokenizer(source, configuration)
    #expect(tokenizer.vocabularySize == 520 && tokenizer.endToken == 519)
    for text in ["the sand is singing", "Caf\u{e9} \u{1F600} or other, 42", "<|endoftext|>"] {
      #expect(tokenizer.tokens(text) == truth.tokens(text))
    }
    let elsewhere = try ModelSource(
      Self.url("open_clip").path, options: ModelSource.Options(tokenizer: Self.url("model/vocab.json")))
    #expect(try CLIPTokenizer(elsewhere, configuration).tokens("thing") == truth.tokens("thing"))
    let missing = failure { _ = try CLIPTokenizer(Self.source("open_clip"), configuration) }
    #expect(missing?.status == .missingInput && missing?.remedy?.contains("model.tokenizer (--tokenizer)") == true)
  }

  @Test func preprocessingIsReadOrSaidToBeAssumed() throws {
    let described = try Self.source("open_clip")
    #expect(try ImagePreprocessing(described, imageSize: 32).mean == [0.5, 0.5, 0.5])
    #expect(try ImagePreprocessing.note(of: described) == nil)
    let open = try Self.source("openai-script.pt")
    #expect(try ImagePreprocessing(open, imageSize: 32) == ImagePreprocessing(resizeSize: 32, cropSize: 32))
    #expect(try WeightsFile(open).allNotes().count == 2)
  }

  /// A tuned model is a Hugging Face folder whatever it was tuned from.
  @Test(arguments: archives + ["open_clip"]) func anyFormCanBeWrittenAsHuggingFaces(name: String) throws {
    try withScratchFolder { folder in
      let (source, target) = (try Self.source(name), folder.appendingPathComponent("model"))
      let model = try CLIP(source)
      try HuggingFaceFolder.write(model.parameters, model.configuration, tunedFrom: source, to: target)
      let read = try CLIP(ModelSource(target.path))
      #expect(read.parameters.values.bits == model.parameters.values.bits)
      #expect(read.configuration.activation == .quickGELU && read.configuration.vision == model.configuration.vision)
      #expect(
        try ImagePreprocessing(huggingFaceFolder: target, imageSize: 32) == ImagePreprocessing(source, imageSize: 32))
      guard name != "open_clip" else { return }
      let tokenizer = try CLIPTokenizer(huggingFaceFolder: target)
      #expect(try tokenizer.tokens("the thing") == CLIPTokenizer(source, model.configuration).tokens("the thing"))
    }
  }

  @Test func partsOfHuggingFaceWeights() throws {
    try withScratchFolder { folder in
      let truth = try CLIP(huggingFaceFolder: Self.url("model"))
      let layout = truth.parameters.layout
      var map: [String: String] = [:]
      for part in 0..<3 {
        let slots = layout.slots.enumerated().filter { $0.offset % 3 == part }.map(\.element)
        let file = "model-0000\(part + 1)-of-00003.safetensors"
        try SafetensorsWriter.write(
          slots.map { ($0.name, truth.parameters[$0.name]!) }, metadata: [:], to: folder.appendingPathComponent(file))
        for slot in slots { map[slot.name] = file }
      }
      try FileManager.default.copyItem(
        at: Self.url("model/config.json"), to: folder.appendingPathComponent("config.json"))
      let index = folder.appendingPathComponent("model.safetensors.index.json")
      try JSONEncoder().encode(["weight_map": map]).write(to: index)
      #expect(try CLIP(ModelSource(folder.path)).parameters.values.bits == truth.parameters.values.bits)
      map[layout.slots[0].name] = "../model.safetensors"
      try JSONEncoder().encode(["weight_map": map]).write(to: index)
      #expect(failure { _ = try WeightsFile(ModelSource(folder.path)) }?.problem.contains("weight_map") == true)
    }
  }

  // MARK: Damage

  /// Shapes alone, as a sparse file of many terabytes could have them.
  private struct ShapesOnly: StoredTensors {
    let url = URL(fileURLWithPath: "/huge.pt")
    let shapes: [String: [Int]]
    var names: [String] { shapes.keys.sorted() }
    func shape(of name: String) -> [Int]? { shapes[name] }
    func elementType(of name: String) -> ElementType? { .float16 }
    func readElements(_: Range<Int>, of _: String, into _: UnsafeMutableBufferPointer<Float>) {}
    func versions() -> [Descriptor.Version] { [] }
    func verify() {}
  }

  @Test func sizesThatNoModelHasAreRefused() throws {
    let plain = try ModelSource(Self.url("openai-script.pt").path).openWeights()
    let shapes = Dictionary(uniqueKeysWithValues: plain.names.map { ($0, plain.shape(of: $0)!) })
    let derive = { (shapes: [String: [Int]]) in
      try CLIPConfiguration(derivedFrom: ShapesOnly(shapes: shapes), prefix: "", activation: .gelu)
    }
    #expect(try derive(shapes).vision.depth == 2)
    for (name, shape) in [
      ("visual.conv1.weight", [1 << 40, 3, 8, 8]), ("token_embedding.weight", [1 << 50, 64]),
      ("positional_embedding", [77, 1 << 30]), ("visual.transformer.resblocks.0.mlp.c_fc.weight", [1 << 45, 64]),
      ("text_projection", [64, 1 << 45]), ("visual.positional_embedding", [Int.max, 64]),
    ] {
      var hostile = shapes
      hostile[name] = shape
      #expect(failure { _ = try derive(hostile) }?.status == .badData, "\(name)")
    }
  }

  /// Every 97th byte flipped, and lengths: one line of ours, or the same weights.
  @Test func damagedArchivesAreRefused() throws {
    let bytes = try Data(contentsOf: Self.url("openai-script.pt"))
    let truth = try CLIP(Self.source("openai-script.pt")).parameters.values.bits
    try withScratchFolder { folder in
      let file = folder.appendingPathComponent("damaged.pt")
      for position in stride(from: 0, to: bytes.count, by: 997) {
        var damaged = bytes
        damaged[position] ^= 0x40
        for content in [damaged, bytes.prefix(position)] {
          try content.write(to: file)
          do {
            let model = try CLIP(ModelSource(file.path))
            #expect(model.parameters.values.bits == truth && content.count == bytes.count, "byte \(position)")
          } catch let failure as Failure {
            #expect(!failure.description.contains("\n"))
          }
        }
      }
    }
  }
}

@Suite struct ModelCachesTests {
  @Test func namesAreToldFromPaths() {
    for name in ["ViT-B/16", "ViT-L/14@336px", "openai/clip-vit-base-patch16", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"]
    {
      #expect(ModelCaches.isName(name), "\(name)")
    }
    for path in ["model", "a/b/c", "../model", "./model", "/model", "~/model", "a/", "a/b c", ""] {
      #expect(!ModelCaches.isName(path), "\(path)")
    }
  }

  @Test func cachesAreWhereTheEnvironmentSays() throws {
    try withScratchFolder { folder in
      let (files, home) = (FileManager.default, folder.appendingPathComponent("home"))
      let caches = ModelCaches(environment: ["HF_HOME": folder.path + "/hf"], home: home)
      let name = "openai/clip-vit-base-patch16"
      let missing = failure { _ = try caches.place(of: name) }
      #expect(missing?.status == .missingInput)
      let repository = folder.appendingPathComponent("hf/hub/models--openai--clip-vit-base-patch16")
      #expect(missing?.problem.contains(repository.path + "/snapshots") == true)

      for revision in ["abc1", "abc2"] {
        try files.createDirectory(
          at: repository.appendingPathComponent("snapshots/\(revision)"), withIntermediateDirectories: true)
      }
      #expect(failure { _ = try caches.place(of: name) }?.problem.contains("2 revisions") == true)
      try files.createDirectory(at: repository.appendingPathComponent("refs"), withIntermediateDirectories: true)
      let reference = repository.appendingPathComponent("refs/main")
      try Data("abc2\n".utf8).write(to: reference)
      #expect(try caches.place(of: name).path == repository.path + "/snapshots/abc2")
      try Data("../..".utf8).write(to: reference)
      #expect(failure { _ = try caches.place(of: name) }?.status == .badData)

      let untold = failure { _ = try caches.place(of: "ViT-L/14@336px") }
      #expect(untold?.problem.contains(home.path + "/.cache/clip/ViT-L-14-336px.pt") == true)
      try files.createDirectory(at: home.appendingPathComponent(".cache/clip"), withIntermediateDirectories: true)
      try Data().write(to: home.appendingPathComponent(".cache/clip/ViT-L-14-336px.pt"))
      #expect(try caches.place(of: "ViT-L/14@336px").lastPathComponent == "ViT-L-14-336px.pt")
      #expect(failure { _ = try caches.place(of: "nowhere") }?.status == .missingInput)
    }
  }
}

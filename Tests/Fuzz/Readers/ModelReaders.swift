import CLIPModel
import Foundation
import TestSupport

private let modelGoldens = Goldens.url("weights")

func tokenizerReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let vocabulary = try String(contentsOf: modelGoldens.appending(path: "model/vocab.json"), encoding: .utf8)
  let merges = try String(contentsOf: modelGoldens.appending(path: "model/merges.txt"), encoding: .utf8)
  let pairs = merges.split(separator: "\n").dropFirst().map { "\"\($0)\"" }.joined(separator: ", ")
  let combined = """
    {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": \(vocabulary), "merges": [\(pairs)]}}
    """
  let gzip = try FuzzSeed("bpe.txt.gz", contentsOf: modelGoldens.appending(path: "bpe_simple_vocab_16e6.txt.gz"))
  let seeds = try folder.adding([
    FuzzSeed("two/vocab.json", vocabulary), FuzzSeed("two/merges.txt", merges),
    FuzzSeed("one/tokenizer.json", combined), gzip,
  ])
  let configuration = try CLIPConfiguration(huggingFaceFolder: modelGoldens.appending(path: "model"))
  return FuzzReader(
    seeds: seeds + [gzip, seeds[1]],
    words: [
      "#version: 0.2\n", "a b\n", "t h\n", "</w>", "<|endoftext|>", "<|startoftext|>", "\"merges\": ", "\"vocab\": ",
      "Ġ",
    ],
    nesting: ["[", "{\"a\":", "a"]
  ) { bytes, file in
    try folder.replace(file, bytes)
    let tokenizer: CLIPTokenizer
    if file == "bpe.txt.gz" {
      let options = ModelSource.Options(tokenizer: folder.file(file))
      let source = try ModelSource(modelGoldens.appending(path: "model").path, options: options)
      tokenizer = try CLIPTokenizer(source, configuration)
    } else {
      tokenizer = try CLIPTokenizer(huggingFaceFolder: folder.file(file).deletingLastPathComponent())
    }
    try configuration.judge(tokenizer, place: file)
    for text in ["a photo of a dög, the sand's 2nd 😀.", "the the thethe\u{0}\u{301}"] {
      let numbers = tokenizer.encode(text, contextLength: 77)
      precondition(numbers.allSatisfy { (0..<Int32(configuration.vocabularySize)).contains($0) })
    }
  }
}

/// The small files of a model's folder, beside weights that are whole.
func modelReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let copies = ["model": "hf", "open_clip": "oc"]
  for (name, copy) in copies {
    try FileManager.default.copyItem(at: modelGoldens.appending(path: name), to: folder.file(copy))
  }
  let preprocessing = """
    {"do_resize": true, "size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": true,
     "do_normalize": true, "image_mean": [0.48, 0.45, 0.40], "image_std": [0.26, 0.26, 0.27], "resample": 3,
     "do_rescale": true, "rescale_factor": 0.00392156862745098}
    """
  let seeds = try folder.adding([
    FuzzSeed("hf/config.json", contentsOf: folder.file("hf/config.json")),
    FuzzSeed("hf/preprocessor_config.json", preprocessing.utf8, isValid: false),
    FuzzSeed("oc/open_clip_config.json", contentsOf: folder.file("oc/open_clip_config.json")),
  ])
  return FuzzReader(
    seeds: seeds,
    words: [
      "\"num_hidden_layers\": 1", "\"hidden_size\": 64", "\"num_attention_heads\": 0", "\"patch_size\": 0",
      "\"image_size\": 1",
      "\"hidden_act\": \"gelu\"", "\"text_config\": null", "\"quick_gelu\": true", "\"size\": 224",
      "\"image_std\": [0, 0, 0]",
    ], nesting: ["[", "{\"a\":"]
  ) { bytes, file in
    try folder.replace(file, bytes)
    let source = try ModelSource(folder.file(String(file.prefix(2))).path)
    let weights = try WeightsFile(source)
    _ = try ImagePreprocessing(source, imageSize: weights.configuration.imageSize)
    _ = try weights.allNotes()
    _ = try ModelFacts(weights)
  }
}

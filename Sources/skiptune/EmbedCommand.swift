import ArgumentParser
import Collectives
import Evaluation
import Foundation
import Kernels
import Safetensors
import Tensors

extension Precision: ExpressibleByArgument {}

/// `skiptune embed`.
struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write image and text features of files and texts to a safetensors or NPY file.",
    discussion: """
      Tensors: image_features [images, embedding] and text_features [texts, embedding], as projected, not normalised. \
      The file's metadata lists the inputs in order. A file called *.npy holds one of the two, in that order, and no \
      names. Under mpirun the ranks share the work.
      """)

  @OptionGroup var modelOptions: ModelOptions
  @Option(parsing: .upToNextOption, help: ArgumentHelp("JPEG or PNG files.", valueName: "file"))
  var images: [String] = []
  @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts.", valueName: "text"))
  var texts: [String] = []
  @Option(name: .shortAndLong, help: ArgumentHelp("File to write.", valueName: "file"))
  var output: String
  @Option(help: "Images or texts that pass the model together.")
  var batchSize = 32
  @Option(help: "Factors of products: fp32, or bf16 where the CPU has arithmetic for it.")
  var precision = Precision.fp32
  @OptionGroup var logging: LogOptions

  func validate() throws {
    guard !images.isEmpty || !texts.isEmpty else { throw ValidationError("give --images, --texts, or both") }
    guard !isArray || images.isEmpty || texts.isEmpty else {
      throw ValidationError("a file called *.npy holds one array: give --images or --texts, not both")
    }
    guard batchSize > 0 else { throw ValidationError("--batch-size must be at least 1, not \(batchSize)") }
  }

  private var isArray: Bool { output.hasSuffix(".npy") }

  func run() throws {
    try Session.run(logLevel: logging.logLevel) { session in
      try session.collectives.agree { if session.collectives.rank == 0 { try OutputPlace.judgeFile(output) } }
      let product = try session.product(precision)
      let embedder = try session.collectives.agree {
        let (model, source) = try modelOptions.load(modelOptions.tunedWeights(), session.log)
        return try FeatureEmbedder(
          model, from: source, batchSize: batchSize,
          loaderThreads: session.threads, by: product)
      }
      let imageFeatures = try embedder.embed(images: images.map { URL(fileURLWithPath: $0) }, session.collectives)
      let textFeatures = try embedder.embed(texts: texts, session.collectives)
      try session.collectives.agree {
        guard session.collectives.rank == 0 else { return }
        try write(imageFeatures, textFeatures)
        print("wrote \(images.count) image and \(texts.count) text features to \(output)")
      }
    }
  }

  private func write(_ imageFeatures: Tensor, _ textFeatures: Tensor) throws {
    if isArray {
      return try NPYFile.write(images.isEmpty ? textFeatures : imageFeatures, to: URL(fileURLWithPath: output))
    }
    var tensors: [(name: String, tensor: Tensor)] = []
    if !images.isEmpty { tensors.append(("image_features", imageFeatures)) }
    if !texts.isEmpty { tensors.append(("text_features", textFeatures)) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    func list(_ inputs: [String]) throws -> String { String(decoding: try encoder.encode(inputs), as: UTF8.self) }
    var metadata = ["images": try list(images), "texts": try list(texts), "model": modelOptions.model]
    metadata["delta"] = modelOptions.delta
    try SafetensorsWriter.write(tensors, metadata: metadata, to: URL(fileURLWithPath: output))
  }
}

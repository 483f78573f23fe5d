import CLIPModel
import Collectives
import Datasets
import Diagnostics
import Foundation
import Kernels
import Tensors

/// The most probable classes of image files, each class described by a prompt.
public struct ImageClassifier<Product: MatrixProduct> {
  private let model: CLIP
  private let transform: ImageTransform
  private let batchSize: Int
  private let loaderThreads: Int
  private let product: Product
  /// `[classes, embedding]`, unit rows.
  private let classFeatures: Tensor

  /// A classifier into as many classes as there are prompts (token ids that end with the end token).
  public init(
    _ model: CLIP, transform: ImageTransform, prompts: [[Int32]], batchSize: Int, loaderThreads: Int,
    by product: Product
  ) {
    // No weight changes while this lives.
    self.model = model.freezing(.image, upTo: model.imageTower.depth, for: product)
    self.transform = transform
    self.batchSize = batchSize
    self.loaderThreads = loaderThreads
    self.product = product
    classFeatures = Tensor(uninitialized: [prompts.count, model.configuration.embeddingWidth])
    let arena = Arena()
    for start in stride(from: 0, to: prompts.count, by: batchSize) {
      arena.reset()
      let group = start..<min(start + batchSize, prompts.count)
      let features = model.textFeatures(Array(prompts[group]), arena: arena, by: product)
      Normalization.forward(features, into: classFeatures.rows(group), norm: arena.tensor([group.count]))
    }
  }

  /// The `top` most probable classes of each file, in order of the files, on all ranks.
  ///
  /// Throws the failure of an image that cannot be read, alike on all ranks, unless such images are passed over.
  /// Collective: all ranks call this with the same arguments.
  public func classify(
    _ files: [URL], top: Int, onFailure policy: ImageFailurePolicy, _ collectives: some Collectives
  ) throws -> [ImageClasses] {
    let share = evenShard(of: files.count, rank: collectives.rank, worldSize: collectives.worldSize)
    let own = try collectives.agree { try JSONEncoder().encode(classify(Array(files[share]), top: top, policy)) }
    let all = try collectives.allGather(Array(own))
    return try all.flatMap { try JSONDecoder().decode([ImageClasses].self, from: Data($0)) }
  }

  /// The same of this rank's files.
  private func classify(_ files: [URL], top: Int, _ policy: ImageFailurePolicy) throws -> [ImageClasses] {
    let loader = ImageLoader(
      requests: files.map { ImageRequest(url: $0, stream: (0, 0)) }, batchSize: batchSize, transform: transform,
      seed: 0, threads: loaderThreads, lookahead: 2, onFailure: policy)
    let arena = Arena()
    var results: [ImageClasses] = []
    while let batch = try loader.next() {
      arena.reset()
      let logits = logits(batch.pixels, arena)
      for index in batch.range {
        if let failure = batch.failures[index] {
          results.append(ImageClasses(matches: [], problem: ImageClasses.Problem(failure)))
        } else {
          let row = logits.row(index - batch.range.lowerBound).buffer
          results.append(ImageClasses(matches: Self.mostProbable(row, top: top), problem: nil))
        }
      }
    }
    return results
  }

  /// `exp(logit_scale) cos(image, class)`, `[images, classes]`.
  private func logits(_ pixels: Tensor, _ arena: Arena) -> Tensor {
    let features = model.imageFeatures(pixels, arena: arena, by: product)
    Normalization.forward(features, into: features, norm: arena.tensor([features.rowCount]))
    let logits = arena.tensor([features.rowCount, classFeatures.rowCount])
    product.multiply(MatrixView(features), MatrixView(classFeatures).transposed, into: MatrixView(logits))
    let scale = model.logitScale
    for index in 0..<logits.count { logits.pointer[index] *= scale }
    return logits
  }

  /// Softmax in double precision; of equally probable classes the first comes first.
  static func mostProbable(_ logits: UnsafeMutableBufferPointer<Float>, top: Int) -> [ImageClasses.Match] {
    guard let greatest = logits.max() else { return [] }
    let exponentials = logits.map { exp(Double($0) - Double(greatest)) }
    let sum = exponentials.reduce(0, +)
    let ranked = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
    return ranked.prefix(top).map { ImageClasses.Match(label: $0, probability: exponentials[$0] / sum) }
  }
}

/// What an image shows, or why that cannot be told.
public struct ImageClasses: Codable, Equatable, Sendable {
  /// A class and its probability among all classes.
  public struct Match: Codable, Equatable, Sendable {
    /// Index of the class.
    public let label: Int
    /// From 0 to 1.
    public let probability: Double
  }

  /// A failure as it passes between ranks.
  struct Problem: Codable, Equatable, Sendable {
    let status: Int32
    let place: String?
    let problem: String
    let remedy: String?

    init(_ failure: Failure) {
      (status, place) = (failure.status.rawValue, failure.place)
      (problem, remedy) = (failure.problem, failure.remedy)
    }
  }

  /// The most probable classes, best first; none where the image cannot be read.
  public let matches: [Match]
  let problem: Problem?

  /// Why the image cannot be read; nil where it was.
  public var failure: Failure? {
    problem.map { problem in
      Failure(
        ExitStatus(rawValue: problem.status) ?? .badData, at: problem.place, problem.problem, remedy: problem.remedy)
    }
  }
}

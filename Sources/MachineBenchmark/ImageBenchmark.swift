import Collectives
import Datasets
import Foundation
import Reporting

/// Times of decoding and cropping image files, as training and tests do it.
public struct ImageBenchmark {
  /// What one way of loading the images took.
  public struct Rate: Codable, Sendable, Equatable {
    /// `training` (random crops and flips) or `test`.
    public var transform: String
    /// Threads of each rank.
    public var threads: Int
    /// Median seconds for all images.
    public var seconds: Double
    /// Images.
    public var images: Int
  }

  private let files: [URL]
  private let size: Int
  private let mean, deviation: [Float]
  private let collectives: any Collectives
  /// Seconds that each measurement may take.
  var budget = 2.0

  /// A benchmark of loading `files` as squares of `size` pixels.
  public init(_ files: [URL], size: Int, mean: [Float], deviation: [Float], _ collectives: any Collectives) {
    precondition(!files.isEmpty && size > 0)
    (self.files, self.size, self.mean, self.deviation) = (files, size, mean, deviation)
    self.collectives = collectives
  }

  /// Loads all files several times, with random crops and without, on one thread and on `threads`.
  ///
  /// Throws the `Failure` of an image that cannot be read. Collective: all ranks call this in the same order, each loads all
  /// files. The same on all ranks.
  public func run(threads: Int) throws -> [Rate] {
    try [("training", Augmentation()), ("test", nil)].flatMap { name, augmentation in
      let transform = ImageTransform(
        resizeSize: size, cropSize: size, mean: mean, std: deviation, augmentation: augmentation)
      return try (threads > 1 ? [1, threads] : [1]).map { count in
        try collectives.barrier()
        let seconds = try collectives.agree { try Timing.median(budget: budget) { try load(transform, count) } }
        return Rate(
          transform: name, threads: count, seconds: try collectives.median(seconds), images: files.count)
      }
    }
  }

  private func load(_ transform: ImageTransform, _ threads: Int) throws {
    let loader = ImageLoader(
      requests: files.indices.map { ImageRequest(url: files[$0], stream: (0, UInt32(truncatingIfNeeded: $0))) },
      batchSize: 16, transform: transform, seed: 1, threads: threads, lookahead: 2)
    while try loader.next() != nil {}
  }

  /// The rates for a terminal.
  public static func table(_ rates: [Rate]) -> TextTable {
    var table = TextTable(columns: ["transform", "threads", "images/s", "of a thread, per image"])
    for rate in rates {
      let each = rate.seconds / Double(rate.images)
      table.append([
        rate.transform, "\(rate.threads)", Readable.fixed(1 / each, 0), Readable.seconds(each * Double(rate.threads)),
      ])
    }
    return table
  }
}

import Foundation
import Safetensors
import Tensors

/// The files that a run leaves, as another program would read them.
public struct RunFolder: Sendable {
  /// One training step in metrics.jsonl.
  public struct Step: Decodable, Equatable, Sendable {
    /// Number of the step and its epoch, from 0.
    public var step, epoch: Int
    /// Mean cross-entropy of the batch.
    public var loss: Double
    /// Learning rates.
    public var textLr, imageLr: Double
    /// Classes trained against, ascending.
    public var keptClasses: [Int]
  }

  /// One test in results.json.
  public struct Score: Decodable, Equatable, Sendable {
    /// Images tested, and taken for their own class.
    public var images, correct: Int
    /// Mean F1 in percent.
    public var macroF1: Double?
  }

  /// What a test of the program needs of results.json.
  public struct Results: Decodable, Sendable {
    /// Scores by test set.
    public struct Outcome: Decodable, Equatable, Sendable {
      /// By name of the test set.
      public var scores: [String: Score]
      /// Of base and new accuracy, percent.
      public var harmonicMean: Double?
    }
    /// What training took.
    public struct Training: Decodable, Sendable {
      /// Counts.
      public var epochs, steps, trainedParameters, totalParameters: Int
      /// The last step's loss.
      public var finalLoss: Double?
    }
    /// Processes, and threads of each.
    public var ranks, threadsPerRank: Int
    /// Before and after training.
    public var zeroShot, tuned: Outcome?
    /// What training took.
    public var training: Training
  }

  /// The run directory.
  public let url: URL

  /// The run directory at `url`.
  public init(_ url: URL) { self.url = url }

  /// The tuned model's folder.
  public var model: URL { url.appendingPathComponent("model") }

  /// Lines of metrics.jsonl; none where there is no such file.
  public func metricLines() throws -> [String] {
    let file = url.appendingPathComponent("metrics.jsonl")
    guard FileManager.default.fileExists(atPath: file.path) else { return [] }
    return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  /// The steps of metrics.jsonl.
  public func steps() throws -> [Step] {
    try metricLines().filter { $0.hasPrefix("{\"step\"") }
      .map { try Self.decoder.decode(Step.self, from: Data($0.utf8)) }
  }

  /// results.json.
  public func results() throws -> Results {
    try Self.decoder.decode(Results.self, from: Data(contentsOf: url.appendingPathComponent("results.json")))
  }

  /// The tuned weights.
  public func weights() throws -> SafetensorsFile {
    try SafetensorsFile(contentsOf: model.appendingPathComponent("model.safetensors"))
  }

  /// The file of the tuned weights.
  public func weightBytes() throws -> Data {
    try Data(contentsOf: model.appendingPathComponent("model.safetensors"))
  }

  private static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }
}

extension RunFolder {
  /// How far two runs of the same task lie apart.
  public struct Distance: Sendable {
    /// Largest relative difference of a step's loss.
    public var loss = 0.0
    /// Steps whose kept classes differ.
    public var stepsWithOtherClasses = 0
    /// Largest relative difference of a tensor, in Euclidean length.
    public var weights = 0.0
  }

  /// The distance to another run of as many steps; nil where the numbers of steps differ.
  public func distance(to other: RunFolder) throws -> Distance? {
    let (steps, others) = (try steps(), try other.steps())
    guard steps.count == others.count else { return nil }
    var distance = Distance()
    for (step, other) in zip(steps, others) {
      distance.loss = max(distance.loss, abs(step.loss - other.loss) / abs(other.loss))
      if step.keptClasses != other.keptClasses { distance.stepsWithOtherClasses += 1 }
    }
    let (weights, otherWeights) = (try weights(), try other.weights())
    for name in otherWeights.names {
      distance.weights = max(
        distance.weights, relativeError(try weights.tensor(name), try otherWeights.tensor(name)))
    }
    return distance
  }
}

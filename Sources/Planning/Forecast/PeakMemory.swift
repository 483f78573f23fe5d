import CLIPModel
import SkipTuning

/// The most memory that one rank has at a time, in bytes, and what it is.
public struct PeakMemory: Sendable, Equatable {
  /// What a run does beside its steps.
  public struct Run: Sendable, Equatable {
    /// Images that are tested at a time; nil where nothing is tested.
    public var testImages: Int?
    /// Whether checkpoints are saved beside the steps.
    public var savesCheckpoints: Bool
    /// Whether features are made again after the first steps: in a second epoch.
    public var makesFeaturesAgain: Bool
    /// Whether frozen weights leave memory while nothing computes with them.
    public var restsFrozenWeights: Bool

    /// A run of known parts.
    public init(testImages: Int?, savesCheckpoints: Bool, makesFeaturesAgain: Bool, restsFrozenWeights: Bool) {
      self.testImages = testImages
      self.savesCheckpoints = savesCheckpoints
      self.makesFeaturesAgain = makesFeaturesAgain
      self.restsFrozenWeights = restsFrozenWeights
    }
  }

  /// What a run does one after the other.
  enum Phase: CaseIterable { case firstFeatures, steps, features, test }

  /// Parameters, gradients, momentum and features.
  public var step: StepMemory
  /// Gradients of other ranks of the host that this rank sums: memory that they share.
  public var neighbours: Int
  /// All parameters that are in memory at the peak, with copies that products read.
  public var weights: Int
  /// Activations at the peak, with decoded images.
  public var activations: Int
  /// Gradients and momentum at the peak, those of other ranks aside.
  public var optimizer: Int
  /// What is being saved while training goes on.
  public var snapshot: Int

  /// The program, its libraries and their buffers: what a small training takes, measured.
  public static let program = 70_000_000

  /// All of it.
  public var total: Int { Self.program + weights + optimizer + activations + step.features + neighbours + snapshot }

  /// The peak of a rank whose steps take `step`, from `startLayer` on.
  ///
  /// `ownedParameters` of the trained parameters are saved by this rank, which shares memory with `neighbours` others, whose
  /// gradients take as much as its own.
  public init(
    _ configuration: CLIPConfiguration, _ step: StepMemory, startLayer: Int, ownedParameters: Int, neighbours: Int,
    _ run: Run, _ way: StepMemory.Way
  ) {
    self.step = step
    self.neighbours = neighbours * step.gradients / (neighbours + 1)
    (weights, activations, optimizer, snapshot) = (0, 0, 0, 0)
    let phases = Phase.allCases.filter {
      switch $0 {
      case .firstFeatures, .steps: true
      case .features: run.makesFeaturesAgain
      case .test: run.testImages != nil
      }
    }
    let passing = Passing(configuration, way)
    let peaks = phases.map { phase in
      var peak = self
      peak.weights =
        step.weights - (run.restsFrozenWeights ? Self.resting(configuration, phase, startLayer: startLayer) : 0)
        + passing.roundedWeights(startLayer + (phase == .test ? configuration.vision.depth : 0))
      peak.activations =
        phase == .steps
        ? step.activations
        : passing.activations(phase == .test ? run.testImages! : PrefixFeatures.imagesAtATime)
      guard phase != .firstFeatures else { return peak }
      peak.optimizer = step.gradients + step.momentum
      peak.snapshot = run.savesCheckpoints ? 2 * MemoryLayout<Float>.stride * ownedParameters : 0
      return peak
    }
    self = peaks.max { $0.total < $1.total }!
  }

  /// Frozen weights that leave memory in a phase.
  private static func resting(_ configuration: CLIPConfiguration, _ phase: Phase, startLayer: Int) -> Int {
    let layout = ParameterLayout(configuration)
    func frozen(_ encoder: Encoder) -> Int {
      let all = layout.trainedRange(of: encoder, from: ParameterLayout.embeddingLayer)
      return MemoryLayout<Float>.stride
        * (layout.trainedRange(of: encoder, from: startLayer).lowerBound - all.lowerBound)
    }
    return switch phase {
    case .firstFeatures, .features: frozen(.text)
    case .steps: frozen(.text) + frozen(.image)
    case .test: 0
    }
  }
}

/// What images take that pass the image encoder.
private struct Passing {
  private let configuration: CLIPConfiguration
  private let way: StepMemory.Way

  init(_ configuration: CLIPConfiguration, _ way: StepMemory.Way) {
    (self.configuration, self.way) = (configuration, way)
  }

  func activations(_ images: Int) -> Int {
    let batch = SequenceBatch(images: images, tokens: configuration.tokensPerImage)
    let pixels = 3 * configuration.imageSize * configuration.imageSize * MemoryLayout<Float>.stride
    // One batch passes, two wait; and patches are copied out of the pixels.
    return configuration.work(.image).passScratch(batch, way) + 4 * images * pixels
  }

  /// Copies of blocks' weights, where products do not read these as they are.
  func roundedWeights(_ blocks: Int) -> Int { blocks * configuration.work(.image).roundedWeights(way) }
}

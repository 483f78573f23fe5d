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

    /// A run of known parts.
    public init(testImages: Int?, savesCheckpoints: Bool, makesFeaturesAgain: Bool) {
      self.testImages = testImages
      self.savesCheckpoints = savesCheckpoints
      self.makesFeaturesAgain = makesFeaturesAgain
    }
  }

  /// Parameters, gradients, momentum and features.
  public var step: StepMemory
  /// Copies of frozen blocks' weights, where products do not read these as they are.
  public var roundedWeights: Int
  /// Gradients of other ranks of the host that this rank sums: memory that they share.
  public var neighbours: Int
  /// What is being saved while training goes on.
  public var snapshot: Int
  /// Activations of frozen blocks, and decoded images: of making features or of a test.
  public var passing: Int

  /// The program, its libraries and their buffers: what a small training takes, measured.
  public static let program = 70_000_000

  /// Whether frozen blocks pass beside the activations that steps keep, or before there are any.
  private let passesBeside: Bool

  /// Activations of steps, and of what passes.
  public var activations: Int { passesBeside ? step.activations + passing : max(step.activations, passing) }

  /// All of it.
  public var total: Int {
    Self.program + step.total - step.activations + activations + roundedWeights + neighbours + snapshot
  }

  /// The peak of a rank whose steps take `step`, from `startLayer` on.
  ///
  /// `ownedParameters` of the trained parameters are saved by this rank, which shares memory with `neighbours` others.
  public init(
    _ configuration: CLIPConfiguration, _ step: StepMemory, startLayer: Int, ownedParameters: Int, neighbours: Int,
    _ run: Run, _ way: StepMemory.Way
  ) {
    let (tower, depth) = (configuration.work(.image), configuration.vision.depth)
    self.step = step
    func passing(_ images: Int) -> Int {
      let batch = SequenceBatch(images: images, tokens: configuration.tokensPerImage)
      let pixels = 3 * configuration.imageSize * configuration.imageSize * MemoryLayout<Float>.stride
      // One batch passes, two wait; and patches are copied out of the pixels.
      return tower.passScratch(batch, way) + 4 * images * pixels
    }
    let features = passing(PrefixFeatures.imagesAtATime)
    let test = run.testImages.map(passing) ?? 0
    self.passing = max(features, test)
    passesBeside = test > features || run.makesFeaturesAgain
    roundedWeights = (startLayer + (run.testImages == nil ? 0 : depth)) * tower.roundedWeights(way)
    self.neighbours = neighbours * step.gradients / (neighbours + 1)
    snapshot = run.savesCheckpoints ? 2 * MemoryLayout<Float>.stride * ownedParameters : 0
  }
}

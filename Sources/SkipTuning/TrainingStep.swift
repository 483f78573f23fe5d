import CLIPModel
import Kernels
import Tensors

/// Loss and gradients of one batch after the other, by any method.
public protocol TrainingStep {
  /// Gradients of the last batch, of this share of it.
  var gradients: ParameterStore { get }

  /// Computes this share's part of the gradient of the mean loss over `globalBatch` images.
  ///
  /// No gradients are made where `exchange` does not go on to them.
  ///
  /// - Parameters:
  ///   - images: The share's images at the stage that the method trains from; overwritten.
  ///   - labels: Their classes, `[b]`.
  ///   - globalBatch: Images of all shares together.
  ///   - step: Number of the step, for what is drawn anew at each.
  ///   - exchange: What is known of the other shares. Collective where it communicates.
  func run(
    images: PrefixFeatures, labels: [Int], globalBatch: Int, step: Int, exchange: some BatchExchange
  ) throws -> StepOutcome

  /// Gives the memory of activations back to the system, until the next batch.
  func releaseActivations()
}

/// What came of a batch.
public struct StepOutcome: Sendable {
  /// Cross-entropy of each local image, over the kept classes.
  public let losses: [Double]
  /// The classes that were trained against, ascending.
  public let keptClasses: [Int]
  /// Whether gradients were made.
  public let hasGradients: Bool
}

/// Features that one encoder's half of a step made, and the way back.
struct BranchPass {
  /// Not normalised; cut from the arena.
  let features: Tensor
  /// Makes the gradients of what is trained, given that of the features, which is overwritten.
  let backward: (Tensor) throws -> Void
}

/// The image encoder's half of a step against texts.
protocol ImageBranch {
  /// Features `[b, e]` of the share's images.
  func forward(
    _ images: PrefixFeatures, arena: Arena, by product: some MatrixProduct, exchange: some BatchExchange
  ) throws -> BranchPass
}

/// The text encoder's half of a step.
protocol TextBranch {
  /// The parts that have trained parameters, ascending: their gradients are final from the last to the first.
  var layers: [Int] { get }

  /// Tokens of the prompt of a class.
  func tokenCount(of label: Int) -> Int

  /// Features `[classes, e]` of the prompts of some classes, at least one.
  func forward(
    _ classes: [Int], arena: Arena, by product: some MatrixProduct, exchange: some BatchExchange
  ) throws -> BranchPass
}

/// Features scaled to unit length, and the way back.
struct UnitRows {
  let rows: Tensor
  private let norm: Tensor

  init(_ features: Tensor, _ arena: Arena) {
    rows = arena.tensor(features.shape)
    norm = arena.tensor([features.rowCount])
    Normalization.forward(features, into: rows, norm: norm)
  }

  /// Turns the gradient of the unit rows into that of the features, in place.
  func backward(_ gradient: Tensor) { Normalization.backward(gradient, y: rows, norm: norm) }
}

import CLIPModel
import Kernels
import Tensors

/// A trained head on features of a frozen image encoder, which compares with texts that do not change, or with none.
public protocol ImageHead: Sendable {
  /// Classes that it tells apart.
  var classCount: Int { get }
  /// Its parameters' gradients: a head of the same kind over the gradients' store.
  associatedtype Gradients

  /// Logits `[b, classes]` of features, cut from the arena, and the way back: writes gradients, given that of the logits,
  /// which may be overwritten.
  func forward(
    _ features: Tensor, arena: Arena, by product: some MatrixProduct
  ) -> (logits: Tensor, backward: (_ dLogits: Tensor, _ gradients: Gradients) -> Void)
}

/// Loss and gradients of one batch for a head: all classes, the frozen encoders' work done before.
public final class HeadStep<Head: ImageHead, Product: MatrixProduct>: TrainingStep {
  /// Gradients of the last batch, of this share of it.
  public let gradients: ParameterStore
  private let head: Head
  private let headGradients: Head.Gradients
  private let product: Product
  private let arena = Arena()

  /// Steps of a head whose gradients `headGradients` are views on `gradients`.
  ///
  /// They are the image encoder's layer 0 for the exchange.
  public init(
    _ head: Head, _ headGradients: Head.Gradients, gradients: ParameterStore, by product: Product
  ) {
    self.head = head
    self.headGradients = headGradients
    self.gradients = gradients
    self.product = product
  }

  /// As `TrainingStep` says.
  public func run(
    images: PrefixFeatures, labels: [Int], globalBatch: Int, step: Int, exchange: some BatchExchange
  ) throws -> StepOutcome {
    arena.reset()
    let kept = Array(0..<head.classCount)
    try exchange.willUse(.image, layer: 0)
    let (logits, backward) = head.forward(images.values, arena: arena, by: product)
    let losses = CrossEntropy.lossesAndGradient(logits, labels: labels, scale: 1 / Float(globalBatch))
    guard try exchange.goesOn(losses: losses) else {
      return StepOutcome(losses: losses, keptClasses: kept, hasGradients: false)
    }
    try exchange.begin()
    backward(logits, headGradients)
    try exchange.gradientsReady(.image, layer: 0)
    return StepOutcome(losses: losses, keptClasses: kept, hasGradients: true)
  }

  /// As `TrainingStep` says.
  public func releaseActivations() { arena.release() }
}

import CLIPModel
import Tensors

/// What a share of a batch needs of the other shares.
///
/// A step may see only some images of a batch and run only some texts: what belongs to the whole batch comes through here,
/// and the gradients of its share go out. Layers are counted as in `Tower`: blocks, and the tower's depth for final norm
/// and projection.
public protocol BatchExchange {
  /// Replaces each of C scores by its maximum over the images of the whole batch.
  func maximumOverBatch(_ scores: inout [Float]) throws

  /// Which of the kept classes, given the tokens of each prompt, this share runs the text encoder for; possibly none.
  func textShare(tokens: [Int]) -> Range<Int>

  /// Completes unit text features `[k, e]` of the kept classes, of which the rows of this share are filled.
  func completeTexts(_ features: Tensor, tokens: [Int]) throws

  /// Whether the step goes on to gradients, given the losses of this share's images.
  func goesOn(losses: [Double]) throws -> Bool

  /// Starts to sum gradients of unit text features `[k, e]` over the shares; they must stay until they are finished.
  func startTextGradients(_ gradients: Tensor, tokens: [Int]) throws

  /// Waits until the rows of this share hold the sum over all shares.
  func finishTextGradients(_ gradients: Tensor) throws

  /// Called before gradients are written.
  func begin() throws

  /// Called before a layer's parameters are used.
  func willUse(_ encoder: Encoder, layer: Int) throws

  /// Called when a layer's gradients are final and its parameters are not used any more in this step; layers come from the
  /// last to the first, the image encoder's before the text encoder's.
  func gradientsReady(_ encoder: Encoder, layer: Int) throws

  /// Called in place of `gradientsReady` where this share has no part in a layer's gradients, and has written none.
  func gradientsAreZero(_ encoder: Encoder, layer: Int) throws
}

/// The whole batch in one share.
public struct WholeBatch: BatchExchange {
  private let onReady: (_ encoder: Encoder, _ layer: Int) throws -> Void

  /// An exchange with nobody; `onReady` is told when a layer's gradients are final and its parameters are not used any more
  /// in this step.
  public init(onReady: @escaping (_ encoder: Encoder, _ layer: Int) throws -> Void = { _, _ in }) {
    self.onReady = onReady
  }

  /// The scores are those of the whole batch.
  public func maximumOverBatch(_ scores: inout [Float]) {}
  /// All kept classes.
  public func textShare(tokens: [Int]) -> Range<Int> { tokens.indices }
  /// All rows are there.
  public func completeTexts(_ features: Tensor, tokens: [Int]) {}
  /// Whatever the losses are.
  public func goesOn(losses: [Double]) -> Bool { true }
  /// The gradients are the sums.
  public func startTextGradients(_ gradients: Tensor, tokens: [Int]) {}
  /// The gradients are the sums.
  public func finishTextGradients(_ gradients: Tensor) {}
  /// Nothing is under way.
  public func begin() {}
  /// Nothing is under way.
  public func willUse(_ encoder: Encoder, layer: Int) {}
  /// Nobody else waits for them.
  public func gradientsReady(_ encoder: Encoder, layer: Int) throws { try onReady(encoder, layer) }
  /// Traps: the one share has a part in everything.
  public func gradientsAreZero(_ encoder: Encoder, layer: Int) {
    preconditionFailure("the whole batch has gradients of every layer")
  }
}

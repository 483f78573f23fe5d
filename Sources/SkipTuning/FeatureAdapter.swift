import CLIPModel
import Kernels
import Tensors

/// A bottleneck of two layers on frozen image features (CLIP-Adapter: Gao et al., 2021).
///
/// With f the image feature as the encoder projects it, the classes' unit text features t and the ratio a, it compares
/// `a relu(W2 relu(W1 f)) + (1 - a) f` with t. Legend: b images, e embedding, h bottleneck, C classes.
public struct FeatureAdapter: Sendable {
  private static let downName = "adapter.down.weight", upName = "adapter.up.weight"
  fileprivate let down: Tensor  // [h, e]
  fileprivate let up: Tensor  // [e, h]

  /// The adapter that was added to a store's layout: values or gradients.
  public init(_ store: ParameterStore) {
    down = store[Self.downName]!
    up = store[Self.upName]!
  }

  /// Its parameters, with a bottleneck of the embedding's width divided by `reduction`.
  public static func additions(_ configuration: CLIPConfiguration, reduction: Int) -> [ParameterLayout.Addition] {
    let (width, narrow) = (configuration.embeddingWidth, max(1, configuration.embeddingWidth / reduction))
    return [
      ParameterLayout.Addition(downName, [narrow, width]), ParameterLayout.Addition(upName, [width, narrow]),
    ]
  }

  /// Begins with numbers evenly distributed within one over the square root of a layer's inputs.
  public func initialize(seed: UInt64) {
    var random = CounterRandom(seed: seed, stream: 0xAD_A9_7E_41)  // Of no other purpose.
    for weight in [down, up] {
      let bound = 1 / Double(weight.columnCount).squareRoot()
      for index in 0..<weight.count { weight[index] = Float(random.uniform(-bound, bound)) }
    }
  }

  /// What the backward pass needs; valid until the arena is reset.
  fileprivate struct Tape {
    let hidden, output: Tensor  // [b, h], [b, e], after their activations
  }

  /// Adapted features `[b, e]`, not normalised, cut from the arena.
  public func adapted(_ features: Tensor, ratio: Float, arena: Arena, by product: some MatrixProduct) -> Tensor {
    forward(features, ratio: ratio, arena: arena, by: product).result
  }

  fileprivate func forward(
    _ features: Tensor, ratio: Float, arena: Arena, by product: some MatrixProduct
  ) -> (result: Tensor, tape: Tape) {
    let hidden = arena.tensor([features.rowCount, down.rowCount])
    let (output, result) = (arena.tensor(features.shape), arena.tensor(features.shape))
    Linear.forward(Operand(features), weight: Operand(down), bias: nil, into: Operand(hidden), by: product)
    for index in 0..<hidden.count { hidden[index] = max(0, hidden[index]) }
    Linear.forward(Operand(hidden), weight: Operand(up), bias: nil, into: Operand(output), by: product)
    for index in 0..<output.count {
      output[index] = max(0, output[index])
      result[index] = ratio * output[index] + (1 - ratio) * features[index]
    }
    return (result, Tape(hidden: hidden, output: output))
  }

  /// Writes `gradients`, given the gradient of the adapted features, which is overwritten.
  fileprivate func backward(
    _ dResult: Tensor, features: Tensor, _ tape: Tape, ratio: Float, gradients: FeatureAdapter, arena: Arena,
    by product: some MatrixProduct
  ) {
    for index in 0..<dResult.count { dResult[index] *= tape.output[index] > 0 ? ratio : 0 }
    Linear.backwardWeight(Operand(dResult), x: Operand(tape.hidden), into: gradients.up, by: product)
    let dHidden = arena.tensor(tape.hidden.shape)
    Linear.backwardInput(Operand(dResult), weight: Operand(up), into: Operand(dHidden), by: product)
    for index in 0..<dHidden.count where tape.hidden[index] <= 0 { dHidden[index] = 0 }
    Linear.backwardWeight(Operand(dHidden), x: Operand(features), into: gradients.down, by: product)
  }
}

/// An adapter in front of the comparison with texts that do not change.
public struct AdapterHead: ImageHead {
  private let adapter: FeatureAdapter
  private let ratio: Float
  private let texts: Tensor  // [C, e], unit rows
  private let scale: Float

  /// `texts` are the unit features of the classes' prompts; `scale` is what cosines are multiplied with.
  public init(_ adapter: FeatureAdapter, ratio: Float, texts: Tensor, scale: Float) {
    self.adapter = adapter
    self.ratio = ratio
    self.texts = texts
    self.scale = scale
  }

  /// Classes that it tells apart.
  public var classCount: Int { texts.rowCount }

  /// Scaled cosines of the adapted features and the texts.
  public func forward(
    _ features: Tensor, arena: Arena, by product: some MatrixProduct
  ) -> (logits: Tensor, backward: (_ dLogits: Tensor, _ gradients: FeatureAdapter) -> Void) {
    let (adapted, tape) = adapter.forward(features, ratio: ratio, arena: arena, by: product)
    let unit = UnitRows(adapted, arena)
    let logits = arena.tensor([features.rowCount, classCount])
    product.multiply(MatrixView(unit.rows), MatrixView(texts).transposed, into: MatrixView(logits))
    for index in 0..<logits.count { logits[index] *= scale }
    return (
      logits,
      { [self] dLogits, gradients in
        for index in 0..<dLogits.count { dLogits[index] *= scale }
        let dAdapted = arena.tensor(adapted.shape)
        product.multiply(MatrixView(dLogits), MatrixView(texts), into: MatrixView(dAdapted))
        unit.backward(dAdapted)
        adapter.backward(
          dAdapted, features: features, tape, ratio: ratio, gradients: gradients, arena: arena, by: product)
      }
    )
  }
}

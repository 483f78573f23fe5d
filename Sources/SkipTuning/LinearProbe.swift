import CLIPModel
import Kernels
import Tensors

/// A linear classifier on frozen image features: logistic regression on the class token after the last norm, before the
/// projection.
public struct LinearProbe: ImageHead {
  private static let weightName = "linear_probe.weight", biasName = "linear_probe.bias"
  private let weight: Tensor  // [classes, w]
  private let bias: Tensor  // [classes]

  /// The probe that was added to a store's layout: values or gradients.
  public init(_ store: ParameterStore) {
    weight = store[Self.weightName]!
    bias = store[Self.biasName]!
  }

  /// Its parameters, which begin with zeros.
  public static func additions(_ configuration: CLIPConfiguration, classCount: Int) -> [ParameterLayout.Addition] {
    [
      ParameterLayout.Addition(weightName, [classCount, configuration.vision.width]),
      ParameterLayout.Addition(biasName, [classCount]),
    ]
  }

  /// Classes that it tells apart.
  public var classCount: Int { bias.count }

  /// `x Wᵀ + b`.
  public func forward(
    _ features: Tensor, arena: Arena, by product: some MatrixProduct
  ) -> (logits: Tensor, backward: (_ dLogits: Tensor, _ gradients: LinearProbe) -> Void) {
    let logits = arena.tensor([features.rowCount, classCount])
    Linear.forward(Operand(features), weight: Operand(weight), bias: bias, into: Operand(logits), by: product)
    return (
      logits,
      { dLogits, gradients in
        Linear.backwardWeight(Operand(dLogits), x: Operand(features), into: gradients.weight, by: product)
        Linear.backwardBias(Operand(dLogits), into: gradients.bias)
      }
    )
  }
}

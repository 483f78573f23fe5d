import Kernels
import Tensors

/// Stochastic gradient descent with momentum and weight decay, as PyTorch's: no dampening, no Nesterov.
public struct SGD: Sendable, Equatable {
  /// Share of the former update that is kept.
  public var momentum: Double
  /// Multiple of the parameter that is added to its gradient, for every trained tensor.
  public var weightDecay: Double

  /// The published settings unless others are given.
  public init(momentum: Double = 0.9, weightDecay: Double = 5e-4) {
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  /// One update of a slice of the parameters, in place; `momentumBuffer` starts as zeros.
  ///
  /// Returns whether the gradient is finite.
  @discardableResult
  public func update(_ parameters: Tensor, gradient: Tensor, momentumBuffer: Tensor, rate: Double) -> Bool {
    StochasticGradient.update(
      parameters: parameters, momentumBuffer: momentumBuffer, gradient: gradient, rate: Float(rate),
      momentum: Float(momentum), weightDecay: Float(weightDecay))
  }
}

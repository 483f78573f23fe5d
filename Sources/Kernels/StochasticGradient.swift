import CKernels
import Tensors

/// One fused pass of SGD over a slice of parameters.
public enum StochasticGradient {
  /// `m = momentum * m + (g + weightDecay * p); p -= rate * m`, as PyTorch's SGD without dampening or Nesterov.
  ///
  /// With `m` zero at the first step, that step sets `m = g + weightDecay * p`.
  public static func update(
    parameters: Tensor, momentumBuffer: Tensor, gradient: Tensor, rate: Float, momentum: Float, weightDecay: Float
  ) {
    precondition(parameters.count == gradient.count && momentumBuffer.count == gradient.count)
    skt_sgd(
      parameters.pointer, momentumBuffer.pointer, gradient.pointer, gradient.count, rate, momentum, weightDecay)
  }
}

import CKernels
import Synchronization
import Tensors

/// One fused pass of SGD over a slice of parameters.
public enum StochasticGradient {
  /// `m = momentum * m + (g + weightDecay * p); p -= rate * m`, as PyTorch's SGD without dampening or Nesterov.
  ///
  /// With `m` zero at the first step, that step sets `m = g + weightDecay * p`. Returns whether all of `g` is finite.
  @discardableResult
  public static func update(
    parameters: Tensor, momentumBuffer: Tensor, gradient: Tensor, rate: Float, momentum: Float, weightDecay: Float
  ) -> Bool {
    precondition(parameters.count == gradient.count && momentumBuffer.count == gradient.count)
    let isFinite = Atomic(true)
    ThreadPool.shared.splitElements(of: gradient) {
      let areFinite = skt_sgd(
        parameters.pointer + $0.lowerBound, momentumBuffer.pointer + $0.lowerBound, gradient.pointer + $0.lowerBound,
        $0.count, rate, momentum, weightDecay)
      if areFinite == 0 { isFinite.store(false, ordering: .relaxed) }
    }
    return isFinite.load(ordering: .relaxed)
  }

  /// `m = momentum * m + g; p -= rate * (g + momentum * m)`, as PyTorch's SGD with Nesterov and without weight decay.
  public static func nesterovUpdate(
    parameters: Tensor, momentumBuffer: Tensor, gradient: Tensor, rate: Float, momentum: Float
  ) {
    precondition(parameters.count == gradient.count && momentumBuffer.count == gradient.count)
    ThreadPool.shared.splitElements(of: gradient) {
      skt_nesterov(
        parameters.pointer + $0.lowerBound, momentumBuffer.pointer + $0.lowerBound, gradient.pointer + $0.lowerBound,
        $0.count, rate, momentum)
    }
  }
}

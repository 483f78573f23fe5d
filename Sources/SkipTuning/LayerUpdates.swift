import CLIPModel
import Optimization
import Tensors

/// Updates a layer as soon as its gradients are final, where nobody else has a part in them: so there is room for the
/// gradients of one layer, which are still in the cache when they are used.
public final class LayerUpdates {
  /// Where a step writes its gradients.
  public let gradients: ParameterStore
  /// Momentum of all that is trained; zeros at first.
  public let momentum: ParameterStore

  private let parameters: ParameterStore
  private let trained: TrainedParameters
  private let optimizer: SGD

  /// Updates of a model.
  public init(_ model: CLIP, _ trained: TrainedParameters, _ optimizer: SGD) {
    parameters = model.parameters
    self.trained = trained
    self.optimizer = optimizer
    gradients = trained.makeLayerStore(parameters.layout)
    momentum = trained.makeStore(parameters.layout)
  }

  /// Updates a layer, whose parameters are not used any more in this step; returns whether its gradients are finite.
  public func update(_ encoder: Encoder, layer: Int, rate: Double) -> Bool {
    func values(_ store: ParameterStore) -> Tensor { trained.values(of: encoder, layer: layer, in: store) }
    return optimizer.update(
      values(parameters), gradient: values(gradients), momentumBuffer: values(momentum), rate: rate)
  }
}

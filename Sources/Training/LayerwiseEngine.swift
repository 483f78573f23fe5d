import CLIPModel
import Optimization
import SkipTuning
import Tensors

/// A rank that is alone: each layer is updated as soon as its gradients are there, which nobody else waits for.
///
/// A step whose gradients are not finite cannot be left out: what came before is updated already.
final class LayerwiseEngine: GradientEngine {
  private let updates: LayerUpdates
  private let count: Int
  private var rates: [Encoder: Double] = [:]

  init(_ model: CLIP, _ trained: TrainedParameters, _ optimizer: SGD) {
    updates = LayerUpdates(model, trained, optimizer)
    count = trained.count
  }

  var gradients: ParameterStore { updates.gradients }
  var savedRanges: [Range<Int>] { [0..<count] }
  var states: [EngineState] {
    [
      EngineState(
        "momentum", held: savedRanges, saved: savedRanges, values: updates.momentum.values.slice,
        sources: LocalStepsEngine.momentumSources)
    ]
  }

  func begin(rates: [Encoder: Double]) { self.rates = rates }

  func gradientsReady(_ encoder: Encoder, layer: Int) -> Bool {
    updates.update(encoder, layer: layer, rate: rates[encoder]!)
  }

  func gradientsAreZero(_ encoder: Encoder, layer: Int) {
    preconditionFailure("a rank that is alone has gradients of every layer")
  }

  func willUse(_ encoder: Encoder, layer: Int) {}
  func endStep(decides: () throws -> Bool) throws { _ = try decides() }
  func settle() {}
  func poll() {}
}

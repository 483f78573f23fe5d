import CLIPModel
import Kernels
import Tensors

extension CLIP {
  /// Text features on the unit sphere, `[prompts, embedding]`, of prompts that enter block `startLayer`.
  ///
  /// The prompts are taken in groups, so that memory stays small for thousands of classes.
  public func unitTextFeatures(
    of prefix: PrefixFeatures, from startLayer: Int, by product: some MatrixProduct
  ) -> Tensor {
    let result = Tensor(uninitialized: [prefix.layout.count, configuration.embeddingWidth])
    let arena = Arena()
    for start in stride(from: 0, to: prefix.layout.count, by: Self.textGroup) {
      let group = start..<min(start + Self.textGroup, prefix.layout.count)
      arena.scoped {
        let inputs = prefix.gathered(Array(group), in: arena)
        let features = textTower.features(
          inputs.values, inputs.layout, from: startLayer, arena: arena, by: product)
        Normalization.forward(features, into: result.rows(group), norm: arena.tensor([group.count]))
      }
    }
    return result
  }

  /// Prompts that pass the text tower at a time.
  private static var textGroup: Int { 64 }
}

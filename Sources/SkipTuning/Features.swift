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

  /// Text features on the unit sphere, `[classes, embedding]`, of prompts by one or more templates: the mean of each
  /// class's unit features over the templates, scaled to unit length again.
  ///
  /// `templates` holds a list of one prompt per class for each template. One template's features are not scaled again.
  public func unitTextFeatures(averaging templates: [[[Int32]]], by product: some MatrixProduct) -> Tensor {
    Self.meanUnitFeatures(
      templates.map { prompts in
        unitTextFeatures(of: textPrefix(prompts, upTo: 0, arena: Arena(), by: product), from: 0, by: product)
      })
  }

  /// The mean of unit features `[classes, embedding]` of several templates, scaled to unit length.
  ///
  /// Those of one template are not scaled again. Overwrites the first.
  public static func meanUnitFeatures(_ features: [Tensor]) -> Tensor {
    guard features.count > 1 else { return features[0] }
    let sum = features[0]
    for other in features.dropFirst() { ElementWise.add(other, to: sum) }
    Normalization.forward(sum, into: sum, norm: Tensor(uninitialized: [sum.rowCount]))
    return sum
  }

  /// Prompts that pass the text tower at a time.
  private static var textGroup: Int { 64 }
}

import CLIPModel
import Diagnostics
import Foundation

/// Shapes of published CLIP models, for plans without a model's folder.
public enum CLIPPresets {
  /// By the names that OpenAI gave them.
  public static let shapes: [(name: String, configuration: CLIPConfiguration)] = [
    ("ViT-B/32", shape(vision: 768, patch: 32, text: 512, embedding: 512)),
    ("ViT-B/16", shape(vision: 768, patch: 16, text: 512, embedding: 512)),
    ("ViT-L/14", shape(vision: 1024, depth: 24, patch: 14, text: 768, embedding: 768)),
    ("ViT-L/14-336", shape(vision: 1024, depth: 24, patch: 14, size: 336, text: 768, embedding: 768)),
  ]

  /// The shape of that name, case aside; throws a usage failure that lists the names.
  public static func configuration(named name: String) throws -> CLIPConfiguration {
    if let shape = shapes.first(where: { $0.name.lowercased() == name.lowercased() }) { return shape.configuration }
    throw Failure(
      .usage, at: "--shape \(name)", "is no known shape",
      remedy: "use one of \(shapes.map(\.name).joined(separator: ", ")), or --model with a model's folder")
  }

  private static func shape(
    vision: Int, depth: Int = 12, patch: Int, size: Int = 224, text: Int, embedding: Int
  ) -> CLIPConfiguration {
    func tower(_ width: Int, _ depth: Int) -> CLIPConfiguration.Tower {
      CLIPConfiguration.Tower(depth: depth, width: width, headCount: width / 64, mlpWidth: 4 * width)
    }
    return CLIPConfiguration(
      vision: tower(vision, depth), imageSize: size, patchSize: patch, text: tower(text, 12), contextLength: 77,
      vocabularySize: 49408, embeddingWidth: embedding, activation: .quickGELU, eosTokenID: 49407)
  }
}

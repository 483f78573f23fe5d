import Files
import Foundation
import Kernels

/// Files of well-known models, by their content.
public struct PublishedWeights: Sendable, Equatable {
  /// Publisher and model.
  public let name: String
  /// What the model was trained with.
  public let activation: Activation
  /// SHA-256 of the file in hexadecimal, or its first digits where no more were published.
  public let digest: String

  /// OpenAI's digests are in the addresses that its own loader downloads from; those of LAION-400M models are the last
  /// part of the published files' names.
  static let all: [PublishedWeights] = [
    PublishedWeights(
      name: "OpenAI ViT-B/32", activation: .quickGELU,
      digest: "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"),
    PublishedWeights(
      name: "OpenAI ViT-B/16", activation: .quickGELU,
      digest: "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"),
    PublishedWeights(
      name: "OpenAI ViT-L/14", activation: .quickGELU,
      digest: "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"),
    PublishedWeights(
      name: "OpenAI ViT-L/14@336px", activation: .quickGELU,
      digest: "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02"),
    PublishedWeights(name: "open_clip ViT-B-32-quickgelu laion400m_e31", activation: .quickGELU, digest: "d867053b"),
    PublishedWeights(name: "open_clip ViT-B-32-quickgelu laion400m_e32", activation: .quickGELU, digest: "46683a32"),
    PublishedWeights(name: "open_clip ViT-B-16 laion400m_e31", activation: .gelu, digest: "00efa78f"),
    PublishedWeights(name: "open_clip ViT-B-16 laion400m_e32", activation: .gelu, digest: "55e67d44"),
    PublishedWeights(name: "open_clip ViT-B-16-plus-240 laion400m_e31", activation: .gelu, digest: "8fb26589"),
    PublishedWeights(name: "open_clip ViT-B-16-plus-240 laion400m_e32", activation: .gelu, digest: "699c4b84"),
    PublishedWeights(name: "open_clip ViT-L-14 laion400m_e31", activation: .gelu, digest: "69988bb6"),
  ]

  /// The one whose SHA-256 this is; nil for a file that is not known.
  public static func of(digest: String) -> PublishedWeights? { all.first { digest.hasPrefix($0.digest) } }

  /// The one that a file is, which is read for that; nil for a file that is not known.
  static func of(file: URL) throws -> PublishedWeights? {
    of(digest: try SHA256.hexadecimal(of: Descriptor.reading(file.path)))
  }
}

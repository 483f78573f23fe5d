import Foundation
import Safetensors
import Tensors

extension Goldens {
  /// A golden file of tensors.
  public static func tensors(_ path: String) throws -> SafetensorsFile {
    try SafetensorsFile(contentsOf: url(path))
  }

  /// A golden file of settings and numbers.
  public static func json<Content: Decodable>(
    _ path: String, as type: Content.Type, keys: JSONDecoder.KeyDecodingStrategy = .convertFromSnakeCase
  ) throws -> Content {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = keys
    return try decoder.decode(type, from: Data(contentsOf: url(path)))
  }
}

extension SafetensorsFile {
  /// Token ids of each prompt up to its end token, from the padded `token_ids [n, context]` and `lengths [n]`.
  public func prompts() throws -> [[Int32]] {
    let ids = try integers("token_ids")
    let lengths = try integers("lengths")
    let context = ids.count / lengths.count
    return lengths.enumerated().map { row, length in
      ids[row * context..<row * context + length].map(Int32.init)
    }
  }
}

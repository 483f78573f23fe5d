/// A parameter, or neighbours in the flat order, as a file names and stores them.
struct StoredParameter: Equatable, Sendable {
  let name: String
  /// As stored there.
  let shape: [Int]
  /// Its elements in the flat order of a layout.
  let range: Range<Int>
  /// Whether it is stored `[in, out]`, the transpose of what lies in the flat order.
  let isTransposed: Bool
}

extension ParameterLayout {
  /// All parameters as files of a form have them, in flat order; `prefix` is what all names begin with.
  func parameters(in form: ModelSource.Form, prefix: String) -> [StoredParameter] {
    let parameters =
      switch form {
      case .huggingFace:
        slots.map { StoredParameter(name: $0.name, shape: $0.shape, range: $0.range, isTransposed: false) }
      case .openCLIP, .openAI: openCLIPParameters
      }
    return parameters.map {
      StoredParameter(name: prefix + $0.name, shape: $0.shape, range: $0.range, isTransposed: $0.isTransposed)
    }
  }

  /// All parameters under the names of OpenAI's published weights, in flat order.
  ///
  /// Query, key and value are one `in_proj` there; the two projections are stored `[in, out]`.
  var openCLIPParameters: [StoredParameter] {
    slots.compactMap { slot in
      if slot.name.contains(".k_proj.") || slot.name.contains(".v_proj.") { return nil }
      var (shape, range) = (slot.shape, slot.range)
      if slot.name.contains(".q_proj.") {
        // The three are neighbours.
        shape[0] *= 3
        range = range.lowerBound..<self[slot.name.replacing(".q_proj.", with: ".v_proj.")]!.range.upperBound
        precondition(range.count == 3 * slot.range.count, "query, key and value of \(slot.name) lie apart")
      }
      let isProjection = Encoder.allCases.contains { $0.projectionName == slot.name }
      return StoredParameter(
        name: Self.openCLIPName(slot.name), shape: isProjection ? shape.reversed() : shape, range: range,
        isTransposed: isProjection)
    }
  }

  private static func openCLIPName(_ name: String) -> String {
    renamed.reduce(name) { $0.replacing($1.0, with: $1.1) }
  }

  private static let renamed = [
    ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
    ("vision_model.embeddings.patch_embedding", "visual.conv1"),
    ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
    ("vision_model.pre_layrnorm", "visual.ln_pre"),
    ("vision_model.encoder.layers", "visual.transformer.resblocks"),
    ("vision_model.post_layernorm", "visual.ln_post"),
    ("visual_projection.weight", "visual.proj"),
    ("text_model.embeddings.token_embedding", "token_embedding"),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.encoder.layers", "transformer.resblocks"),
    ("text_model.final_layer_norm", "ln_final"),
    ("text_projection.weight", "text_projection"),
    (".layer_norm1.", ".ln_1."), (".layer_norm2.", ".ln_2."),
    (".self_attn.q_proj.", ".attn.in_proj_"), (".self_attn.out_proj.", ".attn.out_proj."),
    (".mlp.fc1.", ".mlp.c_fc."), (".mlp.fc2.", ".mlp.c_proj."),
  ]
}

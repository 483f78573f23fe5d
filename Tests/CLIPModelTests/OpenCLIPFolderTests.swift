import Foundation
import Safetensors
import StrictJSON
import Tensors
import TestSupport
import Testing

@testable import CLIPModel

/// Tests/Reference/check_openai_export.py computes with the result, by code that knows the published names only.
@Suite struct OpenCLIPFolderTests {
  private func json(_ configuration: CLIPConfiguration) -> JSONValue {
    OpenCLIPFolder.json(configuration, ImagePreprocessing(resizeSize: 32, cropSize: 32))
  }

  @Test(arguments: ["model", "model-gelu"]) func everyParameterIsThereOnce(model: String) throws {
    let layout = ParameterLayout(try CLIPConfiguration(huggingFaceFolder: Goldens.url("towers/\(model)")))
    let parameters = layout.openCLIPParameters
    var end = 0
    for parameter in parameters {
      #expect(parameter.range.lowerBound == end && parameter.range.count == parameter.shape.reduce(1, *))
      end = parameter.range.upperBound
    }
    #expect(end == layout.count)
    #expect(Set(parameters.map(\.name)).count == parameters.count)
    #expect(parameters.filter(\.isTransposed).map(\.name) == ["visual.proj", "text_projection"])
    let foreign = ["vision_model", "text_model", "layer_norm", "self_attn", "fc1", "fc2", "layers", "q_proj"]
    #expect(parameters.allSatisfy { parameter in !foreign.contains { parameter.name.contains($0) } })
  }

  @Test func fusedAndTransposedValues() throws {
    try withScratchFolder { folder in
      let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model-gelu"))
      let output = folder.appendingPathComponent("out")
      try OpenCLIPFolder.write(
        model.parameters, model.configuration, ImagePreprocessing(resizeSize: 48, cropSize: 48), to: output)
      let file = try SafetensorsFile(contentsOf: output.appendingPathComponent("open_clip_model.safetensors"))
      let parts = ["q", "k", "v"].map { "text_model.encoder.layers.1.self_attn.\($0)_proj" }
      let fused = try file.tensor("transformer.resblocks.1.attn.in_proj_weight")
      #expect(fused.shape == [96, 32])
      #expect(fused.array == parts.flatMap { model.parameters["\($0).weight"]!.array })
      #expect(
        try file.tensor("transformer.resblocks.1.attn.in_proj_bias").array
          == parts.flatMap { model.parameters["\($0).bias"]!.array })
      let (proj, projection) = (try file.tensor("visual.proj"), model.parameters["visual_projection.weight"]!)
      #expect(proj.shape == [48, 20])
      for (row, column) in [(0, 0), (47, 19), (5, 17), (30, 2)] {
        #expect(proj.row(row)[column] == projection.row(column)[row])
      }
      #expect(try file.tensor("logit_scale").shape == [])
    }
  }

  @Test func theConfigurationSaysWhatDiffersFromOpenCLIPsDefaults() throws {
    var configuration = ParameterTests.configuration
    let plain = json(configuration)["model_cfg"]
    #expect(plain?["quick_gelu"] == .bool(true) && plain?["embed_dim"] == .integer(512))
    #expect(plain?["vision_cfg"]?["head_width"] == .integer(64) && plain?["text_cfg"]?["heads"] == .integer(8))
    for key in ["mlp_ratio", "norm_kwargs", "pool_type"] { #expect(plain?["text_cfg"]?[key] == nil) }

    configuration.activation = .gelu
    configuration.text.mlpWidth = 1707  // 512 * 10 / 3, rounded up
    configuration.layerNormEpsilon = 1e-6
    configuration.eosTokenID = 77
    let special = json(configuration)["model_cfg"]
    #expect(special?["quick_gelu"] == .bool(false))
    let ratio = try #require(special?["text_cfg"]?["mlp_ratio"]?.number)
    #expect(Int(512 * ratio) == 1707)
    #expect(special?["vision_cfg"]?["norm_kwargs"]?["eps"]?.number.map { Float($0) } == 1e-6)
    #expect(special?["text_cfg"]?["pool_type"] == .string("eos") && special?["text_cfg"]?["eos_id"] == .integer(77))
  }
}

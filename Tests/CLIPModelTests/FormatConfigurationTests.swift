import Diagnostics
import Foundation
import StrictJSON
import Testing

@testable import CLIPModel

@Suite struct FormatConfigurationTests {
  /// What transformers' `CLIPConfig()` is: ViT-B/32.
  private static let standard = CLIPConfiguration(
    vision: .init(depth: 12, width: 768, headCount: 12, mlpWidth: 3072), imageSize: 224, patchSize: 32,
    text: .init(depth: 12, width: 512, headCount: 8, mlpWidth: 2048), contextLength: 77, vocabularySize: 49408,
    embeddingWidth: 512, activation: .quickGELU, layerNormEpsilon: 1e-5, eosTokenID: 49407)

  private func read(_ json: String) throws -> CLIPConfiguration {
    let folder = try FormatFolder(["config.json": json])
    return try CLIPConfiguration(huggingFaceFolder: folder.url)
  }

  @Test(arguments: [
    #"{"model_type": "clip"}"#,
    #"{"model_type": "clip", "text_config": null, "vision_config": {}, "text_config_dict": null}"#,
    // An old file's duplicate wins as a whole, defaults for absent keys included.
    #"{"model_type": "clip", "text_config": {"hidden_size": 64}, "text_config_dict": {"vocab_size": 49408}}"#,
    #"{"model_type": "clip", "vision_config": {"image_size": [224, 224], "patch_size": 32, "dropout": 0.0}}"#,
  ])
  func absentKeysHaveTheDefaultsOfTransformers(json: String) throws {
    #expect(try read(json) == Self.standard)
  }

  @Test func everySizeIsReadFromItsKey() throws {
    let configuration = try read(
      """
      {"model_type": "clip", "projection_dim": 24, "logit_scale_init_value": 2.6592, "torch_dtype": "float32",
       "text_config": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 100,
         "max_position_embeddings": 16, "vocab_size": 600, "hidden_act": "gelu", "layer_norm_eps": 1e-06,
         "eos_token_id": 2},
       "vision_config": {"hidden_size": 48, "num_hidden_layers": 5, "num_attention_heads": 6, "intermediate_size": 99,
         "image_size": 30, "patch_size": 10, "hidden_act": "gelu", "layer_norm_eps": 1e-06}}
      """)
    let expected = CLIPConfiguration(
      vision: .init(depth: 5, width: 48, headCount: 6, mlpWidth: 99), imageSize: 30, patchSize: 10,
      text: .init(depth: 3, width: 32, headCount: 4, mlpWidth: 100), contextLength: 16, vocabularySize: 600,
      embeddingWidth: 24, activation: .gelu, layerNormEpsilon: 1e-6, eosTokenID: 2)
    #expect(configuration == expected)
    #expect(configuration.tokensPerImage == 10)
    #expect(configuration.vision.headWidth == 8)
  }

  /// Numbers keep their spelling's value, unknown keys stay, and the element type is that of what is written.
  @Test func aTunedModelKeepsItsConfiguration() throws {
    let json = #"""
      {"model_type": "clip", "torch_dtype": "float16", "x": [1, 1e-05, "a\n\u00e9", null, true, {}],
       "text_config": {"eos_token_id": 7, "bos_token_id": 6}}
      """#
    let folder = try FormatFolder(["config.json": json])
    let written = try CLIPConfiguration.tunedJSON(base: folder.url)
    let expected = json.replacing("float16", with: "float32")
    #expect(try JSONValue(parsing: Array(written)) == JSONValue(parsing: Array(expected.utf8)))
  }

  @Test(
    arguments: [
      ("{}", "model_type is missing"),
      (#"{"model_type": "siglip"}"#, "model_type is \"siglip\", not \"clip\""),
      (#"{"model_type": "clip_text_model"}"#, "\"clip_text_model\""),
      (#"{"model_type": "clip", "projection_dim": 0}"#, "projection_dim must be an integer from 1"),
      (#"{"model_type": "clip", "projection_dim": "512"}"#, "projection_dim must be an integer"),
      (#"{"model_type": "clip", "text_config": 3}"#, "text_config must be an object"),
      (
        #"{"model_type": "clip", "text_config": {"hidden_size": 100}}"#, "text_config.hidden_size 100 is not a multiple"
      ),
      (#"{"model_type": "clip", "vision_config": {"num_attention_heads": 7}}"#, "vision_config.hidden_size 768 is not"),
      (#"{"model_type": "clip", "vision_config": {"num_hidden_layers": 99999999999}}"#, "num_hidden_layers must be"),
      (#"{"model_type": "clip", "vision_config": {"num_hidden_layers": 1e3}}"#, "num_hidden_layers must be"),
      (#"{"model_type": "clip", "vision_config": {"num_channels": 1}}"#, "num_channels"),
      (#"{"model_type": "clip", "vision_config": {"image_size": 225}}"#, "not a multiple of the patch size 32"),
      (
        #"{"model_type": "clip", "vision_config": {"image_size": [224, 448]}}"#, "image_size must be two equal integers"
      ),
      (#"{"model_type": "clip", "vision_config": {"image_size": 8192, "patch_size": 1}}"#, "256 x 256"),
      (#"{"model_type": "clip", "vision_config": {"patch_size": 500}}"#, "patch_size must be an integer from 1 to 224"),
      (#"{"model_type": "clip", "vision_config": {"hidden_act": "gelu_new"}}"#, "hidden_act is \"gelu_new\""),
      (#"{"model_type": "clip", "text_config": {"hidden_act": "gelu"}}"#, "text_config.hidden_act differs"),
      (#"{"model_type": "clip", "text_config": {"layer_norm_eps": 1e-6}}"#, "text_config.layer_norm_eps differs"),
      (#"{"model_type": "clip", "vision_config": {"layer_norm_eps": 0}}"#, "vision_config.layer_norm_eps must be"),
      (#"{"model_type": "clip", "text_config": {"eos_token_id": [1, 2]}}"#, "eos_token_id must be an integer"),
      (#"{"model_type": "clip", "text_config": {"max_position_embeddings": 1}}"#, "max_position_embeddings must be"),
      ("[]", "must be an object"),
      ("{\n\n", "config.json:3:1: malformed JSON: the text ends too early"),
    ] as [(String, String)])
  func wrongConfigurationsAreNamed(json: String, fragment: String) throws {
    let failure = try #require(throws: Failure.self) { try read(json) }
    #expect(failure.status == .badData)
    #expect(failure.description.contains("config.json") && failure.description.contains(fragment), "\(failure)")
  }

  @Test func aMissingConfigurationIsNamed() throws {
    let folder = try FormatFolder()
    let failure = try #require(throws: Failure.self) { try CLIPConfiguration(huggingFaceFolder: folder.url) }
    #expect(failure.status == .missingInput && failure.description.contains("config.json"))
  }
}

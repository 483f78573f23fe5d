import CLIPModel
import Diagnostics
import Foundation
import Testing

@Suite struct FormatPreprocessingTests {
  private func read(
    _ json: String, name: String = "preprocessor_config.json", imageSize: Int = 224
  ) throws -> ImagePreprocessing {
    let folder = try FormatFolder([name: json])
    return try ImagePreprocessing(huggingFaceFolder: folder.url, imageSize: imageSize)
  }

  @Test(arguments: [
    "{}",
    #"{"size": 224, "crop_size": 224, "resample": 3, "do_resize": true, "image_std": [0.26862954, 0.26130258, 0.27577711]}"#,
    #"{"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, "rescale_factor": 0.00392156862745098}"#,
  ])
  func filesOfAllAgesAreRead(json: String) throws {
    let expected = ImagePreprocessing(resizeSize: 224, cropSize: 224)
    #expect(try read(json) == expected)
    #expect(try read("{\"image_processor\": \(json)}", name: "processor_config.json") == expected)
  }

  @Test func ownNumbersAreRead() throws {
    let json = #"{"size": 256, "crop_size": 240, "image_mean": [0.5, 0.25, 0], "image_std": [1, 2, 0.5]}"#
    let expected = ImagePreprocessing(
      resizeSize: 256, cropSize: 240, mean: [0.5, 0.25, 0], standardDeviation: [1, 2, 0.5])
    #expect(try read(json, imageSize: 240) == expected)
  }

  @Test func withoutAFileThePreprocessingIsThatOfCLIP() throws {
    let folder = try FormatFolder(["processor_config.json": #"{"processor_class": "CLIPProcessor"}"#])
    let preprocessing = try ImagePreprocessing(huggingFaceFolder: folder.url, imageSize: 336)
    #expect(preprocessing.resizeSize == 336)
    #expect(preprocessing.cropSize == 336)
    #expect(preprocessing.mean == [0.48145466, 0.4578275, 0.40821073])
    #expect(preprocessing.standardDeviation == [0.26862954, 0.26130258, 0.27577711])
  }

  @Test(
    arguments: [
      (#"{"resample": 2}"#, "resample must be 3"),
      (#"{"do_resize": false}"#, "do_resize must be true"),
      (#"{"do_center_crop": false}"#, "do_center_crop must be true"),
      (#"{"do_rescale": 1}"#, "do_rescale must be true"),
      (#"{"do_normalize": null}"#, "do_normalize must be true"),
      (#"{"rescale_factor": 1.0}"#, "rescale_factor must be 1/255"),
      (#"{"size": {"height": 224, "width": 224}}"#, "would ignore the aspect ratio"),
      (#"{"size": "224"}"#, "size must be an integer"),
      (#"{"size": 0}"#, "size must be an integer from 1"),
      (#"{"size": 100}"#, "size 100 is smaller than the crop"),
      (#"{"crop_size": {"height": 224, "width": 200}}"#, "crop_size must be square"),
      (#"{"crop_size": 200}"#, "crop_size 200 does not fit the model, which takes images of 224"),
      (#"{"image_mean": [0.5, 0.5]}"#, "image_mean must be three numbers"),
      (#"{"image_mean": [0.5, 0.5, "x"]}"#, "image_mean must be three numbers"),
      (#"{"image_std": [0.5, 0.5, 0]}"#, "image_std must be above 0"),
      (#"{"image_std": [1e300, 1, 1]}"#, "image_std must be three numbers"),
      ("[]", "must be an object"),
    ] as [(String, String)])
  func wrongPreprocessingIsNamed(json: String, fragment: String) throws {
    let failure = try #require(throws: Failure.self) { try read(json) }
    #expect(failure.status == .badData)
    #expect(
      failure.description.contains("preprocessor_config.json") && failure.description.contains(fragment), "\(failure)")
  }
}

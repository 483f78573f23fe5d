import CLIPModel
import Datasets
import Foundation
import MatrixBackends
import SkipTuning
import Tensors

/// What is adapted to what: a CLIP, images with labels, and a prompt for each class.
struct Task {
  let model: CLIP
  let images: Dataset
  /// Token ids of one prompt per class.
  let prompts: [[Int32]]
  let transform: ImageTransform
  let product: MachineProduct
  let threads: Int

  /// The quick start's model and digits, 16 images of each class to train on; paths are relative to the repository.
  init(threads: Int) throws {
    let source = try ModelSource("configs/quickstart/model")
    model = try CLIP(source)
    let split = try SplitFile(contentsOf: URL(filePath: "configs/quickstart/data/mnist/split_skiptune_Mnist.json"))
    images = try Dataset(
      name: "Mnist", imageRoot: URL(filePath: "configs/quickstart/data/mnist/images"), train: split.train,
      validation: split.validation, test: split.test, classNames: split.classNames
    ).fewShot(shots: 16, seed: 1)
    let (template, tokenizer) = (
      try PromptTemplate("a photo of the digit {}."), try CLIPTokenizer(source, model.configuration)
    )
    prompts = images.classNames.map { tokenizer.tokens(template.prompt(for: $0)) }
    let preprocessing = try ImagePreprocessing(source, imageSize: model.configuration.imageSize)
    transform = ImageTransform(
      resizeSize: preprocessing.resizeSize, cropSize: preprocessing.cropSize, mean: preprocessing.mean,
      std: preprocessing.standardDeviation, augmentation: nil)
    product = MachineProduct(threads: threads)
    self.threads = threads
  }

  /// Decodes files in the background and hands out 16 at a time: normalised pixels `[images, 3, size, size]`.
  func loader(_ files: [URL]) -> ImageLoader {
    ImageLoader(
      requests: files.map { ImageRequest(url: $0, stream: (0, 0)) }, batchSize: PrefixFeatures.imagesAtATime,
      transform: transform, seed: 0, threads: threads, lookahead: 2)
  }
}

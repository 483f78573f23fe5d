import CLIPModel
import Collectives
import Datasets
import Diagnostics
import Foundation
import MatrixBackends
import Tensors
import TestSupport
import Testing

@testable import Evaluation

@Suite struct ClassifierTests {
  @Test func probabilitiesAreASoftmaxAndTiesGoToTheFirst() {
    let logits = Tensor([1, 3, 3, -200, 90])
    let matches = ImageClassifier<OpenBLASProduct>.mostProbable(logits.buffer, top: 10)
    #expect(matches.map(\.label) == [4, 1, 2, 0, 3])
    let exponentials = logits.array.map { exp(Double($0) - 90) }
    let sum = exponentials.reduce(0, +)
    for match in matches { #expect(abs(match.probability - exponentials[match.label] / sum) <= 1e-15) }
    #expect(ImageClassifier<OpenBLASProduct>.mostProbable(logits.buffer, top: 2).map(\.label) == [4, 1])
  }

  @Test(arguments: [1, 2, 5]) func ranksShareTheImages(ranks: Int) throws {
    let task = try SmallTask()
    let files = (0..<3).map { task.image("test", label: $0, number: 0) }
    let alone = try classify(task, files, ranks: 1)[0]
    #expect(alone.count == 3 && alone.allSatisfy { $0.matches.count == 4 && $0.failure == nil })
    for results in try classify(task, files, ranks: ranks) {
      for (mine, expected) in zip(results, alone) {
        #expect(mine.matches.map(\.label) == expected.matches.map(\.label))
        for (match, other) in zip(mine.matches, expected.matches) {
          #expect(abs(match.probability - other.probability) <= 1e-5)
        }
      }
    }
  }

  /// Against the features that the model itself gives.
  @Test func probabilitiesAreThoseOfTheFeatures() throws {
    let task = try SmallTask()
    let files = [task.image("test", label: 4, number: 1)]
    let result = try classify(task, files, ranks: 1)[0][0]
    let model = try CLIP(huggingFaceFolder: task.model)
    let embedder = try FeatureEmbedder(
      model, from: ModelSource(huggingFaceFolder: task.model), batchSize: 2, loaderThreads: 1,
      by: OpenBLASProduct(threads: 1))
    let image = try embedder.embed(images: files, LoopbackWorld.alone()).array.map(Double.init)
    let texts = try embedder.embed(texts: Self.classNames.map { "a photo of \($0)" }, LoopbackWorld.alone())
    let logits = (0..<4).map { label -> Double in
      let text = texts.row(label).array.map(Double.init)
      let dot = zip(image, text).reduce(0) { $0 + $1.0 * $1.1 }
      let lengths = [image, text].map { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }
      return Double(model.logitScale) * dot / (lengths[0] * lengths[1])
    }
    let sum = logits.reduce(0) { $0 + exp($1) }
    for match in result.matches { #expect(abs(match.probability - exp(logits[match.label]) / sum) <= 1e-5) }
  }

  @Test(arguments: [1, 3]) func aBadImageEndsAllOrIsPassedOver(ranks: Int) throws {
    let task = try SmallTask()
    var files = (0..<5).map { task.image("test", label: $0, number: 0) }
    let expected = try classify(task, files, ranks: 1)[0]
    try Data("no picture".utf8).write(to: files[1])
    files[3] = task.folder.appendingPathComponent("nowhere.png")
    let stopped = failure { _ = try classify(task, files, ranks: ranks) }
    #expect(stopped?.status == .badData && stopped?.place == files[1].path)
    let results = try classify(task, files, ranks: ranks, .pass)
    for ofRank in results {
      #expect(ofRank.map(\.failure?.status) == [nil, .badData, nil, .missingInput, nil])
      #expect(ofRank[1].failure?.place == files[1].path && ofRank[1].matches.isEmpty)
      for index in [0, 2, 4] { #expect(ofRank[index].matches.map(\.label) == expected[index].matches.map(\.label)) }
    }
  }

  private static let classNames = ["amber", "birch bark", "coral", "denim"]

  private func classify(
    _ task: SmallTask, _ files: [URL], ranks: Int, _ policy: ImageFailurePolicy = .stop
  ) throws -> [[ImageClasses]] {
    let model = try CLIP(huggingFaceFolder: task.model)
    let tokenizer = try CLIPTokenizer(huggingFaceFolder: task.model)
    let prompter = Prompter(
      template: try PromptTemplate("a photo of {}"), tokenizer: tokenizer, model: model, place: "here")
    let prompts = try prompter.prompts(Self.classNames)
    let preprocessing = try ImagePreprocessing(huggingFaceFolder: task.model, imageSize: model.configuration.imageSize)
    return try LoopbackWorld.run(size: ranks) { collectives in
      let classifier = ImageClassifier(
        model, transform: ImageTransform(preprocessing), prompts: prompts, batchSize: 2, loaderThreads: 2,
        by: OpenBLASProduct(threads: 1))
      return try classifier.classify(files, top: 4, onFailure: policy, collectives)
    }
  }
}

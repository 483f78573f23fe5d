import Collectives
import Datasets
import Diagnostics
import Foundation
import ShardFiles
import SkipTuning

/// What settings come to with the data and the model that are there, as far as training depends on it.
///
/// The same settings may name other images: somebody replaced the split file, or the preprocessing beside the weights.
struct RunFacts {
  let inputs: RunInputs
  let settings: RunSettings
  let classSkip: ClassSkip

  private static let classes = "the list of classes"
  private static let prompts = "the tokens of the prompts"
  private static let preprocessing = "the image preprocessing"

  /// Those that tests depend on too.
  static let ofTests: Set = [classes, prompts, preprocessing]

  /// All of them; `fileSizes` stands for the sizes of the training images' files.
  func identityFacts(fileSizes: String) throws -> [RunIdentity.Fact] {
    let images = inputs.training.train
    let plan = try inputs.plan(settings, epoch: 0)
    let facts = [
      (Self.classes, inputs.training.classNames.joined(separator: ", ")),
      ("the list of training images", "\(images.count) images with hash \(Self.hash(of: images))"),
      ("the training images' file sizes", "with hash \(fileSizes)"),
      (Self.prompts, "with hash \(Self.hash(of: inputs.prompts.map { $0.map(Int.init) }))"),
      (Self.preprocessing, Self.words(inputs.testTransform)),
      ("the global batch", "\(inputs.globalBatch) images"),
      ("the first epoch's batches", "\(plan.count) with hash \(Self.hash(of: plan))"),
      ("the CSkip mask", mask),
    ]
    return facts.map { RunIdentity.Fact(key: $0, value: $1, mayBeUnknown: true) }
  }

  /// Which rank positions of the classes the first step keeps, as digits 1 and 0.
  var mask: String { classSkip.mask(step: 0).map { $0 ? "1" : "0" }.joined() }

  /// Hash of the sizes of the training images' files, on all ranks as rank 0 finds them.
  ///
  /// Collective: all ranks call this in the same order.
  static func fileSizes(_ dataset: Dataset, _ collectives: any Collectives) throws -> String {
    let own = try collectives.agree {
      collectives.rank == 0 ? "\(hash(of: [try dataset.train.map { try size(of: dataset.url(of: $0)) }]))" : ""
    }
    return String(decoding: try collectives.allGather(Array(own.utf8))[0], as: UTF8.self)
  }

  private static func size(of file: URL) throws -> Int {
    var status = stat()
    guard stat(file.path, &status) == 0 else {
      throw Failure(.missingInput, at: file.path, "there is no such image", remedy: "check the data set")
    }
    return Int(status.st_size)
  }

  static func hash(of images: [DatasetItem]) -> Hash128 {
    var stream = HashStream()
    for image in images {
      stream.append(text: image.path)
      stream.append(number: image.label)
    }
    return stream.hash
  }

  static func hash(of lists: [[Int]]) -> Hash128 {
    var stream = HashStream()
    for list in lists {
      stream.append(number: list.count)
      for number in list { stream.append(number: number) }
    }
    return stream.hash
  }

  static func words(_ transform: ImageTransform) -> String {
    "resize \(transform.resizeSize), crop \(transform.cropSize), mean \(transform.mean), deviation \(transform.std)"
  }
}

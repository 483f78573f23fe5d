import Datasets
import Foundation
import ShardFiles

/// Images as they enter the model: which files, and what becomes of them.
struct ImageViews: Sendable {
  /// Images.
  let count: Int
  /// Stands for all of them; another file, another view, another hash.
  let hash: Hash128
  /// In words: `training images, seed 1, epoch 3`.
  let words: String

  /// The hash of a list of files as they are now, by path, size and times.
  ///
  /// A file that is not there has a place in it, too.
  static func fingerprint(_ dataset: Dataset, _ items: [DatasetItem]) -> Hash128 {
    var stream = HashStream()
    for item in items {
      let path = dataset.url(of: item).path
      var status = stat()
      stream.append(text: path)
      guard stat(path, &status) == 0 else {
        stream.append(number: -1)
        continue
      }
      for number in [
        Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
        status.st_ctim.tv_nsec,
      ] { stream.append(number: number) }
    }
    return stream.hash
  }

  /// Images with that fingerprint through a transform; those that are augmented are others in each epoch, and with each seed.
  init(
    _ count: Int, _ fingerprint: Hash128, _ transform: ImageTransform, seed: UInt64, epoch: Int, words: String
  ) {
    var stream = HashStream()
    stream.append(number: count)
    stream.append(text: "\(fingerprint)")
    stream.append(text: RunFacts.words(transform))
    if let augmentation = transform.augmentation {
      stream.append(text: "\(augmentation)")
      stream.append(text: "seed \(seed), epoch \(epoch)")
    }
    (self.count, hash) = (count, stream.hash)
    self.words = transform.augmentation == nil ? words : "\(words), seed \(seed), epoch \(epoch + 1)"
  }
}

import Diagnostics
import Tensors

/// In which order an epoch goes through the training images.
public enum BatchOrder: String, Sendable, CaseIterable {
  /// Shuffled; the incomplete last batch is dropped.
  case random
  /// Groups of images of one class only, classes and images at random.
  case singleClass = "single-class"
  /// As listed, every epoch the same; the incomplete last batch is dropped. For comparing runs step by step.
  case sequential

  /// The published rule, which a configuration calls `auto`.
  ///
  /// Single-class batches as soon as a class's `shots` images fill a group, random ones below that. `shots` is nil for
  /// training on all images.
  public static func published(shots: Int?, groupSize: Int = EpochPlan.publishedGroupSize) -> BatchOrder {
    shots.map { $0 < groupSize } ?? false ? .random : .singleClass
  }
}

/// The global batches of one epoch.
///
/// A pure function of its arguments and of nothing else: each rank computes the same plan and takes its share of each
/// batch, whatever the number of ranks. Every image is used at most once.
public struct EpochPlan: Sendable, Equatable {
  /// Published runs use batches of 4 images, all of one class.
  public static let publishedGroupSize = 4

  /// Stream number of the batch order.
  ///
  /// Augmentations use (epoch, image) as their streams; no image has this index.
  private static let batchOrderStream: UInt32 = 0xffff_ff01

  /// `[batch][globalBatchSize]`: indices into the training items.
  public let batches: [[Int]]

  /// Plans epoch `epoch` (from 0) over training items with these `labels`.
  ///
  /// Single-class order picks a class at random among those with at least a group of unused images, then that many of its
  /// images; a class with fewer left drops out. A batch of up to `groupSize` images is one group. A larger batch is several
  /// consecutive groups, each by that rule, so that a global batch of 16 holds what four published batches of 4 would.
  /// Incomplete batches are dropped.
  ///
  /// Throws `Failure(.usage)` where the sizes are not positive, no batch can be filled, or the batch is larger than a
  /// group but no multiple of it. Traps on a negative `epoch`.
  public init(
    labels: [Int], globalBatchSize: Int, order: BatchOrder, groupSize: Int = publishedGroupSize, seed: UInt64,
    epoch: Int
  ) throws {
    try Self.judge(batchSize: globalBatchSize, groupSize: groupSize, imageCount: labels.count)
    var random = CounterRandom(seed: seed, stream: UInt32(epoch), Self.batchOrderStream)
    var images = Array(labels.indices)
    switch order {
    case .sequential: break
    case .random: random.shuffle(&images)
    case .singleClass:
      let group = min(groupSize, globalBatchSize)
      let classes = Self.imagesByClass(labels)
      try Self.judgeGroups(sizes: classes.map(\.count), batchSize: globalBatchSize, group: group)
      images = Self.groupedByClass(classes, group: group, random: &random)
    }
    batches = stride(from: 0, through: images.count - globalBatchSize, by: globalBatchSize).map { start in
      Array(images[start..<start + globalBatchSize])
    }
  }

  /// All groups of one class each, one after the other.
  private static func groupedByClass(_ classes: [[Int]], group: Int, random: inout CounterRandom) -> [Int] {
    var unused = classes.filter { $0.count >= group }
    var images: [Int] = []
    while !unused.isEmpty {
      let pick = random.integer(below: unused.count)
      for _ in 0..<group {
        unused[pick].swapAt(random.integer(below: unused[pick].count), unused[pick].count - 1)
        images.append(unused[pick].removeLast())
      }
      if unused[pick].count < group {
        unused.swapAt(pick, unused.count - 1)
        unused.removeLast()
      }
    }
    return images
  }

  /// The images of each class that has some, classes in order of label.
  private static func imagesByClass(_ labels: [Int]) -> [[Int]] {
    Dictionary(grouping: labels.indices) { labels[$0] }.sorted { $0.key < $1.key }.map(\.value)
  }
}

extension EpochPlan {
  private static func judge(batchSize: Int, groupSize: Int, imageCount: Int) throws {
    guard batchSize >= 1, groupSize >= 1 else {
      throw Failure(
        .usage, "a batch of \(batchSize) in groups of \(groupSize) images: both must be at least 1")
    }
    guard batchSize <= imageCount else {
      throw Failure(
        .usage, "a batch of \(batchSize) images cannot be filled: there are \(imageCount) training images",
        remedy: "choose a batch of at most \(imageCount)")
    }
  }

  private static func judgeGroups(sizes: [Int], batchSize: Int, group: Int) throws {
    guard batchSize.isMultiple(of: group) else {
      throw Failure(
        .usage, "a batch of \(batchSize) images is no multiple of the group of \(group) images of one class",
        remedy: "choose a multiple of \(group), another group size, or order \(BatchOrder.random.rawValue)")
    }
    let largest = sizes.max() ?? 0
    guard largest >= group else {
      throw Failure(
        .usage,
        "a batch of \(batchSize) in groups of \(group) images of one class cannot be filled: "
          + "the largest class has \(largest)",
        remedy: "choose a group (or batch) of at most \(largest), or order \(BatchOrder.random.rawValue)")
    }
    let usable = sizes.reduce(0) { $0 + $1 / group * group }
    guard usable >= batchSize else {
      throw Failure(
        .usage,
        "a batch of \(batchSize) in groups of \(group) images of one class cannot be filled: "
          + "the \(sizes.reduce(0, +)) training images form only \(usable / group) such groups (largest class: \(largest))",
        remedy: "choose a batch of at most \(usable), or order \(BatchOrder.random.rawValue)")
    }
  }
}

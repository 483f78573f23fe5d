import CLIPModel
import Collectives
import Datasets
import Diagnostics
import FeatureCache
import Files
import Foundation
import Kernels
import Reporting
import ShardFiles
import SkipTuning

/// What a rank counts and says of kept features, each warning once.
final class FeatureTally {
  var counts = FeatureCounts()
  private let report: RunReport
  private var warnings: Set<String> = []
  /// This rank, by what may round differently.
  let maker: UInt64

  init(_ report: RunReport, maker: UInt64) { (self.report, self.maker) = (report, maker) }

  func warn(_ message: String) {
    if warnings.insert(message).inserted { report.warning(message) }
  }

  /// What went wrong, once each.
  var warningCount: Int64 { Int64(warnings.count) }
}

/// A rank's way to the features that a run keeps: in the folder of `features.cache`, shared with other runs, or else those of
/// test images alone, from the run's first test to its last, in a file without a name that the ranks of a host share.
final class RunFeatureCache {
  private let settings: FeatureSettings
  private let folder: CacheFolder?
  private let version: String
  private let report: RunReport
  private let training, tests: FeatureTally
  private var trust: [String: RoundingTrust] = [:]
  /// Open, so that nobody deletes what the run comes back to; the first of them are let go beyond a number of files.
  private var held: [FeatureEntry] = []
  /// By data set and test set, without a cache.
  private var scratch: [String: FeatureEntry] = [:]
  /// What they may grow to together, within the budget.
  private var scratchBytes = 0
  /// Test sets for which the ranks met to make one, in vain or not: the same on all ranks.
  private var asked: Set<String> = []
  /// Whether features of test images are worth keeping without a cache: another test will follow.
  var keepsTests = false

  private static let mostHeld = 128

  init<Product>(_ settings: FeatureSettings, _ environment: TrainingRun<Product>.Environment, report: RunReport) {
    (self.settings, self.version, self.report) = (settings, environment.version, report)
    folder = settings.cache.map { CacheFolder($0, budget: settings.cacheBytes) }
    var stream = HashStream()
    stream.append(text: "\(environment.product), \(environment.threads) threads, \(Self.processor)")
    let maker = stream.hash.low
    (training, tests) = (FeatureTally(report, maker: maker), FeatureTally(report, maker: maker))
  }

  /// What the system says of the first processor, but for what changes from moment to moment.
  private static let processor: String = {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    return text.split(separator: "\n", omittingEmptySubsequences: false).prefix { !$0.isEmpty }
      .filter { $0.hasPrefix("model") || $0.hasPrefix("flags") || $0.hasPrefix("stepping") }.joined(separator: "\n")
  }()

  /// Features of training images as an epoch sees them; nil where they are not kept.
  func trainingFeatures<Product>(
    of prefix: FrozenPrefix<Product>, _ views: ImageViews
  ) -> KeptFeatures<Product>? {
    guard let folder, prefix.stage != .pixels else { return nil }
    return features(of: prefix, views, settings.storage, in: folder, training)
  }

  /// Features of a test set's images; nil where they are not kept.
  ///
  /// Collective: all ranks call this.
  func testFeatures<Product>(
    of set: TestInputs.TestSet, _ transform: ImageTransform, _ prefix: FrozenPrefix<Product>,
    _ collectives: any MessagePassing
  ) throws -> KeptFeatures<Product>? {
    guard prefix.stage != .pixels, folder != nil || keepsTests || !scratch.isEmpty else { return nil }
    let items = set.dataset.test
    let views = ImageViews(
      items.count, ImageViews.fingerprint(set.dataset, items), transform, seed: 0, epoch: 0,
      words: "\(set.dataset.name), test images, \(set.name) classes")
    // Nothing is rounded here: without the cache, tests round nothing.
    if let folder { return features(of: prefix, views, .float32, in: folder, tests) }
    let description = description(prefix, prefix.stage, views, .float32)
    let name = "\(set.dataset.name) \(set.name)"
    if keepsTests, asked.insert(name).inserted, description.fileSize <= settings.cacheBytes - scratchBytes {
      scratchBytes += description.fileSize
      scratch[name] = try SharedScratch(collectives, settings.folder).make(description)
    }
    guard let entry = scratch[name], entry.description == description else { return nil }
    return KeptFeatures(prefix, .float32, own: entry, shallower: nil, trust("test", prefix.stage), tests)
  }

  /// What all ranks counted, also said in the log; nil where nothing was looked for.
  ///
  /// Collective: all ranks call this.
  @discardableResult
  func sayCounts(_ collectives: any Collectives) throws -> KeptFeatureCounts? {
    let counts = KeptFeatureCounts(
      training: try training.counts.summed(over: collectives), tests: try tests.counts.summed(over: collectives))
    let own = training.warningCount + tests.warningCount
    if try collectives.allReduce(own, .sum) > 0, own == 0 {
      report.warning(
        "features.cache: other ranks than the first could not use or keep all features, and made their own")
    }
    guard folder != nil || counts.tests.read > 0 else { return nil }
    if counts.training.total > 0 { report.info("features of training images: \(counts.training.words)") }
    report.info("features of test images: \(counts.tests.words)")
    return counts
  }

  private func features<Product>(
    of prefix: FrozenPrefix<Product>, _ views: ImageViews, _ precision: StoragePrecision, in folder: CacheFolder,
    _ tally: FeatureTally
  ) -> KeptFeatures<Product>? {
    let onDamage: (Failure) -> Void = { tally.warn("features.cache: \($0)") }
    let shallower = self.shallower(prefix, views, in: folder, onDamage)
    let own = entry(description(prefix, prefix.stage, views, precision), in: folder, tally, onDamage)
    hold([own, shallower?.entry].compactMap { $0 })
    return own == nil && shallower == nil
      ? nil
      : KeptFeatures(prefix, precision, own: own, shallower: shallower, trust("\(precision)", prefix.stage), tally)
  }

  private func entry(
    _ description: EntryDescription, in folder: CacheFolder, _ tally: FeatureTally, _ onDamage: (Failure) -> Void
  ) -> FeatureEntry? {
    do {
      return try folder.entry(description, onDamage: onDamage)
    } catch {
      tally.warn("features.cache: \(error.words) (\(folder.url.path))")
      return nil
    }
  }

  /// The deepest features that were kept unrounded before the stage, of the same views.
  private func shallower<Product>(
    _ prefix: FrozenPrefix<Product>, _ views: ImageViews, in folder: CacheFolder, _ onDamage: (Failure) -> Void
  ) -> (block: Int, entry: FeatureEntry)? {
    for block in prefix.shallowerBlocks {
      let description = description(prefix, .block(block), views, .float32)
      if let entry = folder.existing(description, onDamage: onDamage) { return (block, entry) }
    }
    return nil
  }

  private func description<Product>(
    _ prefix: FrozenPrefix<Product>, _ stage: ImageStage, _ views: ImageViews, _ precision: StoragePrecision
  ) -> EntryDescription {
    EntryDescription(
      key: prefix.key(stage, precision, views: views.hash, version: version), count: views.count,
      bytesPerImage: prefix.elements(at: stage) * precision.byteCount,
      words: "\(views.words), \(stage.words), \(precision.rawValue)")
  }

  private func trust(_ kind: String, _ stage: ImageStage) -> RoundingTrust {
    let key = "\(kind) \(stage.words)"
    let trust = trust[key] ?? RoundingTrust()
    self.trust[key] = trust
    return trust
  }

  private func hold(_ entries: [FeatureEntry]) {
    held += entries
    held.removeFirst(max(0, held.count - Self.mostHeld))
  }
}

extension CacheFolder.Refusal {
  /// What is not kept, and why.
  var words: String {
    switch self {
    case .budget(_, let budget):
      "features.cache_mb is spent, \(Readable.bytes(budget)), and what is in use stays: nothing more is kept"
    case .busy: "another process holds the lock, so these features are not kept"
    case .disk(let failure): "nothing is kept: \(failure.problem)"
    }
  }
}

/// A file without a name that the ranks of a host share.
struct SharedScratch {
  private let collectives: any MessagePassing
  private let folder: URL
  /// Of what is free on the disk, the share that may be taken.
  private static let share = 4

  init(_ collectives: any MessagePassing, _ folder: URL) { (self.collectives, self.folder) = (collectives, folder) }

  /// An empty entry; nil on hosts that have no room to spare for it.
  ///
  /// Collective: all ranks call this.
  func make(_ description: EntryDescription) throws -> FeatureEntry? {
    let isFirst = collectives.nodeRank == 0
    let path = folder.appendingPathComponent(".skiptune-\(UUID().uuidString)").path
    let made = isFirst && hasRoom(description.fileSize) ? try? FeatureEntry.create(description, at: path) : nil
    let paths = try collectives.allGather(Array((made == nil ? "" : path).utf8))
    let first = collectives.ranks(ofNode: collectives.node)[0]
    let shared = String(decoding: paths[first], as: UTF8.self)
    let entry = isFirst || shared.isEmpty ? made : try? FeatureEntry.open(description, at: shared)
    try collectives.barrier()
    if made != nil { unlink(path) }
    return entry
  }

  private func hasRoom(_ size: Int) -> Bool {
    guard let probe = try? Descriptor.scratch(in: folder, size: 0, what: "the file of features"),
      let free = try? probe.freeBytes()
    else { return false }
    return size <= free / Self.share
  }
}

import CLIPModel
import Diagnostics
import Evaluation
import FeatureCache
import Foundation
import Kernels
import SkipTuning
import Tensors

/// Whether a rank may use what another process has kept, of one stage.
///
/// Libraries may round the rows of a product differently by their place in it, by the number of rows or threads, or on
/// another machine. So a rank makes its first batch from each source itself, and compares to the bit.
final class RoundingTrust {
  /// Batches of a size of what one maker has kept.
  struct Source: Hashable {
    let maker: UInt64
    let count: Int
    /// The earlier block that its features enter; nil for the stage itself.
    let block: Int?
  }

  /// Those that were found equal.
  var verified: Set<Source> = []
  /// Those of which a batch will be made and compared.
  var pending: Set<Source> = []
  /// Whether something was not equal: nothing is read or written any more.
  var differs = false
}

/// Features of a list of images at a stage, on their way from and to entries that outlive their maker.
///
/// Used by one thread. What goes wrong with an entry is told once, and features are made instead.
final class KeptFeatures<Product: MatrixProduct>: @unchecked Sendable {
  private let prefix: FrozenPrefix<Product>
  private let precision: StoragePrecision
  private var own: FeatureEntry?
  private let shallower: (block: Int, entry: FeatureEntry)?
  private let trust: RoundingTrust
  private let tally: FeatureTally
  private let arena = Arena(chunkCount: 1 << 20)
  private var bytes: [UInt8]
  private var others: [UInt8]

  init(
    _ prefix: FrozenPrefix<Product>, _ precision: StoragePrecision, own: FeatureEntry?,
    shallower: (block: Int, entry: FeatureEntry)?, _ trust: RoundingTrust, _ tally: FeatureTally
  ) {
    (self.prefix, self.precision, self.own, self.shallower) = (prefix, precision, own, shallower)
    (self.trust, self.tally) = (trust, tally)
    bytes = [UInt8](repeating: 0, count: prefix.elements(at: prefix.stage) * precision.byteCount)
    others = bytes
  }

  /// Which of the next batches of images need not be made from pixels, as far as can be told: no more than a guess for
  /// loading ahead.
  func plan(_ batches: [[Int]]) -> [Bool] {
    batches.map { images in
      guard !trust.differs, let sources = sources(images) else { return false }
      let fresh = sources.subtracting(trust.verified).subtracting(trust.pending)
      trust.pending.formUnion(fresh)
      return fresh.isEmpty
    }
  }

  /// Where all of a batch's features seem to lie; nil for nowhere.
  private func sources(_ images: [Int]) -> Set<RoundingTrust.Source>? {
    func sources(_ entry: FeatureEntry?, _ block: Int?) -> Set<RoundingTrust.Source>? {
      guard let entry else { return nil }
      let makers = images.compactMap(entry.maker)
      guard makers.count == images.count else { return nil }
      return Set(makers.map { RoundingTrust.Source(maker: $0, count: images.count, block: block) })
    }
    return sources(own, nil) ?? sources(shallower?.entry, shallower?.block)
  }

  /// Writes the features of images that pass the model together to `x`; false where they must be made from pixels.
  func read(_ images: [Int], into x: Tensor) -> Bool {
    guard !trust.differs else { return false }
    if readOwn(images, into: x) {
      tally.counts.read += Int64(images.count)
      return true
    }
    guard continueShallower(images, into: x, trusts: trust.verified.contains) != nil else { return false }
    tally.counts.continued += Int64(images.count)
    store(images, x)
    return true
  }

  /// Keeps features that were made from pixels; compares them with those that are there.
  func keep(_ x: Tensor, of images: [Int]) {
    tally.counts.made += Int64(images.count)
    guard !trust.differs else { return }
    compare(images, x)
    if !trust.differs { store(images, x) }
  }

  private func compare(_ images: [Int], _ x: Tensor) {
    var equal: [RoundingTrust.Source] = []
    for (place, image) in images.enumerated() {
      guard let own, let maker = readRecord(image, of: own) else { continue }
      guard encode(place, of: images, x), bytes == others else { return distrust() }
      equal.append(RoundingTrust.Source(maker: maker, count: images.count, block: nil))
    }
    if equal.count == images.count {
      trust.verified.formUnion(equal)
    } else {
      compareShallower(images, x)
    }
  }

  private func compareShallower(_ images: [Int], _ x: Tensor) {
    arena.scoped {
      let y = prefix.room(images.count, at: prefix.stage, arena)
      guard let used = continueShallower(images, into: y, trusts: { _ in true }) else { return }
      guard memcmp(x.pointer, y.pointer, x.count * MemoryLayout<Float>.stride) == 0 else { return distrust() }
      trust.verified.formUnion(used)
    }
  }

  private func distrust() {
    trust.differs = true
    tally.warn(
      "features.cache: features at \(prefix.stage.words) that are kept there were rounded otherwise than this run does "
        + "(another machine, library or number of threads), so it makes its own and keeps none")
  }

  /// Begins with features that enter an earlier block, and tells where they lay; nil where they are not there, or not trusted.
  private func continueShallower(
    _ images: [Int], into x: Tensor, trusts: (RoundingTrust.Source) -> Bool
  ) -> Set<RoundingTrust.Source>? {
    guard let (block, entry) = shallower else { return nil }
    return arena.scoped {
      let inputs = prefix.room(images.count, at: .block(block), arena)
      let elements = inputs.count / images.count
      var used: Set<RoundingTrust.Source> = []
      for (place, image) in images.enumerated() {
        let target = inputs.slice(place * elements..<(place + 1) * elements)
        guard let maker = readRecord(image, of: entry, into: UnsafeMutableRawBufferPointer(target.buffer)) else {
          return nil
        }
        let source = RoundingTrust.Source(maker: maker, count: images.count, block: block)
        guard trusts(source) else { return nil }
        used.insert(source)
      }
      prefix.model.imageInputs(
        continuing: inputs, images: images.count, from: block, into: x, at: prefix.stage, arena: arena,
        by: prefix.product)
      return used
    }
  }

  private func readOwn(_ images: [Int], into x: Tensor) -> Bool {
    guard let own else { return false }
    for (place, image) in images.enumerated() {
      guard let maker = readRecord(image, of: own),
        trust.verified.contains(RoundingTrust.Source(maker: maker, count: images.count, block: nil))
      else { return false }
      others.withUnsafeBytes { precision.decode($0, into: features(place, of: images, x)) }
    }
    return true
  }

  /// Reads into `others`.
  private func readRecord(_ image: Int, of entry: FeatureEntry) -> UInt64? {
    others.withUnsafeMutableBytes { readRecord(image, of: entry, into: $0) }
  }

  /// Who has made an image's features, where they were there, and whole.
  private func readRecord(_ image: Int, of entry: FeatureEntry, into bytes: UnsafeMutableRawBufferPointer) -> UInt64? {
    do {
      switch try entry.read(image, into: bytes) {
      case .whole(let maker): return maker
      case .absent: return nil
      case .damaged: tally.warn("features.cache: kept features are damaged, and made anew (\(entry.description.words))")
      }
    } catch {
      tally.warn("features.cache: \(error)")
    }
    return nil
  }

  private func store(_ images: [Int], _ x: Tensor) {
    guard let own else { return }
    do {
      for (place, image) in images.enumerated() where readRecord(image, of: own) == nil {
        guard encode(place, of: images, x) else { continue }
        try bytes.withUnsafeBytes { try own.write(image, $0, maker: tally.maker) }
      }
    } catch {
      tally.warn("features.cache: nothing more is kept: \(error)")
      self.own = nil
    }
  }

  /// What would be kept of an image, into `bytes`; false where a feature is too large for that.
  private func encode(_ place: Int, of images: [Int], _ x: Tensor) -> Bool {
    bytes.withUnsafeMutableBytes { precision.encode(features(place, of: images, x), into: $0) }
  }

  private func features(_ place: Int, of images: [Int], _ x: Tensor) -> Tensor {
    let rows = x.rowCount / images.count
    return x.rows(place * rows..<(place + 1) * rows)
  }
}

extension KeptFeatures: KeptTestFeatures {
  func plan(_ batches: [Range<Int>]) -> [Bool] { plan(batches.map(Array.init)) }

  func make(_ pixels: Tensor, arena: Arena) -> Tensor {
    let x = prefix.room(pixels.shape[0], at: prefix.stage, arena)
    prefix.model.imageInputs(pixels, into: x, at: prefix.stage, arena: arena, by: prefix.product)
    return x
  }

  func read(_ images: Range<Int>, arena: Arena) -> Tensor? {
    let x = prefix.room(images.count, at: prefix.stage, arena)
    return read(Array(images), into: x) ? x : nil
  }

  func keep(_ x: Tensor, of images: Range<Int>) { keep(x, of: Array(images)) }
}

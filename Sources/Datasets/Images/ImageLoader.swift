import Diagnostics
import Foundation
import Tensors

/// An image to load, and the numbers that name its random stream.
public struct ImageRequest: Sendable {
  /// The JPEG or PNG file.
  public var url: URL
  /// The randomness of this image is a function of the loader's seed and these two numbers alone.
  public var stream: (epoch: UInt32, image: UInt32)

  /// A request for `url`, augmented by the random stream `stream`.
  public init(url: URL, stream: (epoch: UInt32, image: UInt32)) {
    self.url = url
    self.stream = stream
  }
}

/// Consecutive images of a loader.
public struct ImageBatch: Sendable {
  /// Which requests these are.
  public let range: Range<Int>
  /// `[range.count, 3, crop, crop]`; zeros for an image that cannot be loaded.
  public let pixels: Tensor
  /// Images that cannot be loaded, by request; none unless the loader passes over them.
  public let failures: [Int: Failure]
}

/// What a loader does about an image that cannot be loaded.
public enum ImageFailurePolicy: Sendable {
  /// It ends there.
  case stop
  /// It says so in the image's batch, and goes on.
  case pass
}

/// Decodes and transforms images on background threads and delivers them in the order of the requests.
///
/// What an image becomes depends on its file, the transform, the seed and its stream only; threads, batch size and
/// look-ahead change nothing but the time. At most `lookahead` batches exist that were not delivered yet. Threads stop
/// and are waited for when the loader is released.
public final class ImageLoader: Sendable {
  let work: ImageLoaderWork

  /// Starts loading.
  ///
  /// Traps on a batch size, thread count or look-ahead (in batches) below 1.
  public init(
    requests: [ImageRequest], batchSize: Int, transform: ImageTransform, seed: UInt64, threads: Int, lookahead: Int,
    onFailure policy: ImageFailurePolicy = .stop
  ) {
    precondition(batchSize > 0 && threads > 0 && lookahead > 0, "a loader needs a batch size, threads and a look-ahead")
    let work = ImageLoaderWork(
      requests: requests, batchSize: batchSize, transform: transform, seed: seed, lookahead: lookahead, policy)
    self.work = work
    work.start(threads: min(threads, requests.count))
  }

  /// The next batch, waiting for it if need be; nil after the last one.
  ///
  /// Throws the `Failure` of the batch's first image that cannot be loaded, unless such images are passed over. Earlier
  /// batches were delivered before; the loader ends there, and every later call throws the same.
  public func next() throws -> ImageBatch? { try work.takeNext() }

  deinit { work.stop() }
}

/// What the loader shares with its threads.
///
/// They own this and not the loader, so that releasing the loader ends them.
///
/// Everything mutable is guarded by `condition`, except the floats of a batch, of which each belongs to one image and
/// so to one thread until the batch is complete.
final class ImageLoaderWork: @unchecked Sendable {
  /// A batch under construction.
  private struct Slot {
    let pixels: Tensor
    var missing: Int
    var errors: [Int: any Error] = [:]
  }

  private let requests: [ImageRequest]
  private let batchSize: Int
  private let transform: ImageTransform
  private let seed: UInt64
  private let lookahead: Int
  private let policy: ImageFailurePolicy
  /// Written by `start`, before the loader is anyone's.
  private var threads: [JoinableThread] = []

  private let condition = NSCondition()
  private var slots: [Int: Slot] = [:]
  private var claimed = 0
  private var deliveredBatches = 0
  private var stopped = false
  private var failure: (any Error)?

  init(
    requests: [ImageRequest], batchSize: Int, transform: ImageTransform, seed: UInt64, lookahead: Int,
    _ policy: ImageFailurePolicy
  ) {
    self.policy = policy
    self.requests = requests
    self.batchSize = batchSize
    self.transform = transform
    self.seed = seed
    self.lookahead = lookahead
  }

  // MARK: Threads

  func start(threads count: Int) {
    threads = (0..<count).compactMap { _ in JoinableThread { self.run() } }
    guard threads.isEmpty, !requests.isEmpty else { return }
    failure = Failure(
      .internalError, "no thread can be started to load images", remedy: "raise the limit on processes (ulimit -u)")
  }

  private func run() {
    while let (index, target) = claim() {
      do {
        try load(requests[index], into: target.buffer)
        finish(index, nil)
      } catch {
        finish(index, error)
      }
    }
  }

  private func load(_ request: ImageRequest, into target: UnsafeMutableBufferPointer<Float>) throws {
    let image = try ImageDecoder.decode(contentsOf: request.url)
    var random = CounterRandom(seed: seed, stream: request.stream.epoch, request.stream.image)
    transform.apply(image, to: target, random: &random)
  }

  /// The next image to load and where it goes, as soon as its batch is within the look-ahead; nil when there is no more.
  private func claim() -> (index: Int, target: Tensor)? {
    condition.withLock {
      while !stopped, claimed < requests.count, claimed / batchSize - deliveredBatches >= lookahead { condition.wait() }
      guard !stopped, claimed < requests.count else { return nil }
      let index = claimed
      claimed += 1
      let batch = index / batchSize
      let slot = slots[batch] ?? newSlot(batch)
      slots[batch] = slot
      let offset = (index - batch * batchSize) * transform.outputCount
      return (index, slot.pixels.slice(offset..<offset + transform.outputCount))
    }
  }

  private func finish(_ index: Int, _ error: (any Error)?) {
    condition.withLock {
      let batch = index / batchSize
      slots[batch]!.missing -= 1
      slots[batch]!.errors[index] = error
      if slots[batch]!.missing == 0 { condition.broadcast() }
    }
  }

  private func newSlot(_ batch: Int) -> Slot {
    let count = range(of: batch).count
    return Slot(
      pixels: Tensor(uninitialized: [count, 3, transform.cropSize, transform.cropSize]), missing: count)
  }

  private func range(of batch: Int) -> Range<Int> {
    batch * batchSize..<min((batch + 1) * batchSize, requests.count)
  }

  // MARK: Consumer

  /// Batches that were begun and not delivered yet.
  var pendingBatchCount: Int { condition.withLock { slots.count } }

  func takeNext() throws -> ImageBatch? {
    try condition.withLock {
      while true {
        if let failure { throw failure }
        guard deliveredBatches * batchSize < requests.count else { return nil }
        if slots[deliveredBatches]?.missing == 0 { break }
        condition.wait()
      }
      let slot = slots.removeValue(forKey: deliveredBatches)!
      // Threads wait for the look-ahead to move on, or for the end.
      defer { condition.broadcast() }
      let failures = slot.errors.compactMapValues { $0 as? Failure }
      let mustStop = policy == .stop || failures.count < slot.errors.count
      if mustStop, let first = slot.errors.min(by: { $0.key < $1.key }) {
        failure = first.value
        stopped = true
        throw first.value
      }
      let range = range(of: deliveredBatches)
      for index in failures.keys {
        let place = (index - range.lowerBound) * transform.outputCount
        slot.pixels.slice(place..<place + transform.outputCount).fill(0)
      }
      deliveredBatches += 1
      return ImageBatch(range: range, pixels: slot.pixels, failures: failures)
    }
  }

  /// Ends the threads after the image each is at, and waits for them.
  func stop() {
    condition.withLock {
      stopped = true
      condition.broadcast()
    }
    threads.forEach { $0.join() }
    threads = []
  }
}

import Diagnostics
import Foundation
import Tensors
import Testing

@testable import Datasets

@Suite(.timeLimit(.minutes(2))) struct ImageLoaderTests {
  private let transform = ImageTransform(
    resizeSize: 16, cropSize: 16, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4], augmentation: Augmentation())

  private func requests(_ count: Int) -> [ImageRequest] {
    let goldens = ImageGoldens.shared
    let names = goldens.names
    return (0..<count).map {
      ImageRequest(url: goldens.url(names[$0 % names.count]), stream: (epoch: 3, image: UInt32($0)))
    }
  }

  private func loader(
    _ requests: [ImageRequest], batchSize: Int = 4, threads: Int = 2, lookahead: Int = 2
  ) -> ImageLoader {
    ImageLoader(
      requests: requests, batchSize: batchSize, transform: transform, seed: 42, threads: threads, lookahead: lookahead)
  }

  private func expectedPixels(_ requests: [ImageRequest]) throws -> [Float] {
    try requests.flatMap { request in
      let result = Tensor(uninitialized: [transform.outputCount])
      var random = CounterRandom(seed: 42, stream: request.stream.epoch, request.stream.image)
      transform.apply(try ImageDecoder.decode(contentsOf: request.url), to: result.buffer, random: &random)
      return result.array
    }
  }

  @Test(arguments: [(1, 1, 1), (4, 2, 2), (7, 4, 3), (100, 3, 1), (1, 4, 50)])
  func pixelsAndOrderDoNotDependOnThreads(batchSize: Int, threads: Int, lookahead: Int) throws {
    let requests = requests(61)
    let loader = loader(requests, batchSize: batchSize, threads: threads, lookahead: lookahead)
    var pixels: [Float] = []
    var position = 0
    while let batch = try loader.next() {
      #expect(batch.range == position..<min(position + batchSize, 61))
      #expect(batch.pixels.shape == [batch.range.count, 3, 16, 16])
      position = batch.range.upperBound
      pixels += batch.pixels.array
    }
    #expect(position == 61)
    #expect(pixels == (try expectedPixels(requests)))
    #expect(try loader.next() == nil)
  }

  @Test func nothingToLoadIsTheEnd() throws {
    #expect(try loader([]).next() == nil)
  }

  @Test(arguments: [(1, 1), (4, 3), (100, 2)])
  func badImagesArePassedOverWhereToldSo(batchSize: Int, threads: Int) throws {
    var requests = requests(20)
    let expected = try expectedPixels(requests)
    requests[7].url = ImageGoldens.shared.url("gif.jpg")
    requests[19].url = URL(fileURLWithPath: "/nowhere.png")
    let loader = ImageLoader(
      requests: requests, batchSize: batchSize, transform: transform, seed: 42, threads: threads, lookahead: 2,
      onFailure: .pass)
    var failures: [Int: Failure] = [:]
    while let batch = try loader.next() {
      failures.merge(batch.failures) { $1 }
      for index in batch.range {
        let place = (index - batch.range.lowerBound) * transform.outputCount
        let pixels = batch.pixels.slice(place..<place + transform.outputCount).array
        let isBad = index == 7 || index == 19
        let whole = expected[index * transform.outputCount..<(index + 1) * transform.outputCount]
        #expect(pixels == (isBad ? Array(repeating: 0, count: transform.outputCount) : Array(whole)), "\(index)")
      }
    }
    #expect(failures.mapValues(\.status) == [7: .badData, 19: .missingInput])
  }

  @Test(arguments: [1, 4])
  func theFirstBadImageOfABatchEndsTheLoader(threads: Int) throws {
    var requests = requests(40)
    requests[14].url = ImageGoldens.shared.url("gif.jpg")
    requests[13].url = ImageGoldens.shared.url("nobody.jpg")
    let loader = loader(requests, threads: threads, lookahead: 6)
    for batch in 0..<3 { #expect(try loader.next()?.range.lowerBound == 4 * batch) }
    for _ in 0..<2 {
      let failure = #expect(throws: Failure.self) { try loader.next() }
      #expect(failure?.status == .missingInput)
      #expect(failure?.place?.hasSuffix("nobody.jpg") == true)
    }
  }

  @Test func theLookaheadIsBounded() async throws {
    let loader = loader(requests(60), batchSize: 2, threads: 3, lookahead: 4)
    _ = try loader.next()
    // Long enough to load everything if nothing held the threads back.
    for _ in 0..<20 {
      try await Task.sleep(for: .milliseconds(10))
      #expect(loader.work.pendingBatchCount <= 4)
    }
    #expect(loader.work.pendingBatchCount == 4)
  }

  /// The threads own the work, so the work being gone shows that they ended.
  @Test(arguments: [0, 1, 3])
  func releasingALoaderEndsItsThreads(deliveredBatches: Int) throws {
    weak var work: ImageLoaderWork?
    do {
      let loader = loader(requests(500), threads: 3, lookahead: 2)
      work = loader.work
      for _ in 0..<deliveredBatches { _ = try loader.next() }
    }
    #expect(work == nil)
  }

  @Test func severalConsumersShareTheBatches() async throws {
    let loader = loader(requests(60), batchSize: 3, threads: 2, lookahead: 2)
    let starts = try await withThrowingTaskGroup(of: [Int].self) { group in
      for _ in 0..<3 {
        group.addTask {
          var starts: [Int] = []
          while let batch = try loader.next() { starts.append(batch.range.lowerBound) }
          return starts
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(starts.sorted() == Array(stride(from: 0, to: 60, by: 3)))
  }
}

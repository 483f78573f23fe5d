import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Against CPython itself: Tests/Reference/fewshot_goldens.py.
@Suite struct PythonRandomTests {
  struct Stream: Decodable, CustomTestStringConvertible {
    struct Sample: Decodable {
      let population: Int
      let picks: [Int]
    }

    let seed: Int
    let bits: [[UInt64]]
    let below: [[Int]]
    let uniform: [Double]
    let samples: [Sample]
    let shuffled: [Int]
    let afterMany: UInt64

    var testDescription: String { "seed \(seed)" }
  }

  static let streams = Result {
    try JSONDecoder().decode([Stream].self, from: Data(contentsOf: Goldens.url("fewshot/random.json")))
  }

  @Test func everyDrawEqualsCPythons() throws {
    let streams = try Self.streams.get()
    #expect(streams.count == 13)
    for stream in streams {
      var random = PythonRandom(seed: stream.seed)
      for pair in stream.bits { #expect(random.getrandbits(Int(pair[0])) == pair[1], "\(stream.seed), \(pair)") }
      for pair in stream.below { #expect(random.randbelow(pair[0]) == pair[1], "\(stream.seed), \(pair)") }
      for value in stream.uniform { #expect(random.random() == value) }
      for sample in stream.samples {
        let picks = random.sample(Array(0..<sample.population), sample.picks.count)
        #expect(picks == sample.picks, "\(stream.seed): \(sample.picks.count) of \(sample.population)")
      }
      var elements = Array(0..<stream.shuffled.count)
      random.shuffle(&elements)
      #expect(elements == stream.shuffled)
      for _ in 0..<2000 { _ = random.getrandbits(32) }
      #expect(random.getrandbits(32) == stream.afterMany)
    }
  }

  /// The goldens would not notice a sampler that has one way only if they held one way only.
  @Test func theGoldensHoldBothWaysOfSampling() throws {
    let samples = try Self.streams.get().flatMap(\.samples)
    let byPool = samples.filter { $0.population <= PythonRandom.poolLimit($0.picks.count) }
    #expect(byPool.count > 50)
    #expect(samples.count - byPool.count > 50)
  }

  @Test(arguments: [(0, 21), (5, 21), (6, 85), (21, 85), (22, 277), (85, 277), (86, 1045)])
  func theLimitBetweenPoolAndRejection(count: Int, limit: Int) {
    #expect(PythonRandom.poolLimit(count) == limit)
  }

  @Test func seedingAgainStartsAgain() {
    var random = PythonRandom(seed: 1)
    let first = (0..<700).map { _ in random.getrandbits(32) }
    random.seed(1)
    #expect(first == (0..<700).map { _ in random.getrandbits(32) })
  }
}

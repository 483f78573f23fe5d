import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Against an independent implementation in Python: Tests/Reference/fewshot_goldens.py.
@Suite struct FewShotTests {
  struct Subset: Decodable {
    let seed: Int
    let shots: Int
    /// Positions in the lists of the split.
    let train: [Int]
    let validation: [Int]
  }

  static let dataset = Result {
    try DatasetLocation(
      name: "synthetic", dataRoot: Goldens.url("fewshot"), folder: ".", layout: .splitFile("split.json")
    ).read()
  }

  @Test func subsetsAreTheOnesThatPythonDraws() throws {
    let dataset = try Self.dataset.get()
    let subsets = try JSONDecoder().decode([Subset].self, from: Data(contentsOf: Goldens.url("fewshot/subsets.json")))
    #expect(subsets.count == 15)
    for subset in subsets {
      let drawn = try dataset.fewShot(shots: subset.shots, seed: subset.seed)
      #expect(drawn.train == subset.train.map { dataset.train[$0] }, "seed \(subset.seed), shots \(subset.shots)")
      #expect(drawn.validation == subset.validation.map { dataset.validation[$0] })
      #expect(drawn.test == dataset.test)
      #expect(drawn.classNames == dataset.classNames)
    }
  }

  @Test(arguments: [1, 2, 4, 8, 16])
  func everyClassGivesItsShotsOrAllItHas(shots: Int) throws {
    let dataset = try Self.dataset.get()
    let drawn = try dataset.fewShot(shots: shots, seed: 5)
    for label in dataset.classNames.indices {
      let available = dataset.train.count { $0.label == label }
      let chosen = drawn.train.filter { $0.label == label }.map(\.path)
      #expect(chosen.count == min(shots, available))
      #expect(Set(chosen).count == chosen.count)
      let inValidation = dataset.validation.count { $0.label == label }
      #expect(drawn.validation.count { $0.label == label } == min(shots, 4, inValidation))
    }
  }

  @Test func noShotsAreRefused() throws {
    let dataset = try Self.dataset.get()
    #expect {
      try dataset.fewShot(shots: 0, seed: 1)
    } throws: { error in
      (error as? Failure)?.status == .usage && "\(error)".contains("0 shots")
    }
  }
}

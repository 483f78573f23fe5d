import CLIPModel
import Checkpoints
import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@testable import TunedModels

@Suite struct AverageTests {
  private static let mixtures: [(weights: [Double], alpha: Double)] = [
    ([1, 1, 1], 1), ([0.2, 3, 0], 1), ([1, 2, 5], 0.3), ([1, 1, 1], 0),
  ]

  @Test(arguments: mixtures)
  func weightedMeansAndInterpolations(weights: [Double], alpha: Double) throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let parts = try [3, 4, 5].map { TunedWeights(try run.save($0, worldSize: $0 - 2)) }
      let average = try TunedWeights(averageOf: parts, weights: weights, alpha: alpha)
      let output = try run.export(average, .huggingface, as: "average")
      let read = try CLIP(huggingFaceFolder: output).parameters.values
      let stores = [3, 4, 5].map { run.after($0).values }
      let total = weights.reduce(0, +)
      for index in 0..<read.count {
        let mean = zip(weights, stores).reduce(0.0) { $0 + $1.0 * Double($1.1[index]) } / total
        let expected = (1 - alpha) * Double(run.before.values[index]) + alpha * mean
        // Once rounded, from sums that were taken in another order: half a unit of the last place, and a hair.
        #expect(abs(Double(read[index]) - expected) <= Double(Float(expected).ulp) * 0.5001, "\(index)")
      }
    }
  }

  @Test func oneCheckpointIsItselfAndAlphaZeroIsTheBase() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let part = TunedWeights(try run.save(3))
      let same = try TunedWeights(averageOf: [part], weights: [0.3], alpha: 1)
      #expect(
        try CLIP(huggingFaceFolder: run.export(same, .huggingface, as: "same")).parameters.bits == run.after(3).bits)
      let copies = try TunedWeights(averageOf: [part, part, part], weights: [1, 1, 1], alpha: 1)
      #expect(
        try CLIP(huggingFaceFolder: run.export(copies, .huggingface, as: "copies")).parameters.bits
          == run.after(3).bits)
      let base = try TunedWeights(averageOf: [part], weights: [1], alpha: 0)
      #expect(
        try CLIP(huggingFaceFolder: run.export(base, .huggingface, as: "zero")).parameters.bits == run.before.bits)
    }
  }

  @Test func deltaFilesCountLikeTheirCheckpoints() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let parts = try [3, 4].map { TunedWeights(try run.save($0)) }
      let delta = try TunedWeights(deltaFile: run.export(parts[0], .delta, as: "delta"))
      let outputs = try [(parts[0], "a"), (delta, "b")].map { first, name in
        try run.export(
          TunedWeights(averageOf: [first, parts[1]], weights: [1, 3], alpha: 0.5), .delta, as: name)
      }
      #expect(try Data(contentsOf: outputs[0]) == Data(contentsOf: outputs[1]))
      let description = try TunedWeights(deltaFile: outputs[0]).description
      #expect(description.source == "0.125 step-00000003 + 0.375 step-00000004 + 0.5 base")
      #expect(description.classNames == ["a \"cat\"", "dög, small"])
    }
  }

  @Test func classesOfDifferentRunsAreNotClaimed() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let parts = try [
        TunedWeights(run.save(3)), TunedWeights(run.save(4, state: ["classes": .array([.string("other")])])),
      ]
      let average = try TunedWeights(averageOf: parts, weights: [1, 1], alpha: 1)
      #expect(average.description.classNames == nil && average.description.template == "a photo of a {}.")
    }
  }

  @Test func whatDoesNotBelongTogetherIsRefused() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let first = TunedWeights(try run.save(3))
      let deeper = try TunedRun(in: folder, startLayer: 2)
      let other = TunedWeights(try deeper.save(4, in: "deeper"))
      let layers = failure { _ = try TunedWeights(averageOf: [first, other], weights: [1, 1], alpha: 1) }
      #expect(layers?.status == .badData && layers?.place == other.place)
      #expect(layers?.problem.contains("trained in only one") == true && layers?.remedy?.contains("one base") == true)
      let foreign = try TunedRun(in: folder.appendingPathComponent("x"), model: "model-gelu")
      let alien = TunedWeights(try foreign.save(4))
      let bases = failure { _ = try TunedWeights(averageOf: [first, alien], weights: [1, 1], alpha: 1) }
      #expect(bases?.status == .badData && bases?.problem.contains("other base weights") == true)
    }
  }

  @Test func aTermOfNoWeightDoesNotCountWhateverItHolds() throws {
    let sum = WeightedSum([(0, Tensor([.nan, 1])), (1, Tensor([-0.0, 3])), (0, Tensor([.infinity, 1]))])
    #expect(try sum.tensor(0..<2).bits == Tensor([-0.0, 3]).bits)
  }
}

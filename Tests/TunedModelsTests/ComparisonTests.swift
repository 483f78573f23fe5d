import Diagnostics
import Foundation
import StrictJSON
import Tensors
import TestSupport
import Testing

@testable import Checkpoints
@testable import TunedModels

@Suite struct ComparisonTests {
  @Test func aStateIsEqualToItselfHoweverItWasWritten() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let checkpoints = try [1, 3].map { try run.save(7, worldSize: $0, in: "ranks-\($0)") }
      let comparison = try CheckpointComparison(checkpoints[0], checkpoints[1], base: run.baseModel())
      #expect(comparison.isEqual)
      #expect(comparison.vectors.map(\.name) == ["parameters", "momentum"])
      #expect(comparison.vectors.allSatisfy { $0.total.count == run.trained(run.before).count })
    }
  }

  @Test func everyDifferenceIsFound() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let (parameters, momentum) = (
        run.trained(run.after(7)), normalTensor([run.tensors.last!.range.upperBound], seed: 1)
      )
      let (moved, pushed) = (parameters.copied(), momentum.copied())
      let place = run.tensors[4].range.lowerBound + 1
      moved[place] += 0.25
      pushed[run.tensors[2].range.lowerBound] = 0
      let first = try run.save(7, values: parameters, momentum: momentum)
      let second = try run.save(
        7, worldSize: 2, in: "other", state: ["identity": .object([JSONMember("seed", .string("2"))])], values: moved,
        momentum: pushed)
      let comparison = try CheckpointComparison(first, second, base: run.baseModel())
      #expect(!comparison.isEqual)
      #expect(comparison.facts == [.init(name: "identity.seed", first: "1", second: "2")])
      let differing = comparison.vectors.map { vector in vector.distances.filter { !$0.distance.isZero } }
      #expect(differing.map { $0.map(\.tensor) } == [[run.tensors[4].name], [run.tensors[2].name]])
      let distance = differing[0][0].distance
      let values = parameters.slice(run.tensors[4].range).array.map(Double.init)
      let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let change = abs(Double(moved[place]) - Double(parameters[place]))
      #expect(distance.differing == 1 && distance.greatest == change)
      #expect(abs(distance.relative - change / length) < 1e-12)
    }
  }

  @Test func anotherStartLayerSharesWhatBothTrain() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let deeper = try TunedRun(in: folder, startLayer: 2)
      let (first, second) = (try run.save(7), try deeper.save(7, in: "deeper", values: deeper.trained(run.after(7))))
      let comparison = try CheckpointComparison(first, second, base: run.baseModel())
      #expect(comparison.onlyFirst.count == run.tensors.count - deeper.tensors.count && comparison.onlySecond.isEmpty)
      #expect(comparison.vectors[0].distances.count == deeper.tensors.count && comparison.vectors[0].total.isZero)
      #expect(!comparison.isEqual)
    }
  }

  @Test func theBaseIsAskedForWhereItIsNeeded() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let checkpoints = try [7, 8].map { try run.save($0) }
      let missing = failure { _ = try CheckpointComparison(checkpoints[0], checkpoints[1], base: nil) }
      #expect(missing?.status == .usage && missing?.remedy?.contains("--model") == true)
      let shapes = try CheckpointComparison(checkpoints[0], checkpoints[1], base: nil, comparesValues: false)
      #expect(shapes.facts.map(\.name) == ["step", "batches_done"] && shapes.vectors.isEmpty)
      let other = try TunedRun(in: folder.appendingPathComponent("x"), model: "model-gelu").baseModel()
      let wrong = failure { _ = try CheckpointComparison(checkpoints[0], checkpoints[1], base: other) }
      #expect(wrong?.status == .badData && wrong?.problem.contains("tuned from other weights") == true)
    }
  }

  @Test func differentBasesCannotBeComparedAndAreNeverEqual() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let other = try TunedRun(in: folder.appendingPathComponent("x"), model: "model-gelu")
      let comparison = try CheckpointComparison(run.save(7), other.save(7), base: run.baseModel())
      #expect(comparison.facts.map(\.name) == ["base_fingerprint"])
      #expect(comparison.vectors[0].obstacle?.contains("different base weights") == true)
      #expect(comparison.vectors[1].obstacle == nil)
      #expect(!comparison.isEqual)
    }
  }
}

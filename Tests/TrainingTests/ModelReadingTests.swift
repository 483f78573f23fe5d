import CLIPModel
import Collectives
import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Training

/// One copy of the weights on each host, read by one rank, or one for each rank.
@Suite struct ModelReadingTests {
  @Test(arguments: [[0], [0, 0], [0, 0, 1, 1, 1], [0, 0, 1]]) func ranksOfAHostReadOneCopy(nodes: [Int]) throws {
    let task = try SmallTask()
    let truth = try CLIP(huggingFaceFolder: task.model).parameters.values.array
    for isShared in [true, false] {
      let places = try LoopbackWorld.run(nodes: nodes) { collectives in
        let model = try CLIP.read(
          WeightsFile(huggingFaceFolder: task.model), for: nil, isShared: isShared, among: collectives)
        #expect(model.parameters.values.array == truth)
        try collectives.barrier()  // Nobody lets go of memory that another one's may take next.
        return UInt(bitPattern: model.parameters.values.pointer)
      }
      for (first, node) in nodes.enumerated() {
        for (second, other) in nodes.enumerated() where first != second {
          #expect((places[first] == places[second]) == (isShared && node == other), "ranks \(first) and \(second)")
        }
      }
    }
  }

  /// The rank that reads finds what is wrong; the others, which would not, end as it does.
  @Test func whatOneRankFindsInTheWeightsEndsAll() throws {
    let task = try SmallTask()
    let file = task.model.appendingPathComponent("model.safetensors")
    var bytes = try Data(contentsOf: file)
    bytes.replaceSubrange(bytes.count - 4..<bytes.count, with: [0, 0, 0xC0, 0x7F])  // NaN
    try bytes.write(to: file)
    let failures = try LoopbackWorld.run(nodes: [0, 0, 1]) { collectives in
      do {
        _ = try CLIP.read(
          WeightsFile(huggingFaceFolder: task.model), for: nil, isShared: true, among: collectives)
        return nil as Failure?
      } catch let failure as Failure { return failure }
    }
    #expect(failures[0]?.status == .badData && failures[0]?.problem.contains("NaN") == true)
    #expect(failures.allSatisfy { $0 == failures[0] })
  }
}

import Kernels
import MatrixBackends
import Tensors
import TestSupport
import Testing

@testable import CLIPModel

/// A tower that computes its last block for the rows alone that are read, against one that computes all rows of every
/// block.
@Suite struct ReadOutTests {
  static let product = MachineProduct(threads: 2)
  static let text = SequenceLayout(sharingPrefixesOf: [[1, 2, 3], [1, 2, 4, 5], [1, 6], [1, 2, 3], [7, 2]])
  static let images = SequenceLayout(count: 3, length: 17)

  func model() throws -> CLIP { try CLIP(huggingFaceFolder: Goldens.url("towers/model")) }

  @Test(arguments: Encoder.allCases, [0, 5, 11, 12]) func featuresAndGradients(_ encoder: Encoder, startLayer: Int)
    throws
  {
    let model = try model()
    let (tower, layout, arena) = (model.tower(encoder), encoder == .text ? Self.text : Self.images, Arena())
    let x = normalTensor([layout.tokenCount, tower.width], seed: 1)
    let dFeatures = normalTensor([layout.count, model.configuration.embeddingWidth], seed: 2)
    let (store, truth) = (ParameterStore(model.parameters.layout), ParameterStore(model.parameters.layout))
    let full = fullPass(tower, x.copied(), layout, dFeatures, gradients(truth, tower, encoder), startLayer, arena)

    let input = x.copied()
    let pass = try tower.forward(input, layout, from: startLayer, arena: arena, by: Self.product)
    var ready: [Int] = []
    tower.backward(
      dFeatures, pass, gradients: gradients(store, tower, encoder), arena: arena, by: Self.product,
      onReady: { ready.append($0) })
    #expect(input.array == x.array, "what enters the start layer is not overwritten")
    #expect(ready == Array((startLayer...tower.depth).reversed()))
    #expect(relativeError(pass.features, full) < 1e-6)
    for slot in store.slots where truth[slot.name]!.buffer.contains(where: { $0 != 0 }) {
      // The gradient of a key bias is rounding alone.
      if slot.name.hasSuffix("k_proj.bias") { continue }
      #expect(relativeError(store[slot.name]!, truth[slot.name]!) < 1e-5, "\(slot.name)")
    }
    let features = tower.features(x.copied(), layout, from: startLayer, arena: arena, by: Self.product)
    #expect(relativeError(features, full) < 1e-6)
  }

  /// What the last block hands on is what a head reads of all its rows.
  @Test(arguments: Encoder.allCases) func prefixOfAllBlocksIsTheReadRows(_ encoder: Encoder) throws {
    let tower = try model().tower(encoder)
    let (layout, arena) = (encoder == .text ? Self.text : Self.images, Arena())
    let x = normalTensor([layout.tokenCount, tower.width], seed: 3)
    let all = x.copied()
    tower.extract(all, layout, layers: 0..<tower.depth, arena: arena, by: Self.product)
    let prefix = tower.prefix(x, layout, upTo: tower.depth, arena: arena, by: Self.product)
    #expect(prefix.layout == SequenceLayout(count: layout.count, length: 1))
    #expect(relativeError(prefix.values, all.gathered(rows: tower.readRows(of: layout))) < 1e-6)
    let features = tower.features(prefix.values, prefix.layout, from: tower.depth, arena: arena, by: Self.product)
    let truth = tower.features(all, layout, from: tower.depth, arena: arena, by: Self.product)
    #expect(relativeError(features, truth) < 1e-6)
  }

  private func gradients(_ store: ParameterStore, _ tower: Tower, _ encoder: Encoder) -> TowerParameters {
    TowerParameters(store, encoder, depth: tower.depth)
  }

  /// Every row of every block, forward and backward; returns the features.
  private func fullPass(
    _ tower: Tower, _ x: Tensor, _ layout: SequenceLayout, _ dFeatures: Tensor, _ gradients: TowerParameters,
    _ startLayer: Int, _ arena: Arena
  ) -> Tensor {
    let rows = tower.allRows(of: layout, in: x)
    var tapes: [TransformerBlock.Tape] = []
    for layer in startLayer..<tower.depth {
      tapes.append(
        tower.block.forward(
          tapes.last?.output ?? x, rows, tower.parameters.block(layer), keepsTape: true, arena: arena,
          by: Self.product))
    }
    let read = tower.readRows(of: layout)
    let head = tower.forwardHead((tapes.last?.output ?? x).gathered(rows: read), arena: arena, by: Self.product)
    let dRead = tower.backwardHead(dFeatures, head, gradients: gradients, arena: arena, by: Self.product)
    var dx = Tensor(zeros: x.shape)
    ElementWise.add(dRead, toRows: read, of: dx)
    for layer in (startLayer..<tower.depth).reversed() {
      dx = tower.block.backward(
        dx, tower.parameters.block(layer), tapes[layer - startLayer], gradients: gradients.block(layer), arena: arena,
        by: Self.product)
    }
    return head.features
  }
}

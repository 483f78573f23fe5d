import Kernels
import Tensors

/// A block's weight matrices as products read them.
struct BlockWeights: Sendable {
  let qkv, output, expansion, contraction: Operand

  /// The first third of `qkv`, and the rest.
  var query: Operand { qkv.rows(0..<qkv.columnCount) }
  var keyValue: Operand { qkv.rows(qkv.columnCount..<qkv.rowCount) }

  /// The parameters themselves, or rounded copies cut from the arena: those of weights that change are made anew for each
  /// pass, so that they cannot be old.
  init(_ parameters: BlockParameters, _ arena: Arena, by product: some MatrixProduct) {
    qkv = product.operand(parameters.qkv.weight, arena)
    output = product.operand(parameters.output.weight, arena)
    expansion = product.operand(parameters.expansion.weight, arena)
    contraction = product.operand(parameters.contraction.weight, arena)
  }

  /// Copies of weights that do not change any more.
  init(frozen parameters: BlockParameters, _ format: ElementFormat) {
    qkv = Operand(parameters.qkv.weight, as: format)
    output = Operand(parameters.output.weight, as: format)
    expansion = Operand(parameters.expansion.weight, as: format)
    contraction = Operand(parameters.contraction.weight, as: format)
  }
}

extension BlockParameters {
  /// The weights as `product` reads them.
  func weights(_ arena: Arena, by product: some MatrixProduct) -> BlockWeights {
    if let frozen, frozen.qkv.format == product.operandFormat { return frozen }
    return BlockWeights(self, arena, by: product)
  }
}

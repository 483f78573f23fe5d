/// What a piece of a step computes: exact counts of this program's own products and passes, no times.
public struct ComputeWork: Sendable, Equatable {
  /// Operations of products of features with weights or with each other; a multiplication and its addition are two.
  public var productOperations: Int
  /// Operations of the products inside attention, head by head.
  public var attentionOperations: Int
  /// Bytes that element-wise passes read and write.
  public var elementBytes: Int

  /// Counts that are made elsewhere.
  public init(productOperations: Int = 0, attentionOperations: Int = 0, elementBytes: Int = 0) {
    self.productOperations = productOperations
    self.attentionOperations = attentionOperations
    self.elementBytes = elementBytes
  }

  /// Operations of all products.
  public var operations: Int { productOperations + attentionOperations }

  /// Work that is done one after the other.
  public static func + (left: Self, right: Self) -> Self {
    ComputeWork(
      productOperations: left.productOperations + right.productOperations,
      attentionOperations: left.attentionOperations + right.attentionOperations,
      elementBytes: left.elementBytes + right.elementBytes)
  }

  /// The same work several times.
  public static func * (times: Int, work: Self) -> Self {
    ComputeWork(
      productOperations: times * work.productOperations, attentionOperations: times * work.attentionOperations,
      elementBytes: times * work.elementBytes)
  }

  /// A product of matrices `[m, k]` and `[k, n]`.
  static func product(_ m: Int, _ k: Int, _ n: Int) -> ComputeWork { ComputeWork(productOperations: 2 * m * k * n) }

  /// Passes over `floats` 32-bit numbers in all, each read or written.
  static func pass(_ floats: Int) -> ComputeWork {
    ComputeWork(elementBytes: floats * MemoryLayout<Float>.stride)
  }
}

/// Scratch memory for one step at a time: tensors are cut off one after the other and all given back at once.
///
/// A step makes the same tensors every time, so after the first step no memory is asked of the system. Tensors of an
/// arena must not be used after `reset`.
public final class Arena {
  private var chunks: [FloatStorage] = []
  private var chunkIndex = 0
  private var used = 0
  private let chunkCount: Int

  /// An empty arena that grows by at least `chunkCount` floats at a time.
  public init(chunkCount: Int = 1 << 24) { self.chunkCount = chunkCount }

  /// Bytes held, used or not.
  public var capacityInBytes: Int { chunks.reduce(0) { $0 + $1.count } * MemoryLayout<Float>.stride }

  /// A tensor with undefined content, valid until `reset`.
  public func tensor(_ shape: [Int]) -> Tensor {
    let lineLength = FloatStorage.alignment / MemoryLayout<Float>.stride
    let count = (shape.reduce(1, *) + lineLength - 1) / lineLength * lineLength
    while chunkIndex < chunks.count, used + count > chunks[chunkIndex].count {
      chunkIndex += 1
      used = 0
    }
    if chunkIndex == chunks.count { chunks.append(FloatStorage(uninitialized: max(count, chunkCount))) }
    defer { used += count }
    return Tensor(chunks[chunkIndex], offset: used, shape: shape)
  }

  /// A tensor of zeros, valid until `reset`.
  public func zeros(_ shape: [Int]) -> Tensor {
    let tensor = tensor(shape)
    tensor.fill(0)
    return tensor
  }

  /// Runs `body` and gives back the tensors that it cut off, so that they must not leave it.
  public func scoped<Result>(_ body: () throws -> Result) rethrows -> Result {
    let mark = (chunkIndex, used)
    defer { (chunkIndex, used) = mark }
    return try body()
  }

  /// Gives all tensors back, and their memory to the system.
  public func release() {
    reset()
    chunks = []
  }

  /// Gives all tensors back.
  ///
  /// The memory stays with the arena.
  public func reset() {
    chunkIndex = 0
    used = 0
  }
}

import Collectives

/// What the coordinator and a worker say to each other: eight numbers, so that either side knows the size beforehand.
struct WorkMessage: ChannelMessage, Equatable {
  /// Below those of `NodeGroup` and `RowExchange`.
  static let tag = MessageTag.end - 3

  enum Kind: Int64 {
    /// Worker: I shall be through soon; give me more.
    case request = 1
    /// Worker: this chunk is done; its result of `payload` bytes follows.
    case result = 2
    /// Worker: I end, well or (`flag`) with a failure.
    case farewell = 3
    /// Coordinator: do this chunk next.
    case work = 4
    /// Coordinator: there is no more; finish what you have, or (`flag`) drop it.
    case end = 5
  }

  var kind: Kind
  var chunk = WorkChunk(unit: 0, items: 0..<0)
  var seconds = 0.0
  var payload = 0
  var flag = false

  static let byteCount = 8 * MemoryLayout<Int64>.size

  init(_ kind: Kind, chunk: WorkChunk? = nil, seconds: Double = 0, payload: Int = 0, flag: Bool = false) {
    self.kind = kind
    self.chunk = chunk ?? self.chunk
    (self.seconds, self.payload, self.flag) = (seconds, payload, flag)
  }

  /// Reads what `encoded` wrote; nil for anything else.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard let numbers = MessageNumbers.decoded(bytes, count: 8), let kind = Kind(rawValue: numbers[0]), numbers[1] >= 0,
      0 <= numbers[2], numbers[2] <= numbers[3],
      numbers[5] >= 0, numbers[6] == 0 || numbers[6] == 1, numbers[7] == 0
    else { return nil }
    self.init(
      kind, chunk: WorkChunk(unit: Int(numbers[1]), items: Int(numbers[2])..<Int(numbers[3])),
      seconds: Double(bitPattern: UInt64(bitPattern: numbers[4])), payload: Int(numbers[5]), flag: numbers[6] == 1)
  }

  var encoded: [UInt8] {
    MessageNumbers.encoded([
      kind.rawValue, Int64(chunk.unit), Int64(chunk.items.lowerBound), Int64(chunk.items.upperBound),
      Int64(bitPattern: seconds.bitPattern), Int64(payload), flag ? 1 : 0, 0,
    ])
  }
}

import Collectives
import Coordination

/// What rank 0, which trains, and the ranks that evaluate say to each other; text or JSON of `payload` bytes may follow.
struct EvaluationMessage: ChannelMessage, Equatable {
  enum Kind: Int64 {
    /// Rank 0: evaluate the checkpoint in the folder whose path follows.
    case evaluate = 1
    /// Rank 0: training goes on, though there is nothing to evaluate.
    case heartbeat = 2
    /// Rank 0: it is the end, or, where a failure follows, the run ends with that.
    case end = 3
    /// Evaluating rank: it has done a part.
    case progress = 4
    /// Evaluating rank: what was found follows.
    case result = 5
    /// Evaluating rank: a failure follows.
    case failed = 6
    /// Evaluating rank: it has heard of the end, and says nothing more.
    case farewell = 7
  }

  /// Below those of work within either part of the ranks.
  static let tag = MessageTag.end - 5

  var kind: Kind
  var step = 0
  var epoch = 0
  var payload = 0

  static let byteCount = 4 * MemoryLayout<Int64>.size

  init(_ kind: Kind, step: Int = 0, epoch: Int = 0, payload: Int = 0) {
    (self.kind, self.step, self.epoch, self.payload) = (kind, step, epoch, payload)
  }

  init?(_ bytes: UnsafeRawBufferPointer) {
    guard let numbers = MessageNumbers.decoded(bytes, count: 4), let kind = Kind(rawValue: numbers[0]),
      numbers[1...].allSatisfy({ $0 >= 0 })
    else { return nil }
    self.init(kind, step: Int(numbers[1]), epoch: Int(numbers[2]), payload: Int(numbers[3]))
  }

  var encoded: [UInt8] {
    MessageNumbers.encoded([kind.rawValue, Int64(step), Int64(epoch), Int64(payload)])
  }
}

extension MessageChannel<EvaluationMessage> {
  /// Starts to send a message with what follows it.
  func send(_ kind: EvaluationMessage.Kind, step: Int = 0, epoch: Int = 0, _ payload: [UInt8] = [], to peer: Int) throws
  {
    try send(EvaluationMessage(kind, step: step, epoch: epoch, payload: payload.count), payload, to: peer)
  }
}

/// Exchanges that go on while a rank computes: what of them it has to wait for.
enum OverlapTimeline {
  /// A piece of computing and the bytes that become ready with its end, or that it cannot begin without.
  struct Piece {
    let seconds: Double
    let bytes: Double
  }

  /// Seconds that the exchange of gradients goes on after the last piece of a backward pass.
  ///
  /// Bytes are collected until there are `bucket` of them, and buckets sent one after the other.
  static func waitAfterBackward(_ pieces: [Piece], bucket: Double, exchange: (Double) -> Double) -> Double {
    var now = 0.0
    var free = 0.0
    var collected = 0.0
    for (index, piece) in pieces.enumerated() {
      now += piece.seconds
      collected += piece.bytes
      guard collected >= bucket || index == pieces.count - 1 else { continue }
      free = max(free, now) + exchange(collected)
      collected = 0
    }
    return max(0, free - now)
  }

  /// Seconds that a forward pass waits for parameters that are gathered in its own order.
  static func waitDuringForward(_ pieces: [Piece], gather: (Double) -> Double) -> Double {
    var now = 0.0
    var arrived = 0.0
    for piece in pieces {
      arrived += gather(piece.bytes)
      now = max(now, arrived) + piece.seconds
    }
    return max(0, now - pieces.reduce(0) { $0 + $1.seconds })
  }
}

/// What gradients and parameters are rounded to where they cross the network.
public enum WirePrecision: String, Sendable, CaseIterable {
  /// Nothing is rounded.
  case float32 = "fp32"
  /// Half the bytes; sums are made in fp32, and what rounding takes away is added to the next message.
  case bfloat16 = "bf16"

  /// Bytes of an element.
  public var byteCount: Int { self == .float32 ? 4 : 2 }
}

/// What one rank has sent to other nodes, in bytes.
public struct ExchangeTraffic: Sendable, Equatable {
  /// Sums of gradients.
  public var gradientBytes = 0
  /// Updated parameters, or their change.
  public var parameterBytes = 0

  /// Nothing yet.
  public init() {}
}

/// A bucket has got on, or this rank waits.
public struct ExchangeEvent: Sendable, Equatable {
  /// What has happened.
  public enum Kind: String, Sendable {
    /// Gradients are final; they are added up on the node; summed over all; updated here; there; everywhere on this node.
    case ready, summed, reduced, updated, arrived, complete
    /// The rank has nothing to do but to wait; it goes on.
    case waiting, resumed
  }

  /// What has happened.
  public let kind: Kind
  /// To which bucket of the plan.
  public let bucket: Int

  init(_ kind: Kind, bucket: Int) {
    self.kind = kind
    self.bucket = bucket
  }

  init(reached phase: ShardedExchange.Phase, bucket: Int) {
    let kinds: [ShardedExchange.Phase: Kind] = [
      .ready: .ready, .summed: .summed, .reduced: .reduced, .updated: .updated, .arrived: .arrived,
      .complete: .complete,
    ]
    self.init(kinds[phase]!, bucket: bucket)
  }
}

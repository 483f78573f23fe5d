import Collectives
import Reporting

/// What a rank has sent to other hosts so far, and the time it spent on the exchange; or the difference of two such counts.
struct ExchangeCost {
  /// To other hosts.
  ///
  /// What a step leaves under way counts for the next.
  let sentBytes: Int
  /// By purpose: communicating, waiting for others, adding up and updating.
  let seconds: [String: Double]

  /// What a meter has counted for the phases of steps.
  init(_ meter: TrafficMeter) {
    self.init(
      sentBytes: meter.stepPhases.values.reduce(0) { $0 + Int($1.bytesBetweenNodes) },
      seconds: meter.seconds.filter { $0.key != TrafficMeter.defaultPhase })
  }

  private init(sentBytes: Int, seconds: [String: Double]) {
    self.sentBytes = sentBytes
    self.seconds = seconds
  }

  /// As in a line of metrics.jsonl.
  var record: MetricValue {
    var record: MetricRecord = [:]
    for (phase, seconds) in seconds.sorted(by: { $0.key < $1.key }) { record[phase] = .double(seconds) }
    return .object(record)
  }

  static func - (after: Self, before: Self) -> Self {
    Self(
      sentBytes: after.sentBytes - before.sentBytes,
      seconds: after.seconds.merging(before.seconds) { $0 - $1 }.filter { $0.value > 0 })
  }
}

extension TrafficMeter {
  /// What was counted for the phases of steps.
  var stepPhases: [String: Traffic] { phases.filter { $0.key != Self.defaultPhase } }
}

import GradientExchange
import Reporting

/// Shows the buckets of an exchange in a trace, and when the rank had nothing to do but to wait for them.
///
/// A bucket is on its way twice: from when its gradients are final until this rank's slice holds their sum, and from then
/// until all its parameters are there.
final class ExchangeTrace {
  private let log: TraceLog
  private let bytes: [Int]
  private var readyTimes: [TraceTime?]
  private var sumTimes: [TraceTime?]
  private var wait: TraceLog.Span?

  /// A record of exchanges of `plan`.
  init(_ log: TraceLog, _ plan: BucketPlan, _ precision: WirePrecision) {
    self.log = log
    bytes = plan.buckets.map { $0.range.count * (precision == .float32 ? 4 : 2) }
    readyTimes = Array(repeating: nil, count: bytes.count)
    sumTimes = readyTimes
  }

  /// Takes note of an event.
  func add(_ event: ExchangeEvent) {
    switch event.kind {
    case .ready: readyTimes[event.bucket] = .now
    case .reduced:
      sumTimes[event.bucket] = .now
      show("sum of bucket \(event.bucket)", event.bucket, since: readyTimes[event.bucket])
    case .complete: show("parameters of bucket \(event.bucket)", event.bucket, since: sumTimes[event.bucket])
    case .waiting: wait = log.begin("waiting", .exchange)
    case .resumed: if let wait { log.end(wait) }
    case .summed, .updated, .arrived: break
    }
  }

  private func show(_ name: String, _ bucket: Int, since start: TraceTime?) {
    guard let start else { return }
    log.complete(
      name, .exchange, on: .exchange, start: start, end: .now,
      ["bucket": .integer(bucket), "bytes": .integer(bytes[bucket])])
  }
}

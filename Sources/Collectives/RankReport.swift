import Foundation

/// What a rank says of itself when others ask whether it is still there.
package struct RankReport: Equatable, Sendable, Codable {
  /// Who speaks.
  package var rank: Int
  /// What it waits in, such as `all-reduce of 8 float32`; nil while it works.
  package var call: String?
  /// Collective operations that it has begun.
  package var operations: Int
  /// Since it began to wait or last saw something arrive; 0 while it works.
  package var secondsWaited: Double
  /// What it is doing, such as `step 12, gradients`; may be empty.
  package var activity: String

  /// A report of a rank; long texts are cut.
  package init(rank: Int, call: String?, operations: Int, secondsWaited: Double, activity: String) {
    self.rank = rank
    self.call = call.map { String($0.prefix(Self.textLimit)) }
    self.operations = operations
    self.secondsWaited = secondsWaited
    self.activity = String(activity.prefix(Self.textLimit))
  }

  /// Whether it waits in an operation.
  package var isWaiting: Bool { call != nil }

  private static let textLimit = 100

  /// As bytes.
  package func encoded() -> [UInt8] { (try? JSONEncoder().encode(self)).map(Array.init) ?? [] }

  /// Reads what `encoded` wrote; nil if the bytes are anything else.
  package init?(encoded bytes: [UInt8]) {
    guard let report = try? JSONDecoder().decode(RankReport.self, from: Data(bytes)) else { return nil }
    self = report
  }
}

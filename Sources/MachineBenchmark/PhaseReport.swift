import Foundation
import Reporting

/// What `skiptune bench phases` measured, as its JSON file holds it.
public struct PhaseReport: Codable, Sendable, Equatable {
  /// Matrix products that a phase consists of, those inside attention left out.
  public struct Products: Codable, Sendable, Equatable {
    /// Multiplications and additions of one pass.
    public var operations: Int
    /// Mean seconds of one pass.
    public var seconds: Double
  }

  /// A part of a training.
  public struct Phase: Codable, Sendable, Equatable {
    /// `step`, `features`, `test` or `texts`.
    public var name: String
    /// What a pass works on.
    public var unit: String
    /// How many of it.
    public var count: Int
    /// Median seconds of a pass.
    public var seconds: Double
    /// Multiplications and additions of all products of a pass, counted.
    public var operations: Int
    /// The products by themselves, where they were timed.
    public var products: Products?
  }

  /// Numbers that products are taken of.
  public var precision: String
  /// Ranks that worked at the same time, and threads of each.
  public var ranks, threads: Int
  /// Operations a second of the model's fastest product on one rank.
  public var peak: Double
  /// In the order in which they were measured.
  public var phases: [Phase]
}

extension PhaseReport {
  /// The share of the peak that a phase reaches.
  func share(_ operations: Int, _ seconds: Double) -> Double { Double(operations) / seconds / peak }

  /// What was measured, for a terminal.
  public var table: TextTable {
    var table = TextTable(columns: ["phase", "time", "operations", "speed", "of peak", "products alone"])
    for phase in phases {
      table.append([
        phase.name, "\(Readable.seconds(phase.seconds / Double(phase.count))) per \(phase.unit)",
        "\(Readable.fixed(Double(phase.operations) / Double(phase.count) / 1e9, 1)) G",
        "\(Readable.fixed(Double(phase.operations) / phase.seconds / 1e9, 0)) GF/s",
        percent(share(phase.operations, phase.seconds)),
        phase.products.map { percent(share($0.operations, $0.seconds)) },
      ])
    }
    table.append(["fastest product", nil, nil, "\(Readable.fixed(peak / 1e9, 0)) GF/s", nil, nil])
    return table
  }

  private func percent(_ share: Double) -> String { "\(Readable.fixed(100 * share, 0))%" }

  /// Sorted, indented JSON with `snake_case` keys.
  public func json() throws -> Data { try ReportJSON.document(self) }
}

import Planning
import Reporting

extension MachineReport {
  /// What was measured, as tables for a terminal.
  public var tables: String {
    var parts = [computeTable.terminal]
    if !pairs.isEmpty { parts.append(pairTable.terminal) }
    if !allReduce.isEmpty { parts.append(allReduceTable.terminal) }
    return parts.joined(separator: "\n")
  }

  private var computeTable: TextTable {
    var table = TextTable(
      columns: ["per rank"] + compute.map { $0.threads == 1 ? "1 thread" : "\($0.threads) threads" })
    for (index, rate) in compute[0].products.enumerated() {
      let rates = compute.map { operations($0.products[index].operations) }
      table.append(["products, \(Readable.count(rate.rows)) rows"] + rates)
    }
    table.append(["products inside attention"] + compute.map { operations($0.attention) })
    table.append(["element-wise passes"] + compute.map { bandwidth($0.elements) })
    table.append(["optimiser's pass"] + compute.map { bandwidth($0.update) })
    table.append(["memory, a = b + s c"] + compute.map { bandwidth($0.memory) })
    return table
  }

  private var pairTable: TextTable {
    var table = TextTable(columns: ["between", "and", "latency", "each way"])
    for pair in pairs {
      table.append([
        pair.hosts[0], pair.isWithinNode ? "(same host)" : pair.hosts[1],
        "\(Readable.fixed(pair.link.latency * 1e6, 1)) us", bandwidth(pair.link.bandwidth),
      ])
    }
    return table
  }

  private var allReduceTable: TextTable {
    var table = TextTable(columns: ["all-reduce", "\(ranks) ranks", "each way"])
    for entry in allReduce {
      // What a ring of as many ranks sends.
      let sent = 2 * Double(entry.bytes) * Double(ranks - 1) / Double(ranks)
      table.append([
        Readable.bytes(entry.bytes), entry.seconds.map(Readable.seconds) ?? "left out: too long",
        entry.seconds.map { bandwidth(sent / $0) },
      ])
    }
    return table
  }

  private func operations(_ rate: Double) -> String { "\(Readable.fixed(rate / 1e9, 1)) GF/s" }

  private func bandwidth(_ rate: Double) -> String {
    rate < 1e8 ? "\(Readable.fixed(rate / 1e6, 1)) MB/s" : "\(Readable.fixed(rate / 1e9, 2)) GB/s"
  }
}

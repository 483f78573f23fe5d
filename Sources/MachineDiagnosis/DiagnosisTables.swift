import Reporting

extension DiagnosisReport {
  /// What was found, for a terminal, and then what is wrong.
  public var text: String {
    var parts = [factTable.terminal]
    if !links.isEmpty { parts.append(linkTable.terminal) }
    if links.count < pairs {
      parts.append("\(links.count) of \(pairs) pairs were measured: there was no time for more\n")
    }
    parts.append(findings.isEmpty ? "Nothing is wrong.\n" : findings.map { $0.line + "\n" }.joined())
    return parts.joined(separator: "\n")
  }

  private var factTable: TextTable {
    var table = TextTable(columns: ["what", "found"])
    func add(_ what: String, _ value: (RankFacts) -> String?) {
      for words in distinct(value) { table.append([what, words]) }
    }
    table.append([
      "ranks, hosts",
      "\(ranks.count) \(ranks.count == 1 ? "rank" : "ranks") on \(hosts.count) \(hosts.count == 1 ? "host" : "hosts")",
    ])
    add("CPU") { $0.processor.model }
    add("extensions") { $0.processor.features.joined(separator: " ") }
    add("CPUs of a rank", Self.processors)
    add("threads of a rank") { "\($0.threads)" }
    add("products by") { $0.software.products }
    add("libraries") {
      "skiptune \($0.software.skiptune), OpenBLAS \($0.software.openBLAS), oneDNN \($0.software.oneDNN)"
    }
    add("MPI") { $0.software.mpi }
    table.append(["products, fp32", rates(\.speed.fp32, "GF/s")])
    table.append(["products, bf16", rates(\.speed.bf16, "GF/s") ?? "no arithmetic for it"])
    table.append(["memory, a = b + s c", rates(\.speed.memory, "GB/s") ?? "not measured"])
    add("memory", Self.memory)
    add("huge pages") { $0.memory.hugePages }
    add("/dev/shm") { facts in
      facts.memory.sharedTotal.map { "\(Readable.bytes($0)), free \(Readable.bytes(facts.memory.sharedFree ?? 0))" }
    }
    add("open files") { $0.openFiles.map { "at most \($0)" } }
    for clock in clocks {
      table.append([
        "clock of \(clock.host)",
        "\(Readable.fixed(clock.ahead * 1e3, 3)) ms ahead, to within \(Readable.fixed(clock.uncertainty * 1e3, 3)) ms",
      ])
    }
    folderRows.forEach { table.append($0) }
    for need in needs {
      table.append(["memory of \(need.name)", "at most \(Readable.bytes(need.bytesPerRank)) a rank"])
    }
    return table
  }

  /// A value that all hosts share once; else each with the hosts that have it.
  private func distinct(_ value: (RankFacts) -> String?) -> [String] {
    let known = ranks.compactMap { rank in value(rank).map { (rank: rank, words: $0) } }
    let values = known.map(\.words).distinct()
    guard values.count > 1 else { return values }
    return values.prefix(8).map { words in
      let names = known.filter { $0.words == words }.map(\.rank)
      let places = hosts.count > 1 ? names.map(\.host).distinct() : names.map { "rank \($0.rank)" }
      return words
        + " (\(places.prefix(4).joined(separator: ", "))\(places.count > 4 ? " and \(places.count - 4) more" : ""))"
    }
  }

  private static func processors(_ facts: RankFacts) -> String? {
    let processor = facts.processor
    guard !processor.allowed.isEmpty else { return nil }
    let cores = processor.cores.map { $0 < processor.allowed.count ? ", hardware threads of \($0) cores" : "" } ?? ""
    let quota = processor.quota.map { ", with the time of \(Readable.fixed($0, 1))" } ?? ""
    return "\(processor.allowed.count)\(processor.online.map { " of \($0)" } ?? "")\(cores)\(quota)"
  }

  private static func memory(_ facts: RankFacts) -> String? {
    let memory = facts.memory
    guard let total = memory.total else { return nil }
    let limit = memory.limit.map { ", limited to \(Readable.bytes($0))" } ?? ""
    // Rounded, so that hosts of a kind make one line.
    let free = memory.usable.map { ", \(Readable.fixed(Double($0) / 1e9, 0)) GB can be had" } ?? ""
    return "\(Readable.bytes(total))\(limit)\(free)"
  }

  /// One rank's speed, or the slowest and the fastest.
  private func rates(_ speed: (RankFacts) -> Double?, _ unit: String) -> String? {
    let known = ranks.compactMap(speed).map { $0 / 1e9 }.sorted()
    guard let least = known.first, let most = known.last else { return nil }
    guard known.count > 1 else { return "\(Readable.fixed(least, 1)) \(unit)" }
    return "\(Readable.fixed(least, 1)) to \(Readable.fixed(most, 1)) \(unit) a rank, all at once"
  }

  private var folderRows: [[String?]] {
    guard let folder else { return [] }
    let kind = [folder.kind, folder.isNetwork ? "network" : nil, folder.free.map { "\(Readable.bytes($0)) free" }]
    let times = [
      folder.syncSeconds.map { "a file on disk in \(Readable.seconds($0))" },
      folder.writeRate.map { "\(Readable.bytes(Int($0)))/s" }, folder.links.map { $0 ? "links" : "no links" },
    ]
    return [
      ["run directory", folder.tried],
      ["its file system", (kind + times).compactMap { $0 }.joined(separator: ", ")],
    ]
  }

  private var linkTable: TextTable {
    let isBetweenHosts = hosts.count > 1
    var table = TextTable(columns: ["between", "and", "latency", "each way"])
    for link in links {
      let ends = isBetweenHosts ? link.hosts : link.ranks.map { "rank \($0)" }
      table.append([
        ends[0], ends[1], "\(Readable.fixed(link.latency * 1e6, 1)) us", "\(Readable.bytes(Int(link.bandwidth)))/s",
      ])
    }
    return table
  }
}

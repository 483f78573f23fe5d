import Diagnostics
import Testing

@testable import MachineDiagnosis

/// One thing wrong at a time, among facts that are right.
@Suite struct RulesTests {
  /// Two hosts of two ranks that lack nothing.
  private static func healthy() -> DiagnosisReport {
    let ranks = (0..<4).map { rank in
      var processor = RankFacts.Processor()
      (processor.model, processor.features, processor.online) = ("CPU", ["avx2"], 4)
      (processor.allowed, processor.cores, processor.load) = ([0, 1, 2, 3], 4, 0.1)
      var memory = RankFacts.Memory()
      (memory.total, memory.available, memory.hugePages) = (16 << 30, 12 << 30, "madvise")
      (memory.sharedTotal, memory.sharedFree) = (8 << 30, 8 << 30)
      var facts = RankFacts(
        rank: rank, node: rank / 2, host: "host\(rank / 2)", threads: 2, processor: processor, memory: memory,
        openFiles: 1024,
        software: RankFacts.Software(
          skiptune: "1", mpi: "Open MPI v4.1.4", openBLAS: "1", oneDNN: "2", products: "oneDNN", bfloat16: true,
          readsPeers: true))
      (facts.speed.fp32, facts.speed.memory) = (100e9, 10e9)
      return facts
    }
    return DiagnosisReport(
      ranks: ranks,
      links: [DiagnosisReport.Link(ranks: [0, 2], hosts: ["host0", "host1"], latency: 2e-5, bandwidth: 1e9)],
      pairs: 1, clocks: [DiagnosisReport.Clock(host: "host1", ahead: 0.001, uncertainty: 0.0001)],
      folder: FolderFacts(folder: "runs", tried: "runs", kind: "ext4", free: 1 << 40, syncSeconds: 0.01), needs: [])
  }

  private static func findings(_ change: (inout DiagnosisReport) -> Void) -> [Finding] {
    var report = healthy()
    change(&report)
    return Rules(report: report).findings
  }

  private func expect(
    _ words: String, _ severity: Finding.Severity = .warning, count: Int = 1,
    _ location: SourceLocation = #_sourceLocation, where change: (inout DiagnosisReport) -> Void
  ) {
    let findings = Self.findings(change)
    #expect(findings.count == count, "\(findings)", sourceLocation: location)
    #expect(findings.first?.problem.contains(words) ?? false, "\(findings)", sourceLocation: location)
    #expect(findings.first?.severity == severity, sourceLocation: location)
  }

  @Test func nothingIsSaidOfWhatIsRight() { #expect(Self.findings { _ in }.isEmpty) }

  @Test func processors() {
    expect("2 ranks compute with 5 threads on 4 CPUs") { $0.ranks[0].threads = 3 }
    expect("4 threads, but the container or job gets the time of 2.0 CPUs") { report in
      for rank in 0..<2 { report.ranks[rank].processor.quota = 2 }
    }
    expect("2 threads for 4 CPUs: the others stay idle") { report in
      for rank in 0..<4 { report.ranks[rank].threads = 1 }
    }
    expect("may run on 4 of 16 CPUs only") { report in
      for rank in 0..<2 { report.ranks[rank].processor.online = 16 }
    }
    expect("has no AVX2") { $0.ranks[0].processor.features = [] }
    expect("other programs run: 3.0") { $0.ranks[2].processor.load = 3 }
  }

  @Test func memory() {
    let need = DiagnosisReport.Need(name: "the run", bytesPerRank: 7 << 30)
    expect("takes up to 15.0 GB on 2 ranks, of which 12.9 GB can be had") { $0.needs = [need] }
    expect("takes up to", .error) {
      $0.needs = [DiagnosisReport.Need(name: "the run", bytesPerRank: 9 << 30)]
    }
    expect("takes up to", .error) { report in
      report.needs = [DiagnosisReport.Need(name: "the run", bytesPerRank: 3 << 30)]
      for rank in 0..<2 { (report.ranks[rank].memory.limit, report.ranks[rank].memory.used) = (5 << 30, 0) }
    }
    expect("only 1.1 GB of memory can be had for 2 ranks") { $0.ranks[1].memory.available = 1 << 30 }
    expect("huge pages are switched off") { $0.ranks[0].memory.hugePages = "never" }
  }

  @Test func limitsOfTheSystem() {
    expect("128 files and connections open, too few for 4 ranks") { $0.ranks[3].openFiles = 128 }
    expect("/dev/shm has 20 B free") { $0.ranks[0].memory.sharedFree = 20 }
    expect("/dev/shm is missing") { $0.ranks[0].memory.sharedFree = nil }
    expect("may not read each other's memory") { $0.ranks[1].software.readsPeers = false }
  }

  @Test func hostsThatDiffer() {
    expect("Open MPI v4.1.4 on host0, Open MPI v5 on host1", .error) { $0.ranks[3].software.mpi = "Open MPI v5" }
    expect("different versions", .error) { $0.ranks[0].software.skiptune = "0" }
    expect("ranks compute products differently") { $0.ranks[0].software.products = "OpenBLAS" }
    expect("computes products at 50.0 GF/s a rank, where others reach 100.0") { $0.ranks[1].speed.fp32 = 50e9 }
    expect("reads and writes memory at 1.0 GB/s") { $0.ranks[2].speed.memory = 1e9 }
  }

  @Test func networkAndClocks() {
    expect("50.0 MB/s each way is slow") { $0.links[0].bandwidth = 50e6 }
    expect("300.0 MB/s each way, where others have 1.0 GB/s") { report in
      report.links += [report.links[0], report.links[0]]
      report.links[0].bandwidth = 300e6
    }
    expect("a short message takes 2.0 ms") { $0.links[0].latency = 2e-3 }
    expect("its clock is 3.0 s behind") { $0.clocks[0].ahead = -3 }
    #expect(Self.findings { ($0.clocks[0].ahead, $0.clocks[0].uncertainty) = (3, 2.5) }.isEmpty)
  }

  @Test func folders() {
    expect("host1 does not see what the first host writes", .error) { $0.folder?.blindHosts = ["host1"] }
    expect("is in memory (tmpfs)") { $0.folder?.kind = "tmpfs" }
    expect("has 1.0 MB free") { $0.folder?.free = 1_000_000 }
    expect("takes 0.5 s to reach the disk") { $0.folder?.syncSeconds = 0.5 }
  }

  @Test func whatIsTheSameOfSeveralHostsIsSaidOnce() {
    let findings = Self.findings { report in
      report.ranks = (0..<6).map { number in
        var rank = report.ranks[0]
        (rank.rank, rank.node, rank.host, rank.memory.hugePages) = (number, number, "host\(number)", "never")
        return rank
      }
    }
    let hosts = findings.filter { $0.problem.hasPrefix("huge pages") }
    #expect(hosts.map(\.place) == ["host0, host1, host2, host3 and 2 more"])
  }

  @Test func theFirstErrorDecidesTheStatus() {
    var report = Self.healthy()
    report.findings = [.warning(nil, "slow", "wait")]
    #expect(report.failure == nil)
    report.findings = [
      .error(Failure(.cannotCreate, "full")), .error(Failure(.usage, "old")), .warning(nil, "slow", "wait"),
    ]
    #expect(report.failure?.status == .cannotCreate)
    #expect(report.failure?.problem == "2 things are wrong")
    #expect(report.text.contains("error: full\nerror: old\nwarning: slow; wait\n"))
  }
}

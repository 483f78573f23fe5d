import CLIPModel
import Collectives
import Foundation
import Kernels
import MachineBenchmark
import Planning

/// Looks at the hosts of a run and measures them for some seconds.
public struct Diagnosis<Product: MatrixProduct> {
  private let collectives: any MessagePassing
  private let threads: Int
  private let software: RankFacts.Software
  private let makeProduct: (Precision) -> Product
  /// What the system tells; a test's, in tests.
  var files = SystemFiles()
  /// Seconds of each measurement.
  var budget = 0.3
  /// Seconds after which no more pairs are measured.
  var linkPatience = 4.0

  /// A look at this rank's host and those of the others.
  ///
  /// `makeProduct` makes what a training would compute with.
  public init(
    _ collectives: any MessagePassing, threads: Int, software: RankFacts.Software,
    makeProduct: @escaping (Precision) -> Product
  ) {
    (self.collectives, self.threads, self.software) = (collectives, threads, software)
    self.makeProduct = makeProduct
  }

  /// Everything that is known and measured, and what is wrong.
  ///
  /// `folder` is a run directory to try, and `needs` what trainings take; `onProgress` is told what comes next. Collective:
  /// all ranks call this in the same order. The same on all ranks.
  public func run(
    folder: String?, needs: [DiagnosisReport.Need], problems: [Finding] = [], onProgress: (String) -> Void = { _ in }
  ) throws -> DiagnosisReport {
    var own = facts
    onProgress("measuring products and memory")
    own.speed = try speed(own)
    onProgress("measuring messages between ranks")
    let bench = QuickBenchmark(try Self.shape, collectives, budget: budget)
    let links = try bench.links(patience: linkPatience)
    let clocks = try collectives.clockOffsets { Int64(Date().timeIntervalSince1970 * 1e9) }
    if folder != nil { onProgress("trying the run directory") }
    let folder = try folder.map { try FolderCheck(folder: $0).run(collectives) }
    let ranks = try gathered(own)
    var report = DiagnosisReport(
      ranks: ranks,
      links: links.map { low, high, link in
        DiagnosisReport.Link(
          ranks: [low, high], hosts: [ranks[low].host, ranks[high].host], latency: link.latency,
          bandwidth: link.bandwidth)
      },
      pairs: QuickBenchmark.pairs(nodes: collectives.nodes).count, clocks: hostClocks(clocks, ranks), folder: folder,
      needs: needs)
    report.findings = problems + Rules(report: report).findings
    return report
  }

  private static var shape: CLIPConfiguration {
    get throws { try CLIPPresets.configuration(named: "ViT-B/16") }
  }

  private var facts: RankFacts {
    RankFacts(
      rank: collectives.rank, node: collectives.node, host: collectives.hostName, threads: threads,
      processor: RankFacts.Processor(files), memory: RankFacts.Memory(files), openFiles: RankFacts.openFiles(files),
      software: software)
  }

  private func gathered(_ own: RankFacts) throws -> [RankFacts] {
    try collectives.allGather(Array(JSONEncoder().encode(own))).map {
      try JSONDecoder().decode(RankFacts.self, from: Data($0))
    }
  }

  /// Measurements need memory: where any rank has little, only products are measured.
  private func speed(_ own: RankFacts) throws -> RankFacts.Speed {
    let bench = QuickBenchmark(try Self.shape, collectives, budget: budget)
    let everywhere = try collectives.allReduce(Int64(software.bfloat16 ? 1 : 0), .min) == 1
    let needed = 2 * QuickBenchmark.memoryBytes * collectives.nodeSize
    let hasRoom = try collectives.allReduce(Int64(own.memory.usable ?? .max), .min) > needed
    var speed = RankFacts.Speed()
    if everywhere { speed.bf16 = try bench.productRate(by: makeProduct(.bf16), threads: threads) }
    let product = makeProduct(.fp32)
    speed.fp32 = try bench.productRate(by: product, threads: threads)
    if hasRoom { speed.memory = try bench.memoryRate(by: product, threads: threads) }
    return speed
  }

  /// Of the first rank of each host but the first.
  private func hostClocks(_ offsets: [ClockOffset], _ ranks: [RankFacts]) -> [DiagnosisReport.Clock] {
    var seen: Set<Int> = [ranks[0].node]
    return zip(ranks, offsets).filter { seen.insert($0.0.node).inserted }.map { rank, offset in
      DiagnosisReport.Clock(
        host: rank.host, ahead: Double(offset.nanoseconds) / 1e9, uncertainty: Double(offset.uncertainty) / 1e9)
    }
  }
}

import CLIPModel
import Collectives
import Diagnostics
import Foundation
import Kernels
import MatrixBackends
import Planning
import TestSupport
import Testing

@testable import MachineDiagnosis

/// The whole of a diagnosis among threads; how fast anything is, no test knows.
@Suite struct DiagnosisTests {
  private static func diagnosis(_ collectives: any MessagePassing) -> Diagnosis<OpenBLASProduct> {
    var diagnosis = Diagnosis(
      collectives, threads: 1,
      software: RankFacts.Software(
        skiptune: "1", mpi: "none", openBLAS: "1", oneDNN: "1", products: "OpenBLAS", bfloat16: collectives.rank > 0,
        readsPeers: true)
    ) { _ in OpenBLASProduct(threads: 1) }
    diagnosis.budget = 0
    return diagnosis
  }

  @Test func allRanksFindTheSame() throws {
    let folder = try ScratchFolder()
    let path = folder.file("run").path
    let reports = try LoopbackWorld.run(nodes: [0, 0, 1]) { try Self.diagnosis($0).run(folder: path, needs: []) }
    let report = reports[0]
    #expect(reports.allSatisfy { $0 == report })
    #expect(report.ranks.map(\.rank) == [0, 1, 2])
    #expect(report.ranks.allSatisfy { $0.speed.fp32 ?? 0 > 0 && $0.speed.bf16 == nil })
    #expect(report.links.map(\.ranks) == [[0, 2]] && report.links.allSatisfy { $0.bandwidth > 0 })
    #expect(report.clocks.map(\.host) == ["loopback1"] && report.clocks[0].ahead == 0)
    #expect(report.folder?.tried == folder.url.standardizedFileURL.path)
    #expect(report.folder?.problem == nil && report.folder?.blindHosts == [])
    #expect(report.folder?.links == true && report.folder?.writeRate ?? 0 > 0)
    #expect(try folder.url.contents().isEmpty, "what was tried is gone")
    #expect(report.text.contains("loopback0  loopback1"))
  }

  @Test func aRankAloneHasNoLinks() throws {
    let report = try Self.diagnosis(LoopbackWorld.alone()).run(folder: nil, needs: [])
    #expect(report.links.isEmpty && report.clocks.isEmpty && report.pairs == 0 && report.folder == nil)
  }

  @Test func pairsThatThereIsNoTimeForAreLeftOut() throws {
    let reports = try LoopbackWorld.run(size: 3) { collectives in
      var diagnosis = Self.diagnosis(collectives)
      diagnosis.linkPatience = -1
      return try diagnosis.run(folder: nil, needs: [])
    }
    #expect(reports[0].links.isEmpty && reports[0].pairs == 3)
    #expect(reports[0].text.contains("0 of 3 pairs were measured"))
  }

  @Test func aFolderThatTakesNothingIsAnError() throws {
    let folder = try ScratchFolder()
    let file = folder.file("file")
    try Data().write(to: file)
    let reports = try LoopbackWorld.run(size: 2) {
      try FolderCheck(folder: file.appendingPathComponent("run").path).run($0)
    }
    #expect(reports.allSatisfy { $0 == reports[0] })
    #expect(reports[0].problem?.status == ExitStatus.cannotCreate.rawValue)
    #expect(reports[0].problem?.place == file.path)
  }

  @Test func memoryGrowsWithTheModelAndTheRanksOfAHost() throws {
    func bytes(_ name: String, _ ranks: Int, _ perHost: Int) throws -> Int {
      MemoryForecast.bytes(try CLIPPresets.configuration(named: name), ranks: ranks, ranksPerHost: perHost)
    }
    let base = try bytes("ViT-B/16", 1, 1)
    // All weights are kept.
    #expect(base > 4 * 149_620_737)
    #expect(try bytes("ViT-L/14", 1, 1) > 2 * base)
    #expect(try bytes("ViT-B/16", 4, 1) < bytes("ViT-B/16", 4, 4))
  }
}

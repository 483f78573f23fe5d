import Collectives
import Datasets
import Reporting

/// What a look at every image of a data set has shown.
public struct DatasetVerification: Sendable {
  /// The data set as it was read.
  public let dataset: Dataset
  /// All that is wrong, kind by kind.
  public let findings: [Finding]

  /// Reads and decodes every image of the lists once, on `threads` threads of each rank.
  ///
  /// `console`: where rank 0 shows how far its share is. The result is the same on all ranks. Collective: all ranks call
  /// this in the same order with the same data set.
  public init(
    _ dataset: Dataset, threads: Int, console: ConsoleOutput, _ collectives: any Collectives
  ) throws {
    self.dataset = dataset
    let paths = dataset.paths
    let share = evenShard(of: paths.count, rank: collectives.rank, worldSize: collectives.worldSize)
    let line =
      collectives.rank == 0
      ? ProgressLine("verifying \(dataset.name)", unit: "image", total: share.count, output: console) : nil
    let verdicts = try ImageSweep.verdicts(
      on: paths.map { dataset.url(ofPath: $0) }, threads: threads, collectives
    ) { line?.update(completed: $0) }
    line?.finish()
    findings = dataset.findings(Dictionary(uniqueKeysWithValues: zip(paths, verdicts)))
  }

  /// The findings of a kind.
  public func findings(_ kind: FindingKind) -> [Finding] { findings.filter { $0.kind == kind } }

  /// How many findings of each kind there are, such as `2 missing, 1 train-test`, but for those of `accepted`; nil where
  /// nothing is wrong.
  public func problem(accepting accepted: Set<FindingKind>) -> String? {
    let counts = FindingKind.allCases.filter { !accepted.contains($0) }.compactMap { kind in
      let count = findings(kind).count
      return count == 0 ? nil : "\(count) \(kind.rawValue)"
    }
    return counts.isEmpty ? nil : counts.joined(separator: ", ")
  }
}

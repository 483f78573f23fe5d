import Collectives

/// The ranks that take a step together: they share its batch, and sum its gradients.
///
/// All ranks are one group, unless they take local steps: then those of a host are, or each rank by itself where ranks of a
/// host share no weights.
struct TrainingGroup {
  /// The ranks of the group, as a world of their own.
  let members: any MessagePassing
  /// This group among all, and how many there are.
  let index, count: Int
  /// Images of a step that the group sees.
  let batch: Int
  /// Those that all groups see.
  let globalBatch: Int

  /// What this group counts for in averages.
  var share: Double { Double(batch) / Double(globalBatch) }

  /// The group of this rank; communicates nothing.
  init(_ settings: ExchangeSettings, globalBatch: Int, _ collectives: any MessagePassing) {
    self.globalBatch = globalBatch
    let (rank, size) = (collectives.rank, collectives.worldSize)
    func images(_ rank: Int) -> Int { evenShard(of: globalBatch, rank: rank, worldSize: size).count }
    if !settings.takesLocalSteps {
      (members, index, count, batch) = (collectives, 0, 1, globalBatch)
    } else if settings.twoLevel {
      (members, index, count) = (NodeGroup(collectives), collectives.node, collectives.nodeCount)
      batch = collectives.ranks(ofNode: collectives.node).reduce(0) { $0 + images($1) }
    } else {
      (members, index, count, batch) = (LoopbackWorld.alone(), rank, size, images(rank))
    }
  }
}

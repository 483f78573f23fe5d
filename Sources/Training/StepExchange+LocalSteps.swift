import Collectives

/// Steps of which other groups hear only when all synchronise.
extension StepExchange {
  /// A rank's part of a step: the sum of its images' losses, and how many these are; nothing of a step that is left out.
  struct LocalStep {
    var loss: Double
    var images: Int
  }

  /// Whether the group goes on to gradients.
  ///
  /// A loss that ends the run is told when all synchronise: no group stops while another one trains.
  func goesOnLocally(loss: Double, images: Int) throws -> Bool {
    let bad = try trace.span("losses", .exchange, ["bytes": .integer(8)]) {
      try collectives.meter.phase("losses") { try group.members.allReduce(loss.isFinite ? 0 : 1 as Int64, .sum) }
    }
    localSteps.append(bad == 0 ? LocalStep(loss: loss, images: images) : LocalStep(loss: 0, images: 0))
    return bad == 0
  }

  /// Ends local steps: all ranks hear of them, and have the same parameters afterwards.
  ///
  /// Does nothing where ranks are in step anyway. Throws on all ranks what one of them cannot go on with. Collective: all
  /// ranks call this in the same order, after the same steps.
  func synchronize() throws {
    guard settings.takesLocalSteps else { return }
    try engine.settle()
    var sums = localSteps.flatMap { [$0.loss, Double($0.images)] } + flags
    try trace.span("losses", .exchange, ["bytes": .integer(8 * sums.count)]) {
      try collectives.meter.phase("losses") { try collectives.allReduce(&sums, .sum) }
    }
    let images = Double(group.globalBatch)
    news.steps = localSteps.indices.map { step in
      StepNews(loss: sums[2 * step] / sums[2 * step + 1], isSkipped: sums[2 * step + 1] != images)
    }
    let heard = Array(sums.dropFirst(2 * localSteps.count))
    localSteps = []
    try hear(flags: heard)
    nonFiniteLoss = nil
    try trace.span("average", .exchange) { try engine.synchronize() }
  }
}

import CLIPModel
import Collectives
import Kernels
import Planning

/// Some measurements of a few seconds, of each rank by itself while all do the same: for a look at a machine, where
/// `MachineBenchmark` is for plans.
package struct QuickBenchmark {
  private let configuration: CLIPConfiguration
  private let collectives: any MessagePassing
  private let budget: Double

  /// Features of this many rows are multiplied: few enough for some seconds on a CPU without wide vectors.
  package static var rows: Int { 256 }
  /// Bytes of a message that measures bandwidth: a second on a link of 8 Mbit/s.
  private static var longMessage: Int { 1 << 20 }
  /// Bytes that the measurement of memory takes.
  package static var memoryBytes: Int { 3 * (64 << 20) }

  /// Measurements at the shapes of a model, each of about `budget` seconds.
  package init(_ configuration: CLIPConfiguration, _ collectives: any MessagePassing, budget: Double) {
    self.configuration = configuration
    self.collectives = collectives
    self.budget = budget
  }

  /// Operations a second of this rank's products with weights, forward and backward.
  ///
  /// Collective: all ranks call this in the same order.
  package func productRate(by product: some MatrixProduct, threads: Int) throws -> Double {
    try computing(by: product, threads).productRate(rows: Self.rows)
  }

  /// Bytes a second of `a = b + s c` on this rank.
  ///
  /// Collective: all ranks call this in the same order.
  package func memoryRate(by product: some MatrixProduct, threads: Int) throws -> Double {
    try computing(by: product, threads).ownMemoryRate()
  }

  private func computing<Product: MatrixProduct>(by product: Product, _ threads: Int) -> ComputeBenchmark<Product> {
    ComputeBenchmark(
      configuration: configuration, collectives: collectives, product: product, threads: threads, budget: budget)
  }

  /// Links between the first ranks of all pairs of hosts, or between all ranks where there is one host; of many, the first
  /// ones that `patience` seconds are enough for.
  ///
  /// Collective: all ranks call this in the same order. The same on all ranks.
  package func links(patience: Double) throws -> [(low: Int, high: Int, link: MachineProfile.Link)] {
    try LinkBenchmark(collectives: collectives, budget: budget / 4, longMessage: Self.longMessage)
      .measure(Self.pairs(nodes: collectives.nodes), patience: patience)
  }

  /// Pairs of ranks, the nearest first: all of a few, neighbours of many.
  package static func pairs(nodes: [Int]) -> [(Int, Int)] {
    var seen: Set<Int> = []
    let leaders = nodes.indices.filter { seen.insert(nodes[$0]).inserted }
    let members = leaders.count > 1 ? leaders : Array(nodes.indices)
    let all = (1..<max(2, members.count)).lazy.flatMap { distance in
      members.indices.dropLast(distance).lazy.map { (members[$0], members[$0 + distance]) }
    }
    return Array(all.prefix(LinkBenchmark.mostPairs))
  }
}

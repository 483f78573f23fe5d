import CLIPModel
import Collectives
import Kernels
import Planning

/// Measures what `skiptune plan` needs to know of a machine: computing, memory, and messages between ranks.
public struct MachineBenchmark<Product: MatrixProduct> {
  private let configuration: CLIPConfiguration
  private let collectives: any MessagePassing
  private let threads: Int
  private let makeProduct: (Int) -> Product

  /// Seconds that each of about twenty measurements may take; a few of them take longer on slow links.
  var budget = 0.5
  /// Longest all-reduce, in seconds, that is still measured.
  private static var patience: Double { 6 }

  /// A benchmark at the shapes of a model, on 1 and on `threads` threads of this rank.
  ///
  /// `makeProduct` makes products on a number of threads, which then holds until it is called again.
  public init(
    _ configuration: CLIPConfiguration, _ collectives: any MessagePassing, threads: Int,
    makeProduct: @escaping (Int) -> Product
  ) {
    self.configuration = configuration
    self.collectives = collectives
    self.threads = threads
    self.makeProduct = makeProduct
  }

  /// Measures everything, in about half a minute; `onProgress` is told what comes next.
  ///
  /// Collective: all ranks call this in the same order. The same on all ranks.
  public func run(onProgress: (String) -> Void = { _ in }) throws -> MachineReport {
    let counts = [1] + (try collectives.allReduce(Int64(threads), .max) > 1 ? [threads] : [])
    let compute = try counts.map { count in
      onProgress("computing on \(count) \(count == 1 ? "thread" : "threads")")
      return try ComputeBenchmark(
        configuration: configuration, collectives: collectives, product: makeProduct(count), threads: count,
        budget: budget
      ).measure()
    }
    let links = LinkBenchmark(collectives: collectives, budget: budget / 2)
    onProgress("messages between ranks")
    let pairs = try links.measurePairs()
    onProgress("all-reduces")
    return MachineReport(
      ranks: collectives.worldSize,
      ranksPerNode: Int(try collectives.allReduce(Int64(collectives.nodeSize), .max)), compute: compute, pairs: pairs,
      allReduce: try links.measureAllReduces(patience: Self.patience))
  }
}

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// How fast one rank computes and communicates, as measured by `skiptune bench machine` or typed.
///
/// Rates are those of one rank while all others work too, so what ranks share is shared already.
public struct MachineProfile: Sendable, Equatable {
  /// Speed of products that have a certain number of rows.
  public struct ProductRate: Sendable, Equatable {
    /// Rows of the features.
    public var rows: Int
    /// Operations a second.
    public var operations: Double

    /// A measured speed.
    public init(rows: Int, operations: Double) {
      self.rows = rows
      self.operations = operations
    }
  }

  /// What a message takes: a fixed time, and the time of its bytes.
  public struct Link: Sendable, Equatable {
    /// Seconds from one rank to the other for a message of a few bytes.
    public var latency: Double
    /// Bytes a second in each direction while both are used.
    public var bandwidth: Double

    /// A link of the given speed.
    public init(latency: Double, bandwidth: Double) {
      self.latency = latency
      self.bandwidth = bandwidth
    }

    /// Seconds for `messages` messages of `bytes` in all.
    public func seconds(messages: Double, bytes: Double) -> Double { messages * latency + bytes / bandwidth }
  }

  /// Threads of the rank.
  public var threads: Int
  /// Ranks that worked on the same host.
  public var ranksPerNode: Int
  /// Products with weights, by rows, ascending; at least one entry.
  public var products: [ProductRate]
  /// Operations a second inside attention.
  public var attention: Double
  /// Bytes a second that element-wise passes read and write.
  public var elements: Double
  /// Bytes a second that the optimiser's pass reads and writes.
  public var update: Double
  /// Bytes a second of `a = b + s c`.
  public var memory: Double
  /// Between ranks of a host.
  public var node: Link
  /// Between hosts, for all ranks of a host together.
  public var network: Link
  /// Seconds that a message takes the sender's processor; several at once share the latency but not this.
  public var messageCost = 5e-6

  /// A profile of known numbers.
  public init(
    threads: Int, ranksPerNode: Int, products: [ProductRate], attention: Double, elements: Double, update: Double,
    memory: Double, node: Link, network: Link
  ) {
    precondition(!products.isEmpty, "a profile needs the speed of products")
    self.threads = threads
    self.ranksPerNode = ranksPerNode
    self.products = products
    self.attention = attention
    self.elements = elements
    self.update = update
    self.memory = memory
    self.node = node
    self.network = network
  }

  /// Operations a second of products with `rows` rows: in between measured ones interpolated over the logarithm of the
  /// rows, beyond them the nearest.
  public func productRate(rows: Int) -> Double {
    guard let above = products.firstIndex(where: { $0.rows >= rows }) else { return products.last!.operations }
    guard above > 0, rows > 0 else { return products[above].operations }
    let (low, high) = (products[above - 1], products[above])
    let share = log(Double(rows) / Double(low.rows)) / log(Double(high.rows) / Double(low.rows))
    return low.operations + share * (high.operations - low.operations)
  }

  /// Seconds that work takes whose products have `rows` rows.
  public func seconds(_ work: ComputeWork, rows: Int) -> Double {
    Double(work.productOperations) / productRate(rows: rows) + Double(work.attentionOperations) / attention
      + Double(work.elementBytes) / elements
  }
}

import Diagnostics
import Files
import Foundation
import StrictJSON

/// What `skiptune bench machine` measured, as its JSON file holds it.
public struct MachineReport: Sendable, Equatable {
  /// Speeds of one rank's computing with a number of threads.
  public struct Compute: Sendable, Equatable {
    /// Threads of each rank.
    public var threads: Int
    /// Products with weights, by rows.
    public var products: [MachineProfile.ProductRate]
    /// Operations a second inside attention.
    public var attention: Double
    /// Bytes a second of element-wise passes, of the optimiser's, and of `a = b + s c`.
    public var elements, update, memory: Double

    /// Measured speeds.
    public init(
      threads: Int, products: [MachineProfile.ProductRate], attention: Double, elements: Double, update: Double,
      memory: Double
    ) {
      self.threads = threads
      self.products = products
      self.attention = attention
      self.elements = elements
      self.update = update
      self.memory = memory
    }
  }

  /// Messages between two ranks.
  public struct Pair: Sendable, Equatable {
    /// Hosts of the two ranks; the same where they share one.
    public var hosts: [String]
    /// What was measured between them.
    public var link: MachineProfile.Link

    /// A measured pair.
    public init(hosts: [String], link: MachineProfile.Link) {
      self.hosts = hosts
      self.link = link
    }

    /// Whether the two share a host.
    public var isWithinNode: Bool { hosts.count == 2 && hosts[0] == hosts[1] }
  }

  /// One all-reduce of floats.
  public struct AllReduce: Sendable, Equatable {
    /// Size of the buffer.
    public var bytes: Int
    /// Nil where there was no time to measure it.
    public var seconds: Double?

    /// A measured size.
    public init(bytes: Int, seconds: Double?) {
      self.bytes = bytes
      self.seconds = seconds
    }
  }

  /// Ranks that measured, and how many of them shared a host.
  public var ranks, ranksPerNode: Int
  /// With one thread, and with all of a rank's threads.
  public var compute: [Compute]
  /// Every measured pair of hosts, and one within a host where there is one.
  public var pairs: [Pair]
  /// By size, ascending.
  public var allReduce: [AllReduce]

  /// Results of a measurement.
  public init(ranks: Int, ranksPerNode: Int, compute: [Compute], pairs: [Pair], allReduce: [AllReduce]) {
    self.ranks = ranks
    self.ranksPerNode = ranksPerNode
    self.compute = compute
    self.pairs = pairs
    self.allReduce = allReduce
  }

  /// Median of the links within a host, or between hosts; nil where none was measured.
  public func link(withinNode: Bool) -> MachineProfile.Link? {
    let links = pairs.filter { $0.isWithinNode == withinNode }.map(\.link)
    guard !links.isEmpty else { return nil }
    func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
    return MachineProfile.Link(latency: middle(links.map(\.latency)), bandwidth: middle(links.map(\.bandwidth)))
  }

  /// The profile of a rank with `threads` threads, or with the most that were measured.
  ///
  /// Links that were not measured are those of `assumed`.
  public func profile(threads: Int?, assumed: MachineProfile) -> MachineProfile {
    let ordered = compute.sorted { $0.threads < $1.threads }
    let chosen = ordered.first { $0.threads == threads } ?? ordered.last!
    return MachineProfile(
      threads: chosen.threads, ranksPerNode: ranksPerNode, products: chosen.products, attention: chosen.attention,
      elements: chosen.elements, update: chosen.update, memory: chosen.memory,
      node: link(withinNode: true) ?? assumed.node, network: link(withinNode: false) ?? assumed.network)
  }
}

// MARK: - JSON

extension MachineReport {
  private static let format = 1
  private static let largestFile = 16 << 20

  /// The file's content: SI units, one object.
  public func json(version: String) -> String { JSONText.pretty(value(version: version)) + "\n" }

  private func value(version: String) -> JSONValue {
    .object([
      JSONMember("format", .integer(Self.format)), JSONMember("version", .string(version)),
      JSONMember("ranks", .integer(ranks)), JSONMember("ranks_per_node", .integer(ranksPerNode)),
      JSONMember("compute", .array(compute.map(Self.value))),
      JSONMember(
        "pairs",
        .array(
          pairs.map { pair in
            .object([
              JSONMember("hosts", .array(pair.hosts.map { .string($0) })),
              JSONMember("latency_seconds", .number(pair.link.latency)),
              JSONMember("bytes_per_second", .number(pair.link.bandwidth)),
            ])
          })),
      JSONMember(
        "all_reduce",
        .array(
          allReduce.map { entry in
            .object([
              JSONMember("bytes", .integer(entry.bytes)),
              JSONMember("seconds", entry.seconds.map { .number($0) } ?? .null),
            ])
          })),
    ])
  }

  private static func value(_ compute: Compute) -> JSONValue {
    .object([
      JSONMember("threads", .integer(compute.threads)),
      JSONMember(
        "products",
        .array(
          compute.products.map {
            .object([
              JSONMember("rows", .integer($0.rows)), JSONMember("operations_per_second", .number($0.operations)),
            ])
          })),
      JSONMember("attention_operations_per_second", .number(compute.attention)),
      JSONMember("element_bytes_per_second", .number(compute.elements)),
      JSONMember("update_bytes_per_second", .number(compute.update)),
      JSONMember("memory_bytes_per_second", .number(compute.memory)),
    ])
  }

  /// Reads a file of `skiptune bench machine --json`.
  ///
  /// Throws `.missingInput` where there is none, `.badData` for anything else.
  public init(contentsOf url: URL) throws {
    let bytes = try SmallFile.bytes(of: url, limit: Self.largestFile, what: "the machine's file")
    let fields = CheckedFields(try JSONValue(parsing: bytes, file: url.path), file: url.path)
    guard try fields.integer("format", from: 1) == Self.format else {
      throw fields.failure("format", "must be \(Self.format)")
    }
    self.init(
      ranks: try fields.integer("ranks", from: 1), ranksPerNode: try fields.integer("ranks_per_node", from: 1),
      compute: try fields.list("compute").map(Self.compute),
      pairs: try fields.list("pairs").map { pair in
        Pair(
          hosts: try pair.texts("hosts"),
          link: MachineProfile.Link(
            latency: try pair.positive("latency_seconds"), bandwidth: try pair.positive("bytes_per_second")))
      },
      allReduce: try fields.list("all_reduce").map {
        AllReduce(bytes: try $0.integer("bytes", from: 1), seconds: try $0.optionalPositive("seconds"))
      })
    guard !compute.isEmpty, compute.allSatisfy({ !$0.products.isEmpty }) else {
      throw fields.failure("compute", "must hold at least one entry, with speeds of products")
    }
  }

  private static func compute(_ fields: CheckedFields) throws -> Compute {
    Compute(
      threads: try fields.integer("threads", from: 1),
      products: try fields.list("products").map {
        MachineProfile.ProductRate(
          rows: try $0.integer("rows", from: 1), operations: try $0.positive("operations_per_second"))
      }.sorted { $0.rows < $1.rows },
      attention: try fields.positive("attention_operations_per_second"),
      elements: try fields.positive("element_bytes_per_second"),
      update: try fields.positive("update_bytes_per_second"), memory: try fields.positive("memory_bytes_per_second"))
  }
}

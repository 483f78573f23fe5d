import Collectives
import Planning
import Tensors

/// Messages between pairs of ranks, and all-reduces.
struct LinkBenchmark {
  let collectives: any MessagePassing
  /// Seconds for each size and each pair, about.
  let budget: Double

  /// Bytes of the messages that measure bandwidth.
  var longMessage = 4 << 20
  /// Exchanges of a few bytes that are timed together.
  private static let shortMessages = 50
  /// Most pairs of hosts that are measured.
  static let mostPairs = 28

  /// Every pair of hosts, as far as there is time, and a pair within a host where two ranks share one.
  ///
  /// The first rank of each host takes part; one pair at a time. Collective: all ranks call this in the same order.
  func measurePairs() throws -> [MachineReport.Pair] {
    let hosts = try collectives.allGather(Array(collectives.hostName.utf8)).map { String(decoding: $0, as: UTF8.self) }
    return try measure(Self.pairs(hosts), patience: .infinity).map { low, high, link in
      MachineReport.Pair(hosts: [hosts[low], hosts[high]], link: link)
    }
  }

  /// The pairs of ranks, each with the lower one first; after `patience` seconds the rest is left out.
  ///
  /// Collective: all ranks call this in the same order, with the same pairs. The same on all ranks.
  func measure(
    _ pairs: [(Int, Int)], patience: Double
  ) throws -> [(low: Int, high: Int, link: MachineProfile.Link)] {
    let start = ContinuousClock.now
    var measured: [(low: Int, high: Int, link: MachineProfile.Link)] = []
    for (low, high) in pairs {
      let waited = collectives.rank == 0 ? start.duration(to: .now) / .seconds(1) : 0
      guard try collectives.allReduce(waited, .max) <= patience else { break }
      var link = [0.0, 0.0]
      if collectives.rank == low { link = try measure(with: high, decides: true) }
      if collectives.rank == high { _ = try measure(with: low, decides: false) }
      // Only the lower rank of the pair brings something else than zeros.
      try collectives.allReduce(&link, .sum)
      measured.append((low, high, MachineProfile.Link(latency: link[0], bandwidth: link[1])))
    }
    return measured
  }

  /// Two ranks of the first host that has two, then first ranks of pairs of hosts: all of them, or of many hosts the
  /// neighbours and what is reached in growing steps from there.
  static func pairs(_ hosts: [String]) -> [(Int, Int)] {
    var members: [(host: String, ranks: [Int])] = []
    for (rank, host) in hosts.enumerated() {
      if let index = members.firstIndex(where: { $0.host == host }) {
        members[index].ranks.append(rank)
      } else {
        members.append((host, [rank]))
      }
    }
    let shared = members.first { $0.ranks.count > 1 }.map { [($0.ranks[0], $0.ranks[1])] } ?? []
    let first = members.map { $0.ranks[0] }
    let between = (1..<max(2, first.count)).flatMap { distance in
      first.indices.dropLast(distance).map { (first[$0], first[$0 + distance]) }
    }
    return shared + between.prefix(mostPairs)
  }

  /// Latency and bandwidth to a peer; the deciding rank says in the first byte of each message whether it is the last.
  private func measure(with peer: Int, decides: Bool) throws -> [Double] {
    let short = try median(bytes: 8, times: Self.shortMessages, with: peer, decides: decides)
    let long = try median(bytes: longMessage, times: 1, with: peer, decides: decides)
    return [short, Double(longMessage) / max(1e-9, long - short)]
  }

  /// Median seconds of an exchange, of which `times` are timed together.
  private func median(bytes: Int, times: Int, with peer: Int, decides: Bool) throws -> Double {
    var sent = [UInt8](repeating: 0, count: bytes), received = sent
    var samples: [Double] = []
    var isLast = false
    while !isLast {
      let enough = samples.count > Timing.repetitions.lowerBound && samples.reduce(0, +) * Double(times) > budget
      sent[0] = decides && (enough || samples.count > Timing.repetitions.upperBound) ? 1 : 0
      let seconds = try Timing.seconds {
        for _ in 0..<times {
          try sent.withUnsafeBytes { sent in
            try received.withUnsafeMutableBytes { try exchange(sent, $0, with: peer) }
          }
        }
      }
      isLast = (decides ? sent[0] : received[0]) == 1
      samples.append(seconds / Double(times))
    }
    return Timing.middle(Array(samples.dropFirst()))  // The first connects.
  }

  /// Sends to the peer and receives as much, both at the same time.
  private func exchange(
    _ sent: UnsafeRawBufferPointer, _ received: UnsafeMutableRawBufferPointer, with peer: Int
  ) throws {
    let incoming = try collectives.receive(into: received, from: peer, tag: 0)
    try collectives.wait(for: [incoming, collectives.send(sent, to: peer, tag: 0)])
  }

  /// Sizes from what scores and losses take to the gradients of ViT-B/16 from its seventh block on.
  static let sizes = [4 << 10, 64 << 10, 1 << 20, 16 << 20, 4 * 62_099_456]

  /// All-reduces of floats, each as often as there is time for; sizes that would take longer than `patience` seconds are
  /// left out.
  ///
  /// Collective: all ranks call this in the same order. None in a world of one.
  func measureAllReduces(patience: Double) throws -> [MachineReport.AllReduce] {
    guard collectives.worldSize > 1 else { return [] }
    let buffer = Tensor(zeros: [Self.sizes.max()! / MemoryLayout<Float>.stride])
    var last = (bytes: 1, seconds: 0.0)
    return try Self.sizes.map { bytes in
      let expected = last.seconds * Double(bytes) / Double(last.bytes)
      guard expected <= patience else { return MachineReport.AllReduce(bytes: bytes, seconds: nil) }
      last = (bytes, try allReduceSeconds(buffer.slice(0..<bytes / MemoryLayout<Float>.stride)))
      return MachineReport.AllReduce(bytes: bytes, seconds: last.seconds)
    }
  }

  /// Median seconds of an all-reduce; all ranks go by the slowest one's clock, so that they do as many.
  private func allReduceSeconds(_ buffer: Tensor) throws -> Double {
    try collectives.allReduce(buffer.buffer, .sum)
    var samples: [Double] = []
    repeat {
      try collectives.barrier()
      let seconds = try Timing.seconds { try collectives.allReduce(buffer.buffer, .sum) }
      samples.append(try collectives.allReduce(seconds, .max))
    } while samples.reduce(0, +) < budget && samples.count < Timing.repetitions.upperBound
    return Timing.middle(samples)
  }
}

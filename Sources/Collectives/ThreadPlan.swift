import Diagnostics

/// CPUs of a host as a bit mask.
public struct CPUSet: Equatable, Sendable {
  /// One bit per CPU, least significant first.
  public let bits: [UInt8]

  /// The CPUs whose bits are set.
  public init(bits: [UInt8]) { self.bits = bits }

  /// Number of CPUs.
  public var count: Int { bits.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Whether a CPU belongs to the set.
  public func contains(_ cpu: Int) -> Bool {
    cpu / 8 < bits.count && bits[cpu / 8] >> (cpu % 8) & 1 == 1
  }
}

/// How many threads a rank computes with.
///
/// `OMP_NUM_THREADS` if it is set; otherwise a rank's share of the CPUs it may run on: a CPU that k ranks of the host may
/// use counts 1/k to each, so it does not matter whether ranks share all CPUs or are bound to some. At least 1.
public struct ThreadPlan: Equatable, Sendable {
  /// Threads for this rank.
  public let threads: Int
  /// CPUs this rank may run on, shared with other ranks or not.
  public let allowedCPUs: Int
  /// Set if the ranks of this host have more threads than CPUs together.
  public let warning: String?

  /// Plans for all ranks of each host.
  ///
  /// `allowed` are the CPUs this process may run on, `requested` the value of `OMP_NUM_THREADS` if set. Collective: all
  /// ranks call this in the same order. Throws the same usage failure on all ranks if a value is no positive number.
  public init(collectives: any Collectives, allowed: CPUSet, requested: String?) throws {
    let wanted = try collectives.agree { try requested.map(Self.threadCount) }
    let host = Array(collectives.hostName.utf8)
    let sets = try collectives.allGather(allowed.bits)
    let hosts = try collectives.allGather(host)
    let neighbours = sets.indices.filter { hosts[$0] == host }.map { CPUSet(bits: sets[$0]) }
    threads = wanted ?? Self.share(of: allowed, among: neighbours)
    allowedCPUs = allowed.count
    let allThreads = try collectives.allGather(Array(String(threads).utf8))
    let localThreads = allThreads.indices.filter { hosts[$0] == host }
      .reduce(0) { $0 + (Int(String(decoding: allThreads[$1], as: UTF8.self)) ?? 0) }
    warning = Self.warning(
      ranks: neighbours.count, threads: localThreads, cpus: Self.union(neighbours).count, host: collectives.hostName)
  }

  /// The first number of a list such as `4` or `4,2`, the threads of the outermost parallel region.
  static func threadCount(_ text: String) throws -> Int {
    let first = text.split(separator: ",", omittingEmptySubsequences: false)[0].filter { $0 != " " }
    guard let count = Int(first), (1...4096).contains(count) else {
      throw Failure(
        .usage, at: "OMP_NUM_THREADS=\(text)", "the number of threads must be from 1 to 4096",
        remedy: "set it to the CPUs of each rank, or unset it")
    }
    return count
  }

  /// Whole CPUs that fall to a set, when each CPU is divided among all the sets that contain it.
  static func share(of allowed: CPUSet, among sets: [CPUSet]) -> Int {
    let share = (0..<(allowed.bits.count * 8)).filter(allowed.contains).reduce(0.0) { sum, cpu in
      sum + 1 / Double(max(1, sets.count { $0.contains(cpu) }))
    }
    return max(1, Int(share + 1e-6))  // Thirds do not add up to exactly one.
  }

  static func union(_ sets: [CPUSet]) -> CPUSet {
    let width = sets.map(\.bits.count).max() ?? 0
    return CPUSet(bits: (0..<width).map { byte in sets.reduce(0) { $0 | ($1.bits.count > byte ? $1.bits[byte] : 0) } })
  }

  static func warning(ranks: Int, threads: Int, cpus: Int, host: String) -> String? {
    guard threads > cpus else { return nil }
    return
      "\(ranks) \(ranks == 1 ? "rank" : "ranks") on \(host) compute with \(threads) threads together, but may use only"
      + " \(cpus) \(cpus == 1 ? "CPU" : "CPUs"); start fewer ranks or lower OMP_NUM_THREADS; if mpirun binds them, try --bind-to none"
  }
}

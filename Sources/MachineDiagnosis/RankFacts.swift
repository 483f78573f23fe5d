import Foundation

/// What a rank knows of itself and its host; nil for what the system does not tell.
public struct RankFacts: Codable, Sendable, Equatable {
  /// CPUs of the host, and what of them the rank may use.
  public struct Processor: Codable, Sendable, Equatable {
    /// As the CPU calls itself.
    public var model: String?
    /// Those of its extensions that matter to products.
    public var features: [String] = []
    /// CPUs of the host.
    public var online: Int?
    /// CPUs that the rank may run on.
    public var allowed: [Int] = []
    /// Cores that these belong to.
    public var cores: Int?
    /// CPUs' worth of time that a container or batch job may use.
    public var quota: Double?
    /// Mean number of processes that ran or waited to run in the last minute.
    public var load: Double?
  }

  /// Memory of the host, in bytes.
  public struct Memory: Codable, Sendable, Equatable {
    /// All, and what can be had.
    public var total, available: Int?
    /// What a container or batch job may use, and what it uses already.
    public var limit, used: Int?
    /// Huge pages for programs that ask: `always`, `madvise` or `never`.
    public var hugePages: String?
    /// Size of /dev/shm, and what is free there.
    public var sharedTotal, sharedFree: Int?

    /// What can be had, the limit considered.
    public var usable: Int? {
      let within = limit.map { max(0, $0 - (used ?? 0)) }
      return [available, within].compactMap { $0 }.min()
    }
  }

  /// Programs and libraries.
  public struct Software: Codable, Sendable, Equatable {
    /// Versions.
    public var skiptune, mpi, openBLAS, oneDNN: String
    /// The library that computes products here.
    public var products: String
    /// Whether there is arithmetic of bfloat16 numbers.
    public var bfloat16: Bool
    /// Whether ranks of a host may read each other's memory.
    public var readsPeers: Bool

    /// What the doors say of their libraries.
    public init(
      skiptune: String, mpi: String, openBLAS: String, oneDNN: String, products: String, bfloat16: Bool,
      readsPeers: Bool
    ) {
      (self.skiptune, self.mpi, self.openBLAS, self.oneDNN) = (skiptune, mpi, openBLAS, oneDNN)
      (self.products, self.bfloat16, self.readsPeers) = (products, bfloat16, readsPeers)
    }
  }

  /// What was measured, while all ranks did the same.
  public struct Speed: Codable, Sendable, Equatable {
    /// Products, in operations a second.
    public var fp32, bf16: Double?
    /// Memory, in bytes a second.
    public var memory: Double?
  }

  /// The rank, and its node.
  public var rank, node: Int
  /// What MPI calls the host.
  public var host: String
  /// Threads that the rank computes with.
  public var threads: Int
  /// What it computes on.
  public var processor: Processor
  /// What it has room in.
  public var memory: Memory
  /// Files and connections that the process may have open.
  public var openFiles: Int?
  /// What it computes and speaks with.
  public var software: Software
  /// What was measured.
  public var speed = Speed()
}

// MARK: - Reading

extension RankFacts.Processor {
  /// Extensions that are reported, as /proc/cpuinfo calls them.
  private static let notable = ["avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_tile"]

  init(_ files: SystemFiles) {
    model = files.field("model name", in: "proc/cpuinfo")
    let flags = Set((files.field("flags", in: "proc/cpuinfo") ?? "").split(separator: " ").map(String.init))
    features = Self.notable.filter(flags.contains)
    online = files.text("sys/devices/system/cpu/online").map { SystemFiles.numbers($0).count }
    allowed = SystemFiles.numbers(files.field("Cpus_allowed_list", in: "proc/self/status") ?? "")
    let cores = allowed.compactMap { files.text("sys/devices/system/cpu/cpu\($0)/topology/thread_siblings_list") }
    self.cores = cores.isEmpty ? nil : Set(cores).count
    quota = ControlGroup(files).processors
    load = files.number("proc/loadavg")
  }
}

extension RankFacts.Memory {
  init(_ files: SystemFiles) {
    total = files.bytes("MemTotal", in: "proc/meminfo")
    available = files.bytes("MemAvailable", in: "proc/meminfo")
    (limit, used) = ControlGroup(files).memory.map { ($0.limit, $0.used) } ?? (nil, nil)
    // The chosen word is in brackets.
    hugePages = files.text("sys/kernel/mm/transparent_hugepage/enabled")
      .flatMap { $0.split(separator: "[").dropFirst().first }.flatMap { $0.split(separator: "]").first }
      .map(String.init)
    if let disk = DiskSpace(of: files.root + "dev/shm") { (sharedTotal, sharedFree) = (disk.total, disk.free) }
  }
}

extension RankFacts {
  /// Open files as /proc/self/limits tells them; nil for no limit, too.
  static func openFiles(_ files: SystemFiles) -> Int? {
    let line = (files.text("proc/self/limits") ?? "").split(separator: "\n").first { $0.hasPrefix("Max open files") }
    return line.flatMap { $0.dropFirst("Max open files".count).split(separator: " ").first }.flatMap { Int($0) }
  }
}

/// Room on the disk of a folder, in bytes.
struct DiskSpace {
  let total, free: Int

  init?(of path: String) {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    func bytes(_ blocks: some BinaryInteger) -> Int {
      Int(clamping: UInt64(blocks).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
    }
    (total, free) = (bytes(status.f_blocks), bytes(status.f_bavail))
  }
}

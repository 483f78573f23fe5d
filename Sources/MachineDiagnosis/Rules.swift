import Diagnostics
import Reporting

/// What is wrong with facts: pure, the same on all ranks.
struct Rules {
  let report: DiagnosisReport

  /// Errors first, otherwise in order of the table.
  var findings: [Finding] {
    let hosts = report.hosts
    let all =
      hosts.flatMap(processors) + hosts.flatMap(memory) + software + slowHosts(hosts) + hosts.flatMap(system)
      + links + clocks + (report.folder.map(folder) ?? [])
    return Self.joined(all.filter { $0.severity == .error } + all.filter { $0.severity == .warning })
  }

  /// What is the same of several hosts is said once.
  private static func joined(_ findings: [Finding]) -> [Finding] {
    func withoutPlace(_ finding: Finding) -> Finding {
      var finding = finding
      finding.place = nil
      return finding
    }
    return findings.map(withoutPlace).distinct().map { kind in
      let places = findings.filter { withoutPlace($0) == kind }.compactMap(\.place)
      var finding = kind
      let more = places.count > 4 ? " and \(places.count - 4) more" : ""
      finding.place = places.isEmpty ? nil : places.prefix(4).joined(separator: ", ") + more
      return finding
    }
  }
}

// MARK: - Hosts

extension Rules {
  /// Threads against the CPUs that they may run on.
  private func processors(_ ranks: [RankFacts]) -> [Finding] {
    let (first, threads) = (ranks[0], ranks.reduce(0) { $0 + $1.threads })
    let cpus = Set(ranks.flatMap(\.processor.allowed)).count
    let quota = first.processor.quota ?? .infinity
    var findings: [Finding] = []
    if cpus > 0, threads > cpus {
      findings.append(
        .warning(
          first.host,
          "\(Readable.counted(ranks.count, "rank")) compute\(ranks.count == 1 ? "s" : "") with \(threads) threads on \(Readable.counted(cpus, "CPU"))",
          "start fewer ranks or lower OMP_NUM_THREADS; if mpirun binds them, try --bind-to none"))
    } else if Double(threads) > quota + 0.5 {
      findings.append(
        .warning(
          first.host,
          "\(Readable.counted(threads, "thread")), but the container or job gets the time of \(Readable.fixed(quota, 1)) CPUs",
          "set OMP_NUM_THREADS to what falls to each rank, or ask for more"))
    }
    let usable = min(Double(cpus), quota)
    if usable >= 2, Double(threads) <= usable / 2 {
      findings.append(
        .warning(
          first.host,
          "\(Readable.counted(threads, "thread")) for \(Readable.fixed(usable, 0)) CPUs: the others stay idle",
          "unset OMP_NUM_THREADS, start more ranks, or use --bind-to none"))
    }
    if let online = first.processor.online, cpus > 0, cpus <= online / 2, first.processor.quota == nil {
      findings.append(
        .warning(
          first.host, "its ranks may run on \(cpus) of \(online) CPUs only",
          "where that is not meant: ask the batch system for more, or use mpirun --bind-to none"))
    }
    if let model = first.processor.model, !first.processor.features.contains("avx2") {
      findings.append(
        .warning(first.host, "\(model) has no AVX2: products are several times slower", "use CPUs of 2015 or later"))
    }
    if let load = first.processor.load, let online = first.processor.online, load > max(1, Double(online) * 0.5) {
      findings.append(
        .warning(
          first.host, "other programs run: \(Readable.fixed(load, 1)) on average of the last minute, on \(online) CPUs",
          "measure and train where nothing else runs"))
    }
    return findings
  }

  /// Room for what ranks need.
  private func memory(_ ranks: [RankFacts]) -> [Finding] {
    guard let usable = ranks.compactMap(\.memory.usable).min() else { return [] }
    let (host, memory) = (ranks[0].host, ranks[0].memory)
    var findings = report.needs.compactMap { need -> Finding? in
      let needed = need.bytesPerRank * ranks.count
      guard needed > usable else { return nil }
      let problem =
        "\(need.name) takes up to \(Readable.bytes(needed)) on \(Readable.counted(ranks.count, "rank")), of which "
        + "\(Readable.bytes(usable)) can be had"
      let remedy = "start fewer ranks on a host, or try compute.recompute, features.memory_mb or a larger start layer"
      let ceiling = [memory.total, memory.limit].compactMap { $0 }.min() ?? usable
      return needed > ceiling
        ? .error(Failure(.usage, at: host, problem, remedy: remedy))
        : .warning(host, problem, "free some, or " + remedy)
    }
    if usable < ranks.count << 30 {
      findings.append(
        .warning(
          host, "only \(Readable.bytes(usable)) of memory can be had for \(Readable.counted(ranks.count, "rank"))",
          "end other programs, start fewer ranks, or raise the limit of the container or job"))
    }
    if memory.hugePages == "never" {
      findings.append(
        .warning(
          host, "huge pages are switched off, so large arrays cost more address look-ups",
          "as root: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"))
    }
    return findings
  }

  /// Limits of the system that runs meet.
  private func system(_ ranks: [RankFacts]) -> [Finding] {
    let (host, world) = (ranks[0].host, report.ranks.count)
    var findings: [Finding] = []
    if let files = ranks.compactMap(\.openFiles).min(), files < 256 + 4 * world {
      findings.append(
        .warning(
          host,
          "a process may have \(files) files and connections open, too few for \(Readable.counted(world, "rank"))",
          "raise it: ulimit -n \(max(4096, 8 * world))"))
    }
    guard ranks.count > 1 else { return findings }
    let wanted = ranks.count * (16 << 20)
    if ranks[0].memory.sharedFree ?? 0 < wanted {
      let free = ranks[0].memory.sharedFree.map { "has \(Readable.bytes($0)) free" } ?? "is missing"
      findings.append(
        .warning(
          host, "/dev/shm \(free), and ranks of a host speak through it",
          "give a container --shm-size=1g, or remove what old jobs left there"))
    }
    if ranks.contains(where: { !$0.software.readsPeers }) {
      findings.append(
        .warning(
          host, "ranks may not read each other's memory, so long messages among them are copied twice",
          "give a container --cap-add=SYS_PTRACE"))
    }
    return findings
  }
}

// MARK: - All together

extension Rules {
  /// What must be, or had better be, the same everywhere.
  private var software: [Finding] {
    let ranks = report.ranks
    func differs(_ value: (RankFacts.Software) -> String) -> String? {
      let values = Dictionary(grouping: ranks) { value($0.software) }.mapValues { $0[0].host }
      guard values.count > 1 else { return nil }
      return values.sorted { $0.key < $1.key }.map { "\($0.key) on \($0.value)" }.joined(separator: ", ")
    }
    var findings: [Finding] = []
    for (name, value) in [("skiptune", \.skiptune), ("MPI", \.mpi)] as [(String, KeyPath<RankFacts.Software, String>)] {
      guard let words = differs({ $0[keyPath: value] }) else { continue }
      findings.append(
        .error(Failure(.usage, at: name, "hosts have different versions: \(words)", remedy: "install one on all")))
    }
    if let words = differs({ $0.products }) {
      findings.append(
        .warning(
          nil, "ranks compute products differently: \(words)",
          "use hosts of one kind where runs should be repeated to the bit"))
    }
    return findings
  }

  /// All wait for the slowest in every step.
  private func slowHosts(_ hosts: [[RankFacts]]) -> [Finding] {
    func check(_ speed: (RankFacts) -> Double?, _ what: String, _ unit: String) -> [Finding] {
      let speeds = hosts.map { $0.compactMap(speed).min() }
      let known = speeds.compactMap { $0 }.sorted()
      guard known.count > 1 else { return [] }
      let usual = known[known.count / 2]
      return zip(hosts, speeds).compactMap { ranks, own in
        guard let own, own < 0.6 * usual else { return nil }
        return .warning(
          ranks[0].host,
          "\(what) at \(Readable.fixed(own / 1e9, 1)) \(unit), where others reach \(Readable.fixed(usual / 1e9, 1))",
          "look for other programs, a hot or throttled CPU or a missing memory module; all ranks wait for the slowest")
      }
    }
    return check(\.speed.fp32, "computes products", "GF/s a rank")
      + check(\.speed.memory, "reads and writes memory", "GB/s a rank")
  }

  private var links: [Finding] {
    let between = report.links.filter { $0.hosts[0] != $0.hosts[1] }
    let rates = between.map(\.bandwidth).sorted()
    return between.flatMap { link -> [Finding] in
      let place = link.hosts.joined(separator: " - ")
      let usual = rates[rates.count / 2]
      var findings: [Finding] = []
      if link.bandwidth < 100e6 {
        findings.append(
          .warning(
            place, "\(Readable.bytes(Int(link.bandwidth)))/s each way is slow for gradients",
            "choose a faster network with launch/skiptune-run --interface SUBNET, or see exchange.local_steps"))
      } else if link.bandwidth < 0.4 * usual {
        findings.append(
          .warning(
            place,
            "\(Readable.bytes(Int(link.bandwidth)))/s each way, where others have \(Readable.bytes(Int(usual)))/s",
            "look at cable, port and interface of these hosts"))
      }
      if link.latency > 1e-3 {
        findings.append(
          .warning(
            place, "a short message takes \(Readable.seconds(link.latency))",
            "use hosts that are closer to each other, or another network with --interface"))
      }
      return findings
    }
  }

  private var clocks: [Finding] {
    report.clocks.filter { abs($0.ahead) - $0.uncertainty > 1 }.map { clock in
      .warning(
        clock.host, "its clock is \(Readable.seconds(abs(clock.ahead))) \(clock.ahead > 0 ? "ahead" : "behind")",
        "run chrony or another time service on all hosts: times of logs, traces and files would not fit")
    }
  }

  private func folder(_ folder: FolderFacts) -> [Finding] {
    if let problem = folder.problem { return [problem] }
    var findings: [Finding] = []
    if !folder.blindHosts.isEmpty {
      let hosts = folder.blindHosts.prefix(4).joined(separator: ", ") + (folder.blindHosts.count > 4 ? "..." : "")
      findings.append(
        .error(
          Failure(
            .cannotCreate, at: folder.folder,
            "\(hosts) \(folder.blindHosts.count == 1 ? "does" : "do") not see what the first host writes",
            remedy: "take a folder on a file system that all hosts share")))
    }
    if folder.isMemory {
      findings.append(
        .warning(folder.folder, "is in memory (\(folder.kind ?? "")): a run is lost with the host", "take a disk"))
    }
    if let free = folder.free, free < 2 << 30 {
      findings.append(
        .warning(
          folder.folder, "has \(Readable.bytes(free)) free; a run with checkpoints of ViT-B/16 takes about 2 GB",
          "free some space"))
    }
    if let seconds = folder.syncSeconds, seconds > 0.2 {
      findings.append(
        .warning(
          folder.folder, "a small file takes \(Readable.seconds(seconds)) to reach the disk",
          "save less often (checkpoint.every_steps), or take a faster disk"))
    }
    return findings
  }
}

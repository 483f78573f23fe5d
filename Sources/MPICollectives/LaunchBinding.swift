import CMPIShims
import Collectives
import Foundation

/// The CPUs to which a launcher ties a rank.
///
/// A bare `mpirun -np 2` ties each rank to one core, which leaves a program with threads most of the host unused. A
/// binding or mapping that was asked for reaches the ranks of Open MPI 4 as MCA variables; Open MPI 5 tells them nothing,
/// but the command line of the launcher can be read on its own host. Without any the binding is the default's, nobody's
/// wish.
struct LaunchBinding {
  /// Whether the launcher has tied this rank to some of its own CPUs.
  let isBound: Bool
  /// Whether the user may have asked for that; also where nobody knows.
  let isChosenByUser: Bool
  private let launcherCPUs: CPUSet?

  /// What `environment` and the launcher, if it is among the ancestors of this process, tell.
  init(_ environment: [String: String], launcher: LauncherProcess? = .nearest()) {
    launcherCPUs = launcher.flatMap { try? CPUSet.allowed(toProcess: $0.number) }
    if environment["PRTE_LAUNCHED"] != nil {
      isBound = launcherCPUs.map { $0 != (try? CPUSet.allowed()) } ?? false
      isChosenByUser = Self.isChosen(Self.prteVariables, environment) || launcher?.asksForBinding != false
    } else {
      isBound = environment["OMPI_MCA_orte_bound_at_launch"] == "1"
      isChosenByUser = Self.isChosen(Self.orteVariables, environment)
    }
  }

  /// Lets this process run wherever its launcher may, if Open MPI bound it without having been asked to.
  ///
  /// Without effect if the launcher is not among the ancestors of this process.
  func undoDefault() {
    guard isBound, !isChosenByUser, let launcherCPUs else { return }
    _ = launcherCPUs.bits.withUnsafeBufferPointer { cpu_shim_write_affinity($0.baseAddress, $0.count) }
  }

  /// Variables by which the user, or mpirun for the user's options, can have chosen where ranks of Open MPI 4 run.
  private static let orteVariables = [
    "hwloc_base_binding_policy", "rmaps_base_mapping_policy", "hwloc_base_cpu_list", "hwloc_base_cpu_set",
    "rmaps_rank_file_path", "orte_rankfile", "rmaps_dist_device", "rmaps_ppr_pattern",
  ].map { "OMPI_MCA_\($0)" }

  /// The same of Open MPI 5.
  private static let prteVariables = [
    "hwloc_default_binding_policy", "hwloc_default_cpu_list", "rmaps_default_mapping_policy",
  ].map { "PRTE_MCA_\($0)" }

  private static func isChosen(_ variables: [String], _ environment: [String: String]) -> Bool {
    variables.contains { environment[$0].map(saysWhere) ?? false }
  }

  /// Whether a policy says where ranks run, and not how many may only.
  fileprivate static func saysWhere(_ policy: String) -> Bool {
    ![":oversubscribe", ":nooversubscribe"].contains(policy.lowercased())
  }
}

extension LauncherProcess {
  /// Options of mpirun that say where ranks run, and the settings behind them.
  private static let placements = [
    "bind-to", "map-by", "cpu-set", "cpu-list", "rankfile", "rf", "cpus-per-proc", "cpus-per-rank", "ppr", "pernode",
    "npernode", "npersocket",
  ]
  private static let placementSettings = [
    "hwloc_default_binding_policy", "rmaps_default_mapping_policy", "hwloc_base_binding_policy",
    "rmaps_base_mapping_policy",
  ]

  /// Whether its command line says where ranks run; nil for a daemon, whose own does not tell.
  var asksForBinding: Bool? {
    guard name != "prted" else { return nil }
    return zip(arguments, arguments.dropFirst() + [""]).contains { argument, next in
      let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
      guard let option = parts.first else { return false }
      let known = option.hasPrefix("-") ? Self.placements : Self.placementSettings
      return known.contains(String(option.drop { $0 == "-" }))
        && LaunchBinding.saysWhere(parts.count > 1 ? parts[1] : next)
    }
  }
}

extension CPUSet {
  /// The CPUs on which a process may run; by default the calling thread.
  ///
  /// Throws if the process is gone.
  static func allowed(toProcess process: Int32 = 0) throws -> CPUSet {
    var bits = [UInt8](repeating: 0, count: 1024)  // 8192 CPUs, the most that Linux can be built for.
    let code = cpu_shim_read_affinity(process, &bits, bits.count)
    guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO) }
    return CPUSet(bits: bits)
  }
}

extension MPICollectives {
  /// CPUs on which this process may run.
  public var allowedCPUCount: Int { (try? CPUSet.allowed())?.count ?? 1 }

  /// Threads for each rank from `OMP_NUM_THREADS` or the CPUs of the host; see `ThreadPlan`.
  ///
  /// Collective: all ranks call this in the same order.
  public func threadPlan() throws -> ThreadPlan {
    try ThreadPlan(
      collectives: self, allowed: (try? CPUSet.allowed()) ?? CPUSet(bits: [1]),
      requested: ProcessInfo.processInfo.environment["OMP_NUM_THREADS"])
  }
}

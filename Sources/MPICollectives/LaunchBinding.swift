import CMPIShims
import Collectives
import Foundation

/// The CPUs to which a launcher ties a rank.
///
/// A bare `mpirun -np 2` ties each rank to one core, which leaves a program with threads most of the host unused.
/// `--bind-to` and `--map-by` reach the rank as MCA variables; without any the binding is the default's, nobody's wish.
enum LaunchBinding {
  /// Variables by which the user can have chosen where ranks run.
  private static let choices = [
    "hwloc_base_binding_policy", "rmaps_base_mapping_policy", "hwloc_base_cpu_list", "hwloc_base_cpu_set",
    "rmaps_rank_file_path", "orte_rankfile", "rmaps_dist_device", "rmaps_ppr_pattern",
  ]

  /// Whether the user asked `mpirun` for a binding or mapping, with an option or a variable.
  static func isChosenByUser(_ environment: [String: String]) -> Bool {
    choices.contains { environment["OMPI_MCA_\($0)"] != nil }
  }

  /// Lets this process run wherever its launcher may, if Open MPI bound it without having been asked to.
  ///
  /// Without effect if the launcher is not among the ancestors of this process.
  static func undoDefault(_ environment: [String: String]) {
    guard environment["OMPI_MCA_orte_bound_at_launch"] == "1", !isChosenByUser(environment),
      let launcher = launcherProcess(), let allowed = try? CPUSet.allowed(toProcess: launcher)
    else { return }
    _ = allowed.bits.withUnsafeBufferPointer { cpu_shim_write_affinity($0.baseAddress, $0.count) }
  }

  /// The nearest ancestor that is a launcher or daemon of Open MPI.
  private static func launcherProcess() -> Int32? { LauncherProcess.nearest()?.number }
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

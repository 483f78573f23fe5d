import CMPIShims
import Collectives
import Foundation

/// Settings that Open MPI reads from the environment when it starts.
///
/// Each is set only if the user has not set it. Settings of the daemons between hosts, such as `oob_tcp_keepalive_time`,
/// are read by `mpirun` and cannot be set from here.
enum OpenMPIEnvironment {
  /// Undoes a default binding, then sets what is missing.
  ///
  /// Must come before MPI starts.
  static func prepare() {
    let environment = ProcessInfo.processInfo.environment
    let binding = LaunchBinding(environment)
    binding.undoDefault()
    var settings = settings(environment, isBound: binding.isBound && binding.isChosenByUser)
    if isVersion5 { settings.merge(version5()) { $1 } }
    for (name, value) in settings {
      setenv("OMPI_MCA_\(name)", value, 0)  // 0: what the user has set stays.
    }
  }

  /// Parameter names without the prefix `OMPI_MCA_`, and values; `isBound` tells whether each rank of this host has CPUs
  /// of its own, by the user's wish.
  private static func settings(_ environment: [String: String], isBound: Bool) -> [String: String] {
    var settings = [
      // Sending only: with the default, in which the receiver asks for parts of long messages, its requests queue behind
      // what it sends itself, so that the two directions of a link wait for each other and take up to twice the time.
      "btl_tcp_flags": "1",
      // Crashes between hosts in Open MPI 4.1.
      "coll": "^han",
    ]
    if cpu_shim_can_read_peers() == 0 { settings["btl_vader_single_copy_mechanism"] = "none" }
    let localRanks = environment["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap { Int($0) } ?? 1
    // A rank that waits spins. Where the scheduler may put two on one core, even while another idles, each exchange then
    // costs a time slice: ten times as long for an all-reduce of 248 MB on two cores, against nothing lost by yielding.
    if localRanks > 1 && !isBound { settings["mpi_yield_when_idle"] = "1" }
    // Without a launcher nothing needs the daemon that Open MPI would start beside the program.
    if !LaunchEnvironment(environment).isLaunched { settings["ess_singleton_isolated"] = "1" }
    return settings
  }

  /// What Open MPI 5 wants beside that.
  private static func version5() -> [String: String] {
    // On hosts with addresses of both kinds each rank would complain that it finds no way to those of IPv6.
    var settings = ["btl_tcp_disable_family": "6"]
    // What copies between processes is a part of its own there.
    if cpu_shim_can_read_peers() == 0 { settings["smsc"] = "^cma" }
    return settings
  }

  /// Whether the library that runs is Open MPI 5 or newer: the programs of both link to either.
  private static var isVersion5: Bool {
    let version = (try? MPICollectives.libraryVersion())?.firstMatch(of: #/Open MPI v(\d+)/#)?.output.1
    return version.flatMap { Int($0) }.map { $0 >= 5 } ?? false
  }
}

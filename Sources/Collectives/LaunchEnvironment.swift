import Diagnostics
import Foundation

/// What launchers tell a process about the run it belongs to, in environment variables.
public struct LaunchEnvironment: Sendable {
  private let environment: [String: String]

  /// Variables with the number of processes of a run, most specific first: Open MPI's, MPICH's and Intel MPI's, and Slurm's
  /// for one `srun` (a job's `SLURM_NTASKS` is no launch: `mpirun` may start fewer).
  private static let sizeVariables = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"]

  /// What the variables of `environment` say.
  public init(_ environment: [String: String]) { self.environment = environment }

  /// What the variables of this process say.
  public static var current: LaunchEnvironment { LaunchEnvironment(ProcessInfo.processInfo.environment) }

  /// Whether a launcher started this process.
  public var isLaunched: Bool {
    (Self.sizeVariables + ["PMIX_RANK", "PMI_RANK"]).contains { environment[$0] != nil }
  }

  /// Throws a usage failure if a launcher started several processes but MPI has found only this one.
  ///
  /// That is what happens when `mpirun` and the library come from different installations: each process would train alone
  /// and overwrite the others' results.
  public func validate(worldSize: Int) throws {
    guard worldSize == 1, let claim else { return }
    throw Failure(
      .usage, at: "\(claim.variable)=\(claim.value)",
      "the launcher started \(claim.meaning), but MPI finds a world of 1: launcher and MPI library do not belong together",
      remedy: "use the mpirun of the Open MPI that skiptune is linked to (ldd names it), or srun --mpi=pmix"
    )
  }

  /// The first variable that speaks of several processes.
  private var claim: (variable: String, value: String, meaning: String)? {
    for variable in Self.sizeVariables {
      // The most specific launcher decides: one process of mpirun inside a larger Slurm step is a world of one.
      guard let value = environment[variable], let size = Int(value) else { continue }
      return size > 1 ? (variable, value, "\(size) processes") : nil
    }
    // PMIx tells no size, but a rank above 0 has company.
    guard let value = environment["PMIX_RANK"], let rank = Int(value), rank > 0 else { return nil }
    return ("PMIX_RANK", value, "at least \(rank + 1) processes")
  }
}

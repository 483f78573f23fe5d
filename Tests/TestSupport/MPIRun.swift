import Foundation

/// Starts a program of this package on several ranks of this machine.
public enum MPIRun {
  /// Runs `mpirun` with more ranks than cores allowed, without binding, and waits for its end.
  ///
  /// Works for root, too, as tests in containers run as root. `options` go to mpirun before the program's name. Variables
  /// of a launcher that this process itself may have been started by are not passed on. `isQuiet` leaves out what mpirun
  /// itself has to say about a job that fails.
  public static func run(
    ranks: Int, program: String, arguments: [String] = [], options: [String] = [], environment: [String: String] = [:],
    isQuiet: Bool = true, timeout: Duration = .seconds(120)
  ) throws -> ProcessRunner.Outcome {
    let fixed = [
      "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1",
    ]
    let program = try BuiltProducts.url(program).path
    return try ProcessRunner.run(
      URL(fileURLWithPath: "/usr/bin/env"),
      ["mpirun"] + fixed + (isQuiet ? ["-q"] : []) + options + ["-np", "\(ranks)", program] + arguments,
      environment: cleanEnvironment.merging(environment) { $1 }, timeout: timeout)
  }

  /// The environment of this process without any launcher's variables and without a number of threads.
  public static var cleanEnvironment: [String: String] {
    ProcessInfo.processInfo.environment.filter { variable in
      !["OMPI_", "PMIX_", "PMI_", "ORTE_", "SLURM_", "OMP_NUM_THREADS"].contains { variable.key.hasPrefix($0) }
    }
  }
}

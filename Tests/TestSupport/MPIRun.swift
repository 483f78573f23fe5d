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
    return try run(
      fixed + options + ["-np", "\(ranks)", BuiltProducts.url(program).path] + arguments, environment: environment,
      isQuiet: isQuiet, timeout: timeout)
  }

  /// Runs `mpirun` with these arguments alone.
  public static func run(
    _ arguments: [String], environment: [String: String] = [:], isQuiet: Bool = true, timeout: Duration = .seconds(60)
  ) throws -> ProcessRunner.Outcome {
    var outcome = try ProcessRunner.run(
      URL(fileURLWithPath: "/usr/bin/env"), ["mpirun"] + (isQuiet && majorVersion < 5 ? ["-q"] : []) + arguments,
      environment: cleanEnvironment.merging(environment) { $1 }, timeout: timeout)
    if isQuiet && majorVersion >= 5 { outcome.stderr = withoutComplaints(outcome.stderr) }
    return outcome
  }

  /// Version 5 cannot be told to keep to itself what it says of a job that fails, between lines of dashes, nor how its parts
  /// lose each other then.
  private static func withoutComplaints(_ text: String) -> String {
    text.replacing(#/(?m)^-{70,}\n(?:prterun|MPI_ABORT was invoked)(?s:.*?)\n-{70,}\n\x00?/#, with: "")
      .replacing(#/(?m)^\[[^\]\n]*\] PMIX ERROR: .*\n/#, with: "")
  }

  /// Of the Open MPI that is installed.
  public static let majorVersion: Int = {
    let outcome = try? ProcessRunner.run(
      URL(fileURLWithPath: "/usr/bin/env"), ["mpirun", "--version"], environment: cleanEnvironment,
      timeout: .seconds(30))
    return (outcome?.stdout.firstMatch(of: #/Open MPI\) (\d+)/#)?.output.1).flatMap { Int($0) } ?? 4
  }()

  /// What `mpirun` is called once it runs: version 5 hands over to another program.
  public static var launcherName: String { majorVersion < 5 ? "mpirun" : "prterun" }

  /// Lets mpirun start more ranks than there are cores, in place of its option.
  public static let oversubscription = [
    "OMPI_MCA_rmaps_base_oversubscribe": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
  ]

  /// The environment of this process without any launcher's variables and without a number of threads.
  public static var cleanEnvironment: [String: String] {
    ProcessInfo.processInfo.environment.filter { variable in
      !["OMPI_", "PMIX_", "PMI_", "ORTE_", "PRTE_", "SLURM_", "OMP_NUM_THREADS"].contains { variable.key.hasPrefix($0) }
    }
  }
}

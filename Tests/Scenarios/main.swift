import Collectives
import Diagnostics
import Foundation
import MPICollectives

// skiptune-scenarios NAME [ARGUMENT]: what the multi-rank tests start under mpirun. Silent when all is well but for one
// line of rank 0; a rank that finds a difference says so and ends the run.

let name = CommandLine.arguments.dropFirst().first ?? ""
let argument = CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) }

if let scenario = loneScenarios[name] { run(scenario) }

/// Failures before MPI runs: every rank has its own.
func start() -> MPICollectives {
  do {
    // `beyond-32-bit` pretends that the library's counts end at 1000, so that small buffers exceed them.
    return try name == "beyond-32-bit" ? .initialize(maximumCount: 1000) : .initialize()
  } catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit((error as? Failure)?.status.rawValue ?? ExitStatus.internalError.rawValue)
  }
}

let collectives = start()
do {
  guard let scenario = scenarios[name] ?? waitScenarios[name] else {
    let names = (Array(scenarios.keys) + waitScenarios.keys).sorted().joined(separator: ", ")
    throw Failure(.usage, at: name, "no such scenario", remedy: "use one of \(names)")
  }
  try scenario(collectives, argument)
  try collectives.barrier()
  if collectives.rank == 0 { print("ok \(name) size=\(collectives.worldSize)") }
  try collectives.finalize()
} catch let failure as Failure {
  collectives.end(with: failure) { isShared in
    let speaker = isShared ? "" : "rank \(collectives.rank) of \(collectives.worldSize): "
    FileHandle.standardError.write(Data("\(speaker)\(failure)\n".utf8))
  }
} catch {
  FileHandle.standardError.write(Data("\(error)\n".utf8))
  collectives.abort(status: .internalError)
}

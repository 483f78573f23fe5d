import Collectives
import Diagnostics
import Foundation
import MPICollectives

/// Ranks that wait for one that does not come, with a deadline of a second.
let waitScenarios: [String: Scenario] = [
  "stopped-rank": { collectives, victim in
    try whileOthersWait(collectives, victim) { raise(SIGSTOP) }
    var values = [Float](repeating: 1, count: 100_000)
    try collectives.allReduce(&values, .sum)
  },
  "stopped-sender": { collectives, victim in
    try whileOthersWait(collectives, victim) { raise(SIGSTOP) }
    try withUnsafeTemporaryAllocation(byteCount: 8, alignment: 8) { bytes in
      try collectives.wait(for: [try collectives.receive(into: bytes, from: victim ?? 0, tag: 3)])
    }
  },
  "stopped-neighbour": { collectives, victim in
    let memory = try collectives.nodeMemory(byteCount: 8, counters: 1)
    try whileOthersWait(collectives, victim) { raise(SIGSTOP) }
    try collectives.wait(in: "wait for counter 0") { memory.counter(0) == 1 }
  },
  "slow-rank": { collectives, victim in
    collectives.reportPatience = { FileHandle.standardError.write(Data("\($0)\n".utf8)) }
    try whileOthersWait(collectives, victim) { Thread.sleep(forTimeInterval: 3.3) }
    try collectives.barrier()
  },
  "out-of-step": { collectives, victim in
    try whileOthersWait(collectives, victim) {
      var value = [Float(1)]
      try collectives.allReduce(&value, .sum)
    }
    try collectives.barrier()
  },
  "lost-message": { collectives, victim in
    try whileOthersWait(collectives, victim) {}
    try withUnsafeTemporaryAllocation(byteCount: 8, alignment: 8) { bytes in
      try collectives.wait(for: [try collectives.receive(into: bytes, from: collectives.rank, tag: 3)])
    }
  },
]

/// Sets the deadline, says what the rank does, and lets one rank do something else than the others.
private func whileOthersWait(_ collectives: MPICollectives, _ victim: Int?, _ body: () throws -> Void) throws {
  collectives.deadline = .seconds(1)
  collectives.activity = { "step 12, gradients" }
  try collectives.barrier()
  if collectives.rank == victim { try body() }
}

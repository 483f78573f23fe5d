import Collectives
import Diagnostics
import Foundation
import MPICollectives
import TestSupport

/// One scenario, called once by every rank; the number is the optional argument.
typealias Scenario = @Sendable (MPICollectives, Int?) throws -> Void

/// By the name that is given on the command line.
let scenarios: [String: Scenario] = [
  "all-reduce": { collectives, _ in try conformance(collectives).checkAllReduce() },
  "broadcast": { collectives, _ in try conformance(collectives).checkBroadcast() },
  "all-gather": { collectives, _ in try conformance(collectives).checkAllGather() },
  "beyond-32-bit": { collectives, _ in
    let conformance = CollectivesConformance(collectives, counts: [999, 1000, 1001, 4007])
    try conformance.checkAllReduce()
    try conformance.checkBroadcast()
    try conformance.checkAllGather()
    try MessagePassingConformance(collectives, counts: [999, 1000, 1001, 4007]).checkMessages()
  },
  "messages": { collectives, _ in
    try MessagePassingConformance(collectives, counts: [0, 1, 5, 4095, 70_001, 2_000_003]).checkMessages()
  },
  "node-memory": { collectives, _ in
    let conformance = MessagePassingConformance(collectives, counts: [])
    try conformance.checkNodes()
    try conformance.checkNodeMemory()
  },
  "node-group": { collectives, _ in
    let group = NodeGroup(collectives)
    try conformance(group).checkAllReduce()
    try conformance(group).checkBroadcast()
    try conformance(group).checkAllGather()
    let messages = MessagePassingConformance(group, counts: [0, 1, 5, 70_001])
    try messages.checkNodes()
    try messages.checkMessages()
    try messages.checkNodeMemory()
  },
  "parts": checkParts,
  "agreement": checkAgreement,
  "placement": checkPlacement,
  "agreed-failure": { collectives, culprit in
    try collectives.agree {
      guard collectives.rank == culprit else { return }
      throw Failure(.badData, at: "labels.json", "label 3 is missing", remedy: "add it")
    }
  },
  "lone-failure": { collectives, culprit in
    if collectives.rank == culprit { throw Failure(.badData, at: "labels.json", "label 3 is missing") }
  },
  "death": { collectives, victim in
    if collectives.rank == victim { kill(getpid(), SIGKILL) }
  },
  "time-all-reduce": timeAllReduce,
  "time-short": timeShort,
]

/// The last rank apart from the others, each part with as many operations as it likes, and all of them in between.
private let checkParts: Scenario = { collectives, _ in
  let size = collectives.worldSize
  let isLast = collectives.rank == size - 1
  let part = collectives.world(of: isLast ? [size - 1] : Array(0..<size - 1))
  for turn in 0..<2 {
    for _ in 0...(isLast ? 0 : turn) {
      try conformance(part).checkAllReduce()
      try conformance(part).checkBroadcast()
      try conformance(part).checkAllGather()
    }
    let messages = MessagePassingConformance(part, counts: [0, 1, 5, 70_001])
    try messages.checkNodes()
    try messages.checkMessages()
    try messages.checkNodeMemory()
    try CollectivesConformance(collectives, counts: [5]).checkAllReduce()
  }
}

/// Counts around the ends of what algorithms treat alike: none, one, odd, beyond one part of a reduction.
private func conformance(_ collectives: any Collectives) -> CollectivesConformance {
  CollectivesConformance(collectives, counts: [0, 1, 5, 1023, 40_001, 1_048_583])
}

@Sendable private func checkAgreement(_ collectives: MPICollectives, _: Int?) throws {
  let rank = collectives.rank
  guard try collectives.agree({ rank * 2 }) == rank * 2 else {
    throw Difference("agree returned another rank's result")
  }
  for culprit in 0..<collectives.worldSize {
    do {
      try collectives.agree {
        if rank >= culprit { throw Failure(.missingInput, at: "file \(rank)", "missing", remedy: "make it") }
      }
      throw Difference("rank \(rank) heard nothing of the failure of rank \(culprit)")
    } catch let failure as Failure {
      let suffix = collectives.worldSize > 1 ? " (rank \(culprit) of \(collectives.worldSize))" : ""
      let expected = Failure(.missingInput, at: "file \(culprit)", "missing\(suffix)", remedy: "make it")
      guard failure == expected else { throw Difference("rank \(rank) heard \(failure) instead of \(expected)") }
    }
  }
}

/// All ranks share this machine, and the thread plan divides its CPUs, of which there are as many as the argument says.
@Sendable private func checkPlacement(_ collectives: MPICollectives, _ cpus: Int?) throws {
  guard (collectives.nodeRank, collectives.nodeSize) == (collectives.rank, collectives.worldSize) else {
    throw Difference("rank \(collectives.rank) is \(collectives.nodeRank) of \(collectives.nodeSize) on its host")
  }
  let names = try collectives.allGather(Array(collectives.hostName.utf8))
  guard Set(names).count == 1, !names[0].isEmpty else { throw Difference("hosts have different names or none") }
  if let cpus, collectives.allowedCPUCount != cpus {
    throw Difference("rank \(collectives.rank) may use \(collectives.allowedCPUCount) CPUs instead of \(cpus)")
  }
  let plan = try collectives.threadPlan()
  let expected = max(1, collectives.allowedCPUCount / collectives.nodeSize)
  guard plan.threads == expected else { throw Difference("\(plan.threads) threads instead of \(expected)") }
  guard (plan.warning != nil) == (collectives.nodeSize > collectives.allowedCPUCount) else {
    throw Difference("\(plan.warning ?? "no warning") for \(collectives.nodeSize) ranks")
  }
}

/// Prints seconds for one all-reduce of as many floats as trained parameters of ViT-B/16, or the argument's number.
@Sendable private func timeAllReduce(_ collectives: MPICollectives, _ count: Int?) throws {
  var gradients = [Float](repeating: 1, count: count ?? 62_100_000)
  for _ in 0..<5 {
    try collectives.barrier()
    let time = try ContinuousClock().measure { try collectives.allReduce(&gradients, .max) }
    let sumTime = try ContinuousClock().measure { try collectives.allReduce(&gradients, .sum) }
    if collectives.rank == 0 { print("\(gradients.count) floats: sum \(sumTime), max \(time)") }
  }
}

/// Prints microseconds for operations on a few numbers, or as many as the argument says.
@Sendable private func timeShort(_ collectives: MPICollectives, _ count: Int?) throws {
  var values = [Float](repeating: 1, count: count ?? 100)
  func time(_ name: String, _ body: () throws -> Void) throws {
    var times: [Duration] = []
    for _ in 0..<7 {
      try collectives.barrier()
      times.append(try ContinuousClock().measure { for _ in 0..<1000 { try body() } })
    }
    if collectives.rank == 0 { print("\(name): \(times.sorted()[3] / .milliseconds(1)) us") }
  }
  try time("barrier") { try collectives.barrier() }
  try time("all-reduce") { try collectives.allReduce(&values, .max) }
  try time("broadcast") { try values.withUnsafeMutableBytes { try collectives.broadcast($0, root: 0) } }
  try time("agree") { try collectives.agree {} }
}

/// What a scenario found to be different from its formula.
struct Difference: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

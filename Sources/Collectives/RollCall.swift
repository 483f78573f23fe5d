import Diagnostics

/// What a rank that has waited for too long hears from the others, and what follows from it.
///
/// Pure bookkeeping: whoever carries the messages asks all that are `expected`, notes who answers, and takes the verdict
/// when all have or a time is over.
package struct RollCall: Sendable {
  /// What follows.
  package enum Verdict: Equatable, Sendable {
    /// All are alive and somebody still works: wait on, and say so in these words.
    case wait(String)
    /// The run is lost.
    case giveUp(Failure)
  }

  /// Who asks.
  package let own: RankReport
  /// Ranks that are asked, this one included.
  package let expected: [Int]
  let hosts: [String]
  let deadline: Duration
  private(set) var heard: [Int: RankReport]
  private var asking: Set<Int>

  /// A roll call that nobody has answered yet; `hosts` are those of all ranks of the run.
  package init(own: RankReport, expected: [Int], hosts: [String], deadline: Duration) {
    self.own = own
    self.expected = expected
    self.hosts = hosts
    self.deadline = deadline
    heard = [own.rank: own]
    asking = [own.rank]
  }

  /// Whom a rank asks: up to `limit` ranks all, beyond them those of its own node and the lowest of every node.
  ///
  /// Then a lost rank is still missed by the ranks beside it, and a lost node by all.
  package static func expected(by rank: Int, nodes: [Int], limit: Int = 256) -> [Int] {
    if nodes.count <= limit { return Array(nodes.indices) }
    var seen: Set<Int> = []
    return nodes.indices.filter { seen.insert(nodes[$0]).inserted || nodes[$0] == nodes[rank] }
  }

  /// How long a rank listens for answers.
  ///
  /// A rank that is alive answers within a fraction of a second; on a host with ten times as many processes to run as
  /// processors it took more than two.
  package static func listeningTime(deadline: Duration) -> Duration {
    min(max(deadline / 10, .seconds(5)), .seconds(60))
  }

  /// Notes an answer, or the question of a rank that calls the roll itself.
  package mutating func hear(_ report: RankReport, isQuestion: Bool) {
    heard[report.rank] = report
    if isQuestion { asking.insert(report.rank) }
  }

  /// Whether nobody is left to be heard.
  package var isComplete: Bool { missing.isEmpty }

  /// Whether there is a node of which nobody has answered.
  package func isNodeSilent(_ nodes: [Int]) -> Bool {
    !Set(expected.map { nodes[$0] }).isSubset(of: heard.keys.map { nodes[$0] })
  }

  /// Whether this rank is the lowest of those that ask, and so the one to speak.
  package var isSpeaker: Bool { asking.min() == own.rank }

  /// What follows from what was heard; `isLast` where even ranks at work have had all the time there is.
  package func verdict(isLast: Bool) -> Verdict {
    if !missing.isEmpty {
      let ranks = PlacedRanks(missing, hosts)
      return giveUp(
        "\(ranks) \(ranks.verb) missing (stopped, dead or cut off); \(others)", "look there, then start again")
    }
    guard let first = working.first else { return stuck }
    let ranks = PlacedRanks(working, hosts)
    let activity = heard[first].map { $0.activity.isEmpty ? "" : " (\($0.activity))" } ?? ""
    if isLast {
      let come = working.count == 1 ? "does" : "do"
      return giveUp("\(ranks) \(ranks.verb) alive\(activity), but \(come) not come; \(others)")
    }
    let waiting = RankList(heard.keys.filter { !working.contains($0) })
    let patience = "\(waiting) \(waiting.count == 1 ? "has" : "have") waited for \(deadline.inWords) or more"
    return .wait("\(ranks) \(ranks.verb) still at work\(activity); \(patience) in \(own.call ?? "")")
  }

  /// All wait, and have for long.
  private var stuck: Verdict {
    let calls = Dictionary(grouping: heard.values) { "\($0.call ?? "") (operation \($0.operations))" }
    if calls.count == 1 {
      return giveUp("all ranks wait in it, but nothing arrives", "look at the network between their hosts")
    }
    let sorted = calls.map { (ranks: RankList($0.value.map(\.rank)), call: $0.key) }
      .sorted { $0.ranks.lowest < $1.ranks.lowest }
    let words = sorted.prefix(4).map { "\($0.ranks) \($0.ranks.count == 1 ? "waits" : "wait") in \($0.call)" }
    return giveUp("ranks are out of step: " + (words + (sorted.count > 4 ? ["and so on"] : [])).joined(separator: ", "))
  }

  private var missing: [Int] { expected.filter { heard[$0] == nil } }

  /// Those that work, or have come to a wait so lately that something moves.
  private var working: [Int] {
    heard.values.filter { !$0.isWaiting || $0.secondsWaited < deadline / .seconds(2) }.map(\.rank).sorted()
  }

  private func giveUp(_ finding: String, _ remedy: String? = nil) -> Verdict {
    let activity = own.activity.isEmpty ? "" : " (\(own.activity))"
    let problem = "no answer for \(deadline.inWords) in \(own.call ?? "")\(activity): \(finding)"
    return .giveUp(Failure(.internalError, problem, remedy: remedy))
  }

  /// Those that were heard, by what they do.
  private var others: String {
    let waiting = RankList(heard.values.filter(\.isWaiting).map(\.rank))
    let busy = RankList(heard.values.filter { !$0.isWaiting }.map(\.rank))
    let parts = [(waiting, "waiting"), (busy, "at work")].filter { $0.0.count > 0 }
    return parts.map { "\($0.0) \($0.0.verb) \($0.1)" }.joined(separator: ", ")
  }
}

/// Ranks with the names of their hosts: `rank 2 on host b`, `ranks 2, 3 on host b and rank 5 on host c`.
private struct PlacedRanks: CustomStringConvertible {
  let description: String
  let verb: String

  init(_ ranks: [Int], _ hosts: [String]) {
    let groups = Dictionary(grouping: ranks) { hosts[$0] }.sorted { $0.value[0] < $1.value[0] }
    var words = groups.prefix(4).map { "\(RankList($0.value)) on host \($0.key)" }
    if groups.count > 4 { words.append("\(groups.dropFirst(4).reduce(0) { $0 + $1.value.count }) more") }
    let head = words.dropLast().joined(separator: ", ")
    description = head.isEmpty ? words[0] : "\(head) and \(words[words.count - 1])"
    verb = RankList(ranks).verb
  }
}

extension Duration {
  /// Seconds, with one decimal where they are not whole: `30 s`, `0.5 s`.
  package var inWords: String {
    let tenths = Int((self / .milliseconds(100)).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
  }
}

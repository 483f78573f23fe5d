#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What exchanges among the ranks of a run take.
///
/// (n - 1) / n of a buffer goes through each rank's link, the least that is possible. Sharded exchange is direct: every rank
/// sends each other rank its slice, one message each, all at once. Other reductions halve the buffer and exchange it with
/// ever nearer ranks: log2(n) messages one after the other. Links between different pairs of hosts do not disturb each other.
struct ExchangeModel {
  let machine: MachineProfile
  var ranks: Int
  let ranksPerNode: Int
  let isTwoLevel: Bool
  let isDirect: Bool

  private var local: Int { min(ranksPerNode, ranks) }
  var nodes: Int { (ranks + local - 1) / local }

  /// Seconds in which each rank comes to own its share of the sum of all ranks' buffers of `bytes`.
  func reduceScatter(bytes: Double) -> Double { oneWay(bytes, isDirect: isDirect) + addition(bytes) }

  /// Seconds in which every rank gets the shares of all, together `bytes`.
  func gather(bytes: Double) -> Double { oneWay(bytes, isDirect: isDirect) }

  /// Seconds of a reduction of a few bytes whose result every rank waits for.
  func smallReduction(bytes: Double) -> Double { 2 * oneWay(bytes, isDirect: false) + addition(bytes) }

  /// Bytes that a rank sends on average for both ways of a buffer of `bytes`, as the program counts them.
  func sentBytes(_ bytes: Double) -> Double { 2 * share(ranks) * bytes }

  private func oneWay(_ bytes: Double, isDirect: Bool) -> Double {
    guard ranks > 1 else { return 0 }
    // Sharded, the ranks of a node see each other's gradients and one copy of the parameters: they only add up.
    let sharesMemory = isTwoLevel && isDirect
    guard nodes > 1 else {
      return sharesMemory ? 0 : machine.node.seconds(messages: rounds(ranks), bytes: share(ranks) * bytes)
    }
    // Each rank of a node speaks for its part of the node's buffer.
    let isTwoLevel = isTwoLevel && local > 1
    let within =
      isTwoLevel && !sharesMemory ? machine.node.seconds(messages: rounds(local), bytes: share(local) * bytes) : 0
    let peers = isTwoLevel ? nodes : ranks
    let messages = isDirect ? 1 + Double(peers - 1) * machine.messageCost / machine.network.latency : rounds(peers)
    return within + machine.network.seconds(messages: messages, bytes: share(peers) * bytes)
  }

  /// Two numbers are read and one is written for each that a rank receives.
  private func addition(_ bytes: Double) -> Double { ranks > 1 ? 3 * share(ranks) * bytes / machine.memory : 0 }

  private func share(_ count: Int) -> Double { Double(count - 1) / Double(count) }

  private func rounds(_ count: Int) -> Double { count > 1 ? log2(Double(count)).rounded(.up) : 0 }
}

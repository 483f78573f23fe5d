import Collectives

/// Which ranks share memory, and who speaks for a node.
///
/// Sums are made in two levels: the ranks of a node add their gradients in memory, then one message per node and slice
/// crosses the network. A slice is handled on every node by the rank whose place on the node is the owner's, modulo the
/// number of ranks there; so all ranks of a node share its traffic.
struct ExchangeTopology: Sendable, Equatable {
  /// This rank.
  let rank: Int
  /// Node of each rank.
  let nodes: [Int]
  /// Ranks of each node, ascending.
  let members: [[Int]]

  /// `nodes[r]` is the node of rank r; `groupsNodes` false puts every rank on a node of its own.
  init(rank: Int, nodes: [Int], groupsNodes: Bool = true) {
    self.rank = rank
    let nodes = groupsNodes ? nodes : Array(nodes.indices)
    self.nodes = nodes
    members = (0..<(nodes.max()! + 1)).map { node in nodes.indices.filter { nodes[$0] == node } }
  }

  var worldSize: Int { nodes.count }
  var node: Int { nodes[rank] }
  var nodeCount: Int { members.count }
  /// Ranks of this node.
  var local: [Int] { members[node] }
  /// This rank's place among them.
  var localRank: Int { local.firstIndex(of: rank)! }
  /// All nodes but this one, ascending.
  var otherNodes: [Int] { (0..<nodeCount).filter { $0 != node } }

  /// The rank that handles the slices of `owner` on a node; on the owner's node the owner.
  func handler(of owner: Int, on node: Int) -> Int {
    let place = members[nodes[owner]].firstIndex(of: owner)!
    return members[node][place % members[node].count]
  }

  /// Owners on other nodes whose slices this rank handles on its node.
  var foreignOwners: [Int] {
    nodes.indices.filter { nodes[$0] != node && handler(of: $0, on: node) == rank }
  }
}

import Collectives
import Kernels
import Tensors

/// The steps that a bucket takes.
extension ShardedExchange {
  /// Takes the next step of a bucket if it can be taken now.
  func advance(_ index: Int) throws -> Bool {
    switch phases[index] {
    case .filling, .complete: return false
    case .ready: return try addUpNode(index)
    case .summed: return try addUpNodes(index)
    case .reduced: return try updateSlice(index)
    case .updated: return try takeParameters(index)
    case .arrived: return try complete(index)
    }
  }

  private func move(_ index: Int, to phase: Phase) -> Bool {
    phases[index] = phase
    onEvent(ExchangeEvent(reached: phase, bucket: index))
    return true
  }

  /// Buckets so far apart use the same staging memory.
  private func former(_ index: Int) -> Int? { index >= options.window ? index - options.window : nil }

  // MARK: Sums

  /// Starts to receive the sums of other nodes for this rank's slice of the next bucket, if there is one more.
  func expectNextSums() throws {
    let index = expected
    guard index < phases.count else { return }
    expected += 1
    let slice = plan.buckets[index].slices[topology.rank]
    guard !slice.isEmpty else { return }
    incoming[index] = try topology.otherNodes.enumerated().map { position, node in
      let sender = topology.handler(of: topology.rank, on: node)
      return try messages.receive(
        into: staging.incoming(index, position, count: slice.count), from: sender, tag: ExchangeTag.sum(index))
    }
  }

  /// Adds up this node's gradients of the slices that this rank handles, once all its ranks have theirs.
  private func addUpNode(_ index: Int) throws -> Bool {
    guard board.haveAll(.ready, index, number) else { return false }
    if let former = former(index) {
      guard phases[former] >= .summed, try areDone(&outgoing[former]) else { return false }
    }
    let bucket = plan.buckets[index]
    addNeighbours(to: gradients.slice(bucket.slices[topology.rank]), bucket.slices[topology.rank])
    for owner in topology.foreignOwners where !bucket.slices[owner].isEmpty {
      let bytes = nodeSum(index, owner)
      outgoing[index].append(try messages.send(bytes, to: owner, tag: ExchangeTag.sum(index)))
      traffic.gradientBytes += bytes.count
    }
    return move(index, to: .summed)
  }

  /// Adds the gradients of the other ranks of this node, which are done with them; in order of rank.
  private func addNeighbours(to sum: Tensor, _ slice: Range<Int>) {
    guard !slice.isEmpty else { return }
    for (place, neighbour) in neighbours.enumerated() where place != topology.localRank {
      ElementWise.add(neighbour.slice(slice), to: sum)
    }
  }

  /// This node's sum of another node's slice, as it is sent.
  ///
  /// A rank that is alone on its node sends its gradients from where they are.
  private func nodeSum(_ index: Int, _ owner: Int) -> UnsafeRawBufferPointer {
    let slice = plan.buckets[index].slices[owner]
    var sum = gradients.slice(slice)
    if neighbours.count > 1 {
      let target = staging.outgoingSum(index, owner, count: slice.count)
      target.copy(from: sum)
      sum = target
      addNeighbours(to: sum, slice)
    }
    guard options.precision == .bfloat16 else { return UnsafeRawBufferPointer(sum.buffer) }
    let bits = staging.outgoingBits(index, owner, count: slice.count)
    Quantization.encode(sum, residual: staging.residual(index, owner), into: bits)
    return UnsafeRawBufferPointer(bits)
  }

  /// Adds the sums of other nodes to this rank's slice, in order of nodes, once all are there.
  private func addUpNodes(_ index: Int) throws -> Bool {
    // In order, as buckets that are a window apart receive into the same memory.
    guard index < expected, phases[..<index].allSatisfy({ $0 >= .reduced }), try areDone(&incoming[index]) else {
      return false
    }
    let slice = plan.buckets[index].slices[topology.rank]
    let sum = gradients.slice(slice)
    if !slice.isEmpty {
      for position in topology.otherNodes.indices {
        let bytes = staging.incoming(index, position, count: slice.count)
        switch options.precision {
        case .float32: ElementWise.add(staging.floats(bytes), to: sum)
        case .bfloat16: Quantization.add(UnsafeBufferPointer(bytes.assumingMemoryBound(to: UInt16.self)), to: sum)
        }
      }
    }
    try expectNextSums()
    return move(index, to: .reduced)
  }

  // MARK: Parameters

  /// Updates this rank's slice and hands it out.
  ///
  /// All ranks have finished with the parameters: sums of all nodes are here, which wait for all their ranks.
  private func updateSlice(_ index: Int) throws -> Bool {
    guard isReleased, try areDone(&handedOut[index]) else { return false }
    if let former = former(index), phases[former] < .arrived { return false }
    let part = parts[index]
    if !part.range.isEmpty {
      let bytes = updated(part)
      handedOut[index] = try topology.otherNodes.map { node in
        traffic.parameterBytes += bytes.count
        return try messages.send(
          bytes, to: topology.handler(of: topology.rank, on: node), tag: ExchangeTag.parameters(index))
      }
    }
    gathered[index] = try foreignSlices(index).map { owner, slice in
      try messages.receive(
        into: options.precision == .float32
          ? UnsafeMutableRawBufferPointer(parameters(slice).buffer)
          : UnsafeMutableRawBufferPointer(staging.incomingBits(index, owner, count: slice.count)),
        from: owner, tag: ExchangeTag.parameters(index))
    }
    return move(index, to: .updated)
  }

  /// Updates a part and returns what other nodes need to do the same.
  private func updated(_ part: OwnedPart) -> UnsafeRawBufferPointer {
    let values = parameters(part.range)
    guard options.precision == .bfloat16 else {
      update(part, gradients.slice(part.range))
      return UnsafeRawBufferPointer(values.buffer)
    }
    let former = staging.formerParameters(count: part.range.count)
    former.copy(from: values)
    update(part, gradients.slice(part.range))
    let bits = staging.updateBits(part.owned)
    Quantization.encodeUpdate(values, since: former, residual: staging.updateResidual.slice(part.owned), into: bits)
    return UnsafeRawBufferPointer(bits)
  }

  /// Slices of a bucket that this rank receives for its node, and their owners.
  private func foreignSlices(_ index: Int) -> [(owner: Int, slice: Range<Int>)] {
    topology.foreignOwners.map { ($0, plan.buckets[index].slices[$0]) }.filter { !$0.slice.isEmpty }
  }

  private func takeParameters(_ index: Int) throws -> Bool {
    guard try areDone(&gathered[index]) else { return false }
    if options.precision == .bfloat16 {
      for (owner, slice) in foreignSlices(index) {
        let bits = staging.incomingBits(index, owner, count: slice.count)
        Quantization.add(UnsafeBufferPointer(bits), to: parameters(slice))
      }
    }
    board.set(.arrived, index, number)
    return move(index, to: .arrived)
  }

  /// Gradients may be overwritten afterwards, so what is sent from them must be out.
  private func complete(_ index: Int) throws -> Bool {
    guard board.haveAll(.arrived, index, number), try areDone(&outgoing[index]) else { return false }
    return move(index, to: .complete)
  }

  /// Whether all transfers are done; empties the list then.
  private func areDone(_ transfers: inout [Transfer]) throws -> Bool {
    while let last = transfers.last {
      guard try messages.isDone(last) else { return false }
      transfers.removeLast()
    }
    return true
  }
}

/// Tags of the exchange's messages.
enum ExchangeTag {
  static func sum(_ bucket: Int) -> Int { 2 * bucket }
  static func parameters(_ bucket: Int) -> Int { 2 * bucket + 1 }
}

import CLIPModel

/// Work and sizes of one encoder's blocks, norm and projection.
///
/// Follows `TransformerBlock`, `Attention` and `Tower` product by product and pass by pass; PlanningTests compares the
/// products with those that a step really makes. Legend: n rows, q rows that are read, w width, m MLP width, h heads, e
/// embedding.
struct TowerWork {
  let encoder: Encoder
  let tower: CLIPConfiguration.Tower
  let embeddingWidth: Int

  private var w: Int { tower.width }
  private var m: Int { tower.mlpWidth }

  /// Parameters of one block.
  var blockParameters: Int { 4 * w * w + 2 * w * m + 9 * w + m }
  /// Parameters of the final norm and the projection.
  var readOutParameters: Int { 2 * w + embeddingWidth * w }
}

// MARK: - Blocks that make all rows

extension TowerWork {
  /// One block forward; `keepsTape` where a backward pass follows.
  func blockForward(_ batch: SequenceBatch, keepsTape: Bool) -> ComputeWork {
    let n = batch.rows
    // Two norms, three biases of one width and one of three, activation; and copies of two residuals.
    let passes = 2 * (7 * n * w + (keepsTape ? 2 * n * w : 0) + 2 * n * m)
    return weightProducts(n) + attentionForward(batch) + .pass(passes)
  }

  /// One block backward, gradients of its parameters and of its input.
  func blockBackward(_ batch: SequenceBatch) -> ComputeWork {
    let n = batch.rows
    // Column sums for four layers' biases; the activation's and the norms' gradients.
    let passes = 5 * n * w + n * m + 3 * n * m + 2 * 4 * n * w
    return 2 * weightProducts(n) + attentionBackward(batch) + .pass(passes)
  }

  /// `[n, w]` by query, key and value, by output, and through the MLP.
  private func weightProducts(_ n: Int) -> ComputeWork {
    .product(n, w, 3 * w) + .product(n, w, w) + .product(n, w, m) + .product(n, m, w)
  }

  /// Images: two products of squares for each head, and softmax; texts: rows one by one, each pair's key and value read.
  private func attentionForward(_ batch: SequenceBatch) -> ComputeWork {
    switch encoder {
    case .image: ComputeWork(attentionOperations: 4 * batch.seen * w) + .pass(2 * tower.headCount * batch.seen)
    case .text: .pass(2 * w * batch.seen)
    }
  }

  private func attentionBackward(_ batch: SequenceBatch) -> ComputeWork {
    switch encoder {
    case .image: ComputeWork(attentionOperations: 8 * batch.seen * w) + .pass(3 * tower.headCount * batch.seen)
    case .text: .pass(2 * batch.rows * w + 6 * w * batch.seen)
    }
  }
}

// MARK: - The last block, which makes only the rows that are read

extension TowerWork {
  func lastBlockForward(_ batch: SequenceBatch) -> ComputeWork {
    let (n, q) = (batch.rows, batch.count)
    // Norm and biases of keys and values; of the rows read: queries, residuals, biases, norm.
    let passes = 2 * (3 * n * w + 7 * q * w + 2 * q * m) + 2 * w * batch.lengths
    return lastProducts(n, q) + .pass(passes)
  }

  func lastBlockBackward(_ batch: SequenceBatch) -> ComputeWork {
    let (n, q) = (batch.rows, batch.count)
    let passes = 9 * n * w + 13 * q * w + 4 * q * m + 6 * w * batch.lengths
    return 2 * lastProducts(n, q) + .pass(passes)
  }

  /// Keys and values of all rows, and what follows of those that are read.
  private func lastProducts(_ n: Int, _ q: Int) -> ComputeWork {
    .product(n, w, 2 * w) + 2 * .product(q, w, w) + .product(q, w, m) + .product(q, m, w)
  }
}

// MARK: - Norm and projection

extension TowerWork {
  func readOutForward(_ batch: SequenceBatch) -> ComputeWork {
    .product(batch.count, w, embeddingWidth) + .pass(2 * batch.count * w)
  }

  func readOutBackward(_ batch: SequenceBatch) -> ComputeWork {
    2 * .product(batch.count, w, embeddingWidth) + .pass(5 * batch.count * w)
  }

  /// Everything before block `startLayer`; where that is the depth, the rows that are read alone come out.
  func prefix(_ batch: SequenceBatch, upTo startLayer: Int) -> ComputeWork {
    guard startLayer == tower.depth, startLayer > 0 else {
      return startLayer * blockForward(batch, keepsTape: false)
    }
    return (startLayer - 1) * blockForward(batch, keepsTape: false) + lastBlockForward(batch)
  }
}

// MARK: - Memory, in bytes

extension TowerWork {
  private static var float: Int { MemoryLayout<Float>.stride }

  /// What the forward pass from block `startLayer` on keeps for the backward pass; of all but the last block what left them
  /// alone, where activations are made once more.
  func tapes(_ batch: SequenceBatch, from startLayer: Int, _ way: StepMemory.Way) -> Int {
    let (n, q) = (batch.rows, batch.count)
    let readOut = Self.float * q * (w + embeddingWidth + 2)
    guard startLayer < tower.depth else { return Self.float * q * w + readOut }
    let block = way.recomputes ? Self.float * n * w : blockTape(batch, way)
    let last =
      Self.float * (2 * n + q * (2 * w + 2)) + way.factorBytes * (3 * n * w + q * (4 * w + 2 * m))
      + way.factorBytes * tower.headCount * batch.lengths + roundedWeights(way)
    return (tower.depth - startLayer - 1) * block + last + readOut
  }

  /// Residuals and statistics; and what products read: norms, query, key and value, context, before and after the
  /// activation, probabilities.
  private func blockTape(_ batch: SequenceBatch, _ way: StepMemory.Way) -> Int {
    let n = batch.rows
    return Self.float * (2 * n * w + 4 * n) + way.factorBytes * (6 * n * w + 2 * n * m + tower.headCount * batch.seen)
      + roundedWeights(way)
  }

  /// Copies of one block's weights, where products do not read these as they are.
  func roundedWeights(_ way: StepMemory.Way) -> Int {
    way.factorBytes < Self.float ? way.factorBytes * blockParameters : 0
  }

  /// The most that a backward pass needs beside the tapes; with one block's tape, where activations are made once more.
  func backwardScratch(_ batch: SequenceBatch, _ way: StepMemory.Way) -> Int {
    let n = batch.rows
    let again = way.recomputes ? blockTape(batch, way) : 0
    // The gradient that is handed down, and either the MLP's (expanded, normalised) or attention's.
    let square = encoder == .image ? batch.seen / max(1, batch.count) : 0
    return again + Self.float * (n * w + max(n * m + n * w, 5 * n * w + square))
  }

  /// Rows that pass blocks without a tape, each block's results giving way to the next one's.
  func passScratch(_ batch: SequenceBatch, _ way: StepMemory.Way) -> Int {
    let n = batch.rows
    return Self.float * (n * w + 4 * n) + way.factorBytes * (6 * n * w + n * m)
  }
}

extension CLIPConfiguration {
  func work(_ encoder: Encoder) -> TowerWork {
    TowerWork(encoder: encoder, tower: encoder == .image ? vision : text, embeddingWidth: embeddingWidth)
  }
}

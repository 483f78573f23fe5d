import Tensors

/// Multi-head self-attention, `softmax(Q Kᵀ / sqrt(d)) V` for each head (Vaswani et al., 2017).
public struct Attention: Sendable {
  /// Heads; the width is a multiple of it.
  public let headCount: Int
  /// Whether a token sees only itself and those before it.
  public let isCausal: Bool

  /// Attention with `headCount` heads.
  public init(headCount: Int, isCausal: Bool) {
    self.headCount = headCount
    self.isCausal = isCausal
  }

  /// Queries `[q, width]`, and the keys and values `[tokens, width]` of all rows; or their gradients.
  ///
  /// Windows on larger matrices, heads side by side in each.
  public struct Inputs {
    let query, key, value: MatrixView

    /// Three windows.
    public init(query: MatrixView, key: MatrixView, value: MatrixView) {
      self.query = query
      self.key = key
      self.value = value
    }

    /// Queries of their own, and the halves of a packed matrix `[tokens, 2 * width]`.
    public init(query: Tensor, keyValue: Tensor) {
      let matrix = MatrixView(keyValue)
      self.init(query: MatrixView(query), key: matrix.part(0, of: 2), value: matrix.part(1, of: 2))
    }

    /// The thirds of a packed matrix `[tokens, 3 * width]`.
    public init(qkv: Tensor) {
      let matrix = MatrixView(qkv)
      self.init(query: matrix.part(0, of: 3), key: matrix.part(1, of: 3), value: matrix.part(2, of: 3))
    }
  }

  /// Which rows the queries see.
  public enum Scope: Sendable {
    /// Every row is a query and sees all rows of its sequence; sequences begin at these rows, the last entry is the end.
    case sequences([Int])
    /// Each query has its own list.
    case lists(KeyRows)
  }

  /// What all rows of a layout see.
  public func scope(_ layout: SequenceLayout) -> Scope {
    if !isCausal, let offsets = layout.offsets { return .sequences(offsets) }
    return .lists(layout.keyRows(isCausal: isCausal))
  }

  /// What some rows of a layout see.
  public func scope(_ layout: SequenceLayout, of queries: [Int]) -> Scope {
    .lists(layout.keyRows(of: queries, isCausal: isCausal))
  }

  /// Elements that the probabilities of all heads take.
  public func probabilityCount(_ scope: Scope) -> Int {
    switch scope {
    case .sequences(let offsets):
      headCount * Squares.starts(offsets).last!
    case .lists(let keys): headCount * keys.rows.count
    }
  }

  /// Writes `context [q, width]`, and the probabilities that the backward pass needs.
  public func forward(
    _ inputs: Inputs, _ scope: Scope, probabilities: Tensor, into context: Tensor, by product: some MatrixProduct
  ) {
    precondition(inputs.query.columns % headCount == 0 && inputs.query.rows == context.rowCount)
    let output = MatrixView(context)
    let work = 2 * probabilities.count * inputs.query.columns / headCount
    switch scope {
    case .sequences(let offsets):
      let squares = Squares(offsets, headCount: headCount, in: probabilities)
      ThreadPool.shared.run(squares.count, work: work) { index, _ in
        let (head, rows, p) = squares[index]
        SequenceHead(inputs.head(head, of: headCount).rows(rows), p)
          .forward(into: output.part(head, of: headCount).rows(rows), by: product)
      }
    case .lists(let keys):
      ThreadPool.shared.run(headCount, work: work) { head, _ in
        ListHead(inputs.head(head, of: headCount), keys, share(head, of: probabilities))
          .forward(into: output.part(head, of: headCount))
      }
    }
  }

  /// Writes the gradients of queries, keys and values from `dContext [q, width]`.
  public func backward(
    _ dContext: Tensor, _ inputs: Inputs, probabilities: Tensor, _ scope: Scope, into gradients: Inputs, arena: Arena,
    by product: some MatrixProduct
  ) {
    let dOutput = MatrixView(dContext)
    let work = 4 * probabilities.count * inputs.query.columns / headCount
    arena.scoped {
      let scratch = arena.tensor([ThreadPool.shared.threads, scope.scratchCount])
      switch scope {
      case .sequences(let offsets):
        let squares = Squares(offsets, headCount: headCount, in: probabilities)
        ThreadPool.shared.run(squares.count, work: work) { index, slot in
          let (head, rows, p) = squares[index]
          SequenceHead(inputs.head(head, of: headCount).rows(rows), p).backward(
            dOutput.part(head, of: headCount).rows(rows), into: gradients.head(head, of: headCount).rows(rows),
            scratch: scratch.row(slot), by: product)
        }
      case .lists(let keys):
        // Heads have columns of their own, queries of one head share the rows of keys.
        ThreadPool.shared.run(headCount, work: work) { head, slot in
          ListHead(inputs.head(head, of: headCount), keys, share(head, of: probabilities)).backward(
            dOutput.part(head, of: headCount), into: gradients.head(head, of: headCount), scratch: scratch.row(slot))
        }
      }
    }
  }

  private func share(_ head: Int, of probabilities: Tensor) -> Tensor {
    let size = probabilities.count / headCount
    return probabilities.slice(head * size..<(head + 1) * size)
  }
}

extension Attention.Scope {
  /// Floats that one thread of the backward pass works with.
  fileprivate var scratchCount: Int {
    switch self {
    case .sequences(let offsets):
      let longest = (1..<offsets.count).reduce(0) { max($0, offsets[$1] - offsets[$1 - 1]) }
      return longest * longest
    case .lists(let keys): return keys.longest
    }
  }
}

extension Attention.Inputs {
  /// The columns of one head.
  fileprivate func head(_ index: Int, of count: Int) -> Attention.Inputs {
    Attention.Inputs(
      query: query.part(index, of: count), key: key.part(index, of: count), value: value.part(index, of: count))
  }

  /// The rows of one sequence.
  fileprivate func rows(_ range: Range<Int>) -> Attention.Inputs {
    Attention.Inputs(query: query.rows(range), key: key.rows(range), value: value.rows(range))
  }
}

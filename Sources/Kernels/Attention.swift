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
    public init(query: Operand, keyValue: Operand) {
      let matrix = keyValue.view
      self.init(query: query.view, key: matrix.part(0, of: 2), value: matrix.part(1, of: 2))
    }

    /// The thirds of a packed matrix `[tokens, 3 * width]`.
    public init(qkv: Operand) {
      let matrix = qkv.view
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
}

extension Attention.Scope {
  /// The format of queries, keys, values and their gradients, and of the context's gradient: products read those of whole
  /// sequences, lists are walked over in 32-bit floats.
  public func format(by product: some MatrixProduct) -> ElementFormat {
    switch self {
    case .sequences: product.operandFormat
    case .lists: .float32
    }
  }

  /// Probabilities of one head.
  var probabilityCount: Int {
    switch self {
    case .sequences(let offsets): Squares.starts(offsets).last!
    case .lists(let keys): keys.rows.count
    }
  }
}

// MARK: - Forward and backward

extension Attention {
  /// Room for the probabilities of all heads, which the backward pass needs.
  public func probabilities(_ scope: Scope, _ arena: Arena, by product: some MatrixProduct) -> Operand {
    Operand(rows: headCount, columns: scope.probabilityCount, scope.format(by: product), in: arena)
  }

  /// Writes `context [q, width]`, in any format, and the probabilities, where they are kept.
  public func forward(
    _ inputs: Inputs, _ scope: Scope, probabilities: Operand?, into context: Operand, arena: Arena,
    by product: some MatrixProduct
  ) {
    precondition(inputs.query.columns % headCount == 0 && inputs.query.rows == context.rowCount)
    let work = 2 * scope.probabilityCount * inputs.query.columns
    switch scope {
    case .sequences(let offsets):
      arena.scoped {
        let memory = HeadMemory(offsets, keeps: probabilities != nil, product.operandFormat, arena)
        let squares = Squares(offsets, headCount: headCount, in: probabilities)
        ThreadPool.shared.run(squares.count, work: work) { index, slot in
          let (head, rows, kept) = squares[index]
          SequenceHead(inputs.head(head, of: headCount).rows(rows)).forward(
            probabilities: kept ?? memory.probabilities(slot, rows.count),
            into: context.view.part(head, of: headCount).rows(rows), memory.scores(slot), by: product)
        }
      }
    case .lists(let keys):
      arena.scoped {
        let p = probabilities?.tensor ?? arena.tensor([headCount, keys.rows.count])
        let result =
          context.format == .float32 ? context.tensor : arena.tensor([context.rowCount, context.columnCount])
        ThreadPool.shared.run(headCount, work: work) { head, _ in
          ListHead(inputs.head(head, of: headCount), keys, p.row(head))
            .forward(into: MatrixView(result).part(head, of: headCount))
        }
        if context.format != .float32 { context.round(result) }
      }
    }
  }

  /// Writes the gradients of queries, keys and values from `dContext [q, width]`; all in the scope's format.
  public func backward(
    _ dContext: Operand, _ inputs: Inputs, probabilities: Operand, _ scope: Scope, into gradients: Inputs,
    arena: Arena, by product: some MatrixProduct
  ) {
    let work = 4 * scope.probabilityCount * inputs.query.columns
    let dOutput = dContext.view
    arena.scoped {
      switch scope {
      case .sequences(let offsets):
        let memory = HeadMemory(offsets, keeps: false, product.operandFormat, arena)
        let squares = Squares(offsets, headCount: headCount, in: probabilities)
        ThreadPool.shared.run(squares.count, work: work) { index, slot in
          let (head, rows, kept) = squares[index]
          SequenceHead(inputs.head(head, of: headCount).rows(rows)).backward(
            dOutput.part(head, of: headCount).rows(rows), probabilities: kept!,
            dScores: memory.probabilities(slot, rows.count), into: gradients.head(head, of: headCount).rows(rows),
            memory.scores(slot), by: product)
        }
      case .lists(let keys):
        let scratch = arena.tensor([ThreadPool.shared.threads, keys.longest])
        // Heads have columns of their own, queries of one head share the rows of keys.
        ThreadPool.shared.run(headCount, work: work) { head, slot in
          ListHead(inputs.head(head, of: headCount), keys, probabilities.tensor.row(head)).backward(
            dOutput.part(head, of: headCount), into: gradients.head(head, of: headCount), scratch: scratch.row(slot))
        }
      }
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

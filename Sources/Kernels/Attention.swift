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

    /// The columns of one head.
    func head(_ index: Int, of count: Int) -> Inputs {
      Inputs(query: query.part(index, of: count), key: key.part(index, of: count), value: value.part(index, of: count))
    }

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
      headCount
        * (1..<offsets.count).reduce(0) { $0 + (offsets[$1] - offsets[$1 - 1]) * (offsets[$1] - offsets[$1 - 1]) }
    case .lists(let keys): headCount * keys.rows.count
    }
  }

  /// Writes `context [q, width]`, and the probabilities that the backward pass needs.
  public func forward(
    _ inputs: Inputs, _ scope: Scope, probabilities: Tensor, into context: Tensor, by product: some MatrixProduct
  ) {
    precondition(inputs.query.columns % headCount == 0 && inputs.query.rows == context.rowCount)
    for index in 0..<headCount {
      let head = inputs.head(index, of: headCount)
      let output = MatrixView(context).part(index, of: headCount)
      let p = share(index, of: probabilities)
      switch scope {
      case .sequences(let offsets): SequenceHead(head, offsets, p).forward(into: output, by: product)
      case .lists(let keys): ListHead(head, keys, p).forward(into: output)
      }
    }
  }

  /// Writes the gradients of queries, keys and values from `dContext [q, width]`.
  public func backward(
    _ dContext: Tensor, _ inputs: Inputs, probabilities: Tensor, _ scope: Scope, into gradients: Inputs, arena: Arena,
    by product: some MatrixProduct
  ) {
    for index in 0..<headCount {
      let (head, dHead) = (inputs.head(index, of: headCount), gradients.head(index, of: headCount))
      let dOutput = MatrixView(dContext).part(index, of: headCount)
      let p = share(index, of: probabilities)
      arena.scoped {
        switch scope {
        case .sequences(let offsets): SequenceHead(head, offsets, p).backward(dOutput, into: dHead, arena, by: product)
        case .lists(let keys): ListHead(head, keys, p).backward(dOutput, into: dHead, arena)
        }
      }
    }
  }

  private func share(_ head: Int, of probabilities: Tensor) -> Tensor {
    let size = probabilities.count / headCount
    return probabilities.slice(head * size..<(head + 1) * size)
  }
}

extension MatrixView {
  /// One of `count` equal windows side by side.
  func part(_ index: Int, of count: Int) -> MatrixView {
    let width = columns / count
    return MatrixView(pointer + index * width, rows: rows, columns: width, stride: stride)
  }

  /// A window on some rows.
  func rows(_ range: Range<Int>) -> MatrixView {
    precondition(!isTransposed && range.upperBound <= rows)
    return MatrixView(pointer + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
  }
}

import CKernels
import Tensors

/// One head of one sequence whose rows all see each other: dense products on the calling thread.
///
/// Scores are 32-bit floats; probabilities are a factor of products, and in their format. Where that is 32-bit too, scores
/// become probabilities in place.
struct SequenceHead {
  private let inputs: Attention.Inputs

  init(_ inputs: Attention.Inputs) { self.inputs = inputs }

  private var count: Int { inputs.query.rows }
  private var scale: Float { 1 / Float(inputs.query.columns).squareRoot() }

  /// Writes the context and `probabilities`, a square; `scores` is scratch memory for one.
  func forward(
    probabilities: MatrixView, into output: MatrixView, _ scores: UnsafeMutablePointer<Float>?,
    by product: some MatrixProduct
  ) {
    let scores = square(scores, or: probabilities)
    product.multiplyInTask(inputs.query, inputs.key.transposed, into: scores)
    switch probabilities.format {
    case .float32: skt_softmax(scores.pointer, count, count, scale)
    case .bfloat16: skt_bf16_softmax(probabilities.bits, scores.pointer, count, count, scale)
    }
    product.multiplyInTask(probabilities, inputs.value, into: output)
  }

  /// Writes the gradients from `dOutput`; `dScores` is scratch memory like the probabilities, `scores` as above.
  func backward(
    _ dOutput: MatrixView, probabilities: MatrixView, dScores: MatrixView, into gradients: Attention.Inputs,
    _ scores: UnsafeMutablePointer<Float>?, by product: some MatrixProduct
  ) {
    let dProbabilities = square(scores, or: dScores)
    product.multiplyInTask(probabilities.transposed, dOutput, into: gradients.value)
    product.multiplyInTask(dOutput, inputs.value.transposed, into: dProbabilities)
    let dp = dProbabilities.pointer
    switch probabilities.format {
    case .float32: skt_softmax_backward(dp, dp, probabilities.pointer, count, count, scale)
    case .bfloat16: skt_bf16_softmax_backward(dScores.bits, dp, probabilities.bits, count, count, scale)
    }
    product.multiplyInTask(dScores, inputs.key, into: gradients.query)
    product.multiplyInTask(dScores.transposed, inputs.query, into: gradients.key)
  }

  private func square(_ memory: UnsafeMutablePointer<Float>?, or other: MatrixView) -> MatrixView {
    guard let memory else { return other }
    return MatrixView(memory, rows: count, columns: count, stride: count)
  }
}

/// What each thread needs to compute a head: a square of scores where they are not kept in place, and one of
/// probabilities where those are not kept.
struct HeadMemory {
  private let scores: Tensor?  // a row for each thread
  private let probabilities: Operand?

  init(_ offsets: [Int], keeps: Bool, _ format: ElementFormat, _ arena: Arena) {
    let longest = (0..<offsets.count - 1).reduce(0) { max($0, offsets[$1 + 1] - offsets[$1]) }
    let threads = ThreadPool.shared.threads
    scores = format == .float32 ? nil : arena.tensor([threads, longest * longest])
    probabilities = keeps ? nil : Operand(rows: threads, columns: longest * longest, format, in: arena)
  }

  func scores(_ slot: Int) -> UnsafeMutablePointer<Float>? { scores?.row(slot).pointer }

  /// A square of `count` rows.
  func probabilities(_ slot: Int, _ count: Int) -> MatrixView {
    guard let probabilities else { preconditionFailure("probabilities are kept") }
    return MatrixView(
      base: probabilities.rows(slot..<slot + 1).base, probabilities.format, rows: count, columns: count, stride: count)
  }
}

/// The probabilities of all heads and sequences: a square for each, head after head.
struct Squares {
  private let offsets: [Int]
  private let starts: [Int]
  private let buffer: Operand?

  /// Squares of `buffer`, which has one row for each head, for the sequences that begin at `offsets`, the last entry being
  /// the end.
  init(_ offsets: [Int], headCount: Int, in buffer: Operand?) {
    self.offsets = offsets
    starts = Self.starts(offsets)
    self.buffer = buffer
    count = headCount * (offsets.count - 1)
    if let buffer { precondition(buffer.rowCount == headCount && buffer.columnCount == starts.last!) }
  }

  /// Squares.
  let count: Int

  /// Which head and which rows a square belongs to, and the square if there is a buffer.
  subscript(_ index: Int) -> (head: Int, rows: Range<Int>, square: MatrixView?) {
    let (head, sequence) = index.quotientAndRemainder(dividingBy: offsets.count - 1)
    let rows = offsets[sequence]..<offsets[sequence + 1]
    guard let buffer else { return (head, rows, nil) }
    let start = (head * starts.last! + starts[sequence]) * buffer.format.size
    let square = MatrixView(
      base: buffer.base + start, buffer.format, rows: rows.count, columns: rows.count, stride: rows.count)
    return (head, rows, square)
  }

  /// Where the square of each sequence begins in those of one head, and their size as last entry.
  static func starts(_ offsets: [Int]) -> [Int] {
    var starts = [0]
    for sequence in 0..<offsets.count - 1 {
      let count = offsets[sequence + 1] - offsets[sequence]
      starts.append(starts[sequence] + count * count)
    }
    return starts
  }
}

extension MatrixView {
  /// First element of a window on bfloat16 numbers.
  fileprivate var bits: UnsafeMutablePointer<UInt16> {
    precondition(format == .bfloat16)
    return base.assumingMemoryBound(to: UInt16.self)
  }
}

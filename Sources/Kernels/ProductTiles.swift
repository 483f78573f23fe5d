import Tensors

extension ThreadPool {
  /// Calls `body` with products of parts that together are the product of `a` and `b`: so that each of a library's calls
  /// runs on one thread.
  ///
  /// The result is cut into as many tiles as there are threads, along rows and columns so that the threads read as little
  /// as they can; never along the summed dimension, so that an element's sum does not depend on the number of threads.
  public func forEachTile(
    _ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ epilogue: Epilogue,
    _ body: (_ a: MatrixView, _ b: MatrixView, _ c: MatrixView, _ epilogue: Epilogue) -> Void
  ) {
    let tiling = Tiling(rows: c.rows, columns: c.columns, depth: a.shape.columns, threads: threads)
    run(tiling.count) { index, _ in
      let (rows, columns) = tiling[index]
      guard !rows.isEmpty, !columns.isEmpty else { return }
      var part = epilogue
      part.bias = epilogue.bias?.slice(columns)
      body(a.seenRows(rows), b.seenColumns(columns), c.rows(rows).columns(columns), part)
    }
  }
}

/// How a product is divided among threads.
struct Tiling: Equatable {
  let rows, columns: Int
  let rowParts, columnParts: Int

  /// Tiles begin at multiples of these: vector registers and cache lines are filled.
  static let rowStep = 16, columnStep = 64

  init(rows: Int, columns: Int, depth: Int, threads: Int) {
    self.rows = rows
    self.columns = columns
    let parts = max(1, min(threads, rows * columns * depth / ThreadPool.worthwhile))
    let candidates = (1...parts).filter { parts.isMultiple(of: $0) }
    // A tile reads its rows of one factor and its columns of the other.
    rowParts = candidates.min { Self.reads(rows, columns, $0, parts) < Self.reads(rows, columns, $1, parts) }!
    columnParts = parts / rowParts
  }

  private static func reads(_ rows: Int, _ columns: Int, _ rowParts: Int, _ parts: Int) -> Int {
    step(rows, parts: rowParts, rowStep) + step(columns, parts: parts / rowParts, columnStep)
  }

  /// Extent of the largest part.
  private static func step(_ extent: Int, parts: Int, _ unit: Int) -> Int {
    let units = (extent + unit - 1) / unit
    return min(extent, (units + parts - 1) / parts * unit)
  }

  /// Tiles.
  var count: Int { rowParts * columnParts }

  subscript(_ index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let (row, column) = index.quotientAndRemainder(dividingBy: columnParts)
    return (
      Self.part(row, of: rows, parts: rowParts, Self.rowStep),
      Self.part(column, of: columns, parts: columnParts, Self.columnStep)
    )
  }

  private static func part(_ index: Int, of extent: Int, parts: Int, _ unit: Int) -> Range<Int> {
    let step = step(extent, parts: parts, unit)
    return min(extent, index * step)..<min(extent, (index + 1) * step)
  }
}

extension MatrixView {
  /// A window on some rows, as a product sees them.
  func seenRows(_ range: Range<Int>) -> MatrixView {
    isTransposed ? transposed.columns(range).transposed : rows(range)
  }

  /// A window on some columns, as a product sees them.
  func seenColumns(_ range: Range<Int>) -> MatrixView {
    isTransposed ? transposed.rows(range).transposed : columns(range)
  }

  /// A window on some rows.
  func rows(_ range: Range<Int>) -> MatrixView {
    precondition(!isTransposed && range.lowerBound >= 0 && range.upperBound <= rows)
    return MatrixView(
      base: base + range.lowerBound * stride * format.size, format, rows: range.count, columns: columns, stride: stride)
  }

  /// A window on some columns.
  func columns(_ range: Range<Int>) -> MatrixView {
    precondition(!isTransposed && range.lowerBound >= 0 && range.upperBound <= columns)
    return MatrixView(
      base: base + range.lowerBound * format.size, format, rows: rows, columns: range.count, stride: stride)
  }

  /// One of `count` equal windows side by side.
  func part(_ index: Int, of count: Int) -> MatrixView {
    let width = columns / count
    return columns(index * width..<(index + 1) * width)
  }
}

import Reporting

/// How often each class was taken for each, as a square of shaded cells: rows are classes, columns predictions.
struct HeatMap {
  let names: [String]
  /// `[truth][prediction]`.
  let counts: [[Int]]
  /// Images of each class, also those taken for classes that are not shown.
  let totals: [Int]

  private static let labelLength = 16

  private var cell: Double { names.count <= 12 ? 34 : names.count <= 24 ? 20 : 14 }
  private var fontSize: Double { min(12, cell - 2) }
  private var margin: Double {
    10 + Double(min(Self.labelLength, names.map(\.count).max() ?? 0)) * fontSize * 0.58
  }
  private var side: Double { margin + cell * Double(names.count) + 2 }

  /// The square, scrolled sideways on small screens where it has many classes.
  var markup: Markup {
    return """
      <div class="scroll"><svg class="heat\(names.count > 12 ? "" : " fits")" viewBox="0 0 \(side) \(side)" width="\(side)" role="img" \
      aria-label="confusion matrix" font-size="\(fontSize)">
      \(labels)\(names.indices.flatMap { row in names.indices.map { cell(row, $0) } })</svg></div>

      """
  }

  private var labels: [Markup] {
    names.enumerated().map { index, name in
      let short = name.count > Self.labelLength ? "\(name.prefix(Self.labelLength - 1))\u{2026}" : name
      let middle = margin + (Double(index) + 0.5) * cell
      return """
        <text x="\(margin - 6)" y="\(middle + fontSize * 0.35)" text-anchor="end">\(short)</text>\
        <text transform="translate(\(middle + fontSize * 0.35) \(margin - 6)) rotate(-90)">\(short)</text>

        """
    }
  }

  private func cell(_ truth: Int, _ prediction: Int) -> Markup {
    let count = counts[truth][prediction]
    let (x, y) = (margin + Double(prediction) * cell, margin + Double(truth) * cell)
    let size = cell - 1
    guard count > 0 else {
      return "<rect class=\"empty\" x=\"\(x)\" y=\"\(y)\" width=\"\(size)\" height=\"\(size)\"/>\n"
    }
    let share = Double(count) / Double(max(1, totals[truth]))
    // Even a single image is seen.
    let opacity = 0.15 + 0.85 * share
    let number: Markup =
      names.count <= 12
      ? """
      <text class="\(opacity > 0.6 ? "on" : "off")" x="\(x + size / 2)" y="\(y + size / 2 + 4)" text-anchor="middle" \
      font-size="11">\(count)</text>
      """ : .empty
    return """
      <g><rect class="empty" x="\(x)" y="\(y)" width="\(size)" height="\(size)"/>\
      <rect class="\(truth == prediction ? "right" : "wrong")" fill-opacity="\(opacity)" x="\(x)" y="\(y)" width="\(size)" \
      height="\(size)"><title>\(names[truth]) taken for \(names[prediction]): \(count) of \(totals[truth])</title></rect>\
      \(number)</g>

      """
  }
}

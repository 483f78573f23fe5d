import Reporting

/// A number by two settings, as shaded cells with their values.
struct PairMap {
  let rowTitle: String, columnTitle: String
  /// Values of the settings, in order.
  let rows: [String], columns: [String]
  /// `[row][column]`; nil where nothing was measured.
  let values: [[Double?]]
  let isHigherBetter: Bool

  private static let cellWidth = 60.0, cellHeight = 30.0, labelLength = 14

  private var margin: Double { 14 + 6.6 * Double(min(Self.labelLength, rows.map(\.count).max() ?? 0)) + 16 }
  private var width: Double { margin + Self.cellWidth * Double(columns.count) + 4 }
  private var height: Double { 44 + Self.cellHeight * Double(rows.count) + 4 }

  /// The map, scrolled sideways where it is too wide; nothing where nothing was measured.
  var markup: Markup {
    let known = values.flatMap { $0 }.compactMap { $0 }.filter(\.isFinite)
    guard let low = known.min(), let high = known.max() else { return .empty }
    let cells = rows.indices.flatMap { row in
      columns.indices.map { column in cell(row, column, low: low, high: high) }
    }
    return """
      <figure class="chart"><figcaption>\(rowTitle) and \(columnTitle)</figcaption>
      <div class="scroll"><svg class="heat\(columns.count > 6 ? "" : " fits")" viewBox="0 0 \(width) \(height)" \
      width="\(width)" role="img" aria-label="\(rowTitle) and \(columnTitle)" font-size="12">
      \(titles)\(cells)</svg></div></figure>

      """
  }

  /// The caption has the whole name, for which there is no room beside the cells.
  private static func lastWord(_ key: String) -> String { key.split(separator: ".").last.map(String.init) ?? key }

  private var titles: [Markup] {
    func short(_ text: String, _ length: Int) -> String {
      text.count > length ? "\(text.prefix(length - 1))\u{2026}" : text
    }
    let middle = margin + Self.cellWidth * Double(columns.count) / 2
    let head: Markup = """
      <text x="\(middle)" y="14" text-anchor="middle">\(Self.lastWord(columnTitle))</text>\
      <text transform="translate(12 \(44 + Self.cellHeight * Double(rows.count) / 2)) rotate(-90)" \
      text-anchor="middle">\(Self.lastWord(rowTitle))</text>

      """
    return [head]
      + columns.enumerated().map { index, value in
        "<text x=\"\(margin + Self.cellWidth * (Double(index) + 0.5))\" y=\"36\" text-anchor=\"middle\">\(short(value, 8))</text>\n"
      }
      + rows.enumerated().map { index, value in
        let y = 44 + Self.cellHeight * (Double(index) + 0.5) + 4
        return "<text x=\"\(margin - 6)\" y=\"\(y)\" text-anchor=\"end\">\(short(value, Self.labelLength))</text>\n"
      }
  }

  private func cell(_ row: Int, _ column: Int, low: Double, high: Double) -> Markup {
    let (x, y) = (margin + Self.cellWidth * Double(column), 44 + Self.cellHeight * Double(row))
    let size: Markup = "width=\"\(Self.cellWidth - 2)\" height=\"\(Self.cellHeight - 2)\""
    guard let value = values[row][column], value.isFinite else {
      return "<rect class=\"empty\" x=\"\(x)\" y=\"\(y)\" \(size)/>\n"
    }
    let share = high > low ? (isHigherBetter ? value - low : high - value) / (high - low) : 1
    // Even the worst is seen to be there.
    let opacity = 0.1 + 0.9 * share
    return """
      <g><rect class="empty" x="\(x)" y="\(y)" \(size)/><rect class="right" fill-opacity="\(opacity)" x="\(x)" y="\(y)" \
      \(size)><title>\(rowTitle) = \(rows[row]), \(columnTitle) = \(columns[column]): \
      \(Readable.significant(value, 6))</title></rect>\
      <text class="\(opacity > 0.6 ? "on" : "off")" x="\(x + Self.cellWidth / 2 - 1)" y="\(y + Self.cellHeight / 2 + 3)" \
      text-anchor="middle">\(Readable.significant(value, 4))</text></g>

      """
  }
}

import Reporting

/// A table of a page.
struct Table {
  /// A cell, and what it is sorted by.
  struct Cell: ExpressibleByStringInterpolation {
    var words: String
    var number: Double?
    /// A class of the style sheet.
    var look = ""

    init(stringLiteral value: String) { words = value }

    init(_ words: String, look: String = "") { (self.words, self.look) = (words, look) }

    /// A number with `decimals`; empty for nil.
    init(_ number: Double?, decimals: Int, signed: Bool = false) {
      self.number = number
      words = number.map { (signed && $0 > 0 ? "+" : "") + Readable.fixed($0, decimals) } ?? ""
      if signed, let number, number != 0 { look = number > 0 ? "gain" : "loss" }
    }

    /// A count.
    init(count: Int) {
      number = Double(count)
      words = Readable.count(count)
    }
  }

  var columns: [String]
  var rows: [[Cell]] = []
  /// Whether a click on a title sorts.
  var isSortable = false

  /// The table, scrolled sideways where it is too wide.
  var markup: Markup {
    let titles = columns.enumerated().map { index, title -> Markup in
      let kind = isNumeric(index) ? "number" : ""
      return isSortable
        ? "<th class=\"\(kind)\" scope=\"col\"><button type=\"button\">\(title)</button></th>"
        : "<th class=\"\(kind)\" scope=\"col\">\(title)</th>"
    }
    let lines = rows.map { row -> Markup in
      "<tr>\(row.map(cell))</tr>\n"
    }
    let head: Markup = columns.allSatisfy(\.isEmpty) ? .empty : "<thead><tr>\(titles)</tr></thead>"
    return """
      <div class="scroll"><table\(isSortable ? " class=\"sortable\"" : .empty)>\(head)
      <tbody>
      \(lines)</tbody></table></div>

      """
  }

  private func isNumeric(_ column: Int) -> Bool {
    let cells = rows.map { $0[column] }.filter { !$0.words.isEmpty }
    return !cells.isEmpty && cells.allSatisfy { $0.number != nil }
  }

  private func cell(_ cell: Cell) -> Markup {
    guard let number = cell.number else { return "<td class=\"\(cell.look)\">\(words(cell))</td>" }
    return "<td class=\"number \(cell.look)\" data-value=\"\(trusted(number))\">\(cell.words)</td>"
  }

  /// Names of settings may break behind their dots and underscores, where a phone has no room for them.
  private func words(_ cell: Cell) -> Markup {
    guard cell.look == "key-name" else { return "\(cell.words)" }
    let pieces = cell.words.split(omittingEmptySubsequences: false) { "._".contains($0) }
    var (rest, markup) = (cell.words[...], Markup.empty)
    for piece in pieces {
      let part = rest.prefix(piece.count + 1)
      rest = rest.dropFirst(part.count)
      markup = "\(markup)\(String(part))\(rest.isEmpty ? .empty : "<wbr/>")"
    }
    return markup
  }

  private func trusted(_ number: Double) -> Markup { Markup(trusted: "\(number)") }
}

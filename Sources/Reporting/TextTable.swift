/// A table for terminals, Markdown and CSV files.
public struct TextTable: Equatable, Sendable {
  /// The titles of the columns.
  public let columns: [String]
  /// Cells, as many in each row as there are columns; nil is a missing value.
  public private(set) var rows: [[String?]] = []

  /// An empty table.
  public init(columns: [String]) {
    precondition(!columns.isEmpty, "a table needs a column")
    self.columns = columns
  }

  /// Adds a row; one of another length than the titles traps.
  public mutating func append(_ row: [String?]) {
    precondition(row.count == columns.count, "a row of \(row.count) cells in a table of \(columns.count) columns")
    rows.append(row)
  }

  /// Aligned columns, two spaces apart, under a line of dashes; each line ends with a newline.
  public var terminal: String {
    let cells = ([columns] + rows.map { $0.map { $0 ?? "" } }).map { $0.map(Self.oneLine) }
    let widths = self.widths(of: cells, minimum: 0)
    let rule = widths.map { String(repeating: "-", count: $0) }
    return ([cells[0], rule] + cells.dropFirst()).map { row in
      let line = aligned(row, widths).joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed()) + "\n"
    }.joined()
  }

  /// A Markdown table with aligned source; each line ends with a newline.
  public var markdown: String {
    let cells = ([columns] + rows.map { $0.map { $0 ?? "" } }).map { row in
      row.map { cell in
        Self.oneLine(cell).flatMap { $0 == "|" || $0 == "\\" ? ["\\", $0] : [$0] }.reduce(into: "") { $0.append($1) }
      }
    }
    let widths = self.widths(of: cells, minimum: 3)
    let rule = zip(widths, isNumeric).map {
      $1 ? String(repeating: "-", count: $0 - 1) + ":" : String(repeating: "-", count: $0)
    }
    return ([cells[0], rule] + cells.dropFirst()).map { row in
      "| " + aligned(row, widths).joined(separator: " | ") + " |\n"
    }.joined()
  }

  /// Comma-separated values (RFC 4180, lines ending in a newline): quotes only where needed, a missing value empty.
  public var csv: String {
    ([columns] + rows.map { $0.map { $0 ?? "" } }).map { row in
      row.map(Self.csvField).joined(separator: ",") + "\n"
    }.joined()
  }

  // MARK: Layout

  /// Whether each column holds numbers and missing values only, and at least one number: such columns align right.
  private var isNumeric: [Bool] {
    columns.indices.map { column in
      let present = rows.compactMap { $0[column] }.filter { !$0.isEmpty }
      return !present.isEmpty && present.allSatisfy(Self.isNumber)
    }
  }

  private func widths(of cells: [[String]], minimum: Int) -> [Int] {
    columns.indices.map { column in max(minimum, cells.lazy.map { displayWidth(of: $0[column]) }.max() ?? 0) }
  }

  private func aligned(_ row: [String], _ widths: [Int]) -> [String] {
    zip(zip(row, widths), isNumeric).map { cell, isNumeric in
      let padding = String(repeating: " ", count: cell.1 - displayWidth(of: cell.0))
      return isNumeric ? padding + cell.0 : cell.0 + padding
    }
  }

  /// Digits with the signs, grouping, point, exponent, percent and units that go with them: `-1,024.5`, `97.3 %`, `1.5
  /// GB`.
  private static func isNumber(_ cell: String) -> Bool {
    let body = cell.drop { $0 == "-" || $0 == "+" }
    if body == "nan" || body == "inf" { return true }
    guard let first = body.first, first.isASCII, first.isNumber || first == "." else { return false }
    let number = body.prefix { $0 != " " }
    let unit = body.dropFirst(number.count + 1)
    let isPlain = number.allSatisfy { $0.isASCII && ($0.isNumber || ".,eE+-%".contains($0)) }
    return isPlain && unit.allSatisfy { $0.isLetter || $0 == "%" || $0 == "/" || $0 == " " || $0.isNumber }
  }

  private static func oneLine(_ cell: String) -> String {
    String(cell.map { $0.isNewline || $0 == "\t" ? " " : $0 })
  }

  private static func csvField(_ cell: String) -> String {
    let needsQuotes = cell.unicodeScalars.contains { $0 == "," || $0 == "\"" || $0 == "\n" || $0 == "\r" }
    guard needsQuotes else { return cell }
    return "\"" + cell.map { $0 == "\"" ? "\"\"" : String($0) }.joined() + "\""
  }
}

/// Columns that a terminal uses: two for East Asian wide characters and emoji, one for others.
func displayWidth(of text: some StringProtocol) -> Int {
  text.reduce(0) { width, character in
    guard let scalar = character.unicodeScalars.first else { return width }
    let isWide =
      switch scalar.value {
      case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
        0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
        true
      default: false
      }
    return width + (isWide ? 2 : 1)
  }
}

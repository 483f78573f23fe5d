import Evaluation
import Foundation
import Reporting

extension AnalysisResults {
  /// Feature change behind each block, of both encoders.
  public var changeTable: TextTable {
    var table = TextTable(columns: ["block", "image, relative", "image, 1 - cos", "text, relative", "text, 1 - cos"])
    for block in 0..<max(imageChange.relative.count, textChange.relative.count) {
      func cell(_ values: [Double]) -> String? {
        values.indices.contains(block) ? Readable.fixed(values[block], 5) : nil
      }
      table.append([
        "\(block)", cell(imageChange.relative), cell(imageChange.cosineDistance), cell(textChange.relative),
        cell(textChange.cosineDistance),
      ])
    }
    return table
  }

  /// Share of the gradient by rank position of a class, and its sum so far.
  public var rankTable: TextTable {
    var table = TextTable(columns: ["rank", "share %", "sum %"])
    var sum = 0.0
    for (rank, share) in gradientShares.byRank.enumerated() {
      sum += share
      table.append(["\(rank + 1)", Readable.fixed(100 * share, 2), Readable.fixed(100 * sum, 2)])
    }
    return table
  }

  /// Share of the gradient by class, largest first.
  public var classTable: TextTable {
    var table = TextTable(columns: ["class", "share %"])
    let shares = gradientShares.byClass
    for label in shares.indices.sorted(by: { (shares[$1], $0) < (shares[$0], $1) }) {
      table.append([classNames[label], Readable.fixed(100 * shares[label], 2)])
    }
    return table
  }

  /// What is recommended, and by which rule.
  public var advice: String {
    let recommended = recommendation
    let frozen =
      startLayer > 0
      ? " The run froze blocks before \(startLayer), so their change is zero: analyze a run with method.start_layer 0 to judge them."
      : ""
    return """
      method.start_layer \(recommended.startLayer): the first block behind which features of either encoder change by \
      \(Readable.fixed(100 * recommended.changeShare, 0)) % of the largest change.\(frozen)
      method.class_skip.ratio \(Readable.significant(recommended.ratio, 3)): the first \(recommended.keptClasses) of \
      \(classNames.count) classes by similarity have \(Readable.fixed(100 * recommended.gradientShare, 0)) % of the gradient.
      """
  }

  /// Both tables as curves, as an SVG file: change by block, and the sum of shares by rank.
  public var svg: String {
    let sums = gradientShares.byRank.reduce(into: [Double]()) { $0.append(($0.last ?? 0) + $1) }
    let plots = [
      LinePlot(
        title: "relative feature change behind each block", firstX: 0,
        lines: [("image", imageChange.relative), ("text", textChange.relative)]),
      LinePlot(title: "sum of gradient shares by rank of class", firstX: 1, lines: [("share", sums)]),
    ]
    let body = plots.enumerated().map { "<g transform=\"translate(\($0 * LinePlot.width) 0)\">\n\($1.svg)</g>\n" }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(plots.count * LinePlot.width)" height="\(LinePlot.height)" \
      font-family="sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="white"/>
      \(body.joined())</svg>\n
      """
  }
}

/// Lines over consecutive whole numbers, from zero up.
private struct LinePlot {
  static let width = 420, height = 280
  private static let (left, right, top, bottom) = (50.0, 20.0, 40.0, 40.0)
  private static let colors = ["#1f6feb", "#d9480f", "#2b8a3e"]

  let title: String
  let firstX: Int
  let lines: [(name: String, values: [Double])]

  private var largest: Double { max(lines.flatMap(\.values).max() ?? 0, .leastNormalMagnitude) }
  private var count: Int { lines.map(\.values.count).max() ?? 1 }

  /// Elements of an SVG.
  var svg: String {
    var text = "<text x=\"\(Int(Self.left))\" y=\"20\">\(title)</text>\n"
    for share in [0.0, 0.5, 1.0] {
      let y = place(0, share * largest).y
      text +=
        "<line x1=\"\(Self.left)\" x2=\"\(Double(Self.width) - Self.right)\" y1=\"\(y)\" y2=\"\(y)\" stroke=\"#ccc\"/>\n"
      text += "<text x=\"4\" y=\"\(y)\">\(Readable.significant(share * largest, 2))</text>\n"
    }
    for index in stride(from: 0, to: count, by: max(1, (count + 11) / 12)) {
      text +=
        "<text x=\"\(place(index, 0).x)\" y=\"\(Self.height - 20)\" text-anchor=\"middle\">\(firstX + index)</text>\n"
    }
    for (index, line) in lines.enumerated() {
      let points = line.values.indices.map { place($0, line.values[$0]) }.map { "\($0.x),\($0.y)" }
      let color = Self.colors[index % Self.colors.count]
      text +=
        "<polyline fill=\"none\" stroke=\"\(color)\" stroke-width=\"2\" points=\"\(points.joined(separator: " "))\"/>\n"
      text += "<text x=\"\(Int(Self.left) + 80 * index)\" y=\"36\" fill=\"\(color)\">\(line.name)</text>\n"
    }
    return text
  }

  private func place(_ index: Int, _ value: Double) -> (x: String, y: String) {
    let (width, height) = (Double(Self.width), Double(Self.height))
    let x = Self.left + (width - Self.left - Self.right) * Double(index) / Double(max(1, count - 1))
    let y = height - Self.bottom - (height - Self.top - Self.bottom) * value / largest
    return (Readable.fixed(x, 1), Readable.fixed(y, 1))
  }
}

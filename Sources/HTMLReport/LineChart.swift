import Foundation
import Reporting

/// Lines over steps.
struct LineChart {
  /// A line, or points where it is too short for one to be seen.
  struct Line {
    enum Look: String {
      case plain, faint, dashed
    }

    var points: [(x: Double, y: Double)]
    /// Which of the page's colours.
    var color: Int
    var look = Look.plain
    /// Whether each point is marked, with its value.
    var hasMarks = false
  }

  /// An entry of the legend.
  struct Key {
    var name: String
    var color: Int
    var look = Line.Look.plain
  }

  let title: String
  var keys: [Key] = []
  var lines: [Line]
  /// Whether the vertical axis begins at zero.
  var fromZero = false
  var note: String?

  private static let width = 440.0, height = 230.0
  private static let left = 52.0, right = 14.0, top = 10.0, bottom = 34.0

  /// The chart with its heading; nothing where no point is finite.
  var markup: Markup {
    let points = lines.flatMap(\.points).filter(Self.canBeDrawn)
    guard !points.isEmpty else { return .empty }
    let scale = Scale(points, fromZero: fromZero)
    return """
      <figure class="chart"><figcaption>\(title)\(note.map { " <span class=\"note\">\($0)</span>" } ?? .empty)</figcaption>
      \(legend)<svg viewBox="0 0 \(Self.width) \(Self.height)" role="img" aria-label="\(title)">
      \(grid(scale))\(lines.map { line($0, scale) })</svg></figure>

      """
  }

  /// Whether a point has a place; axes of larger numbers have no ticks.
  private static func canBeDrawn(_ point: (x: Double, y: Double)) -> Bool { abs(point.x) < 1e60 && abs(point.y) < 1e60 }

  private var legend: Markup {
    guard !keys.isEmpty else { return .empty }
    let items = keys.map { key -> Markup in
      "<li><span class=\"key \(key.look.rawValue) c\(key.color)\"></span>\(key.name)</li>"
    }
    return "<ul class=\"legend\">\(items)</ul>\n"
  }

  private func grid(_ scale: Scale) -> Markup {
    let right = Self.width - Self.right, bottom = Self.height - Self.bottom
    let rows = scale.y.ticks.map { tick -> Markup in
      let y = scale.place(scale.x.low, tick).y
      return """
        <line class="grid" x1="\(Self.left)" x2="\(right)" y1="\(y)" y2="\(y)"/>\
        <text x="\(Self.left - 6)" y="\(y + 4)" text-anchor="end">\(scale.y.words(tick))</text>

        """
    }
    let columns = scale.x.ticks.map { tick -> Markup in
      let x = scale.place(tick, scale.y.low).x
      return "<text x=\"\(x)\" y=\"\(bottom + 16)\" text-anchor=\"middle\">\(scale.x.words(tick))</text>\n"
    }
    return """
      \(rows)\(columns)<text class="axis" x="\((Self.left + right) / 2)" y="\(Self.height - 3)" text-anchor="middle">step</text>

      """
  }

  private func line(_ line: Line, _ scale: Scale) -> Markup {
    let places = line.points.filter(Self.canBeDrawn).map { (scale.place($0.x, $0.y), $0) }
    let path = places.enumerated().map { index, place -> Markup in
      "\(index == 0 ? "M" : "L")\(place.0.x) \(place.0.y)"
    }
    let marks =
      !line.hasMarks
      ? []
      : places.map { place, point -> Markup in
        """
        <circle class="mark c\(line.color)" cx="\(place.x)" cy="\(place.y)" r="4"><title>step \(Readable.fixed(point.x, 0)): \
        \(Readable.significant(point.y, 5))</title></circle>
        """
      }
    return "<path class=\"line \(line.look.rawValue) c\(line.color)\" d=\"\(path)\"/>\(marks)\n"
  }

  // MARK: Scales

  private struct Scale {
    let x: Axis, y: Axis

    init(_ points: [(x: Double, y: Double)], fromZero: Bool) {
      x = Axis(points.map(\.x), fromZero: true, count: 5)
      y = Axis(points.map(\.y), fromZero: fromZero, count: 4)
    }

    func place(_ x: Double, _ y: Double) -> (x: Double, y: Double) {
      let width = LineChart.width - LineChart.left - LineChart.right
      let height = LineChart.height - LineChart.top - LineChart.bottom
      return (LineChart.left + width * self.x.share(x), LineChart.top + height * (1 - self.y.share(y)))
    }
  }

  /// A range with round ticks.
  struct Axis {
    let low: Double, high: Double, ticks: [Double]

    /// Of values, finite and at least one, with about `count` ticks.
    init(_ values: [Double], fromZero: Bool, count: Int) {
      var low = fromZero ? min(0, values.min()!) : values.min()!
      var high = values.max()!
      let least = max(1e-9, 1e-9 * max(abs(low), abs(high)))
      // A range is needed, also of equal values.
      if high - low < least { (low, high) = (fromZero ? low : low - least, high + least) }
      let rough = (high - low) / Double(count)
      let power = pow(10, floor(log10(rough)))
      let step = power * ([1, 2, 5].first { $0 * power >= rough } ?? 10)
      if !fromZero { low = floor(low / step) * step }
      ticks = (Int((low / step).rounded(.up))...Int((high / step + 1e-9).rounded(.down))).map { Double($0) * step }
      self.low = low
      self.high = max(high, ticks.last!)
    }

    func share(_ value: Double) -> Double { (value - low) / (high - low) }

    func words(_ tick: Double) -> String {
      abs(tick) >= 10_000 ? "\(Readable.significant(tick / 1000, 4))k" : Readable.significant(tick, 4)
    }
  }
}

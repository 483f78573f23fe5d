import Reporting

/// What was measured against what it cost, and the configurations that no other beats in both.
struct ParetoChart {
  /// A configuration.
  struct Point {
    var cost: Double
    var value: Double
    var words: String
  }

  let title: String
  let xTitle: String, yTitle: String
  let points: [Point]
  let isHigherBetter: Bool
  let costWords: (Double) -> String

  private static let width = 440.0, height = 250.0
  private static let left = 58.0, right = 30.0, top = 12.0, bottom = 40.0

  /// Points that have a place; axes of larger numbers have no ticks.
  private var known: [Point] { points.filter { [$0.cost, $0.value].allSatisfy { $0.isFinite && abs($0) < 1e60 } } }

  /// Points that no other is as cheap and as good as, cheapest first.
  var front: [Point] {
    let order = known.sorted { left, right in
      left.cost != right.cost ? left.cost < right.cost : isBetter(left.value, right.value)
    }
    var front: [Point] = []
    for point in order where front.last.map({ isBetter(point.value, $0.value) }) ?? true { front.append(point) }
    return front
  }

  private func isBetter(_ value: Double, _ other: Double) -> Bool { isHigherBetter ? value > other : value < other }

  /// The chart; nothing where all cost the same.
  var markup: Markup {
    guard let cheapest = known.map(\.cost).min(), let dearest = known.map(\.cost).max(), cheapest < dearest else {
      return .empty
    }
    let x = LineChart.Axis(known.map(\.cost), fromZero: true, count: 5)
    let y = LineChart.Axis(known.map(\.value), fromZero: false, count: 4)
    func place(_ cost: Double, _ value: Double) -> (x: Double, y: Double) {
      (
        Self.left + (Self.width - Self.left - Self.right) * x.share(cost),
        Self.top + (Self.height - Self.top - Self.bottom) * (1 - y.share(value))
      )
    }
    let front = front
    let path = front.enumerated().map { index, point -> Markup in
      let here = place(point.cost, point.value)
      guard index > 0 else { return "M\(here.x) \(here.y)" }
      return "L\(here.x) \(place(0, front[index - 1].value).y)L\(here.x) \(here.y)"
    }
    let marks = known.map { point -> Markup in
      let here = place(point.cost, point.value)
      let isFront = front.contains { $0.cost == point.cost && $0.value == point.value }
      return """
        <circle class="mark c\(isFront ? 2 : 0)" cx="\(here.x)" cy="\(here.y)" r="\(isFront ? 5 : 4)"><title>\(point.words): \
        \(Readable.significant(point.value, 5)) at \(costWords(point.cost))</title></circle>

        """
    }
    return """
      <figure class="chart"><figcaption>\(title)</figcaption>
      <svg viewBox="0 0 \(Self.width) \(Self.height)" role="img" aria-label="\(title)">
      \(grid(x, y))<path class="line c2" d="\(path)"/>\(marks)</svg></figure>

      """
  }

  private func grid(_ x: LineChart.Axis, _ y: LineChart.Axis) -> Markup {
    let bottom = Self.height - Self.bottom
    let rows = y.ticks.map { tick -> Markup in
      let place = Self.top + (bottom - Self.top) * (1 - y.share(tick))
      return """
        <line class="grid" x1="\(Self.left)" x2="\(Self.width - Self.right)" y1="\(place)" y2="\(place)"/>\
        <text x="\(Self.left - 6)" y="\(place + 4)" text-anchor="end">\(y.words(tick))</text>

        """
    }
    let columns = x.ticks.map { tick -> Markup in
      let place = Self.left + (Self.width - Self.left - Self.right) * x.share(tick)
      return "<text x=\"\(place)\" y=\"\(bottom + 16)\" text-anchor=\"middle\">\(costWords(tick))</text>\n"
    }
    return """
      \(rows)\(columns)<text transform="translate(11 \(Self.top + (bottom - Self.top) / 2)) rotate(-90)" \
      text-anchor="middle">\(yTitle)</text>\
      <text x="\((Self.left + Self.width - Self.right) / 2)" y="\(Self.height - 6)" text-anchor="middle">\(xTitle)</text>

      """
  }
}

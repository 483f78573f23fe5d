import Foundation
import Reporting

/// How a number depends on a setting: its mean with an interval at each value of the setting, and what the mean is of.
struct SettingChart {
  typealias Point = SweepPage.Point

  let title: String
  let yTitle: String
  var points: [Point]
  var note: String?

  private static let width = 440.0, height = 240.0
  private static let left = 58.0, right = 16.0, top = 12.0, bottom = 40.0

  /// The chart with its heading; nothing where there is no point.
  var markup: Markup {
    let points = points.filter { $0.mean.isFinite && abs($0.mean) < 1e60 }
    guard !points.isEmpty else { return .empty }
    let places = SettingScale(points.map(\.value))
    let ends = points.flatMap { point in
      [point.mean - (point.interval ?? 0), point.mean + (point.interval ?? 0)] + point.measurements
        + [point.best].compactMap { $0 }
    }
    let axis = LineChart.Axis(ends.filter { $0.isFinite && abs($0) < 1e60 }, fromZero: false, count: 4)
    let order = points.sorted { places.share($0.value) < places.share($1.value) }
    return """
      <figure class="chart"><figcaption>\(title)\(note.map { " <span class=\"note\">\($0)</span>" } ?? .empty)</figcaption>
      <svg viewBox="0 0 \(Self.width) \(Self.height)" role="img" aria-label="\(yTitle) by \(title)">
      \(grid(axis))\(labels(places))\(line(order, places, axis))\(order.map { marks($0, places, axis) })</svg></figure>

      """
  }

  private func x(_ value: String, _ places: SettingScale) -> Double {
    Self.left + 12 + (Self.width - Self.left - Self.right - 24) * places.share(value)
  }

  private func y(_ value: Double, _ axis: LineChart.Axis) -> Double {
    Self.top + (Self.height - Self.top - Self.bottom) * (1 - axis.share(value))
  }

  private func grid(_ axis: LineChart.Axis) -> Markup {
    let rows = axis.ticks.map { tick -> Markup in
      """
      <line class="grid" x1="\(Self.left)" x2="\(Self.width - Self.right)" y1="\(y(tick, axis))" y2="\(y(tick, axis))"/>\
      <text x="\(Self.left - 6)" y="\(y(tick, axis) + 4)" text-anchor="end">\(axis.words(tick))</text>

      """
    }
    let middle = Self.top + (Self.height - Self.top - Self.bottom) / 2
    return """
      \(rows)<text transform="translate(11 \(middle)) rotate(-90)" text-anchor="middle">\(yTitle)</text>\
      <text x="\((Self.left + Self.width - Self.right) / 2)" y="\(Self.height - 6)" text-anchor="middle">\(title)</text>

      """
  }

  /// Values of the setting, as many as do not run into each other.
  private func labels(_ places: SettingScale) -> Markup {
    var end = -Double.infinity
    let labels = places.values.compactMap { value -> Markup? in
      let short = value.count > 14 ? "\(value.prefix(13))\u{2026}" : value
      let (middle, half) = (x(value, places), Double(short.count) * 3.4 + 3)
      guard middle - half >= end else { return nil }
      end = middle + half
      return "<text x=\"\(middle)\" y=\"\(Self.height - Self.bottom + 17)\" text-anchor=\"middle\">\(short)</text>\n"
    }
    return Markup(labels)
  }

  private func line(_ points: [Point], _ places: SettingScale, _ axis: LineChart.Axis) -> Markup {
    func path(_ points: [(String, Double)]) -> Markup {
      Markup(
        points.enumerated().map { index, point -> Markup in
          "\(index == 0 ? "M" : "L")\(x(point.0, places)) \(y(point.1, axis))"
        })
    }
    let best = points.compactMap { point in point.best.map { (point.value, $0) } }
    return """
      <path class="line c1" d="\(path(points.map { ($0.value, $0.mean) }))"/>\
      \(best.isEmpty ? .empty : "<path class=\"line dashed c2\" d=\"\(path(best))\"/>")

      """
  }

  private func marks(_ point: Point, _ places: SettingScale, _ axis: LineChart.Axis) -> Markup {
    let x = x(point.value, places)
    let dots = point.measurements.filter { $0.isFinite && abs($0) < 1e60 }.map { value -> Markup in
      // Beside the bar, which would cover them.
      "<circle class=\"mark c0\" cx=\"\(x + 9)\" cy=\"\(y(value, axis))\" r=\"3.4\"/>"
    }
    let bar = point.interval.map { interval -> Markup in
      let (high, low) = (y(point.mean + interval, axis), y(point.mean - interval, axis))
      return """
        <path class="line c1" d="M\(x) \(high)L\(x) \(low)M\(x - 4) \(high)L\(x + 4) \(high)M\(x - 4) \(low)L\(x + 4) \(low)"/>
        """
    }
    let spread = point.interval.map { " \u{B1} \(Readable.significant($0, 3))" } ?? ""
    return """
      \(bar ?? .empty)\(dots)<circle class="mark c1" cx="\(x)" cy="\(y(point.mean, axis))" r="4.5"><title>\(title) = \
      \(point.value): \(Readable.significant(point.mean, 5))\(spread), of \(point.measurements.count)</title></circle>

      """
  }
}

/// Where values of a setting lie on an axis: by their size where all are numbers, by their logarithm where these are far
/// apart, else side by side.
struct SettingScale {
  /// Each once: numbers ascending, others in the order that they came in.
  let values: [String]
  private let shares: [String: Double]

  init(_ given: [String]) {
    let distinct = given.distinct()
    let numbers = distinct.compactMap { text in Double(text).flatMap { $0.isFinite ? $0 : nil } }
    guard numbers.count == distinct.count, let low = numbers.min(), let high = numbers.max(), low < high else {
      values = distinct
      let last = Double(max(1, distinct.count - 1))
      shares = Dictionary(
        uniqueKeysWithValues: distinct.enumerated().map { index, value in
          (value, distinct.count == 1 ? 0.5 : Double(index) / last)
        })
      return
    }
    let isLogarithmic = low > 0 && high / low >= 30
    func place(_ number: Double) -> Double { isLogarithmic ? log(number) : number }
    let pairs = zip(distinct, numbers).sorted { $0.1 < $1.1 }
    values = pairs.map(\.0)
    shares = Dictionary(
      uniqueKeysWithValues: pairs.map { value, number in
        (value, (place(number) - place(low)) / (place(high) - place(low)))
      })
  }

  /// From 0 to 1, of one of the values.
  func share(_ value: String) -> Double { shares[value] ?? 0.5 }
}

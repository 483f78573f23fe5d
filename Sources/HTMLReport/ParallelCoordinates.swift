import Reporting

/// Configurations as lines over one axis for each setting and a last one for what was measured: the best ones stand out.
struct ParallelCoordinates {
  /// One configuration.
  struct Line {
    /// A value for each axis.
    var values: [String]
    var mean: Double
  }

  /// Names of the settings.
  let axes: [String]
  let lastAxis: String
  /// The best first.
  let lines: [Line]

  private static let height = 300.0, top = 40.0, bottom = 16.0, left = 60.0, right = 64.0
  /// Lines that stand out.
  private static let shownCount = 5

  private var step: Double { axes.count < 4 ? 170 : 140 }
  private var width: Double { Self.left + step * Double(axes.count) + Self.right }

  /// The drawing, scrolled sideways where it is too wide; nothing where there are fewer than two axes or lines.
  var markup: Markup {
    let lines = lines.filter { $0.mean.isFinite && abs($0.mean) < 1e60 }
    guard axes.count > 1, lines.count > 1 else { return .empty }
    let scales = axes.indices.map { axis in SettingScale(lines.map { $0.values[axis] }) }
    let measured = LineChart.Axis(lines.map(\.mean), fromZero: false, count: 4)
    let shown = min(Self.shownCount, (lines.count + 1) / 2)
    // The best are drawn over the others.
    let paths = lines.enumerated().reversed().map { index, line in
      path(line, scales, measured, isBest: index == 0, stands: index < shown)
    }
    return """
      <div class="scroll"><svg class="heat\(axes.count > 3 ? "" : " fits")" viewBox="0 0 \(width) \(Self.height)" \
      width="\(width)" role="img" aria-label="parallel coordinates" font-size="12">
      \(paths)\(axes.indices.map { axis($0, scales[$0]) })\(lastAxis(measured))</svg></div>
      <ul class="legend"><li><span class="key c2"></span>the best</li><li><span class="key c1"></span>the next \
      \(shown == 2 ? "one" : "\(shown - 1)")</li><li><span class="key c0"></span>the rest</li></ul>

      """
  }

  /// Many lines are drawn lighter, so that the best can be seen among them.
  private var restOpacity: Double { min(0.5, max(0.1, 12 / Double(lines.count))) }

  private func x(_ axis: Int) -> Double { Self.left + step * Double(axis) }
  private func y(_ share: Double) -> Double { Self.top + (Self.height - Self.top - Self.bottom) * (1 - share) }

  private func path(
    _ line: Line, _ scales: [SettingScale], _ measured: LineChart.Axis, isBest: Bool, stands: Bool
  ) -> Markup {
    let places =
      axes.indices.map { (x($0), y(scales[$0].share(line.values[$0]))) } + [
        (x(axes.count), y(measured.share(line.mean)))
      ]
    let path = places.enumerated().map { index, place -> Markup in "\(index == 0 ? "M" : "L")\(place.0) \(place.1)" }
    let words = zip(axes, line.values).map { "\($0) = \($1)" }.joined(separator: ", ")
    return """
      <path class="line c\(isBest ? 2 : stands ? 1 : 0)" stroke-opacity="\(stands ? 1 : restOpacity)" d="\(path)"><title>\(words): \
      \(Readable.significant(line.mean, 5))</title></path>

      """
  }

  private func axis(_ index: Int, _ scale: SettingScale) -> Markup {
    let x = x(index)
    var end = Double.infinity
    let labels = scale.values.compactMap { value -> Markup? in
      let place = y(scale.share(value))
      guard end - place >= 13 else { return nil }
      end = place
      let short = value.count > 9 ? "\(value.prefix(8))\u{2026}" : value
      return "<text class=\"halo\" x=\"\(x - 5)\" y=\"\(place + 4)\" text-anchor=\"end\">\(short)</text>"
    }
    // Long names take turns in two rows.
    return """
      <line class="grid" x1="\(x)" x2="\(x)" y1="\(Self.top)" y2="\(Self.height - Self.bottom)"/>\(labels)\
      <text x="\(x)" y="\(index.isMultiple(of: 2) ? 12 : 27)" text-anchor="\(index == 0 ? "start" : "middle")" \
      dx="\(index == 0 ? -50 : 0)">\(axes[index])</text>

      """
  }

  private func lastAxis(_ measured: LineChart.Axis) -> Markup {
    let x = x(axes.count)
    let labels = measured.ticks.map { tick -> Markup in
      "<text x=\"\(x + 6)\" y=\"\(y(measured.share(tick)) + 4)\">\(measured.words(tick))</text>"
    }
    return """
      <line class="grid" x1="\(x)" x2="\(x)" y1="\(Self.top)" y2="\(Self.height - Self.bottom)"/>\(labels)\
      <text x="\(x + Self.right - 4)" y="\(axes.count.isMultiple(of: 2) ? 12 : 27)" text-anchor="end">\(lastAxis)</text>

      """
  }
}

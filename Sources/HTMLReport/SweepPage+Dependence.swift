import Reporting

// How what was measured depends on what was varied.

extension SweepPage {
  /// Values of a setting beyond which no map is drawn, and maps beyond which no more are.
  private static let mostCells = 24, mostMaps = 10

  /// The charts of parts that vary one setting.
  var single: Markup {
    let charts = parts.filter { $0.keys.count == 1 }.flatMap(\.plots).map { plot in
      SettingChart(title: plot.key, yTitle: metric, points: plot.points).markup
    }
    return .section(
      charts.count == 1 ? "The setting" : "One setting at a time",
      charts.allSatisfy(\.text.isEmpty)
        ? []
        : [
          "<p class=\"note\">Line: mean over seeds; bars: its 95 % interval by Student's t; dots: single seeds.</p>\n",
          "<div class=\"charts\">\(charts)</div>\n",
        ])
  }

  /// The charts of a part that varies several.
  func dependence(_ part: Part) -> Markup {
    let known = part.configurations.filter { $0.mean?.isFinite ?? false }
    let plots = part.plots.map { SettingChart(title: $0.key, yTitle: metric, points: $0.points).markup }
    let maps = pairs(part.keys).prefix(Self.mostMaps).map { map($0.0, $0.1, known) }
    let lines = ParallelCoordinates(
      axes: part.keys, lastAxis: metric,
      lines: known.map { entry in
        ParallelCoordinates.Line(values: part.keys.map { entry.settings[$0] ?? "" }, mean: entry.mean!)
      }.sorted { isHigherBetter ? $0.mean > $1.mean : $0.mean < $1.mean })
    let title = part.name.isEmpty ? "Settings" : part.name.replacing("_", with: " ")
    return .section(
      title,
      known.isEmpty
        ? []
        : [
          "<p class=\"note\">\(Self.note)</p>\n<div class=\"charts\">\(plots)</div>\n",
          together(maps.filter { !$0.text.isEmpty }, lines.markup),
        ])
  }

  /// Maps of pairs and all settings at once; side by side where there is one map.
  private func together(_ maps: [Markup], _ lines: Markup) -> Markup {
    let pairs: Markup = maps.isEmpty ? .empty : "<div><h3>Pairs</h3><div class=\"charts\">\(maps)</div></div>\n"
    let all: Markup = lines.text.isEmpty ? .empty : "<div><h3>All settings together</h3>\(lines)</div>"
    return maps.count == 1 ? "<div class=\"columns wide\">\(pairs)\(all)</div>" : "\(pairs)\(all)"
  }

  private static let note =
    "Line: mean of all configurations with that value; bars: its 95 % interval over seeds; dots: single seeds; dashed: the "
    + "best configuration with that value."

  private func pairs(_ keys: [String]) -> [(String, String)] {
    keys.indices.flatMap { first in keys[(first + 1)...].map { (keys[first], $0) } }
  }

  private func map(_ row: String, _ column: String, _ known: [Configuration]) -> Markup {
    let rows = SettingScale(known.compactMap { $0.settings[row] }).values
    let columns = SettingScale(known.compactMap { $0.settings[column] }).values
    guard rows.count > 1, columns.count > 1, rows.count <= Self.mostCells, columns.count <= Self.mostCells else {
      return .empty
    }
    let values = rows.map { first in
      columns.map { second -> Double? in
        let means = known.filter { $0.settings[row] == first && $0.settings[column] == second }.map { $0.mean! }
        return means.isEmpty ? nil : means.reduce(0, +) / Double(means.count)
      }
    }
    return PairMap(
      rowTitle: row, columnTitle: column, rows: rows, columns: columns, values: values, isHigherBetter: isHigherBetter
    ).markup
  }
}

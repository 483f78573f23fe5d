import Reporting

/// One page that tells of a sweep: how what was measured depends on what was varied, and what it cost.
public struct SweepPage: Sendable {
  /// A configuration, over its seeds.
  public struct Configuration: Sendable {
    /// Values by the names of the settings that are varied.
    public var settings: [String: String]
    /// What trials are compared by, of each finished seed.
    public var values: [Double]
    /// Of the values; nil where there is none.
    public var mean: Double?
    /// Half the 95 % interval of the mean; nil for a single value.
    public var interval: Double?
    /// Mean over the seeds; nil where it is not known.
    public var seconds: Double?
    /// Mean over the seeds; nil where it is not known.
    public var sentBytes: Double?

    /// A configuration of known numbers.
    public init(
      settings: [String: String], values: [Double], mean: Double?, interval: Double?, seconds: Double?,
      sentBytes: Double?
    ) {
      self.settings = settings
      self.values = values
      self.mean = mean
      self.interval = interval
      self.seconds = seconds
      self.sentBytes = sentBytes
    }
  }

  /// A value of a setting, and what was measured with it.
  public struct Point: Sendable {
    /// As it is written.
    public var value: String
    /// Over the seeds.
    public var mean: Double
    /// Half the width of the mean's 95 % interval; nil for a single seed.
    public var interval: Double?
    /// Of each seed: what the mean is of.
    public var measurements: [Double]
    /// Of the best configuration, where there are several with the value.
    public var best: Double?

    /// A point of known numbers.
    public init(value: String, mean: Double, interval: Double?, measurements: [Double], best: Double?) {
      self.value = value
      self.mean = mean
      self.interval = interval
      self.measurements = measurements
      self.best = best
    }
  }

  /// How what was measured depends on a setting.
  public struct Plot: Sendable {
    /// The setting.
    public var key: String
    /// One for each of its values.
    public var points: [Point]

    /// A plot of known points.
    public init(key: String, points: [Point]) { (self.key, self.points) = (key, points) }
  }

  /// What was varied together.
  public struct Part: Sendable {
    /// Empty where there is only one.
    public var name: String
    /// Settings that its configurations differ in.
    public var keys: [String]
    /// In the order of the sweep file.
    public var configurations: [Configuration]
    /// One for each of the settings.
    public var plots: [Plot]

    /// A part of known configurations.
    public init(name: String, keys: [String], configurations: [Configuration], plots: [Plot]) {
      (self.name, self.keys, self.configurations, self.plots) = (name, keys, configurations, plots)
    }
  }

  /// What trials are compared by.
  public var metric: String
  /// Whether more of it is better.
  public var isHigherBetter: Bool
  /// In the order of the sweep file.
  public var parts: [Part]
  /// Every configuration once, the best first.
  public var configurations: [Configuration]
  /// The leaderboard, the best first.
  public var leaderboard: TextTable
  /// What the leaderboard's columns are.
  public var caption: String
  /// The best configuration in words; empty where there is none yet.
  public var best: [String]
  /// Names and values of what the sweep was made from.
  public var provenance: [(key: String, value: String)]
  /// Of the program.
  public var version: String

  /// A page of what is known.
  public init(
    metric: String, isHigherBetter: Bool, parts: [Part], configurations: [Configuration], leaderboard: TextTable,
    caption: String, best: [String], provenance: [(key: String, value: String)], version: String
  ) {
    self.metric = metric
    self.isHigherBetter = isHigherBetter
    self.parts = parts
    self.configurations = configurations
    self.leaderboard = leaderboard
    self.caption = caption
    self.best = best
    self.provenance = provenance
    self.version = version
  }

  /// The page: HTML that is well-formed XML, too.
  public var text: String {
    let title = "Sweep of \(varied.joined(separator: ", "))"
    return PageFrame(
      title: title, header: header(title),
      sections: [single] + parts.filter { $0.keys.count > 1 }.map(dependence) + [cost, table, sources],
      version: version
    ).text
  }

  private var varied: [String] { parts.flatMap(\.keys).distinct() }

  private func header(_ title: String) -> Markup {
    let lines = best.map { line -> Markup in "<li>\(line)</li>\n" }
    return """
      <header><h1>\(title)</h1>
      \(best.isEmpty ? .empty : "<p class=\"note\">The best so far:</p><ul class=\"runs\">\(lines)</ul>\n")</header>

      """
  }

  /// Rows of the leaderboard that are seen at once.
  private static let shownRows = 15

  private var table: Markup {
    let rows = leaderboard.rows.map { $0.map(Self.cell) }
    let first = Table(columns: leaderboard.columns, rows: Array(rows.prefix(Self.shownRows)), isSortable: true).markup
    let all: Markup =
      rows.count <= Self.shownRows
      ? .empty
      : """
      <details><summary>All \(rows.count) configurations</summary>\
      \(Table(columns: leaderboard.columns, rows: rows, isSortable: true).markup)</details>

      """
    return .section("Leaderboard", [first, all, "<p class=\"note\">\(caption)</p>\n"])
  }

  /// Sorted by the number that it begins with, such as the mean of `85.00 ± 1.41`; units are not looked at.
  private static func cell(_ text: String?) -> Table.Cell {
    var cell = Table.Cell(text ?? "", look: "")
    cell.number = text.flatMap { Double($0.prefix { $0 != " " }) }
    return cell
  }

  private var sources: Markup {
    let rows = provenance.map { [Table.Cell($0.key, look: "key-name"), Table.Cell($0.value, look: "value")] }
    return .section("Provenance", rows.isEmpty ? [] : [Table(columns: ["", ""], rows: rows).markup])
  }

  private var cost: Markup {
    func chart(_ title: String, _ cost: KeyPath<Configuration, Double?>, _ words: @escaping (Double) -> String)
      -> Markup
    {
      let points = configurations.compactMap { entry -> ParetoChart.Point? in
        guard let value = entry.mean, let cost = entry[keyPath: cost] else { return nil }
        return ParetoChart.Point(cost: cost, value: value, words: Self.words(entry))
      }
      return ParetoChart(
        title: "\(metric) against \(title)", xTitle: title, yTitle: metric, points: points,
        isHigherBetter: isHigherBetter, costWords: words
      ).markup
    }
    let charts = [
      chart("time", \.seconds, Readable.seconds),
      chart("bytes sent to other hosts", \.sentBytes) { Readable.bytes(Int(min($0, 1e18))) },
    ]
    return .section(
      "Cost",
      charts.allSatisfy(\.text.isEmpty)
        ? []
        : [
          "<p class=\"note\">A dot is a configuration; on the line are those that no other beats in both.</p>\n",
          "<div class=\"charts\">\(charts)</div>\n",
        ])
  }

  static func words(_ configuration: Configuration) -> String {
    configuration.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
  }
}

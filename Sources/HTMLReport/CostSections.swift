import Reporting
import RunRecords

// What runs took, and what they are made of.

extension ReportPage {
  private var finished: [(index: Int, run: RunRecord)] {
    runs.enumerated().filter { $1.isFinished }.map { ($0, $1) }
  }

  var cost: Markup {
    var table = Table(columns: [""] + finished.map { isComparison ? $0.run.name : "" })
    func add(_ name: String, _ words: (RunRecord) -> String?) {
      let cells = finished.map { words($0.run) ?? "" }
      if cells.contains(where: { !$0.isEmpty }) { table.rows.append([Table.Cell(name)] + cells.map { Table.Cell($0) }) }
    }
    add("trained parameters") { run in
      guard let trained = run.cost("trained_parameters"), let total = run.cost("total_parameters"), total > 0 else {
        return nil
      }
      return
        "\(Readable.count(Int(trained))) of \(Readable.count(Int(total))) (\(Readable.fixed(100 * trained / total, 1)) %)"
    }
    add("steps") { run in
      run.cost("steps").map { "\(Readable.count(Int($0))) in \(Int(run.cost("epochs") ?? 0)) epochs" }
    }
    add("median step") { $0.cost("median_step_seconds").map(Readable.seconds) }
    add("features of training images") { $0.keptViews("training") }
    add("features of test images") { $0.keptViews("tests") }
    add("peak memory per rank") { $0.cost("peak_memory_bytes").map { Readable.bytes(Int($0)) } }
    add("ranks") { run in
      run.fact("ranks").map {
        "\($0), on \(counted(run.fact("hosts"), "host")), of \(counted(run.fact("threads_per_rank"), "thread"))"
      }
    }
    if !finished.isEmpty, isComparison { addTimes(to: &table) }
    let charts = isComparison ? [] : finished.map { Bars(title: "Time", bars: bars(times($0.run))).markup }
    return .section("Cost", finished.isEmpty ? [] : [table.markup] + charts)
  }

  /// Seconds by phase.
  private func times(_ run: RunRecord) -> [(name: String, value: Double)] {
    [("features", run.cost("extraction_seconds")), ("steps", run.cost("step_seconds"))]
      .compactMap { name, value in value.map { (name, $0) } }
      + run.costs("test_seconds").map { ("test, \($0.name)", $0.value) }.sorted { $0.0 < $1.0 }
  }

  private func addTimes(to table: inout Table) {
    table.rows += rows(finished.map { times($0.run) }, Readable.seconds)
  }

  /// Values of each finished run by name.
  private func rows(
    _ values: [[(name: String, value: Double)]], prefix: String = "", _ words: (Double) -> String
  ) -> [[Table.Cell]] {
    values.flatMap { $0.map(\.name) }.distinct().map { name in
      [Table.Cell(prefix + name)]
        + values.map { run in Table.Cell(run.first { $0.name == name }.map { words($0.value) } ?? "") }
    }
  }

  private func bars(_ values: [(name: String, value: Double)]) -> [Bars.Bar] {
    values.map { Bars.Bar(name: $0.name, value: $0.value, words: Readable.seconds($0.value), color: 1) }
  }

  private func counted(_ count: String?, _ unit: String) -> String {
    "\(count ?? "?") \(unit)\(count == "1" ? "" : "s")"
  }

  var traffic: Markup {
    guard isComparison else {
      let charts = finished.flatMap {
        [
          Bars(title: "Bytes per step", bars: byteBars($0.run)).markup,
          Bars(title: "Exchange per step, with waiting", bars: bars(exchangeTimes($0.run))).markup,
        ]
      }
      return .section("Traffic", charts.allSatisfy(\.text.isEmpty) ? [] : ["<div class=\"columns\">\(charts)</div>\n"])
    }
    var table = Table(columns: ["per step"] + finished.map(\.run.name))
    table.rows =
      rows(finished.map { bytes($0.run) }) { Readable.bytes(Int($0)) }
      + rows(finished.map { exchangeTimes($0.run) }, prefix: "time of ", Readable.seconds)
    return .section("Traffic", table.rows.isEmpty ? [] : [table.markup])
  }

  private static let fullFineTuning = "full fine-tuning"

  /// Bytes of a step by purpose; none where nothing was trained.
  private func bytes(_ run: RunRecord) -> [(name: String, value: Double)] {
    let reduced = run.costs("reduced_bytes_per_step").map { (words($0.name), $0.value) }
    guard !reduced.isEmpty else { return [] }
    let sent = run.cost("sent_bytes_per_step").map { [("sent to other hosts", $0)] } ?? []
    let full = run.cost("full_fine_tuning_bytes_per_step").map { [(Self.fullFineTuning, $0)] } ?? []
    return reduced + sent.filter { $0.1 > 0 } + full
  }

  private func byteBars(_ run: RunRecord) -> [Bars.Bar] {
    bytes(run).map {
      Bars.Bar(
        name: $0.name, value: $0.value, words: Readable.bytes(Int($0.value)),
        color: $0.name == Self.fullFineTuning ? 0 : 1)
    }
  }

  private func exchangeTimes(_ run: RunRecord) -> [(name: String, value: Double)] {
    run.costs("exchange_seconds_per_step").filter { $0.value > 0 }.map { (words($0.name), $0.value) }
  }

  private func words(_ name: String) -> String { name.replacing("_", with: " ") }
}

// MARK: - Provenance

extension ReportPage {
  /// Who computed a result on what; what is a setting too is said there.
  private static let factNames = [
    "version", "dataset", "task", "shots", "seed", "ranks", "hosts", "threads_per_rank", "accepted_differences",
  ]

  private func facts(_ run: RunRecord) -> [(key: String, value: String)] {
    let known = Set(run.settings.map(\.key))
    let facts = Self.factNames.filter { !known.contains($0) }.flatMap { name in
      run.results?[name]?.flattened(name) ?? []
    }
    return facts + (run.results?["provenance"]?.flattened("provenance") ?? [])
  }

  var provenance: Markup {
    let entries = runs.map(facts)
    guard entries.contains(where: { !$0.isEmpty }) else { return .empty }
    let table = comparison("entry", entries)
    if !isComparison { return .section("Provenance", [table.all.markup]) }
    return .section(
      "Provenance",
      [differing(table.differing), "<details><summary>All entries</summary>\(table.all.markup)</details>\n"])
  }

  private func differing(_ table: Table) -> Markup {
    table.rows.isEmpty ? "<p class=\"note\">The same in all runs.</p>\n" : table.markup
  }

  /// Entries of all runs side by side, and those that are not the same in all; `-` where a run has none.
  private func comparison(
    _ title: String, _ entries: [[(key: String, value: String)]]
  ) -> (all: Table, differing: Table) {
    let columns = [title] + runs.map { isComparison ? $0.name : "" }
    var (all, differing) = (Table(columns: columns), Table(columns: columns))
    var seen: Set<String> = []
    let values = entries.map { Dictionary($0.map { ($0.key, $0.value) }) { first, _ in first } }
    for key in entries.flatMap({ $0.map(\.key) }) where seen.insert(key).inserted {
      let row = values.map { $0[key] ?? "-" }
      let cells = [Table.Cell(key, look: "key-name")] + row.map { Table.Cell($0, look: "value") }
      all.rows.append(cells)
      if Set(row).count > 1 { differing.rows.append(cells) }
    }
    return (all, differing)
  }

  var configuration: Markup {
    if isComparison {
      let table = comparison(
        "setting", runs.map { $0.settings.filter { $0.key != "run_dir" }.map { ($0.key, $0.value) } })
      return .section(
        "Configuration",
        [differing(table.differing), "<details><summary>All settings</summary>\(table.all.markup)</details>\n"])
    }
    func table(_ settings: [SettingRecord]) -> Markup {
      Table(
        columns: ["setting", "value", "origin"],
        rows: settings.map {
          [
            Table.Cell($0.key, look: "key-name"), Table.Cell($0.value, look: "value"),
            Table.Cell($0.origin, look: "value"),
          ]
        }
      ).markup
    }
    let settings = runs[0].settings
    let given = settings.filter { $0.origin != "default" }
    return .section(
      "Configuration",
      settings.isEmpty
        ? []
        : [table(given), "<details><summary>All \(settings.count) settings</summary>\(table(settings))</details>\n"])
  }
}

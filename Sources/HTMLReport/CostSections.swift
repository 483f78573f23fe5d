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
    add("peak memory per rank") { $0.cost("peak_memory_bytes").map { Readable.bytes(Int($0)) } }
    add("ranks") { run in
      run.fact("ranks").map {
        "\($0) on \(run.fact("hosts") ?? "?") hosts, \(run.fact("threads_per_rank") ?? "?") threads each"
      }
    }
    let charts = finished.map { index, run in
      Bars(title: isComparison ? "Time, \(run.name)" : "Time", bars: phases(run, color(index))).markup
    }
    return section(
      "Cost", finished.isEmpty ? [] : [table.markup, "<div class=\"columns\">\(charts)</div>\n"])
  }

  private func phases(_ run: RunRecord, _ color: Int) -> [Bars.Bar] {
    let parts =
      [("features", run.cost("extraction_seconds")), ("steps", run.cost("step_seconds"))]
      .compactMap { name, value in value.map { (name, $0) } }
      + run.costs("test_seconds").map { ("test, \($0.name)", $0.value) }
    return parts.map { Bars.Bar(name: $0.0, value: $0.1, words: Readable.seconds($0.1), color: color) }
  }

  var traffic: Markup {
    let charts = finished.flatMap { index, run -> [Markup] in
      let suffix = isComparison ? ", \(run.name)" : ""
      var bytes = run.costs("reduced_bytes_per_step").map { (words($0.name), $0.value) }
      if let full = run.cost("full_fine_tuning_bytes_per_step"), !bytes.isEmpty {
        bytes.append(("full fine-tuning", full))
      }
      if let sent = run.cost("sent_bytes_per_step"), sent > 0 { bytes.append(("sent to other hosts", sent)) }
      let times = run.costs("exchange_seconds_per_step").filter { $0.value > 0 }
      return [
        Bars(
          title: "Bytes reduced per step" + suffix,
          bars: bytes.map { name, value in
            Bars.Bar(
              name: name, value: value, words: Readable.bytes(Int(value)),
              color: name == "full fine-tuning" ? 0 : color(index))
          }
        ).markup,
        Bars(
          title: "Exchange per step, with waiting" + suffix,
          bars: times.map {
            Bars.Bar(name: words($0.name), value: $0.value, words: Readable.seconds($0.value), color: color(index))
          }
        ).markup,
      ]
    }
    return section("Traffic", charts.allSatisfy(\.text.isEmpty) ? [] : ["<div class=\"columns\">\(charts)</div>\n"])
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
    if !isComparison { return section("Provenance", [table.all.markup]) }
    return section(
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
      return section(
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
    return section(
      "Configuration",
      settings.isEmpty
        ? []
        : [table(given), "<details><summary>All \(settings.count) settings</summary>\(table(settings))</details>\n"])
  }
}

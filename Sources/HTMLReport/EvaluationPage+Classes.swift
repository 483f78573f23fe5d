import Reporting
import RunRecords

// Classes, confusions, what was not tested, and what the numbers are of.

extension EvaluationPage {
  /// A class in one test.
  private struct ClassEntry {
    var test: EvaluationRecord.Test
    var count: EvaluationRecord.ClassCount
    /// Percent, of the untuned model.
    var before: Double?

    var change: Double? { before.flatMap { before in count.accuracy.map { $0 - before } } }
  }

  private static let listed = 12
  /// Rows that a browser still sorts at once; classes.csv has all.
  private static let largestTable = 4000

  private var entries: [ClassEntry] {
    record.tests.flatMap { test in
      let before = untuned(test)?.classes
      return test.classes.enumerated().map { label, count in
        let same = before.flatMap { $0.indices.contains(label) && $0[label].name == count.name ? $0[label] : nil }
        return ClassEntry(test: test, count: count, before: same?.accuracy)
      }
    }
  }

  var classes: Markup {
    let entries = entries
    guard !entries.isEmpty else { return .empty }
    var table = Table(columns: columns, rows: entries.prefix(Self.largestTable).map(row), isSortable: true)
    if !hasChanges { table.columns.removeLast(2) }
    let rest: Markup =
      entries.count > Self.largestTable
      ? "<p class=\"note\">The first \(Self.largestTable) of \(entries.count); classes.csv has all.</p>\n" : .empty
    return .section(
      "Classes",
      [
        hasChanges ? changes(entries) : hardest(entries),
        "<details><summary>All \(entries.count) classes</summary>\n\(rest)\(table.markup)</details>\n",
      ])
  }

  private var columns: [String] {
    ["model", "data set", "classes", "class", "images", "accuracy", "untuned", "change"]
  }

  private func row(_ entry: ClassEntry) -> [Table.Cell] {
    let cells = [
      Table.Cell(entry.test.checkpoint), Table.Cell(entry.test.dataset), Table.Cell(entry.test.set),
      Table.Cell(entry.count.name, look: "name"), Table.Cell(count: entry.count.images),
      Table.Cell(entry.count.accuracy, decimals: 1), Table.Cell(entry.before, decimals: 1),
      Table.Cell(entry.change, decimals: 1, signed: true),
    ]
    return hasChanges ? cells : cells.dropLast(2)
  }

  private func changes(_ entries: [ClassEntry]) -> Markup {
    let ranked = entries.enumerated().filter { $1.change != nil }.sorted {
      ($1.element.change!, $0.offset) < ($0.element.change!, $1.offset)
    }.map(\.element)
    let gains = ranked.filter { $0.change! > 0 }.prefix(Self.listed)
    let losses = ranked.reversed().filter { $0.change! < 0 }.prefix(Self.listed)
    return """
      <div class="columns wide">\(list("Largest gains", Array(gains), none: "no class gained"))\
      \(list("Largest losses", Array(losses), none: "no class lost"))</div>

      """
  }

  private func hardest(_ entries: [ClassEntry]) -> Markup {
    let ranked = entries.enumerated().filter { $1.count.accuracy != nil }.sorted {
      ($0.element.count.accuracy!, $0.offset) < ($1.element.count.accuracy!, $1.offset)
    }.map(\.element)
    return list("Least accurate", Array(ranked.prefix(Self.listed)), none: "no image was tested")
  }

  private func list(_ title: String, _ entries: [ClassEntry], none: String) -> Markup {
    guard !entries.isEmpty else { return "<div><h3>\(title)</h3><p class=\"note\">\(none)</p></div>\n" }
    // A single model needs no name in each row.
    let shown = (checkpoints.count > (hasChanges ? 2 : 1) ? [0] : []) + [1, 3, 5] + (hasChanges ? [7] : [])
    let table = Table(
      columns: shown.map { columns[$0] }, rows: entries.map { entry in shown.map { row(entry)[$0] } })
    return "<div><h3>\(title)</h3>\(table.markup)</div>\n"
  }

  var confusions: Markup {
    let shown = record.confusions.filter { !hasChanges || $0.checkpoint != Self.untuned }
    var table = Table(columns: ["model", "data set", "classes", "class", "taken for", "images"])
    table.rows = shown.map { entry in
      [
        Table.Cell(entry.checkpoint), Table.Cell(entry.dataset), Table.Cell(entry.set),
        Table.Cell(entry.truth, look: "name"), Table.Cell(entry.prediction, look: "name"),
        Table.Cell(count: entry.images),
      ]
    }
    let note: Markup = "<p class=\"note\">Those of most images; confusion.csv has all.</p>\n"
    return .section("Confusions", shown.isEmpty ? [] : [note, table.markup])
  }

  /// Data sets that were left out, tests that are not finished, images that could not be read.
  var gaps: Markup {
    let missing = (record.results["missing"]?.elements ?? []).map { data -> Markup in
      "<li>\(data["dataset"]?.string ?? ""): left out, \(data["problem"]?.string ?? "")</li>\n"
    }
    let partial = record.tests.filter { !$0.isFinished }.map { test -> Markup in
      "<li>\(test.checkpoint), \(test.dataset), \(test.set) classes: \(test.images) of \(test.total) images tested</li>\n"
    }
    let skipped = record.tests.flatMap { test in
      test.skipped.map { image -> Markup in
        "<li>\(test.checkpoint), \(test.dataset), \(image.path): skipped, \(image.problem)</li>\n"
      }
    }
    let items = missing + partial + skipped
    let more: Markup =
      items.count > Self.largestTable
      ? "<p class=\"note\">The first \(Self.largestTable) of \(items.count).</p>\n" : .empty
    return .section(
      "What was not tested",
      items.isEmpty ? [] : [more, "<ol class=\"list\">\(Array(items.prefix(Self.largestTable)))</ol>\n"])
  }

  var provenance: Markup {
    var table = Table(columns: ["", ""])
    let lists: Set = ["tests", "harmonic_means", "averages", "missing"]
    for member in record.results.members ?? [] where !lists.contains(member.key) {
      table.rows += member.value.flattened(member.key).map {
        [Table.Cell($0.key, look: "key-name"), Table.Cell($0.value, look: "value")]
      }
    }
    var identities = Table(columns: ["model", "data set", "classes", "prompt", "identity"])
    identities.rows = (record.results["tests"]?.elements ?? []).map { test in
      ["checkpoint", "dataset", "set", "template", "identity"].map { key in
        Table.Cell(test[key]?.string ?? "", look: key == "identity" ? "value" : "")
      }
    }
    let note: Markup = "<p class=\"note\">Tests of the same identity have the same counts.</p>\n"
    return .section(
      "Provenance",
      [table.markup, "<details><summary>What each test is of</summary>\n\(note)\(identities.markup)</details>\n"])
  }
}

import Foundation
import Reporting
import RunRecords

// Classes, confusions and mistakes of a single run; classes of several side by side.

extension ReportPage {
  /// A class in the tests of a run.
  private struct ClassChange {
    var set: String, name: String
    var label: Int, images: Int
    /// Percent.
    var before: Double?, after: Double?

    var change: Double? { before.flatMap { before in after.map { $0 - before } } }
  }

  private func changes(_ run: RunRecord) -> [ClassChange] {
    func accuracies(_ test: RunRecord.TestName) -> [String: Double] {
      let counts = run.details[test]?.classes.filter { $0.images > 0 } ?? []
      return Dictionary(counts.map { ("\($0.set) \($0.label)", 100 * Double($0.correct) / Double($0.images)) }) { $1 }
    }
    let (before, after) = (accuracies(.zeroShot), accuracies(.tuned))
    return (run.details[.tuned] ?? run.details[.zeroShot])?.classes.map { entry in
      let key = "\(entry.set) \(entry.label)"
      return ClassChange(
        set: entry.set, name: entry.name, label: entry.label, images: entry.images, before: before[key],
        after: after[key])
    } ?? []
  }

  var classes: Markup {
    if isComparison { return .section("Classes", [classComparison]) }
    let changes = changes(runs[0])
    guard !changes.isEmpty else { return .empty }
    let ranked = changes.filter { $0.change != nil }.sorted { ($1.change!, $0.label) < ($0.change!, $1.label) }
    let gains = ranked.filter { $0.change! > 0 }.prefix(8)
    let losses = ranked.reversed().filter { $0.change! < 0 }.prefix(8)
    let lists: Markup =
      ranked.isEmpty
      ? .empty
      : """
      <div class="columns">\(changeTable("Largest gains", Array(gains), none: "no class gained"))\
      \(changeTable("Largest losses", Array(losses), none: "no class lost"))</div>

      """
    var table = Table(columns: ["classes", "class", "images", "untuned", "tuned", "change"], isSortable: true)
    table.rows = changes.map { row($0) }
    return .section(
      "Classes",
      [lists, "<details><summary>All \(changes.count) classes</summary>\(table.markup)</details>\n"])
  }

  private func changeTable(_ title: String, _ changes: [ClassChange], none: String) -> Markup {
    guard !changes.isEmpty else { return "<div><h3>\(title)</h3><p class=\"note\">\(none)</p></div>\n" }
    let table = Table(
      columns: ["class", "untuned", "tuned", "change"],
      rows: changes.map { change in [1, 3, 4, 5].map { row(change)[$0] } })
    return "<div><h3>\(title)</h3>\(table.markup)</div>\n"
  }

  private func row(_ entry: ClassChange) -> [Table.Cell] {
    [
      Table.Cell(entry.set), Table.Cell(entry.name, look: "name"), Table.Cell(count: entry.images),
      Table.Cell(entry.before, decimals: 1), Table.Cell(entry.after, decimals: 1),
      Table.Cell(entry.change, decimals: 1, signed: true),
    ]
  }

  /// Accuracy of each class in each run, where several were tested on it.
  private var classComparison: Markup {
    let all = runs.map(changes)
    var keys: [String] = []
    var entries: [String: [Int: ClassChange]] = [:]
    for (index, changes) in all.enumerated() {
      for change in changes {
        let key = "\(change.set) \(change.name)"
        if entries[key] == nil { keys.append(key) }
        entries[key, default: [:]][index] = change
      }
    }
    guard !keys.isEmpty else { return .empty }
    var table = Table(columns: ["classes", "class", "images"] + runs.map(\.name), isSortable: true)
    table.rows = keys.map { key in
      let found = entries[key]!
      let first = found.min { $0.key < $1.key }!.value
      return [Table.Cell(first.set), Table.Cell(first.name, look: "name"), Table.Cell(count: first.images)]
        + runs.indices.map { Table.Cell(found[$0].flatMap { $0.after ?? $0.before }, decimals: 1) }
    }
    return "<details><summary>Accuracy of \(keys.count) classes in each run</summary>\(table.markup)</details>\n"
  }

  /// The last test of a single run that left details.
  private var shown: (test: RunRecord.TestName, details: TestDetails)? {
    guard !isComparison else { return nil }
    return [RunRecord.TestName.tuned, .zeroShot].lazy.compactMap { test in
      runs[0].details[test].map { (test, $0) }
    }.first
  }

  private static let largestMap = 40, classesOfPart = 20

  var confusions: Markup {
    guard let shown else { return .empty }
    let sets = Set(shown.details.classes.map(\.set)).sorted()
    let words = shown.test == .tuned ? "tuned" : "untuned"
    let maps = sets.map { map($0, shown.details) }
    return .section(
      "Confusions",
      [
        "<p class=\"note\">Of the \(words) model: rows are classes, columns what their images were taken for.</p>\n",
        "<div class=\"columns wide\">\(maps)</div>\n",
      ])
  }

  private func map(_ set: String, _ details: TestDetails) -> Markup {
    let classes = details.classes.filter { $0.set == set }
    let confusions = details.confusions.filter { $0.set == set }
    let wrong = confusions.filter { $0.truth != $0.prediction }
      .sorted { ($1.images, $0.truth, $0.prediction) < ($0.images, $1.truth, $1.prediction) }
    let names = shownNames(classes.map(\.name), wrong)
    let totals = Dictionary(classes.map { ($0.name, $0.images) }) { $0 + $1 }
    let largest = wrong.prefix(8).map { entry -> Markup in
      "<li>\(entry.truth) \u{2192} \(entry.prediction): \(entry.images) of \(totals[entry.truth] ?? 0)</li>\n"
    }
    let note: Markup =
      names.count < classes.count
      ? "<p class=\"note\">The \(names.count) of \(classes.count) classes with the largest confusions.</p>" : .empty
    let list: Markup =
      largest.isEmpty
      ? "<p class=\"note\">No image was taken for another class.</p>" : "<ol class=\"list\">\(largest)</ol>"
    return "<div><h3>\(set) classes</h3>\(note)\(heat(names, confusions, totals))\(list)</div>\n"
  }

  /// All names, or those of the largest confusions where there are too many for a map.
  private func shownNames(_ names: [String], _ wrong: [TestDetails.Confusion]) -> [String] {
    guard names.count > Self.largestMap else { return names }
    var chosen: Set<String> = []
    for entry in wrong where chosen.count < Self.classesOfPart { chosen.formUnion([entry.truth, entry.prediction]) }
    return names.filter(chosen.contains)
  }

  private func heat(_ names: [String], _ confusions: [TestDetails.Confusion], _ totals: [String: Int]) -> Markup {
    guard !names.isEmpty else { return .empty }
    let places = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
    var counts = Array(repeating: Array(repeating: 0, count: names.count), count: names.count)
    for entry in confusions {
      if let row = places[entry.truth], let column = places[entry.prediction] { counts[row][column] += entry.images }
    }
    return HeatMap(names: names, counts: counts, totals: names.map { totals[$0]! }).markup
  }

  private static let shownMistakes = 24

  var mistakes: Markup {
    guard let shown, !shown.details.mistakes.isEmpty else { return .empty }
    let figures = shown.details.mistakes.prefix(Self.shownMistakes).map { mistake -> Markup in
      let (truth, prediction) = (
        shown.details.className(mistake.label, in: mistake.set),
        shown.details.className(mistake.prediction, in: mistake.set)
      )
      let image: Markup =
        picture(mistake.path).map { data in
          "<img alt=\"\(truth)\" src=\"data:image/png;base64,\(data.base64EncodedString())\"/>"
        } ?? "<span class=\"missing\">no picture</span>"
      return """
        <figure class="mistake" title="\(mistake.path)">\(image)<figcaption><b>\(truth)</b> taken for <b>\(prediction)</b>\
        <br/><span class="note">\(Readable.fixed(100 * mistake.confidence, 1)) % sure, \(mistake.set)</span></figcaption>\
        </figure>

        """
    }
    return .section("Most confident mistakes", ["<div class=\"mistakes\">\n\(figures)</div>\n"])
  }
}

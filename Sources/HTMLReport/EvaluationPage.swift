import Reporting
import RunRecords
import StrictJSON

/// One page that tells of an evaluation job: models tested on data sets.
public struct EvaluationPage {
  let record: EvaluationRecord

  /// The page of a job, finished or not.
  public init(_ record: EvaluationRecord) { self.record = record }

  /// The model as it came, by its name in jobs.
  static let untuned = "zero-shot"

  /// Models in the order of the job.
  var checkpoints: [String] { record.tests.map(\.checkpoint).distinct() }
  /// Data sets in the order of the job.
  var datasets: [String] { record.tests.map(\.dataset).distinct() }

  /// Whether changes can be told: the untuned model is among others.
  var hasChanges: Bool { checkpoints.contains(Self.untuned) && checkpoints.count > 1 }

  /// The page: HTML that is well-formed XML, too.
  public var text: String {
    PageFrame(
      title: title, header: header, sections: [accuracy, means, tests, classes, confusions, gaps, provenance],
      version: record.results["version"]?.string
    ).text
  }

  /// The same test of the untuned model; nil of its own tests, or where there is none.
  func untuned(_ test: EvaluationRecord.Test) -> EvaluationRecord.Test? {
    guard test.checkpoint != Self.untuned else { return nil }
    return record.tests.first {
      $0.checkpoint == Self.untuned && $0.dataset == test.dataset && $0.set == test.set
    }
  }

  // MARK: Heading

  private var title: String {
    "\(Readable.counted(checkpoints.count, "model")) on \(Readable.counted(datasets.count, "data set"))"
  }

  private var header: Markup {
    let isPartial = record.results["state"]?.string != "finished"
    let badge: Markup = isPartial ? " <span class=\"badge\">partial</span>" : .empty
    let facts = ["model", "precision"].compactMap { record.results[$0]?.string }
    let figures = checkpoints.prefix(6).compactMap { name in
      headline(name).map { what, value -> Markup in
        "<li><span class=\"what\">\(name): \(what)</span> <span class=\"figure\">\(Readable.fixed(value, 2)) %</span></li>\n"
      }
    }
    return """
      <header><h1>\(title)\(badge)</h1>
      <p class="note">\(record.path): \(facts.joined(separator: ", "))</p>
      <ul class="figures">\(figures)</ul></header>

      """
  }

  /// The mean that tells most of a model: of several data sets, or of its only one.
  private func headline(_ checkpoint: String) -> (what: String, value: Double)? {
    for average in record.results["averages"]?.elements ?? [] where average["checkpoint"]?.string == checkpoint {
      let count = average["data_sets"]?.integer ?? 0
      if let mean = average["harmonic_mean"]?.number { return ("H, mean of \(count)", mean) }
      if let (set, mean) = Self.numbers(average["top1"]).first { return ("\(set) classes, mean of \(count)", mean) }
    }
    if let mean = harmonicMeans.first(where: { $0.checkpoint == checkpoint }) { return ("H", mean.accuracy) }
    return record.tests.first { $0.checkpoint == checkpoint }.flatMap { test in
      test.top1.map { ("\(test.set) classes", $0) }
    }
  }

  // MARK: Accuracy

  private var harmonicMeans: [(checkpoint: String, dataset: String, accuracy: Double)] {
    (record.results["harmonic_means"]?.elements ?? []).compactMap { mean in
      guard let checkpoint = mean["checkpoint"]?.string, let dataset = mean["dataset"]?.string,
        let accuracy = mean["accuracy"]?.number
      else { return nil }
      return (checkpoint, dataset, accuracy)
    }
  }

  /// A bar for each model and data set; the untuned model is a line across the others' bars.
  private var accuracy: Markup {
    var values = record.tests.compactMap { test in test.top1.map { (test.set, test.checkpoint, test.dataset, $0) } }
    values += harmonicMeans.map { ("H", $0.checkpoint, $0.dataset, $0.accuracy) }
    let charts = values.map(\.0).distinct().map { set -> Markup in
      let own = values.filter { $0.0 == set }
      func value(_ checkpoint: String, _ dataset: String) -> Double? {
        own.first { $0.1 == checkpoint && $0.2 == dataset }?.3
      }
      let bars = datasets.flatMap { dataset in
        barred.compactMap { name in
          value(name, dataset).map {
            Bars.Bar(
              name: dataset, value: $0, words: Readable.fixed($0, 2), color: color(name),
              mark: hasChanges ? value(Self.untuned, dataset) : nil)
          }
        }
      }
      return Bars(title: set == "H" ? "harmonic mean of base and new" : "\(set) classes", bars: bars, full: 100).markup
    }
    let mark = hasChanges ? "; the line across a bar is the untuned model" : ""
    let note: Markup = "<p class=\"note\">Percent of the images whose class was predicted\(mark).</p>\n"
    return .section("Accuracy", charts.isEmpty ? [] : [note, legend, "<div class=\"columns\">\(charts)</div>\n"])
  }

  private var barred: [String] { hasChanges ? checkpoints.filter { $0 != Self.untuned } : checkpoints }

  private func color(_ checkpoint: String) -> Int {
    checkpoint == Self.untuned ? 0 : 1 + (barred.firstIndex(of: checkpoint) ?? 0) % 5
  }

  private var legend: Markup {
    guard barred.count > 1 else { return .empty }
    let items = barred.map { name -> Markup in "<li><span class=\"key c\(color(name))\"></span>\(name)</li>" }
    return "<ul class=\"legend\">\(items)</ul>\n"
  }

  private var means: Markup {
    let averages = record.results["averages"]?.elements ?? []
    var table = Table(columns: ["model", "data sets", "classes", "accuracy", "macro-F1"])
    for average in averages {
      guard let name = average["checkpoint"]?.string, let count = average["data_sets"]?.integer,
        let asked = average["of_data_sets"]?.integer
      else { continue }
      let words = Table.Cell(count == asked ? "\(count)" : "\(count) of \(asked)")
      let macro = Dictionary(Self.numbers(average["macro_f1"])) { first, _ in first }
      for (set, value) in Self.numbers(average["top1"]) {
        table.rows.append([
          Table.Cell(name), words, Table.Cell(set), Table.Cell(value, decimals: 2), Table.Cell(macro[set], decimals: 2),
        ])
      }
      if let mean = average["harmonic_mean"]?.number {
        table.rows.append([Table.Cell(name), words, "H", Table.Cell(mean, decimals: 2), ""])
      }
    }
    return .section("Means over data sets", table.rows.isEmpty ? [] : [table.markup])
  }

  private var tests: Markup {
    var table = Table(
      columns: ["model", "data set", "classes", "images", "correct", "accuracy", "top-5", "macro-F1", "ECE"]
        + (hasChanges ? ["change"] : []),
      isSortable: true)
    for test in record.tests {
      let change = untuned(test)?.top1.flatMap { before in test.top1.map { $0 - before } }
      table.rows.append(
        [
          Table.Cell(test.checkpoint, look: "name"), Table.Cell(test.dataset, look: "name"), Table.Cell(test.set),
          Table.Cell(count: test.images), Table.Cell(count: test.correct),
        ]
          + [test.top1, test.topFive, test.macroF1, test.calibrationError].map { Table.Cell($0, decimals: 2) }
          + (hasChanges ? [Table.Cell(change, decimals: 2, signed: true)] : []))
    }
    let note: Markup = "<p class=\"note\">ECE: expected calibration error, percent; 0 is best.</p>\n"
    return .section("Tests", table.rows.isEmpty ? [] : [note, table.markup])
  }

  private static func numbers(_ value: JSONValue?) -> [(String, Double)] {
    (value?.members ?? []).compactMap { member in member.value.number.map { (member.key, $0) } }
  }
}

import Foundation
import Reporting
import RunRecords

// Accuracy before and after, and curves of training.

extension ReportPage {
  var accuracy: Markup {
    let sets = runs.flatMap { accuracies($0).map(\.set) }
    let distinct = sets.enumerated().filter { sets.firstIndex(of: $1) == $0 }.map(\.element)
    let charts = distinct.map { set in
      Bars(title: set == "H" ? "harmonic mean of base and new" : "\(set) classes", bars: bars(set), full: 100).markup
    }
    let note: Markup =
      isComparison
      ? "<p class=\"note\">Accuracy of the tuned models in percent; the line across a bar is the untuned model.</p>\n"
      : "<p class=\"note\">Percent of the test images whose class was predicted.</p>\n"
    return .section("Accuracy", charts.isEmpty ? [] : [note, "<div class=\"columns\">\(charts)</div>\n", scoreTable])
  }

  private func bars(_ set: String) -> [Bars.Bar] {
    runs.enumerated().flatMap { index, run -> [Bars.Bar] in
      guard let entry = accuracies(run).first(where: { $0.set == set }) else { return [] }
      func bar(_ name: String, _ value: Double, _ color: Int, mark: Double? = nil) -> Bars.Bar {
        Bars.Bar(name: name, value: value, words: Readable.fixed(value, 2), color: color, mark: mark)
      }
      if isComparison {
        return (entry.after ?? entry.before).map { value in
          [bar(run.name, value, entry.after == nil ? 0 : color(index), mark: entry.after == nil ? nil : entry.before)]
        } ?? []
      }
      return [entry.before.map { bar("untuned", $0, 0) }, entry.after.map { bar("tuned", $0, 1) }].compactMap { $0 }
    }
  }

  private var scoreTable: Markup {
    var table = Table(
      columns: (isComparison ? ["run"] : []) + ["test", "classes", "images", "correct", "accuracy", "macro-F1"])
    for run in runs {
      for test in RunRecord.TestName.allCases {
        for (set, score) in (run.scores[test] ?? [:]).sorted(by: { $0.key < $1.key }) {
          table.rows.append(
            (isComparison ? [Table.Cell(run.name)] : []) + [
              Table.Cell(test == .tuned ? "tuned" : "untuned"), Table.Cell(set), Table.Cell(count: score.images),
              Table.Cell(count: score.correct), Table.Cell(score.accuracy, decimals: 2),
              Table.Cell(score.macroF1, decimals: 2),
            ])
        }
      }
    }
    return "<details><summary>Counts</summary>\(table.markup)</details>\n"
  }

  var curves: Markup {
    let charts = [lossChart, rateChart, testChart, secondsChart]
    return .section(
      "Training", charts.allSatisfy(\.text.isEmpty) ? [] : ["<div class=\"charts\">\(charts)</div>\n"])
  }

  private var lossChart: Markup {
    let curves = runs.map { Curve($0.steps.map { (Double($0.step), $0.loss) }) }
    let lines = zip(runs.indices, curves).flatMap { index, curve in
      [
        LineChart.Line(points: curve.raw, color: color(index), look: .faint),
        LineChart.Line(points: curve.smooth, color: color(index)),
      ]
    }
    let stride = curves.map(\.stride).max()!
    return LineChart(
      title: "loss", keys: runKeys, lines: lines, fromZero: true,
      note: stride == 1 ? "single steps and smoothed" : "means of up to \(stride) steps, and smoothed"
    ).markup
  }

  private var runKeys: [LineChart.Key] {
    isComparison ? runs.enumerated().map { LineChart.Key(name: $1.name, color: color($0)) } : []
  }

  private var rateChart: Markup {
    let lines = runs.enumerated().flatMap { index, run in
      [
        LineChart.Line(
          points: Curve(run.steps.map { (Double($0.step), $0.textRate) }).raw, color: color(index)),
        LineChart.Line(
          points: Curve(run.steps.map { (Double($0.step), $0.imageRate) }).raw, color: isComparison ? color(index) : 2,
          look: .dashed),
      ]
    }
    let encoders = [
      LineChart.Key(name: "text encoder", color: 1), LineChart.Key(name: "image encoder", color: 2, look: .dashed),
    ]
    return LineChart(
      title: "learning rates", keys: isComparison ? runKeys : encoders, lines: lines, fromZero: true,
      note: isComparison ? "image encoder dashed" : nil
    ).markup
  }

  private var testChart: Markup {
    let all = runs.enumerated().flatMap { index, run in
      run.testSets.map { set in (index, run, set) }
    }
    // More lines than this are told apart in the bars above.
    guard all.count <= 8, runs.contains(where: { !$0.steps.isEmpty }) else { return .empty }
    let entries = all.enumerated().map { place, entry -> (LineChart.Key, LineChart.Line) in
      let (index, run, set) = entry
      let points = RunRecord.TestName.allCases.compactMap { test -> (Double, Double)? in
        guard let score = run.scores[test]?[set], let accuracy = score.accuracy else { return nil }
        return (Double(score.step ?? 0), accuracy)
      }
      let color = isComparison ? color(index) : 1 + place
      let look: LineChart.Line.Look = set == "new" ? .dashed : .plain
      return (
        LineChart.Key(name: isComparison ? "\(run.name), \(set)" : "\(set) classes", color: color, look: look),
        LineChart.Line(points: points.map { (x: $0.0, y: $0.1) }, color: color, look: look, hasMarks: true)
      )
    }
    return LineChart(title: "accuracy at tests", keys: entries.map(\.0), lines: entries.map(\.1), note: "percent")
      .markup
  }

  private var secondsChart: Markup {
    let lines = runs.enumerated().map { index, run in
      LineChart.Line(points: Curve(run.steps.map { (Double($0.step), $0.seconds) }).smooth, color: color(index))
    }
    return LineChart(title: "seconds per step", keys: runKeys, lines: lines, fromZero: true, note: "smoothed").markup
  }
}

/// A curve that is drawn: as many points as can be told apart.
struct Curve {
  private static let largestCount = 400

  /// Steps that a point is the mean of.
  let stride: Int
  /// Means of steps.
  let raw: [(x: Double, y: Double)]
  /// An exponentially weighted mean over about a fiftieth of the points.
  let smooth: [(x: Double, y: Double)]

  init(_ points: [(Double, Double)]) {
    let finite = points.filter { $0.1.isFinite }
    let stride = max(1, (finite.count + Self.largestCount - 1) / Self.largestCount)
    raw = Swift.stride(from: 0, to: finite.count, by: stride).map { start in
      let part = finite[start..<min(start + stride, finite.count)]
      let count = Double(part.count)
      return (part.reduce(0) { $0 + $1.0 } / count, part.reduce(0) { $0 + $1.1 } / count)
    }
    self.stride = stride
    let decay = exp(-50 / Double(max(50, raw.count)))
    var (sum, weight) = (0.0, 0.0)
    smooth = raw.map { point in
      // Divided by the weights so far, so that the first points are not drawn to zero.
      (sum, weight) = (decay * sum + (1 - decay) * point.y, decay * weight + (1 - decay))
      return (point.x, sum / weight)
    }
  }
}

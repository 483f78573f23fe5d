import Foundation
import Reporting
import RunRecords

/// One page that tells of a run, or lays several side by side.
public struct ReportPage {
  let runs: [RunRecord]
  let picture: (String) -> Data?

  /// A page of at least one run.
  ///
  /// `picture` gives a small PNG of an image of a single run's data set by its path; nil where there is none.
  public init(_ runs: [RunRecord], picture: @escaping (String) -> Data?) {
    precondition(!runs.isEmpty, "a page needs a run")
    self.runs = Self.named(runs)
    self.picture = picture
  }

  /// Whether runs are compared.
  var isComparison: Bool { runs.count > 1 }

  /// The page: HTML that is well-formed XML, too.
  public var text: String {
    PageFrame(
      title: title, header: header,
      sections: [accuracy, curves, classes, confusions, mistakes, cost, traffic, provenance, configuration],
      version: runs[0].fact("version")
    ).text
  }

  /// Colour of a run; a single run's curves have the first.
  func color(_ run: Int) -> Int { 1 + run % 5 }

  /// The paths without the folders that all begin with, as names.
  private static func named(_ runs: [RunRecord]) -> [RunRecord] {
    guard runs.count > 1 else { return runs }
    var parts = runs.map { $0.path.split(separator: "/").map(String.init) }
    while let first = parts[0].first, parts.allSatisfy({ $0.count > 1 && $0.first == first }) {
      parts = parts.map { Array($0.dropFirst()) }
    }
    return zip(runs, parts).map { run, parts in
      var run = run
      run.name = parts.joined(separator: "/")
      return run
    }
  }
}

// MARK: - Heading

extension ReportPage {
  private var title: String {
    isComparison
      ? "\(runs.count) runs: " + runs.map(\.name).joined(separator: ", ")
      : "\(runs[0].dataset), \(runs[0].methodWords): "
        + (headlines.first.map { "\($0.set) \($0.words)" } ?? runs[0].name)
  }

  private var header: Markup {
    guard !isComparison else {
      let items = runs.enumerated().map { index, run -> Markup in
        """
        <li><span class="key c\(color(index))"></span><b>\(run.name)</b> \(state(run))<br/><span class="note">\
        \(run.description)</span></li>

        """
      }
      return "<header><h1>\(runs.count) runs compared</h1>\n<ul class=\"runs\">\(items)</ul></header>\n"
    }
    let figures = headlines.map { headline -> Markup in
      """
      <li><span class="what">\(headline.set)</span> <span class="figure">\(headline.words)</span> \
      <span class="\(headline.change < 0 ? "loss" : "gain")">\(headline.changeWords)</span></li>

      """
    }
    return """
      <header><h1>\(runs[0].dataset), \(runs[0].methodWords) \(state(runs[0]))</h1>
      <p class="note">\(runs[0].name): \(runs[0].description)</p>
      <ul class="figures">\(figures)</ul></header>

      """
  }

  private func state(_ run: RunRecord) -> Markup {
    if run.isFinished { return .empty }
    let steps = run.steps.last.map { $0.step + 1 } ?? 0
    return "<span class=\"badge\">unfinished: \(Readable.count(steps)) steps so far</span>"
  }

  private struct Headline {
    var set: String, words: String, changeWords: String
    var change: Double
  }

  /// Accuracy before and after by test set, the harmonic mean last.
  private var headlines: [Headline] {
    accuracies(runs[0]).compactMap { entry in
      let (before, after) = (entry.before, entry.after)
      guard let shown = after ?? before else { return nil }
      let change = before.flatMap { before in after.map { $0 - before } }
      let both = before != nil && after != nil
      return Headline(
        set: entry.set == "H" ? "harmonic mean" : "\(entry.set) classes",
        words: both
          ? "\(Readable.fixed(before!, 2)) \u{2192} \(Readable.fixed(shown, 2)) %" : "\(Readable.fixed(shown, 2)) %",
        changeWords: change.map { ($0 < 0 ? "" : "+") + Readable.fixed($0, 2) } ?? (after == nil ? "untuned" : "tuned"),
        change: change ?? 0)
    }
  }

  /// Percent by test set, and the harmonic mean of base and new.
  func accuracies(_ run: RunRecord) -> [(set: String, before: Double?, after: Double?)] {
    let sets = run.testSets.map {
      ($0, run.scores[.zeroShot]?[$0]?.accuracy, run.scores[.tuned]?[$0]?.accuracy)
    }
    let (before, after) = (run.harmonicMean(.zeroShot), run.harmonicMean(.tuned))
    return before == nil && after == nil ? sets : sets + [("H", before, after)]
  }
}

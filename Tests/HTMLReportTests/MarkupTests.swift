import Foundation
import Testing

@testable import HTMLReport

#if canImport(FoundationXML)
import FoundationXML
#endif

@Suite struct MarkupTests {
  @Test func whatIsPutInIsEscaped() {
    let name = "<script>alert(\"1\")</script> & 'co'\u{0}\u{85}\n"
    let markup: Markup = "<b title=\"\(name)\">\(7) \(1.005) \(Double.nan)</b>"
    #expect(
      markup.text
        == "<b title=\"&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;co&#39;\u{FFFD}\u{FFFD} \">7 1.0 0</b>"
    )
  }

  @Test func markupWithinMarkupIsNotEscapedAgain() {
    let inner: Markup = "<i>\("&")</i>"
    let outer: Markup = "<b>\(inner)\([inner, inner])</b>"
    #expect(outer.text == "<b><i>&amp;</i><i>&amp;</i><i>&amp;</i></b>")
  }

  @Test(arguments: [
    (0.0, 1.0), (0.3, 0.3), (-5, 12_345), (1e-7, 3e-7), (88.38, 98.91), (0, 0), (0, .leastNonzeroMagnitude),
    (1e59, 1.1e59),
  ])
  func ticksLieInTheRange(_ low: Double, _ high: Double) {
    for fromZero in [false, true] {
      let axis = LineChart.Axis([low, high], fromZero: fromZero, count: 4)
      #expect(axis.ticks.count >= 2 && axis.ticks.count <= 8, "\(axis.ticks)")
      #expect(axis.low <= low && axis.high >= high && axis.low < axis.high)
      #expect(axis.ticks.allSatisfy { axis.share($0) > -1e-9 && axis.share($0) < 1 + 1e-9 })
    }
  }

  @Test func curvesOfManyStepsAreMeans() {
    let curve = Curve((0..<1000).map { (Double($0), Double($0)) } + [(1000, .nan)])
    #expect(curve.stride == 3 && curve.raw.count == 334)
    #expect(curve.raw[0] == (1, 1) && curve.raw[333] == (999, 999))
    #expect(curve.smooth[0] == (1, 1))
    #expect(Curve([]).raw.isEmpty && Curve([(0, .infinity)]).smooth.isEmpty)
  }

  @Test func chartsOfNothingAreLeftOut() {
    #expect(LineChart(title: "loss", lines: []).markup.text.isEmpty)
    #expect(LineChart(title: "loss", lines: [LineChart.Line(points: [(0, .nan)], color: 1)]).markup.text.isEmpty)
    #expect(LineChart(title: "loss", lines: [LineChart.Line(points: [(0, 1e300)], color: 1)]).markup.text.isEmpty)
    #expect(Bars(title: "bytes", bars: []).markup.text.isEmpty)
  }

  @Test func stepsBeyondAllIntegersAreDrawn() {
    let line = LineChart.Line(points: [(3, 0.5), (1e30, 0.7)], color: 1, hasMarks: true)
    let text = LineChart(title: "accuracy", lines: [line]).markup.text
    #expect(text.contains("<title>step 3: 0.5</title>") && text.contains("<title>step 1000000"))
  }
}

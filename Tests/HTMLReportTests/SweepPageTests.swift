import Foundation
import Reporting
import Testing

@testable import HTMLReport

#if canImport(FoundationXML)
import FoundationXML
#endif

@Suite struct SweepPageTests {
  /// Numbers lie by their size, over more than a factor of 30 by their logarithm; words lie side by side.
  @Test func valuesHavePlacesOnAnAxis() {
    let even = SettingScale(["4", "2", "3.0", "2"])
    #expect(even.values == ["2", "3.0", "4"] && ["2", "3.0", "4"].map(even.share) == [0, 0.5, 1])
    let wide = SettingScale(["1.0e-4", "0.01", "0.001"])
    #expect(abs(wide.share("0.001") - 0.5) < 1e-12)
    let words = SettingScale(["full", "skip-tuning", "adapter"])
    #expect(words.values == ["full", "skip-tuning", "adapter"] && words.share("skip-tuning") == 0.5)
    #expect(SettingScale(["null", "16"]).values == ["null", "16"] && SettingScale(["7"]).share("7") == 0.5)
  }

  /// Against the definition: no other point is at least as cheap and as good, and better in one of the two.
  @Test(arguments: [true, false]) func theFrontIsWhatNoOtherBeats(isHigherBetter: Bool) {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<50 {
      let points = (0..<12).map { _ in
        ParetoChart.Point(
          cost: Double(Int.random(in: 0..<6, using: &random)), value: Double(Int.random(in: 0..<6, using: &random)),
          words: "")
      }
      let chart = ParetoChart(
        title: "", xTitle: "", yTitle: "", points: points, isHigherBetter: isHigherBetter, costWords: { "\($0)" })
      func sign(_ value: Double) -> Double { isHigherBetter ? value : -value }
      let best = points.filter { point in
        !points.contains { other in
          other.cost <= point.cost && sign(other.value) >= sign(point.value)
            && (other.cost < point.cost || sign(other.value) > sign(point.value))
        }
      }
      #expect(Set(chart.front.map { [$0.cost, $0.value] }) == Set(best.map { [$0.cost, $0.value] }))
    }
  }

  private func page(_ values: [[String: String]], hostile: String = "") -> SweepPage {
    let configurations = values.enumerated().map { index, settings in
      SweepPage.Configuration(
        settings: settings, values: [Double(index), Double(index + 1)], mean: Double(index) + 0.5, interval: 1,
        seconds: Double(10 - index), sentBytes: nil)
    }
    let keys = values.first.map { $0.keys.sorted() } ?? []
    var table = TextTable(columns: ["#"] + keys)
    for (index, settings) in values.enumerated() { table.append(["\(index)"] + keys.map { settings[$0] }) }
    let points = values.enumerated().map { index, settings in
      SweepPage.Point(
        value: settings[keys[0]]!, mean: Double(index), interval: 0.5, measurements: [1, 2], best: Double(index))
    }
    return SweepPage(
      metric: "harmonic mean\(hostile)", isHigherBetter: true,
      parts: [
        SweepPage.Part(
          name: "a_part", keys: keys, configurations: configurations,
          plots: keys.isEmpty ? [] : [SweepPage.Plot(key: keys[0], points: points)])
      ], configurations: configurations, leaderboard: table, caption: "caption", best: ["best\(hostile)"],
      provenance: [("file", "sweep.yaml\(hostile)")], version: "1")
  }

  @Test func thePageIsWellFormedAndShowsWhatThereIs() {
    let two = page(
      [["a": "1", "b": "x"], ["a": "2", "b": "y"], ["a": "2", "b": "<x & 'y'>"]], hostile: "<\"&'\u{1}"
    ).text
    #expect(XMLParser(data: Data(two.utf8)).parse())
    for words in ["a part", "Pairs", "All settings together", "against time", "Leaderboard", "Provenance"] {
      #expect(two.contains(words), "\(words)")
    }
    #expect(!two.contains("bytes sent to other hosts"))
    let one = page([["a": "1"], ["a": "2"]]).text
    #expect(XMLParser(data: Data(one.utf8)).parse())
    #expect(one.contains("The setting") && !one.contains("Pairs") && !one.contains("All settings together"))
    #expect(!one.contains("http") && !one.contains("url("))
  }

  /// Numbers that have no place are left out.
  @Test func nothingMeasuredIsAPageToo() {
    var empty = page([])
    #expect(XMLParser(data: Data(empty.text.utf8)).parse())
    empty = page([["a": "1", "b": "2"], ["a": "2", "b": "3"]])
    empty.parts[0].configurations[0].mean = .nan
    empty.parts[0].plots[0].points[0].mean = .infinity
    empty.configurations[1].seconds = 1e300
    let text = empty.text
    #expect(XMLParser(data: Data(text.utf8)).parse() && !text.contains("\"nan") && !text.contains("inf\""))
  }
}

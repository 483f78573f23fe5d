import Reporting
import Testing

/// The form is that of Prometheus' exposition formats; whole files are read by Tests/Reference/check_prometheus.py.
@Suite struct PrometheusTextTests {
  @Test func aMetricIsItsHelpItsTypeAndItsSamples() {
    var text = PrometheusText(labels: [("run", "/runs/1")])
    text.add("a_total", .counter, "How many.", 3)
    text.add("none", .gauge, "Never measured.", nil)
    text.add("b_ratio", .gauge, "Shares.", [PrometheusText.Sample(0.25, [("set", "x")]), PrometheusText.Sample(1)])
    #expect(
      text.text == """
        # HELP a_total How many.
        # TYPE a_total counter
        a_total{run="/runs/1"} 3
        # HELP b_ratio Shares.
        # TYPE b_ratio gauge
        b_ratio{run="/runs/1",set="x"} 0.25
        b_ratio{run="/runs/1"} 1

        """)
  }

  @Test func whatHasAMeaningIsEscaped() {
    var text = PrometheusText()
    text.add("a", .gauge, "a \"b\" \\ c\nd", [PrometheusText.Sample(1, [("l", "a \"b\" \\ c\r\nd")])])
    #expect(
      text.text == "# HELP a a \"b\" \\\\ c\\nd\n# TYPE a gauge\na{l=\"a \\\"b\\\" \\\\ c\r\\nd\"} 1\n")
  }

  @Test(arguments: [
    (Double.nan, "NaN"), (-.infinity, "-Inf"), (.infinity, "+Inf"), (1e300, "1e+300"), (-2, "-2"), (0.1, "0.1"),
  ])
  func numbersAreWrittenAsGoReadsThem(value: Double, text: String) {
    var metrics = PrometheusText()
    metrics.add("a", .gauge, "h", value)
    #expect(metrics.text.hasSuffix("\na \(text)\n"))
  }
}

import Foundation
import TestSupport
import Testing

#if canImport(FoundationXML)
import FoundationXML
#endif

extension EndToEnd {
  /// Numbers are compared with the runs' files by Tests/Reference/check_report.py, which launch/test runs.
  @Suite struct Reports {
    @Test func namesFromOutsideAreEscaped() throws {
      let task = try SmallTask()
      let name = #"<script>x</script> & "fern" 'co'"#
      let quoted = name.replacing("\"", with: "\\\"")
      try task.replace("\"fern\"]", "\"\(quoted)\"]", in: "data/stripes/split.json")
      let run = try task.train("a & <b>", ranks: 2, ["limits.max_steps=4"])
      let page = try String(contentsOf: run.url.appendingPathComponent("report.html"), encoding: .utf8)
      #expect(isWellFormed(page))
      #expect(
        page.contains("&lt;script&gt;x&lt;/script&gt; &amp; &quot;fern&quot;") && page.contains("a &amp; &lt;b&gt;"))
      #expect(!page.contains("<script>x") && page.components(separatedBy: "<script>").count == 2)
      #expect(page.contains("data:image/png;base64,"))
    }

    @Test(arguments: ["zero-shot", "linear-probe", "adapter", "prompt-tuning"])
    func runsOfAllMethodsAreDescribed(method: String) throws {
      let task = try SmallTask()
      let settings = ["method.kind=\(method)"] + (method == "zero-shot" ? [] : ["limits.max_steps=3"])
      let run = try task.train("run", settings)
      let page = try String(contentsOf: run.url.appendingPathComponent("report.html"), encoding: .utf8)
      #expect(isWellFormed(page) && page.contains("<h1>stripes, \(method.replacing("-", with: " "))"))
      #expect(!page.contains("unfinished") && !page.contains("from layer"))
    }

    @Test func unfinishedRunsAreLabelledAndCompared() throws {
      let task = try SmallTask()
      let run = try task.train("whole", ["limits.max_steps=4"])
      let part = task.run("part")
      try FileManager.default.copyItem(at: run.url, to: part)
      for name in ["COMPLETED", "results.json", "report.html", "tests/tuned"] {
        try FileManager.default.removeItem(at: part.appendingPathComponent(name))
      }
      let outcome = try Program.run(["report", part.path])
      #expect(outcome.status == 0 && outcome.stdout.contains("report.html"), "\(outcome.stderr)")
      let page = try String(contentsOf: part.appendingPathComponent("report.html"), encoding: .utf8)
      #expect(isWellFormed(page) && page.contains("unfinished: 4 steps so far"))
      let both = task.folder.appendingPathComponent("both.html")
      let comparison = try Program.run(["report", run.url.path, part.path, "-o", both.path])
      #expect(comparison.status == 0, "\(comparison.stderr)")
      let text = try String(contentsOf: both, encoding: .utf8)
      #expect(isWellFormed(text) && text.contains("2 runs compared") && text.contains("<b>part</b>"))
    }

    @Test func neitherPageNorCurvesWhereTheyAreSwitchedOff() throws {
      let task = try SmallTask()
      let run = try task.train("run", ["limits.max_steps=2", "output.report=false", "output.tensorboard=false"])
      let names = try FileManager.default.contentsOfDirectory(atPath: run.url.path)
      #expect(!names.contains("report.html") && !names.contains { $0.contains("tfevents") })
    }

    @Test func whatCannotBeDescribedIsRefused() throws {
      let task = try SmallTask()
      let outcome = try Program.run(["report", task.folder.path])
      #expect(outcome.status == 66 && outcome.stderr.contains("is no run directory"), "\(outcome.stderr)")
      let run = try task.train("run", ["limits.max_steps=2"])
      let nowhere = try Program.run(["report", run.url.path, "-o", task.folder.path + "/none/report.html"])
      #expect(nowhere.status == 73 && nowhere.linesButWarnings.count == 1, "\(nowhere.stderr)")
    }

    /// The page of an evaluation job: made by it, made again, of a damaged folder.
    @Test func evaluationJobsAreDescribed() throws {
      let task = try SmallTask()
      try task.replace("\"fern\"]", "\"<script>x</script> & fern\"]", in: "data/stripes/split.json")
      let run = try task.train("run", ["limits.max_steps=4", "task=base-to-new"])
      let job = task.folder.appendingPathComponent("job")
      let outcome = try Program.run([
        "evaluate", "-c", task.configuration.path, "--set", "task=base-to-new", "--checkpoint", "zero-shot",
        run.url.path, "--output-dir", job.path,
      ])
      try #require(outcome.status == 0, "\(outcome.stderr)")
      let file = job.appendingPathComponent("report.html")
      let page = try Data(contentsOf: file)
      let text = String(decoding: page, as: UTF8.self)
      #expect(isWellFormed(text) && text.contains("<h1>2 models on 1 data set</h1>") && !text.contains("<script>x"))
      #expect(text.contains("harmonic mean of base and new") && text.contains("Largest "))
      try FileManager.default.removeItem(at: file)
      let again = try Program.run(["report", job.path])
      #expect(try again.status == 0 && Data(contentsOf: file) == page, "\(again.stderr)")

      try task.replace("\"images\" : ", "\"images\" : 9", in: "job/results.json")
      let damaged = try Program.run(["report", job.path])
      #expect(damaged.status == 65 && damaged.stderr.contains("is nothing that an evaluation wrote"))
      #expect(damaged.linesButWarnings.count == 1, "\(damaged.stderr)")
    }

    private func isWellFormed(_ page: String) -> Bool { XMLParser(data: Data(page.utf8)).parse() }
  }
}

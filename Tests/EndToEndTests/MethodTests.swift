import Foundation
import StrictJSON
import TestSupport
import Testing

extension EndToEnd {
  /// Commands on what runs of the compared methods leave.
  @Suite struct Methods {
    /// What a method trained beside the model is tested, and is no model that could be exported, analysed or planned with.
    @Test(arguments: ["prompt-tuning", "adapter", "linear-probe"]) func whatIsNoModelIsTestedAlone(method: String)
      throws
    {
      let task = try SmallTask()
      let settings = ["method.kind=\(method)", "limits.max_steps=6"]
      let run = try task.train("run", ranks: 2, settings)
      #expect(try run.url.contents().keys.contains("model/method.safetensors"))
      let results = try json(run.url.appendingPathComponent("results.json"))
      #expect(results["method"]?.string == method && results["start_layer"] == nil && results["workload"] == nil)
      let output = task.folder.appendingPathComponent("test.json")
      let configuration = run.url.appendingPathComponent("config.resolved.yaml").path
      let tested = try Program.run(
        ranks: 2, ["evaluate", "-c", configuration, "--checkpoint", run.url.path, "--output", output.path])
      #expect(tested.status == 0, "\(tested.stderr)")
      #expect(try json(output)["test"] == results["tuned"])
      for (arguments, status, words) in [
        (
          ["checkpoint", "export", run.url.path, "--model", task.model.path, "--output", task.run("export").path], 65,
          "is tested with skiptune evaluate"
        ),
        (["analyze", run.url.path], 64, "changes no weight of the model"),
        (["plan", "--validate", run.url.appendingPathComponent("results.json").path], 65, "no steps of Skip Tuning"),
      ] as [([String], Int32, String)] {
        let outcome = try Program.run(arguments)
        #expect(outcome.status == status && outcome.stderr.contains(words), "\(arguments): \(outcome.stderr)")
        #expect(outcome.linesButWarnings.count == 1, "\(outcome.stderr)")
      }
      #expect(FileManager.default.fileExists(atPath: task.run("export").path) == false)
    }

    private func json(_ file: URL) throws -> JSONValue {
      try JSONValue(parsing: Array(Data(contentsOf: file)), file: file.path)
    }
  }
}

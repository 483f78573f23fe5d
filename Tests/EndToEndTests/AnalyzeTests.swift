import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// Numbers are compared with PyTorch's by Tests/Reference/check_analysis.py, which launch/test runs.
  @Suite struct Analyze {
    @Test(arguments: [nil, 2]) func blocksBeforeTheStartLayerDoNotChange(ranks: Int?) throws {
      let task = try SmallTask()
      let run = try task.train("run", ["limits.max_steps=8", "method.start_layer=3"])
      let (json, plot) = (task.folder.appendingPathComponent("a.json"), task.folder.appendingPathComponent("a.svg"))
      let outcome = try Program.run(
        ranks: ranks, ["analyze", run.url.path, "--images", "10", "--json", json.path, "--plot", plot.path])
      #expect(outcome.status == 0, "\(outcome.stderr)")
      #expect(outcome.stdout.contains("The run froze blocks before 3"))
      let found = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: json)) as? [String: Any])
      for encoder in ["image_change", "text_change"] {
        let relative = try #require((found[encoder] as? [String: Any])?["relative"] as? [Double])
        #expect(relative.count == SmallTask.depth)
        #expect(relative.prefix(3).allSatisfy { $0 == 0 } && relative.dropFirst(3).allSatisfy { $0 > 0 })
      }
      #expect((found["labels"] as? [Int]) == Array(0..<10))
      let drawing = try String(contentsOf: plot, encoding: .utf8)
      #expect(drawing.hasPrefix("<svg") && drawing.components(separatedBy: "<polyline").count == 4)
    }

    @Test func whatIsNoRunIsRefused() throws {
      let task = try SmallTask()
      let outcome = try Program.run(["analyze", task.folder.path])
      #expect(outcome.status == 66 && outcome.stderr.contains("is no run directory"), "\(outcome.stderr)")
      let none = try Program.run(["analyze", task.folder.path, "--images", "0"])
      #expect(none.status == 64)
    }
  }
}

import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct StartLayer {
    @Test(arguments: [0, 5, SmallTask.depth])
    func onlyParametersFromTheStartLayerOnChange(startLayer: Int) throws {
      let task = try SmallTask()
      let run = try task.train(
        "run", ranks: 2, ["method.start_layer=\(startLayer)", "limits.max_steps=25", "evaluate.zero_shot=false"])
      let (base, tuned) = (try RunFolder(task.folder).weights(), try run.weights())
      #expect(tuned.names == base.names)
      var trained = 0
      for name in base.names {
        let (before, after) = (try base.tensor(name), try tuned.tensor(name))
        let isSame = zip(before.buffer, after.buffer).allSatisfy { $0.bitPattern == $1.bitPattern }
        #expect(isSame != isTrained(name, startLayer), "\(name)")
        if !isSame { trained += before.count }
      }
      #expect(try run.results().training.trainedParameters == trained)
    }

    /// Section "LSkip" of docs/method.md, by name.
    private func isTrained(_ name: String, _ startLayer: Int) -> Bool {
      if name == "logit_scale" || name.contains("embedding") || name.contains("pre_layrnorm") { return false }
      let parts = name.split(separator: ".")
      guard let layers = parts.firstIndex(of: "layers") else { return true }
      return Int(parts[layers + 1])! >= startLayer
    }
  }
}

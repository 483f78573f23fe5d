import Foundation
import Safetensors
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct SavedModel {
    private let texts = ["a photo of an ember.", "Caf\u{E9} \"noir\"", "", "jade", "fern and coral"]

    @Test func aTunedModelIsABaseModel() throws {
      let task = try SmallTask()
      let run = try task.train("run")
      let again = try task.train(
        "again", ["model.path=\(run.model.path)", "optim.epochs=0", "evaluate.tuned=false"])
      // The same weights, classes and images: what the one run measured at its end, the other must find at its start.
      #expect(try again.results().zeroShot == run.results().tuned)
      #expect(try again.results().zeroShot != run.results().zeroShot)
      let untouched = try again.weights()
      let tuned = try run.weights()
      for name in tuned.names { #expect(try untouched.tensor(name).array == tuned.tensor(name).array, "\(name)") }
    }

    @Test func featuresDoNotDependOnTheNumberOfRanks() throws {
      let task = try SmallTask()
      let run = try task.train("run", ["limits.max_steps=20"])
      let images = (0..<7).map { task.image("test", label: $0, number: 1).path }
      let alone = try embed(task, model: run.model, images: images, ranks: nil)
      #expect(alone.shape(of: "image_features") == [7, 24])
      #expect(alone.shape(of: "text_features") == [5, 24])
      #expect(try list(alone.metadata["images"]) == images)
      #expect(try list(alone.metadata["texts"]) == texts)
      #expect(alone.metadata["model"] == run.model.path)
      for ranks in [1, 3] {
        let together = try embed(task, model: run.model, images: images, ranks: ranks)
        #expect(together.metadata == alone.metadata)
        for name in alone.names {
          // Products of other sizes sum in another order; 1e-7 was measured.
          #expect(relativeError(try together.tensor(name), try alone.tensor(name)) <= 1e-6, "\(name), \(ranks) ranks")
        }
      }
      let base = try embed(task, model: task.model, images: images, ranks: nil)
      #expect(relativeError(try base.tensor("image_features"), try alone.tensor("image_features")) > 1e-3)
    }

    @Test func moreRanksThanInputsAndInputsOfOneKind() throws {
      let task = try SmallTask()
      let output = task.folder.appendingPathComponent("features.safetensors")
      let outcome = try Program.run(
        ranks: 3, ["embed", "--model", task.model.path, "--texts", "fern", "-o", output.path])
      #expect(outcome.status == 0, "\(outcome.stderr)")
      #expect(try SafetensorsFile(contentsOf: output).names == ["text_features"])
    }

    /// The same numbers as in a safetensors file, after a header that NumPy reads (launch/test lets it).
    @Test func featuresAsAnArrayOfNumPy() throws {
      let task = try SmallTask()
      let (array, tensors) = (task.folder.appendingPathComponent("f.npy"), task.folder.appendingPathComponent("f"))
      for output in [array, tensors] {
        let outcome = try Program.run(
          ["embed", "--model", task.model.path, "--texts", "fern", "jade", "-o", output.path])
        try #require(outcome.status == 0, "\(outcome.stderr)")
      }
      let bytes = try Data(contentsOf: array)
      let features = try SafetensorsFile(contentsOf: tensors).tensor("text_features")
      let start = bytes.count - 4 * features.count
      #expect(bytes.starts(with: [0x93] + Array("NUMPY".utf8) + [1, 0]) && start % 64 == 0 && bytes[start - 1] == 10)
      let header = String(decoding: bytes[10..<start], as: UTF8.self)
      #expect(Int(bytes[8]) + Int(bytes[9]) << 8 == header.utf8.count)
      #expect(header.contains("'descr': '<f4', 'fortran_order': False, 'shape': (2, \(features.columnCount),)"))
      #expect(bytes[start...].elementsEqual(UnsafeRawBufferPointer(features.buffer)))
      let both = try Program.run(["embed", "--model", "m", "--texts", "a", "--images", "b", "-o", "f.npy"])
      #expect(both.status == 64 && both.stderr.contains("not both"))
    }

    private func embed(_ task: SmallTask, model: URL, images: [String], ranks: Int?) throws -> SafetensorsFile {
      let output = task.folder.appendingPathComponent("features-\(UUID().uuidString).safetensors")
      let outcome = try Program.run(
        ranks: ranks,
        ["embed", "--model", model.path, "--batch-size", "2", "--output", output.path, "--images"] + images
          + ["--texts"] + texts)
      try #require(outcome.status == 0, "\(outcome.stderr)")
      return try SafetensorsFile(contentsOf: output)
    }

    private func list(_ json: String?) throws -> [String] {
      try JSONDecoder().decode([String].self, from: Data((json ?? "").utf8))
    }
  }
}

import CLIPModel
import Checkpoints
import Diagnostics
import Foundation
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import TunedModels

@Suite struct ExportTests {
  @Test(arguments: ["model", "model-gelu", "model-gelu-bf16"], [1, 3])
  func theFolderHoldsTheTunedModelToTheBit(model: String, worldSize: Int) throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder, model: model)
      let tuned = TunedWeights(try run.save(7, worldSize: worldSize))
      let output = try run.export(tuned, .huggingface, as: "model")
      let read = try CLIP(huggingFaceFolder: output)
      #expect(read.parameters.bits == run.after(7).bits)
      #expect(read.configuration == run.configuration)
    }
  }

  @Test(arguments: ["model", "model-gelu-bf16"], [1, 3])
  func aDeltaOverItsBaseIsTheSameModel(model: String, worldSize: Int) throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder, model: model)
      let output = try run.export(TunedWeights(try run.save(7, worldSize: worldSize)), .delta, as: "delta")
      let delta = try TunedWeights(deltaFile: output)
      #expect(delta.tensors == run.tensors)
      #expect(try CLIP(run.weights(), delta: delta).parameters.bits == run.after(7).bits)
      // And on to other formats.
      let whole = try run.export(delta, .huggingface, as: "whole")
      #expect(try CLIP(huggingFaceFolder: whole).parameters.bits == run.after(7).bits)
      #expect(try Data(contentsOf: run.export(delta, .delta, as: "again")) == Data(contentsOf: output))
    }
  }

  @Test func aCheckpointOverItsBaseInMemoryIsTheSameModel() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let model = try CLIP(huggingFaceFolder: run.base)
      try model.apply(TunedWeights(try run.save(7, worldSize: 2)), base: run.base.path)
      #expect(model.parameters.bits == run.after(7).bits)
      // What is tuned now is no base any more.
      let again = failure { try model.apply(TunedWeights(try run.save(8)), base: run.base.path) }
      #expect(again?.status == .badData)
    }
  }

  @Test func aDeltaSaysWhatItIs() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let checkpoint = try run.save(7)
      let output = try run.export(TunedWeights(checkpoint), .delta, as: "delta")
      let file = try SafetensorsFile(contentsOf: output)
      #expect(
        file.metadata == [
          "format": "skiptune-delta", "format_version": "1", "method": "skip-tuning", "start_layer": "1",
          "base_fingerprint": "\(checkpoint.manifest.baseFingerprint)", "source": "step-00000007",
          "classes": #"["a \"cat\"", "dög, small"]"#, "template": "a photo of a {}.", "skiptune_version": "9.8.7",
        ])
      #expect(file.namesByPosition == run.tensors.map(\.name))
      let read = try TunedWeights(deltaFile: output).description
      #expect(read.classNames == ["a \"cat\"", "dög, small"] && read.template == "a photo of a {}.")
    }
  }

  @Test(arguments: ExportFormat.allCases) func whatIsThereIsKept(format: ExportFormat) throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let tuned = TunedWeights(try run.save(7))
      let output = folder.appendingPathComponent("there")
      try FileManager.default.createDirectory(at: output, withIntermediateDirectories: false)
      try Data("mine".utf8).write(to: output.appendingPathComponent("file"))
      let before = try folder.contents()
      let failure = failure { _ = try run.export(tuned, format, as: "there") }
      #expect(failure?.status == .cannotCreate)
      #expect(try folder.contents() == before)
    }
  }

  /// Half of a failed export would look like a model.
  @Test(arguments: ExportFormat.allCases) func trainedValuesThatAreNotFiniteAreRefused(format: ExportFormat) throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let values = run.trained(run.after(7))
      values[values.count - 3] = .nan
      let tuned = TunedWeights(try run.save(7, values: values))
      let before = Set(try folder.contents().keys)
      let failure = failure { _ = try run.export(tuned, format, as: "out") }
      #expect(failure?.status == .badData && failure?.problem.contains("NaN") == true)
      #expect(Set(try folder.contents().keys) == before)
    }
  }

  @Test(arguments: ExportFormat.allCases) func anotherBaseIsRefused(format: ExportFormat) throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let tuned = TunedWeights(try run.save(7))
      // One frozen value of the base changes.
      let file = run.base.appendingPathComponent("model.safetensors")
      var bytes = try Data(contentsOf: file)
      bytes[bytes.count - 2] ^= 1
      try bytes.write(to: file)
      let failure = failure { _ = try run.export(tuned, format, as: "out") }
      #expect(failure?.status == .badData && failure?.place == tuned.place)
      #expect(failure?.problem.contains("tuned from other weights (fingerprint \(tuned.baseFingerprint))") == true)
      #expect(failure?.remedy == "give the base model that it was tuned from")
    }
  }

  @Test func anyRangeOfOverlaidWeights() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let base = try run.baseModel()
      let (values, places) = try TunedWeights(try run.save(7, worldSize: 3)).values(over: base)
      let whole = OverlaidWeights(values, places, over: base)
      let expected = run.after(7).values
      var random = CounterRandom(seed: 3)
      for _ in 0..<200 {
        let ends = [0, 0].map { _ in random.integer(below: whole.count + 1) }.sorted()
        #expect(try whole.tensor(ends[0]..<ends[1]).bits == expected.slice(ends[0]..<ends[1]).bits)
      }
    }
  }

  @Test func theStartLayerIsToldByTheTensors() throws {
    let layout = ParameterLayout(try CLIPConfiguration(huggingFaceFolder: Goldens.url("towers/model")))
    for layer in 0...12 {
      let names = Encoder.allCases.flatMap { encoder in
        layout.slots.filter { layout.trainedRange(of: encoder, from: layer).contains($0.range.lowerBound) }.map(\.name)
      }
      #expect(layout.startLayer(ofTrained: Set(names)) == layer)
      #expect(layout.startLayer(ofTrained: Set(names.dropFirst())) == nil)
    }
  }

  @Test func movementIsTheDistanceToTheBase() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let movement = try TunedWeights(try run.save(7)).movement(from: run.baseModel())
      let after = run.after(7)
      for (tensor, distance) in zip(run.tensors, movement) {
        let (x, y) = (run.before[tensor.name]!.array, after[tensor.name]!.array)
        let squares = zip(x, y).reduce(0.0) { $0 + (Double($1.1) - Double($1.0)) * (Double($1.1) - Double($1.0)) }
        #expect(abs(distance.length - squares.squareRoot()) <= 1e-12 * squares.squareRoot())
        #expect(distance.differing == zip(x, y).count { $0.bitPattern != $1.bitPattern })
      }
    }
  }
}

import Foundation
import Safetensors
import StrictJSON
import TestSupport
import Testing

extension EndToEnd {
  /// The commands that look at checkpoints and make models of them.
  @Suite struct CheckpointCommands {
    private static let steps = ["limits.max_steps=12", "checkpoint.every_steps=6", "evaluate.zero_shot=false"]

    private func checkpoint(_ run: RunFolder, _ step: Int) -> String {
      run.url.appendingPathComponent("checkpoints/step-0000000\(step)").path
    }

    private func run(_ arguments: [String], _ location: SourceLocation = #_sourceLocation) throws -> String {
      let outcome = try Program.run(["checkpoint"] + arguments)
      try #require(outcome.status == 0 && outcome.stderr == "", "\(outcome.stderr)", sourceLocation: location)
      return outcome.stdout
    }

    private func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8), file: "output") }

    @Test func inspectSaysWhatACheckpointIs() throws {
      let task = try SmallTask()
      let run = try task.train("run", ranks: 2, Self.steps)
      let text = try self.run(["inspect", run.url.path, "--model", task.model.path])
      for words in [
        "checkpoints/step-00000012\n", "seed  ", "by 2 ranks", "shard-00001-of-00002.zst", "difference-planes",
        "vision_model.encoder.layers.6.self_attn.q_proj.weight", "32 x 32", "classes", "a photo of a {}.",
      ] { #expect(text.contains(words), "\(words) in \(text)") }
      let whole = try json(self.run(["inspect", checkpoint(run, 6), "--model", task.model.path, "--json"]))
      #expect(whole["step"] == .integer(6) && whole["world_size"] == .integer(2))
      #expect(whole["state"]?["classes"]?.elements?.count == 10)
      #expect(whole["vectors"]?.elements?.map { $0["name"]?.string } == ["momentum", "parameters"])
      #expect(whole["shards"]?.elements?.count == 2)
      let tensors = try #require(whole["tensors"]?.elements)
      #expect(tensors.allSatisfy { $0["moved"]?.number ?? 0 > 0 })
      // Each tensor's share adds up to the whole.
      let squares = tensors.reduce(0.0) { $0 + $1["moved"]!.number! * $1["moved"]!.number! }
      #expect(abs(squares.squareRoot() / (whole["moved"]?.number ?? 0) - 1) < 1e-9)
      let plain = try json(self.run(["inspect", checkpoint(run, 6), "--json"]))
      #expect(plain["moved"] == nil && plain["tensors"]?.elements?[0]["moved"] == nil)
    }

    @Test func diffTellsStatesApart() throws {
      let task = try SmallTask()
      let (run, again) = (try task.train("run", Self.steps), try task.train("again", Self.steps))
      let other = try task.train("other", Self.steps + ["seed=4"])
      let base = ["--model", task.model.path]
      let equal = try self.run(["diff", run.url.path, again.url.path] + base)
      #expect(equal.hasSuffix("equal\n"))

      let seeds = try Program.run(["checkpoint", "diff", run.url.path, other.url.path, "--json"] + base)
      #expect(seeds.status == 65)
      #expect(
        seeds.linesButWarnings.count == 1 && seeds.stderr.contains("differs from \(run.url.path)"), "\(seeds.stderr)")
      let difference = try json(seeds.stdout)
      #expect(difference["equal"] == .bool(false))
      let seed = difference["facts"]?.elements?.first { $0["name"]?.string == "identity.seed" }
      #expect(seed?["a"]?.string == "3" && seed?["b"]?.string == "4")
      let vectors = try #require(difference["vectors"]?.elements)
      #expect(vectors.map { $0["name"]?.string } == ["parameters", "momentum"])
      for vector in vectors { #expect(vector["greatest"]?.number ?? 0 > 0 && vector["relative"]?.number ?? 0 > 0) }

      let steps = try Program.run(["checkpoint", "diff", checkpoint(run, 6), run.url.path, "--no-values"])
      #expect(steps.status == 65 && steps.stdout.contains("step") && !steps.stdout.contains("q_proj"))
      let needed = try Program.run(["checkpoint", "diff", checkpoint(run, 6), run.url.path])
      #expect(needed.status == 64 && needed.stdout == "" && needed.stderr.contains("name the base model with --model"))
    }

    /// The model that training wrote, the export of its last checkpoint, and the delta of that are one model.
    @Test func exportsAreTheTunedModel() throws {
      let task = try SmallTask()
      let run = try task.train("run", ranks: 2, Self.steps)
      let place = { (name: String) in task.folder.appendingPathComponent(name) }
      let export = ["export", run.url.path, "--model", task.model.path, "-o"]
      #expect(try self.run(export + [place("hf").path]).contains("step-00000012"))
      _ = try self.run(export + [place("delta").path, "--format", "delta"])
      _ = try self.run(export + [place("openai").path, "--format", "openai"])
      let names = try place("hf").contents().keys.sorted()
      #expect(try names == run.model.contents().keys.sorted())
      for name in names {
        #expect(
          try Data(contentsOf: place("hf").appendingPathComponent(name))
            == Data(contentsOf: run.model.appendingPathComponent(name)), "\(name)")
      }
      #expect(try place("openai").contents().keys.sorted() == ["open_clip_config.json", "open_clip_model.safetensors"])

      let images = (0..<7).map { task.image("test", label: $0, number: 1).path }
      let tuned = try embed(images, place("a"), ["--model", place("hf").path])
      let laid = try embed(images, place("b"), ["--model", task.model.path, "--delta", place("delta").path])
      for name in ["image_features", "text_features"] {
        #expect(try tuned.tensor(name).bits == laid.tensor(name).bits, "\(name)")
      }
      let size = { (name: String) in try Data(contentsOf: place(name)).count }
      #expect(try size("delta") < size("hf/model.safetensors") * 7 / 10)
    }

    private func embed(_ images: [String], _ output: URL, _ model: [String]) throws -> SafetensorsFile {
      let outcome = try Program.run(
        ["embed", "-o", output.path, "--images"] + images + ["--texts", "a fern", "jade and coral"] + model)
      try #require(outcome.status == 0, "\(outcome.stderr)")
      return try SafetensorsFile(contentsOf: output)
    }

    @Test func averagesAreBetweenTheirParts() throws {
      let task = try SmallTask()
      let run = try task.train("run", Self.steps)
      let place = { (name: String) in task.folder.appendingPathComponent(name) }
      let common = ["--model", task.model.path, "-o"]
      _ = try self.run(
        ["average", checkpoint(run, 6), run.url.path, "--weights", "1", "3"] + common + [place("mean").path])
      _ = try self.run(
        ["average", run.url.path, "--with-base", "0.25", "--format", "delta"] + common + [place("wise").path])
      _ = try self.run(["export", checkpoint(run, 6)] + common + [place("early").path])
      let files = try ["mean/model.safetensors", "early/model.safetensors", "wise"].map {
        try SafetensorsFile(contentsOf: place($0))
      }
      let (base, last) = (
        try SafetensorsFile(contentsOf: task.weights), try run.weights()
      )
      for name in files[2].names {
        let (early, late, before) = (try files[1].tensor(name), try last.tensor(name), try base.tensor(name))
        let (mean, wise) = (try files[0].tensor(name), try files[2].tensor(name))
        for index in 0..<mean.count {
          let expected = (Double(early[index]) + 3 * Double(late[index])) / 4
          #expect(abs(Double(mean[index]) - expected) <= Double(Float(expected).ulp) * 0.5001)
          let interpolated = 0.75 * Double(before[index]) + 0.25 * Double(late[index])
          #expect(abs(Double(wise[index]) - interpolated) <= Double(Float(interpolated).ulp) * 0.5001)
        }
      }
    }

    @Test func wrongInputsAreOneLineAndLeaveNothing() throws {
      let task = try SmallTask()
      let run = try task.train("run", Self.steps)
      let other = try task.train("other", Self.steps + ["method.start_layer=7"])
      let output = task.folder.appendingPathComponent("out")
      let make = ["--model", task.model.path, "-o", output.path]
      let damaged = task.folder.appendingPathComponent("step-00000006")
      try FileManager.default.copyItem(at: URL(fileURLWithPath: checkpoint(run, 6)), to: damaged)
      let shard = damaged.appendingPathComponent("shard-00000-of-00001.zst")
      var bytes = try Data(contentsOf: shard)
      bytes[bytes.count / 2] ^= 1
      try bytes.write(to: shard)
      let cases: [(arguments: [String], status: Int32, words: [String])] = [
        (["inspect", "nowhere"], 66, ["nowhere: there is no such folder", "name a run directory"]),
        (["inspect", task.data.path], 66, ["there is no checkpoint here"]),
        (["inspect", task.configuration.path], 65, ["a checkpoint is a folder"]),
        (["inspect", damaged.path], 65, ["shard-00000-of-00001.zst", "damaged", "use another checkpoint"]),
        (["export", damaged.path] + make, 65, ["shard-00000-of-00001.zst", "damaged"]),
        (
          ["export", run.url.path, "--model", "nowhere", "-o", output.path], 66,
          ["nowhere: there is no such file or folder"]
        ),
        (
          ["export", run.url.path, "--model", run.model.path, "-o", output.path], 65,
          ["tuned from other weights (fingerprint", "give the base model"]
        ),
        (["export", run.url.path, "--model", task.model.path, "-o", task.data.path], 73, ["is not overwritten"]),
        (["export", run.url.path, "--model", task.model.path, "-o", "nowhere/out"], 73, ["create the folder first"]),
        (["export", task.configuration.path] + make, 65, ["run.yaml", "not a safetensors file"]),
        (["average", run.url.path, other.url.path] + make, 65, ["trained in only one", "one start layer"]),
        (["average", run.url.path, "--weights", "1", "2"] + make, 64, ["as many as the checkpoints, 1, not 2"]),
        (["average", run.url.path, "--weights", "-1"] + make, 64, ["--weights"]),
        (["average", run.url.path, "--with-base", "1.5"] + make, 64, ["a number from 0 to 1, not 1.5"]),
        (["average", run.url.path, "--with-base", "nan"] + make, 64, ["a number from 0 to 1"]),
      ]
      let before = Set(try task.folder.contents().keys)
      for (arguments, status, words) in cases {
        let outcome = try Program.run(["checkpoint"] + arguments)
        #expect(outcome.status == status, "\(arguments): \(outcome.stderr)")
        #expect(outcome.stdout == "", "\(arguments)")
        for words in words { #expect(outcome.stderr.contains(words), "\(arguments): \(outcome.stderr)") }
        if status != 64 { #expect(outcome.linesButWarnings.count == 1, "\(outcome.stderr)") }
        #expect(Set(try task.folder.contents().keys) == before, "\(arguments)")
      }
    }

    @Test func anOlderCheckpointStandsInForADamagedOne() throws {
      let task = try SmallTask()
      let run = try task.train("run", Self.steps)
      let shard = run.url.appendingPathComponent("checkpoints/step-00000012/shard-00000-of-00001.zst")
      try Data(contentsOf: shard).dropLast().write(to: shard)
      let outcome = try Program.run(["checkpoint", "inspect", run.url.path])
      #expect(outcome.status == 0 && outcome.stdout.contains("checkpoints/step-00000006"))
      #expect(outcome.stderr.contains("passing over a damaged checkpoint: \(shard.path)"))
      let verified = try Program.run(["checkpoint", "verify", checkpoint(run, 6)])
      #expect(verified.status == 0 && verified.stdout == "step-00000006: whole\n")
      #expect(try Program.run(["checkpoint", "verify", run.url.path]).status == 65)
    }
  }
}

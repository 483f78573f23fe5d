import Foundation
import StrictJSON
import TestSupport
import Testing

extension EndToEnd {
  /// `evaluate` and `classify`.
  @Suite struct UseOfTunedModels {
    private func evaluate(
      _ task: SmallTask, ranks: Int? = nil, _ arguments: [String], output: String = UUID().uuidString
    ) throws -> JSONValue {
      let file = task.folder.appendingPathComponent("\(output).json")
      let outcome = try Program.run(
        ranks: ranks, ["evaluate", "-c", task.configuration.path, "-o", file.path] + arguments)
      try #require(outcome.status == 0, "\(outcome.stderr)")
      #expect(outcome.stdout.contains("macro-F1"))
      return try JSONValue(parsing: Array(Data(contentsOf: file)), file: file.path)
    }

    /// What training measured before and after, `evaluate` must find again, whatever it reads the weights from.
    @Test(arguments: [nil, 3]) func evaluateFindsWhatTrainingMeasured(ranks: Int?) throws {
      let task = try SmallTask()
      let run = try task.train("run", ["task=base-to-new", "data.shots=4"])
      let results = try JSONValue(
        parsing: Array(Data(contentsOf: run.url.appendingPathComponent("results.json"))), file: "results.json")
      let delta = task.folder.appendingPathComponent("delta").path
      let exported = try Program.run(
        ["checkpoint", "export", run.url.path, "--model", task.model.path, "-o", delta, "--format", "delta"])
      try #require(exported.status == 0, "\(exported.stderr)")
      let settings = ["--set", "task=base-to-new"]
      let before = try evaluate(task, ranks: ranks, settings)
      #expect(before["test"] == results["zero_shot"] && before["weights"]?.string == "zero-shot")
      for (arguments, weights) in [
        (["--delta", delta], "delta"), (["--checkpoint", run.url.path], "checkpoint"),
        (["--set", "model.path=\(run.model.path)"], "zero-shot"),
      ] {
        let after = try evaluate(task, ranks: ranks, settings + arguments)
        #expect(after["test"] == results["tuned"], "\(arguments)")
        #expect(after["weights"]?.string == weights && after["ranks"] == .integer(ranks ?? 1))
      }
      #expect(results["tuned"] != results["zero_shot"])
    }

    @Test func whatOnlyTrainingNeedsMayBeLeftOut() throws {
      let task = try SmallTask()
      try task.replace("  global: 4\n", "", in: "run.yaml")
      #expect(try evaluate(task, ranks: 3, [])["test"]?["scores"]?["all"]?["images"] == .integer(50))
      let unknown = try Program.run(["evaluate", "-c", task.configuration.path, "--set", "batch.globl=3"])
      #expect(unknown.status == 64 && unknown.stderr.contains("did you mean"))
    }

    @Test(arguments: [nil, 2]) func wrongInputsAreOneLine(ranks: Int?) throws {
      let task = try SmallTask()
      let run = try task.train("run", ["limits.max_steps=3"])
      let there = task.folder.appendingPathComponent("there")
      try Data("mine".utf8).write(to: there)
      let cases: [(arguments: [String], status: Int32, words: [String])] = [
        (["-o", there.path], 73, ["is not overwritten"]),
        (["--delta", "nowhere"], 66, ["nowhere", "does not exist"]),
        (["--delta", task.weights.path], 65, ["no delta file of skiptune"]),
        (["--checkpoint", "nowhere"], 66, ["nowhere: there is no such folder"]),
        (
          ["--checkpoint", run.url.path, "--set", "model.path=\(run.model.path)"], 65,
          ["tuned from other weights", "give the base model"]
        ),
        (["--set", "data.root=/nowhere"], 66, ["split.json"]),
      ]
      for (arguments, status, words) in cases {
        let outcome = try Program.run(
          ranks: ranks, ["evaluate", "-c", task.configuration.path] + arguments, timeout: .seconds(30))
        #expect(outcome.status == status, "\(arguments): \(outcome.stderr)")
        for words in words { #expect(outcome.stderr.contains(words), "\(arguments): \(outcome.stderr)") }
        #expect(outcome.linesButWarnings.count == 1 && outcome.stdout == "", "\(outcome.stderr)")
      }
      #expect(try Data(contentsOf: there) == Data("mine".utf8))
      let both = try Program.run(["evaluate", "--delta", "a", "--checkpoint", "b"])
      #expect(both.status == 64 && both.stderr.contains("not both"))
    }

    /// A scheduler's signal to one rank, in the middle of the images.
    @Test func evaluateStopsInGoodOrder() async throws {
      let task = try SmallTask()
      // Long enough to be met by the signal: the same images again and again.
      let split = try String(contentsOf: task.splitFile, encoding: .utf8)
      let test = try #require(split.firstRange(of: "\"test\": ["))
      let end = try #require(split[test.upperBound...].firstRange(of: "\n]"))
      let items = String(split[test.upperBound..<end.lowerBound])
      let many = Array(repeating: items, count: 2000).joined(separator: ",")
      try Data(split.replacingCharacters(in: test.upperBound..<end.lowerBound, with: many).utf8).write(
        to: task.splitFile)
      let output = task.folder.appendingPathComponent("results.json")
      let arguments = ["evaluate", "-c", task.configuration.path, "-o", output.path]
      let job = Task.detached {
        try MPIRun.run(ranks: 2, program: "skiptune", arguments: arguments, timeout: .seconds(90))
      }
      let deadline = ContinuousClock.now + .seconds(60)
      while handlers(mentioning: output.path).count < 2 {
        try #require(ContinuousClock.now < deadline, "the ranks do not come up")
        try await Task.sleep(for: .milliseconds(20))
      }
      #expect(kill(handlers(mentioning: output.path)[1], SIGUSR1) == 0)
      let outcome = try await job.value
      #expect(outcome.status == 75, "\(outcome.stderr)")
      #expect(outcome.stderr.contains("stopped by a signal (rank "), "\(outcome.stderr)")
      #expect(outcome.stderr.contains("; start the same command again\n"), "\(outcome.stderr)")
      #expect(outcome.stdout == "" && !FileManager.default.fileExists(atPath: output.path))
    }

    /// Processes of the program with such an argument that catch SIGUSR1 by now, as /proc tells.
    private func handlers(mentioning argument: String) -> [pid_t] {
      let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
      return processes.sorted().filter { process in
        func content(_ name: String) -> String {
          String(decoding: FileManager.default.contents(atPath: "/proc/\(process)/\(name)") ?? Data(), as: UTF8.self)
        }
        let words = content("cmdline").split(separator: "\0")
        guard words.first?.hasSuffix("/skiptune") == true, words.contains(Substring(argument)) else { return false }
        let caught = content("status").split(separator: "\n").first { $0.hasPrefix("SigCgt:") }
        let mask = caught?.split(whereSeparator: \.isWhitespace).last.flatMap { UInt64($0, radix: 16) } ?? 0
        return mask >> (UInt64(SIGUSR1) - 1) & 1 == 1
      }
    }

    @Test(arguments: [nil, 2]) func classifyNamesTheClasses(ranks: Int?) throws {
      let task = try SmallTask()
      let run = try task.train("run")
      let delta = task.folder.appendingPathComponent("delta").path
      let exported = try Program.run(
        ["checkpoint", "export", run.url.path, "--model", task.model.path, "-o", delta, "--format", "delta"])
      try #require(exported.status == 0, "\(exported.stderr)")
      let folder = task.image("test", label: 0, number: 0).deletingLastPathComponent().path
      let ask = ["classify", "--images", folder, task.image("test", label: 3, number: 0).path, "--top", "3", "--json"]
      // Classes and prompt of the delta, or the same said by hand for the exported model.
      let laid = try Program.run(ranks: ranks, ask + ["--model", task.model.path, "--delta", delta])
      #expect(laid.status == 0 && laid.linesButWarnings.isEmpty, "\(laid.stderr)")
      let list = task.folder.appendingPathComponent("classes.txt")
      try Data((SmallTask.classNames.joined(separator: "\r\n") + "\n\n").utf8).write(to: list)
      let tuned = try Program.run(
        ranks: ranks,
        ask + ["--model", run.model.path, "--classes", list.path, "--template", "a photo of a {}."])
      #expect(tuned.stdout == laid.stdout)
      let lines = try laid.stdout.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8), file: "line") }
      #expect(lines.count == SmallTask.trainingImages + 1 + SmallTask.testImages + 1)
      #expect(lines.first?["image"]?.string == "\(folder)/test-0.png")
      for line in lines {
        let matches = try #require(line["classes"]?.elements)
        let probabilities = matches.compactMap { $0["probability"]?.number }
        #expect(matches.count == 3 && probabilities == probabilities.sorted(by: >))
        #expect(probabilities.reduce(0, +) <= 1 + 1e-12)
      }
      let table = try Program.run(
        ["classify", "--images", folder + "/test-0.png", "--model", task.model.path, "--classes", "amber", "jade"])
      #expect(table.stdout.hasPrefix("image") && table.stdout.split(separator: "\n").count == 4, "\(table.stdout)")
    }

    @Test(arguments: [nil, 2]) func classifyNamesWhatIsWrong(ranks: Int?) throws {
      let task = try SmallTask()
      let (good, bad) = (task.image("test", label: 0, number: 0), task.image("test", label: 1, number: 0))
      try Data(contentsOf: bad).prefix(500).write(to: bad)
      let empty = task.folder.appendingPathComponent("empty")
      try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: false)
      let twice = task.folder.appendingPathComponent("twice.txt")
      try Data("a\nb\na\n".utf8).write(to: twice)
      let cases: [(images: [String], more: [String], status: Int32, words: [String])] = [
        ([good.path, bad.path], ["--classes", "a", "b"], 65, ["\(bad.path): the PNG is truncated"]),
        (["nowhere.png"], ["--classes", "a", "b"], 66, ["nowhere.png: there is no such image"]),
        ([empty.path], ["--classes", "a", "b"], 66, ["there are no images in this folder"]),
        ([good.path], [], 64, ["no classes are named", "give --classes"]),
        ([good.path], ["--classes", "a", "a"], 64, ["\"a\" is named twice"]),
        ([good.path], ["--classes", twice.path], 65, ["twice.txt", "\"a\" is named twice"]),
        ([good.path], ["--classes", "a", "--template", "it"], 64, ["{} exactly once"]),
        ([bad.path], ["--classes", "a", "--on-bad-image", "skip"], 65, ["\(bad.path): the PNG is truncated"]),
      ]
      for (images, more, status, words) in cases {
        let outcome = try Program.run(
          ranks: ranks, ["classify", "--model", task.model.path, "--images"] + images + more, timeout: .seconds(30))
        #expect(outcome.status == status, "\(images) \(more): \(outcome.stderr)")
        for words in words { #expect(outcome.stderr.contains(words), "\(outcome.stderr)") }
        #expect(outcome.linesButWarnings.count == 1 && outcome.stdout == "", "\(outcome.stderr)")
      }
      let skipped = try Program.run(
        ranks: ranks,
        [
          "classify", "--model", task.model.path, "--images", bad.path, good.path, "--classes", "a", "b", "--json",
          "--on-bad-image", "skip",
        ])
      #expect(skipped.status == 0)
      let lines = skipped.stdout.split(separator: "\n")
      #expect(lines.count == 2 && lines[0].contains("\"error\"") && lines[1].contains("\"classes\""), "\(lines)")
      #expect(skipped.stderr.contains("skipped \(bad.path): the PNG is truncated"))
      #expect(skipped.stderr.contains("1 of 2 images were skipped"))
    }
  }
}

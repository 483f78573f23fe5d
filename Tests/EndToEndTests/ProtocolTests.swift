import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct Protocols {
    /// One command for all runs; a second call computes nothing and prints the same tables.
    @Test(arguments: [nil, 2]) func baseToNewTwice(ranks: Int?) throws {
      let task = try ProtocolTask()
      let first = try task.run("base-to-new", ranks: ranks)
      #expect(first.status == 0 && first.stderr.contains("run 4 of 4: waves, 4 shots, seed 2"), "\(first.stderr)")
      let (files, times) = (try task.folder.contents(), try task.times())
      #expect(files.keys.contains("waves/shots_4/seed2/COMPLETED"))
      let second = try task.run("base-to-new", ranks: ranks)
      #expect(second.status == 0 && second.stdout == first.stdout)
      #expect(second.linesButWarnings == [])
      #expect(try task.folder.contents() == files && task.times() == times)
      try expectEveryCell(task, "base-to-new")
      // The same runs one by one.
      let alone = try task.small.train(
        "alone", ranks: ranks,
        ProtocolTask.settings + [
          "task=base-to-new", "data.shots=4", "seed=2", "data.name=waves", "data.folder=stripes",
        ])
      let member = RunFolder(task.folder.appendingPathComponent("waves/shots_4/seed2"))
      #expect(try member.steps() == alone.steps())
      #expect(try member.results().tuned == alone.results().tuned)
    }

    @Test func targetsAreTestedWithTheTunedWeights() throws {
      let task = try ProtocolTask()
      let targets = ["protocol.data_sets=[\(task.datasets[0])]", "protocol.targets=[\(task.datasets[1])]"]
      let outcome = try task.run("cross-dataset", ranks: 2, targets)
      #expect(outcome.status == 0, "\(outcome.stderr)")
      try expectEveryCell(task, "cross-dataset")
      // The target is the same images under another name: its accuracy is the source's.
      let table = try task.csv("cross-dataset")
      #expect(table.count == 4)
      #expect(table[1].dropFirst() == table[2].dropFirst() && table[3].dropFirst() == table[2].dropFirst())
      #expect(table.map { $0[0] } == ["dataset", "stripes", "waves", "average_xd"])
      // Other targets in the same folder need no training again.
      let again = try task.run("domain-generalisation", targets)
      #expect(again.status == 0 && again.linesButWarnings == [], "\(again.stderr)")
      #expect(try task.csv("domain-generalisation").last?[0] == "average_dg")
      // A test of weights that are gone is made again.
      let run = task.folder.appendingPathComponent("stripes/shots_4/seed1")
      try FileManager.default.removeItem(at: run)
      let third = try task.run("cross-dataset", targets + ["optim.text_lr=0.02"])
      #expect(third.status == 64 && third.stderr.contains("optim.text_lr was 0.01 and is now 0.02"), "\(third.stderr)")
      let fourth = try task.run("cross-dataset", targets)
      let lines = fourth.stderr.split(separator: "\n").filter { $0.contains("info run ") }
      #expect(lines.count == 2 && lines.last?.contains("waves, tested with the weights of stripes") == true)
    }

    /// Compared methods, also those that leave the model's weights as they are.
    @Test(arguments: ["prompt-tuning", "adapter", "full"]) func targetsAreTestedByAnyMethod(method: String) throws {
      let task = try ProtocolTask()
      let settings = [
        "protocol.data_sets=[\(task.datasets[0])]", "protocol.targets=[\(task.datasets[1])]", "protocol.seeds=[1]",
        "method.kind=\(method)",
      ]
      let outcome = try task.run("cross-dataset", ranks: 2, settings)
      #expect(outcome.status == 0, "\(outcome.stderr)")
      try expectEveryCell(task, "cross-dataset")
      let table = try task.csv("cross-dataset")
      #expect(table.count == 4 && table[1].dropFirst() == table[2].dropFirst())
      let again = try task.run("cross-dataset", settings)
      #expect(again.status == 0 && again.linesButWarnings == [], "\(again.stderr)")
      let refused = try task.run("cross-dataset", settings + ["method.kind=zero-shot"])
      #expect(refused.status == 64 && refused.stderr.contains("zero-shot trains nothing"), "\(refused.stderr)")
    }

    @Test func fewShotCurves() throws {
      let task = try ProtocolTask()
      let outcome = try task.run(
        "few-shot",
        [
          "protocol.shots=[1, 2]", "protocol.seeds=[1]", "protocol.fewer_epochs=1", "protocol.fewer_epochs_for=[waves]",
        ])
      #expect(outcome.status == 0, "\(outcome.stderr)")
      for (name, epochs) in [("stripes", 2), ("waves", 1)] {
        let run = RunFolder(task.folder.appendingPathComponent("\(name)/shots_2/seed1"))
        #expect(try run.results().training.epochs == epochs)
      }
      try expectEveryCell(task, "few-shot")
      let table = try task.csv("few-shot")
      #expect(table[0] == ["dataset", "shots", "acc_seed1", "acc"] && table.count == 7)
      #expect(table.dropFirst().map { $0[1] } == ["1", "1", "1", "2", "2", "2"])
    }

    /// What failed is tried again and reported; the rest goes on, and the same command makes it good.
    @Test(arguments: [nil, 2]) func aRunThatFailsDoesNotStopTheOthers(ranks: Int?) throws {
      let task = try ProtocolTask()
      let image = task.copyImages(named: "waves").appendingPathComponent("amber/train-0.png")
      let whole = try Data(contentsOf: image)
      try whole.prefix(700).write(to: image)
      let settings = ["protocol.seeds=[1]", "protocol.shots=[8]"]
      let outcome = try task.run("few-shot", ranks: ranks, settings)
      #expect(outcome.status == 65)
      #expect(outcome.stderr.contains("1 of 2 runs failed: waves, 8 shots, seed 1"), "\(outcome.stderr)")
      #expect(outcome.stderr.components(separatedBy: "run 2 of 2").count == 3, "tried twice")
      #expect(outcome.stdout.contains("stripes"))
      try expectEveryCell(task, "few-shot")
      #expect(try task.csv("few-shot")[2] == ["waves", "8", "", ""])
      try whole.write(to: image)
      let repaired = try task.run("few-shot", ranks: ranks, settings)
      #expect(repaired.status == 0 && !repaired.stderr.contains("run 1 of 2"), "\(repaired.stderr)")
      #expect(try task.csv("few-shot")[2][2] != "")
    }

    /// Stopped by a signal, or killed, at any place: the same command goes on, and the tables are those of one that was not.
    @Test(arguments: [SIGUSR1, SIGKILL]) func whatWasStoppedGoesOn(signal: Int32) async throws {
      let task = try ProtocolTask()
      let settings = ["optim.epochs=40", "checkpoint.every_steps=5"]
      let job = Task.detached { try task.run("base-to-new", ranks: 2, settings) }
      let second = RunFolder(task.folder.appendingPathComponent("waves/shots_4/seed1"))
      try await JobWatch.wait { try second.metricLines().count >= 30 }
      let victim = try #require(JobWatch.process(ofRank: 1, mentioning: task.folder.path))
      #expect(kill(victim, signal) == 0)
      let stopped = try await job.value
      #expect(signal == SIGKILL ? stopped.status != 0 : stopped.status == 75, "\(stopped.stderr)")
      if signal == SIGUSR1 {
        #expect(stopped.stderr.contains("1 of 4 runs are finished; start the same command again"), "\(stopped.stderr)")
      }
      let resumed = try task.run("base-to-new", ranks: 2, settings)
      #expect(resumed.status == 0 && resumed.stderr.contains("resuming from step-"), "\(resumed.stderr)")
      #expect(!resumed.stderr.contains("run 1 of 4"))
      let whole = try ProtocolTask(like: task)
      let reference = try whole.run("base-to-new", ranks: 2, settings)
      #expect(resumed.stdout == reference.stdout)
      for name in ["base-to-new.csv", "base-to-new-statistics.csv"] {
        #expect(try task.folder.contents()[name] == whole.folder.contents()[name])
      }
    }

    @Test func whatIsWrongIsSaidBeforeAnythingRuns() throws {
      let task = try ProtocolTask()
      for (settings, status, words) in [
        (["protocol.data_sets=[]"], 64, "protocol.data_sets: names no data sets"),
        (["protocol.data_sets=[Caltech10]"], 64, "did you mean Caltech101?"),
        (["protocol.data_sets=[\(task.datasets[0]), \(task.datasets[0])]"], 64, "two entries are the same data set"),
        (["protocol.seeds=[1, 1]"], 64, "names a seed twice"),
        (["protocol.targets=[\(task.datasets[0])]"], 64, "is of no meaning to base-to-new"),
        (["protocol.fewer_epochs=1", "protocol.fewer_epochs_for=[stripe]"], 64, "did you mean stripes?"),
        (["protocol.fewer_epochs=1"], 64, "protocol.fewer_epochs"),
        (["evaluate.tuned=false"], 64, "a protocol is about the tuned model"),
        (["method.kind=linear-probe"], 64, "method.kind: linear-probe knows no classes but those it is trained on"),
        (["protocol.published=/nowhere.json"], 66, "/nowhere.json"),
        (["protocol.data_sets=[/nowhere.yaml]"], 66, "/nowhere.yaml"),
        (["data.root=/nowhere"], 66, "split.json"),
      ] as [([String], Int32, String)] {
        let outcome = try task.run("base-to-new", settings)
        #expect(outcome.status == status && outcome.stderr.contains(words), "\(settings): \(outcome.stderr)")
        #expect(outcome.linesButWarnings.count == 1, "\(outcome.stderr)")
      }
      let single = try task.small.train("single", ["limits.max_steps=1"])
      let taken = try task.run("base-to-new", in: single.url)
      #expect(taken.status == 73 && taken.stderr.contains("not of a protocol"), "\(taken.stderr)")
    }

    /// Published values stand beside ours only where model, data and settings are those that were published.
    @Test func publishedValuesStandBesideTheSameOnly() throws {
      let task = try ProtocolTask()
      let file = task.small.folder.appendingPathComponent("published.json")
      let parameters = try task.small.train("one", ["limits.max_steps=1"]).results().training.totalParameters
      func publish(_ changes: [String: String]) throws -> [String] {
        let same = [
          "parameters": "\(parameters)", "test": "50", "epochs": "2", "template": "a photo of a {}.",
          "method": "skip-tuning",
        ]
        let values = same.merging(changes) { $1 }
        let text = """
          {"source": "a paper", "model": {"parameters": \(values["parameters"]!)},
           "data_sets": {"stripes": {"classes": 10, "test": \(values["test"]!), "template": "\(values["template"]!)"}},
           "settings": {"method.kind": "\(values["method"]!)", "method.train_embeddings": "false", "protocol.seeds": "[1, 2]", "optim.text_lr": 1e-2, "optim.epochs": 7},
           "protocols": {"few-shot": {"settings_of": {"stripes": {"optim.epochs": \(values["epochs"]!)}},
             "results": {"stripes": {"acc": 50.5}, "waves": {"acc": 50.5}}}}}
          """
        try Data(text.utf8).write(to: file)
        let outcome = try task.run("few-shot", ["protocol.published=\(file.path)"])
        #expect(outcome.status == 0, "\(outcome.stderr)")
        let table = try String(
          contentsOf: task.folder.appendingPathComponent("few-shot-statistics.csv"), encoding: .utf8)
        return table.split(separator: "\n").filter { $0.contains(",acc,") }.map(String.init)
      }
      let same = try publish([:]).map { $0.split(separator: ",", omittingEmptySubsequences: false) }
      let mean = try #require(Double(same[0][4]))
      let difference = try #require(Double(same[0][9]))
      #expect(same[0][8] == "50.5000" && abs(difference - (mean - 50.5)) < 1.01e-4)
      #expect(
        same.dropFirst().allSatisfy { $0[8] == "" && $0[9] == "" }, "an unknown data set, and an average")
      for change in [
        ["parameters": "5"], ["test": "51"], ["epochs": "3"], ["template": "the {}."], ["method": "full"],
      ] {
        #expect(try publish(change)[0].hasSuffix(",,"), "\(change)")
      }
    }

    @Test func runsAreCompared() throws {
      let task = try SmallTask()
      let runs = try [
        task.train("a", ["limits.max_steps=4"]), task.train("b", ["limits.max_steps=4", "optim.text_lr=0.03"]),
        task.train("c", ["limits.max_steps=4", "data.template='the {}.'"]), task.train("d", ["limits.max_steps=4"]),
      ]
      func compare(_ indices: Int...) throws -> String {
        let outcome = try Program.run(["compare"] + indices.map { runs[$0].url.path })
        #expect(outcome.status == 0, "\(outcome.stderr)")
        return outcome.stdout
      }
      let entries = { (text: String) in
        text.components(separatedBy: "\n\n")[1].split(separator: "\n").dropFirst(2)
          .map { String($0.prefix { $0 != " " }) }
      }
      #expect(entries(try compare(0, 1)) == ["optim.text_lr"])
      #expect(
        entries(try compare(0, 2)) == ["provenance.prompts.all", "provenance.template", "data.template"])
      #expect(try compare(0, 3).hasPrefix("provenance and settings are the same\n"))
      let counts = try runs[1].results().tuned!.scores["all"]!
      #expect(try compare(0, 1).contains("\(counts.images)"))
      let missing = try Program.run(["compare", runs[0].url.path, task.folder.path])
      #expect(missing.status == 66 && missing.stderr.contains("is no run that is finished"))
    }

    /// Has an independent program recompute the tables, where this machine has Python; launch/test always does.
    private func expectEveryCell(
      _ task: ProtocolTask, _ kind: String, _ location: SourceLocation = #_sourceLocation
    ) throws {
      let python = URL(fileURLWithPath: "/usr/bin/python3")
      guard FileManager.default.isExecutableFile(atPath: python.path) else { return }
      let script = Goldens.url("..").appendingPathComponent("Reference/check_protocol.py").standardizedFileURL.path
      let outcome = try ProcessRunner.run(
        python, [script, task.folder.path, kind], timeout: .seconds(60))
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)", sourceLocation: location)
    }
  }
}

/// Two data sets of the same pictures, and a configuration that makes protocols of them.
private final class ProtocolTask: Sendable {
  /// What makes runs short.
  static let settings = ["optim.epochs=2", "output.save_model=false", "batch.order=auto"]

  let small: SmallTask
  let folder: URL
  /// Configuration files of the data sets.
  let datasets: [String]

  init(like other: ProtocolTask? = nil) throws {
    small = try other?.small ?? SmallTask()
    folder = small.run(other == nil ? "protocol" : "another")
    datasets = ["stripes", "waves"].map { [small] in small.folder.appendingPathComponent("\($0).yaml").path }
    for (file, name) in zip(datasets, ["stripes", "waves"]) {
      try Data("data:\n  name: \(name)\n  folder: stripes\n".utf8).write(to: URL(fileURLWithPath: file))
    }
  }

  /// Runs a protocol over both data sets with 4 shots and seeds 1 and 2, or what `settings` say.
  func run(
    _ kind: String, ranks: Int? = nil, _ settings: [String] = [], in runDirectory: URL? = nil
  ) throws -> ProcessRunner.Outcome {
    let usual =
      Self.settings + [
        "protocol.data_sets=[\(datasets.joined(separator: ", "))]", "protocol.seeds=[1, 2]", "protocol.shots=[4]",
      ]
    return try Program.run(
      ranks: ranks,
      ["protocol", kind, "-c", small.configuration.path, "--run-dir", (runDirectory ?? folder).path]
        + (usual + settings).flatMap { ["--set", $0] }, timeout: .seconds(120))
  }

  /// Gives a data set pictures of its own; returns their folder.
  func copyImages(named name: String) -> URL {
    let copy = small.data.appendingPathComponent(name)
    try? FileManager.default.copyItem(at: small.dataFolder, to: copy)
    try? Data("data:\n  name: \(name)\n  folder: \(name)\n".utf8).write(to: URL(fileURLWithPath: datasets[1]))
    return copy
  }

  /// Cells of the table in the published shape.
  func csv(_ kind: String) throws -> [[String]] {
    try String(contentsOf: folder.appendingPathComponent("\(kind).csv"), encoding: .utf8).split(separator: "\n")
      .map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
  }

  /// When each run was finished.
  func times() throws -> [Date?] {
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.allObjects as? [URL] ?? []
    return try files.filter { $0.lastPathComponent == "COMPLETED" }.sorted { $0.path < $1.path }
      .map { try FileManager.default.attributesOfItem(atPath: $0.path)[.modificationDate] as? Date }
  }
}

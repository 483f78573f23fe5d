import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct BadInputs {
    @Test(arguments: BadInput.all, [nil, 2])
    func oneLineOneStatusAndNothingWritten(_ input: BadInput, ranks: Int?) throws {
      let task = try SmallTask()
      try input.damage(task)
      let before = Set(try task.folder.contents().keys)
      let arguments = task.trainArguments(
        runDirectory: task.folder.appendingPathComponent(input.runDirectory), input.settings)
      let outcome = try Program.run(ranks: ranks, arguments, timeout: .seconds(30))
      #expect(!outcome.timedOut)
      #expect(outcome.status == input.status, "\(outcome.stderr)")
      #expect(outcome.stdout == "")
      #expect(outcome.linesButWarnings.count == 1, "\(outcome.stderr)")
      for words in input.words { #expect(outcome.stderr.contains(words), "\(outcome.stderr)") }
      #expect(Set(try task.folder.contents().keys) == before)
    }

    @Test func ranksThatOutnumberTheImagesOfABatch() throws {
      let task = try SmallTask()
      let outcome = try Program.run(ranks: 3, task.trainArguments("run", ["batch.global=2"]), timeout: .seconds(30))
      #expect(outcome.status == 64)
      #expect(outcome.linesButWarnings.count == 1, "\(outcome.stderr)")
      for words in ["batch.global", "3 ranks cannot share 2 images", "start at most 2 ranks"] {
        #expect(outcome.stderr.contains(words))
      }
      #expect(!FileManager.default.fileExists(atPath: task.run("run").path))
    }

    /// Found by one rank in the middle of training, while the others are elsewhere in their own images.
    @Test(arguments: [nil, 2, 3]) func anImageThatOneRankCannotReadEndsAll(ranks: Int?) throws {
      let task = try SmallTask()
      let image = task.image("train", label: 9, number: 7)
      try Data(contentsOf: image).prefix(700).write(to: image)
      let outcome = try Program.run(ranks: ranks, task.trainArguments("run"), timeout: .seconds(30))
      #expect(!outcome.timedOut)
      #expect(outcome.status == 65)
      #expect(outcome.stdout == "")
      let errors = outcome.stderr.split(separator: "\n").filter { $0.contains(" error ") }
      #expect(errors.count == 1, "\(outcome.stderr)")
      #expect(errors.first?.contains("\(image.path): the PNG is truncated") ?? false)
      #expect(errors.first?.hasSuffix("replace the file") ?? false)
      let left = try task.run("run").contents().keys
      #expect(!left.contains("COMPLETED") && !left.contains("results.json") && !left.contains { $0.hasPrefix("model") })
    }

    @Test(arguments: [nil, 3]) func anUnreadableTestImageIsNamedToo(ranks: Int?) throws {
      let task = try SmallTask()
      let image = task.image("test", label: 9, number: 4)
      try Data("not a picture".utf8).write(to: image)
      let outcome = try Program.run(ranks: ranks, task.trainArguments("run"), timeout: .seconds(30))
      #expect(outcome.status == 65)
      let errors = outcome.stderr.split(separator: "\n").filter { $0.contains(" error ") }
      #expect(errors.count == 1 && errors[0].contains(image.path), "\(outcome.stderr)")
      #expect(try task.run("run").contents()["COMPLETED"] == nil)
    }
  }
}

/// The same for `embed`.
extension EndToEnd {
  @Suite struct BadEmbeddings {
    @Test(arguments: [nil, 2])
    func oneLineAndNoFile(ranks: Int?) throws {
      let task = try SmallTask()
      let (good, bad) = (task.image("test", label: 0, number: 0), task.image("test", label: 1, number: 0))
      try Data(contentsOf: bad).prefix(500).write(to: bad)
      let output = task.folder.appendingPathComponent("features")
      let nowhere = "nowhere.png"
      let cases: [(arguments: [String], output: URL, status: Int32, words: [String])] = [
        (["--images", good.path, bad.path], output, 65, ["\(bad.path): the PNG is truncated", "replace the file"]),
        (["--images", good.path, nowhere], output, 66, ["\(nowhere): there is no such image", "check the path"]),
        (
          ["--texts", "a"], task.configuration.appendingPathComponent("features"), 73,
          ["\(task.configuration.path) is not a folder", "create the folder first"]
        ),
        (["--texts", "a"], task.data, 73, ["\(task.data.path): is a folder", "give --output the name of a file"]),
      ]
      for (arguments, output, status, words) in cases {
        let before = Set(try task.folder.contents().keys)
        let outcome = try Program.run(
          ranks: ranks, ["embed", "--model", task.model.path, "-o", output.path] + arguments, timeout: .seconds(30))
        #expect(outcome.status == status, "\(outcome.stderr)")
        for words in words { #expect(outcome.stderr.contains(words), "\(outcome.stderr)") }
        #expect(outcome.linesButWarnings.count == 1, "\(outcome.stderr)")
        #expect(outcome.stdout == "")
        #expect(Set(try task.folder.contents().keys) == before)
      }
    }

    @Test func aTokenizerOfAnotherModelIsRefused() throws {
      let task = try SmallTask()
      try task.addToken()
      let outcome = try Program.run(
        ["embed", "--model", task.model.path, "-o", task.folder.path + "/features", "--texts", "zebra"])
      #expect(outcome.status == 65)
      #expect(outcome.stderr.contains("601 tokens"))
    }
  }
}

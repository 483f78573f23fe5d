import Configuration
import Foundation
import TestSupport
import Testing

@testable import Training

/// What follows from evaluations, and what a run that goes on takes up.
@Suite struct EvaluationHistoryTests {
  private static func settings(_ overrides: [String]) throws -> RunSettings {
    let fixed = [
      "run_dir=run", "model.path=model", "data.root=.", "data.name=stripes", "batch.global=1",
      "evaluate.every_epochs=1",
    ]
    return try RunSettings.read(ConfigurationSource(files: [], overrides: fixed + overrides)).settings
  }

  private static func evaluation(_ step: Int, _ accuracy: Double, h: Double = 50) -> CheckpointEvaluation {
    let scores = [("base", accuracy), ("new", 1)].map { set, accuracy in
      CheckpointEvaluation.Score(
        dataset: "stripes", task: "base-to-new", set: set, images: 10, correct: 5, accuracy: accuracy, top5: 100,
        macroF1: 100 - accuracy, calibrationError: 0.1 + 0.2, skipped: 0)
    }
    return CheckpointEvaluation(
      step: step, epoch: step / 10, checkpoint: "step-\(step)", manifestHash: "1f", tests: scores,
      harmonicMeans: [.init(dataset: "stripes", accuracy: h)], seconds: 1.5)
  }

  private static func history(_ file: URL, upTo step: Int = .max, _ overrides: [String]) throws -> EvaluationHistory {
    let settings = try settings(overrides)
    return try EvaluationHistory(file, upTo: step, settings.checkpoint, patience: settings.limits.patience)
  }

  @Test(
    arguments: [
      (["checkpoint.keep_best=accuracy"], 30, "accuracy"), (["checkpoint.keep_best=macro_f1"], 20, "macro_f1"),
      (["checkpoint.keep_best=harmonic_mean"], 10, "harmonic_mean"),
      (["checkpoint.keep_best=accuracy", "checkpoint.best_is=lowest"], 20, "accuracy"),
    ])
  func theBestIsChosen(settings: [String], step: Int, metric: String) throws {
    let scratch = try ScratchFolder()
    let history = try Self.history(scratch.file("evaluations.jsonl"), settings)
    #expect(history.best == nil)
    for (step, accuracy, h) in [(20, 40.0, 10.0), (10, 70, 90), (30, 70, 20)] {
      #expect(try history.add(Self.evaluation(step, accuracy, h: h)))
    }
    #expect(history.best?.step == step && history.best?.metric == metric && history.best?.checkpoint == "step-\(step)")
    #expect(history.evaluations.map(\.step) == [10, 20, 30], "by step, however they came")
  }

  @Test func lossesAreNotItsBusiness() throws {
    let scratch = try ScratchFolder()
    let history = try Self.history(scratch.file("evaluations.jsonl"), ["checkpoint.keep_best=loss"])
    #expect(try history.add(Self.evaluation(1, 50)))
    #expect(history.best == nil && !history.isOutOfPatience)
  }

  @Test func patienceEndsWithAsManyThatAreNoBetter() throws {
    let scratch = try ScratchFolder()
    let history = try Self.history(
      scratch.file("evaluations.jsonl"), ["checkpoint.keep_best=accuracy", "limits.patience=2"])
    var ends: [Bool] = []
    for (step, accuracy) in [50.0, 40, 60, 60, 59, 61, 70].enumerated() {
      _ = try history.add(Self.evaluation(step, accuracy))
      ends.append(history.isOutOfPatience)
    }
    #expect(ends == [false, false, false, false, true, false, false])
  }

  @Test func aRunThatGoesOnKnowsWhatIsBeforeIt() throws {
    let scratch = try ScratchFolder()
    let file = scratch.file("evaluations.jsonl")
    let first = try Self.history(file, ["checkpoint.keep_best=accuracy"])
    for step in [10, 20, 30] { _ = try first.add(Self.evaluation(step, Double(step) / 3)) }
    try first.omit(15)
    try first.omit(25)
    #expect(try !first.add(Self.evaluation(20, 99)), "it is known already")
    let cut = try Data(contentsOf: file) + Data("{\"step\": 12, \"epo".utf8)
    try cut.write(to: file)
    let second = try Self.history(file, upTo: 20, ["checkpoint.keep_best=accuracy"])
    #expect(second.evaluations == Array(first.evaluations.prefix(2)), "to the bit")
    #expect([10, 15, 20, 25, 30, 12].map(second.isSettled) == [true, true, true, false, false, false])
    _ = try second.add(Self.evaluation(30, 1))
    let third = try Self.history(file, ["checkpoint.keep_best=accuracy"])
    #expect(third.evaluations == second.evaluations && third.evaluations.count == 3)
    #expect(try String(contentsOf: file, encoding: .utf8).split(separator: "\n").count == 4)
  }

  @Test func recordsNameStepAndSet() throws {
    let records = Self.evaluation(12, 50).records.map(\.json)
    #expect(records.count == 3)
    #expect(records[0].hasPrefix("{\"test\": \"checkpoint\", \"data_set\": \"stripes\", \"classes\": \"base\""))
    #expect(records[2].contains("\"harmonic_mean\": 50.0, \"step\": 12, \"epoch\": 1}"))
  }
}

import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import RunRecords

@Suite struct RunRecordTests {
  @Test func settingsHaveTheirOrigins() {
    let yaml = """
      # Every setting
      run_dir: runs/a  # --run-dir
      model:
        path: "odd: # name"  # a  # b.yaml:4
      method:
        class_skip:
          ratio: 0.5  # default
      seed: 1
      """
    #expect(
      SettingRecord.all(in: yaml) == [
        SettingRecord(key: "run_dir", value: "runs/a", origin: "--run-dir"),
        SettingRecord(key: "model.path", value: "\"odd: # name\"  # a", origin: "b.yaml:4"),
        SettingRecord(key: "method.class_skip.ratio", value: "0.5", origin: "default"),
        SettingRecord(key: "seed", value: "1", origin: ""),
      ])
  }

  @Test func aRunThatIsUnderWayIsRead() throws {
    let folder = try ScratchFolder()
    try Data("seed: 1  # default\n".utf8).write(to: folder.file("config.resolved.yaml"))
    let lines = [
      #"{"test": "zero-shot", "classes": "all", "images": 4, "correct": 3, "accuracy": 0.75, "macro_f1": 0.7, "seconds": 1}"#,
      #"{"step": 0, "epoch": 0, "loss": 2.5, "text_lr": 0.1, "image_lr": 0.2, "seconds": 0.5}"#,
      #"{"step": 1, "epoch": 0, "loss": "nan", "text_lr": 0.1, "image_lr": 0.2, "seconds": 0.5}"#,
      #"{"test": "checkpoint", "data_set": "D", "classes": "all", "images": 4, "correct": 3, "step": 1, "epoch": 0}"#,
      #"{"step": 2, "ep"#,
    ]
    try Data(lines.joined(separator: "\n").utf8).write(to: folder.file("metrics.jsonl"))
    let run = try RunRecord(contentsOf: folder.url.path)
    #expect(!run.isFinished && run.details.isEmpty)
    #expect(run.steps.map(\.step) == [0, 1] && run.steps[0].loss == 2.5 && run.steps[1].loss.isNaN)
    #expect(run.scores == [.zeroShot: ["all": RunRecord.Score(images: 4, correct: 3, macroF1: 0.7, step: 0)]])
  }

  @Test func damagedLinesAreNamed() throws {
    let folder = try ScratchFolder()
    try Data("seed: 1  # default\n".utf8).write(to: folder.file("config.resolved.yaml"))
    try Data("{\"step\": 1}\n{\n{\"step\": 2}\n".utf8).write(to: folder.file("metrics.jsonl"))
    let failure = #expect(throws: Failure.self) { try RunRecord(contentsOf: folder.url.path) }
    #expect(failure?.status == .badData && failure?.place?.hasSuffix("metrics.jsonl:2") == true)
  }

  @Test func whatIsNoRunIsRefused() throws {
    let folder = try ScratchFolder()
    let failure = #expect(throws: Failure.self) { try RunRecord(contentsOf: folder.url.path) }
    #expect(failure?.status == .missingInput)
  }

  @Test func testsAreReadWithTheMostConfidentMistakesFirst() throws {
    let folder = try ScratchFolder()
    func write(_ text: String, _ name: String) throws { try Data(text.utf8).write(to: folder.file(name)) }
    try write(
      #"""
      checkpoint,data_set,set,label,class,images,correct,accuracy,f1
      tuned,D,all,0,"a, ""b""",2,1,50.0,50.0
      tuned,D,all,1,c,0,0,,

      """#, "classes.csv")
    try write("checkpoint,data_set,set,truth,prediction,images\ntuned,D,all,c,\"a, \"\"b\"\"\",1\n", "confusion.csv")
    let lines = [(0, 1, 0.4), (1, 1, 0.9), (1, 0, 0.8)].map { label, prediction, confidence in
      #"{"set": "all", "path": "\#(confidence).png", "label": \#(label), "prediction": \#(prediction), "confidence": \#(confidence)}"#
    }
    let skipped = #"{"set": "all", "path": "x.png", "label": 0, "prediction": null, "confidence": null, "top5": []}"#
    try write((lines + [skipped]).joined(separator: "\n"), "predictions.jsonl")
    let test = try #require(try TestDetails(contentsOf: folder.url))
    #expect(test.classes.map(\.name) == ["a, \"b\"", "c"] && test.classes[0].correct == 1)
    #expect(test.confusions == [TestDetails.Confusion(set: "all", truth: "c", prediction: "a, \"b\"", images: 1)])
    #expect(test.mistakes.map(\.path) == ["0.8.png", "0.4.png"])
    #expect(test.className(0, in: "all") == "a, \"b\"" && test.className(7, in: "all") == "7")
    #expect(try TestDetails(contentsOf: folder.file("none")) == nil)
  }
}

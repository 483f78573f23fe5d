import Datasets
import Diagnostics
import Evaluation
import Files
import Foundation
import Reporting

/// What a test found beside its scores, in `tests/<name>` of the run directory: counts of each class, confusions, and what was
/// made of each image, in the columns of `skiptune evaluate`.
struct TestFiles {
  private let name: String
  private var classes = TextTable(columns: [
    "checkpoint", "data_set", "set", "label", "class", "images", "correct", "accuracy", "f1",
  ])
  private var confusions = TextTable(columns: ["checkpoint", "data_set", "set", "truth", "prediction", "images"])
  private var predictions = ""

  /// Of the test `name`, such as `tuned`.
  init(_ name: String) { self.name = name }

  /// Adds a test set, of whose images `outcomes` are known, in any order.
  mutating func add(_ set: TestInputs.TestSet, _ matrix: ConfusionMatrix, _ outcomes: [ImageOutcomes]) {
    addClasses(set, matrix)
    addConfusions(set, matrix)
    for range in outcomes.sorted(by: { $0.first < $1.first }) { addPredictions(set, range) }
  }

  /// Writes the files; each is there whole or not at all.
  ///
  /// Throws `Failure`.
  func write(to tests: URL) throws {
    let folder = tests.appending(path: name)
    try createFolder(folder)
    try AtomicFile.write(Data(classes.csv.utf8), to: folder.appending(path: "classes.csv"))
    try AtomicFile.write(Data(confusions.csv.utf8), to: folder.appending(path: "confusion.csv"))
    try AtomicFile.write(Data(predictions.utf8), to: folder.appending(path: "predictions.jsonl"))
  }

  private func createFolder(_ folder: URL) throws {
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw Failure(
        .cannotCreate, at: folder.path, "the folder of a test's files cannot be created",
        remedy: "check the permissions")
    }
  }

  private mutating func addClasses(_ set: TestInputs.TestSet, _ matrix: ConfusionMatrix) {
    for (label, className) in set.dataset.classNames.enumerated() {
      let images = (0..<matrix.classCount).reduce(Int64(0)) { $0 + matrix[label, $1] }
      let predicted = (0..<matrix.classCount).reduce(Int64(0)) { $0 + matrix[$1, label] }
      let correct = matrix[label, label]
      classes.append([
        name, set.dataset.name, set.name, "\(label)", className, "\(images)", "\(correct)",
        images == 0 ? nil : "\(100 * Double(correct) / Double(images))",
        images == 0 ? nil : "\(200 * Double(correct) / Double(images + predicted))",
      ])
    }
  }

  private mutating func addConfusions(_ set: TestInputs.TestSet, _ matrix: ConfusionMatrix) {
    let names = set.dataset.classNames
    for truth in names.indices {
      for prediction in names.indices where matrix[truth, prediction] > 0 {
        confusions.append([
          name, set.dataset.name, set.name, names[truth], names[prediction], "\(matrix[truth, prediction])",
        ])
      }
    }
  }

  private mutating func addPredictions(_ set: TestInputs.TestSet, _ outcomes: ImageOutcomes) {
    for (position, (ranked, confidence)) in zip(outcomes.range, zip(outcomes.ranked, outcomes.confidences)) {
      let item = set.dataset.test[position]
      let record: MetricRecord = [
        "checkpoint": .text(name), "data_set": .text(set.dataset.name), "set": .text(set.name),
        "path": .text(item.path), "label": .integer(item.label),
        "prediction": ranked.first.map { .integer($0) } ?? .null,
        "confidence": ranked.isEmpty
          ? .null : .double(Double(confidence) / Double(ImageOutcomes.wholeConfidence)),
        "top5": .list(ranked.map { .integer($0) }),
      ]
      predictions += record.json + "\n"
    }
  }
}

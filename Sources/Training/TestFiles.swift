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
  private var classes = TestPlace.classTable
  private var confusions = TestPlace.confusionTable
  private var predictions = ""

  /// Of the test `name`, such as `tuned`.
  init(_ name: String) { self.name = name }

  /// Adds a test set, of whose images `outcomes` are known, in any order.
  mutating func add(_ set: TestInputs.TestSet, _ matrix: ConfusionMatrix, _ outcomes: [ImageOutcomes]) {
    let (place, names) = (TestPlace(name, set), set.dataset.classNames)
    place.add(names.enumerated().map { JobResults.ClassResult(matrix, label: $0, name: $1) }, to: &classes)
    place.add(matrix, names, to: &confusions)
    for range in outcomes.sorted(by: { $0.first < $1.first }) {
      predictions += place.predictions(range, of: set.dataset.test)
    }
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
}

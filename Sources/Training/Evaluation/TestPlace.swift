import Datasets
import Evaluation
import Reporting

/// Where a test stands in files that say more than scores do, which may hold many: classes, confusions, and what was made of
/// single images, in the same columns whoever tested.
struct TestPlace {
  var checkpoint: String
  var dataset: String
  /// `base`, `new` or `all`.
  var set: String

  /// A test set of a model that is called `checkpoint`.
  init(_ checkpoint: String, _ set: TestInputs.TestSet) {
    self.init(checkpoint: checkpoint, dataset: set.dataset.name, set: set.name)
  }

  init(checkpoint: String, dataset: String, set: String) {
    (self.checkpoint, self.dataset, self.set) = (checkpoint, dataset, set)
  }
}

extension TestPlace {
  /// Room for classes, one row each.
  static var classTable: TextTable {
    TextTable(columns: ["checkpoint", "data_set", "set", "label", "class", "images", "correct", "accuracy", "f1"])
  }

  func add(_ classes: [JobResults.ClassResult], to table: inout TextTable) {
    for (label, entry) in classes.enumerated() {
      table.append([
        checkpoint, dataset, set, "\(label)", entry.name, "\(entry.images)", "\(entry.correct)",
        entry.accuracy.map { "\($0)" }, entry.f1.map { "\($0)" },
      ])
    }
  }

  /// Room for confusions that occur, one row each.
  static var confusionTable: TextTable {
    TextTable(columns: ["checkpoint", "data_set", "set", "truth", "prediction", "images"])
  }

  func add(_ matrix: ConfusionMatrix, _ names: [String], to table: inout TextTable) {
    for truth in names.indices {
      for prediction in names.indices where matrix[truth, prediction] > 0 {
        table.append([checkpoint, dataset, set, names[truth], names[prediction], "\(matrix[truth, prediction])"])
      }
    }
  }

  /// What was made of images, as JSON Lines.
  func predictions(_ outcomes: ImageOutcomes, of items: [DatasetItem]) -> String {
    var lines = ""
    for (position, (ranked, confidence)) in zip(outcomes.range, zip(outcomes.ranked, outcomes.confidences)) {
      let item = items[position]
      let record: MetricRecord = [
        "checkpoint": .text(checkpoint), "data_set": .text(dataset), "set": .text(set),
        "path": .text(item.path), "label": .integer(item.label),
        "prediction": ranked.first.map { .integer($0) } ?? .null,
        "confidence": ranked.isEmpty
          ? .null : .double(Double(confidence) / Double(ImageOutcomes.wholeConfidence)),
        "top5": .list(ranked.map { .integer($0) }),
      ]
      lines += record.json + "\n"
    }
    return lines
  }
}

import Evaluation
import Reporting

extension JobResults {
  /// One row per test, with harmonic means after base and new classes and means of each model at the end; for people.
  public var table: TextTable {
    var table = TextTable(columns: [
      "checkpoint", "data set", "test", "images", "top-1", "top-5", "macro-F1", "ECE", "skipped", "state",
    ])
    for test in tests {
      table.append([
        test.checkpoint, test.dataset, test.set, Readable.count(Int(test.images)), Self.percent(test.top1),
        Self.percent(test.top5), Self.percent(test.macroF1), Self.percent(test.calibrationError),
        test.skipped.isEmpty ? nil : "\(test.skipped.count)", test.stateWords,
      ])
      guard test.set == "new",
        let mean = harmonicMeans.first(where: { $0.checkpoint == test.checkpoint && $0.dataset == test.dataset })
      else { continue }
      table.append([test.checkpoint, test.dataset, "H", nil, Self.percent(mean.accuracy), nil, nil, nil, nil, nil])
    }
    for data in missing {
      table.append([nil, data.dataset, nil, nil, nil, nil, nil, nil, nil, State.missing.rawValue])
    }
    for average in averages { append(average, to: &table) }
    return table
  }

  private func append(_ average: Average, to table: inout TextTable) {
    let name = "mean of \(average.dataSets)"
    let state: State = average.dataSets == average.ofDataSets ? .finished : .partial
    for set in ["base", "new", "all"] {
      guard let top1 = average.top1[set] else { continue }
      table.append([
        average.checkpoint, name, set, nil, Self.percent(top1), nil, Self.percent(average.macroF1[set]), nil, nil,
        state == .finished ? state.rawValue : "partial (\(average.dataSets) of \(average.ofDataSets))",
      ])
    }
    if let mean = average.harmonicMean {
      table.append([average.checkpoint, name, "H", nil, Self.percent(mean), nil, nil, nil, nil, nil])
    }
  }

  /// One row per test, with all digits; for programs.
  var dataTable: TextTable {
    var table = TextTable(columns: [
      "checkpoint", "weights", "data_set", "task", "set", "state", "total", "done", "images", "correct", "top1", "top5",
      "macro_f1", "calibration_error", "skipped", "classes_without_images", "identity",
    ])
    for test in tests {
      table.append(
        [
          test.checkpoint, test.weights, test.dataset, test.task, test.set, test.state.rawValue, "\(test.total)",
          "\(test.done)", "\(test.images)", "\(test.correct)",
        ] + [test.top1, test.top5, test.macroF1, test.calibrationError].map { $0.map { "\($0)" } } + [
          "\(test.skipped.count)", "\(test.perClass.count { $0.images == 0 })", test.identity,
        ])
    }
    return table
  }

  /// One row per class of each test.
  var classTable: TextTable {
    var table = TextTable(columns: [
      "checkpoint", "data_set", "set", "label", "class", "images", "correct", "accuracy", "f1",
    ])
    for test in tests {
      for (label, entry) in test.perClass.enumerated() {
        table.append([
          test.checkpoint, test.dataset, test.set, "\(label)", entry.name, "\(entry.images)", "\(entry.correct)",
          entry.accuracy.map { "\($0)" }, entry.f1.map { "\($0)" },
        ])
      }
    }
    return table
  }

  private static func percent(_ value: Double?) -> String? { value.map { Readable.fixed($0, 2) } }
}

extension JobResults.Test {
  fileprivate var stateWords: String {
    state == .partial ? "partial (\(done) of \(total))" : state.rawValue
  }
}

extension EvaluationLedger {
  /// Confusions that occur, one row each.
  func confusionTable(_ weights: [TestedWeights]) -> TextTable {
    var table = TextTable(columns: ["checkpoint", "data_set", "set", "truth", "prediction", "images"])
    for (index, test) in tests.enumerated() {
      let matrix = counts(index).matrix
      for truth in 0..<matrix.classCount {
        for prediction in 0..<matrix.classCount where matrix[truth, prediction] > 0 {
          table.append([
            weights[test.weights].name, test.set.dataset.name, test.set.name, test.classNames[truth],
            test.classNames[prediction], "\(matrix[truth, prediction])",
          ])
        }
      }
    }
    return table
  }

  /// What is known of single images, as JSON Lines.
  func predictions(_ weights: [TestedWeights]) -> String {
    var lines = ""
    for (index, test) in tests.enumerated() {
      for chunk in outcomes[index] {
        for (position, (ranked, confidence)) in zip(chunk.range, zip(chunk.ranked, chunk.confidences)) {
          let item = test.items[position]
          let record: MetricRecord = [
            "checkpoint": .text(weights[test.weights].name), "data_set": .text(test.set.dataset.name),
            "set": .text(test.set.name), "path": .text(item.path), "label": .integer(item.label),
            "prediction": ranked.first.map { .integer($0) } ?? .null,
            "confidence": ranked.isEmpty
              ? .null : .double(Double(confidence) / Double(ImageOutcomes.wholeConfidence)),
            "top5": .list(ranked.map { .integer($0) }),
          ]
          lines += record.json + "\n"
        }
      }
    }
    return lines
  }
}

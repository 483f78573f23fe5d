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
        test.checkpoint, test.dataset, test.set, Readable.count(Int(test.images)), Readable.percent(test.top1),
        Readable.percent(test.top5), Readable.percent(test.macroF1), Readable.percent(test.calibrationError),
        test.skipped.isEmpty ? nil : "\(test.skipped.count)", test.stateWords,
      ])
      guard test.set == "new",
        let mean = harmonicMeans.first(where: { $0.checkpoint == test.checkpoint && $0.dataset == test.dataset })
      else { continue }
      table.append([test.checkpoint, test.dataset, "H", nil, Readable.percent(mean.accuracy), nil, nil, nil, nil, nil])
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
        average.checkpoint, name, set, nil, Readable.percent(top1), nil, Readable.percent(average.macroF1[set]), nil,
        nil,
        state == .finished ? state.rawValue : "partial (\(average.dataSets) of \(average.ofDataSets))",
      ])
    }
    if let mean = average.harmonicMean {
      table.append([average.checkpoint, name, "H", nil, Readable.percent(mean), nil, nil, nil, nil, nil])
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
    var table = TestPlace.classTable
    for test in tests {
      TestPlace(checkpoint: test.checkpoint, dataset: test.dataset, set: test.set).add(test.perClass, to: &table)
    }
    return table
  }
}

extension JobResults.Test {
  fileprivate var stateWords: String {
    state == .partial ? "partial (\(done) of \(total))" : state.rawValue
  }
}

extension EvaluationLedger {
  /// Confusions that occur, one row each.
  func confusionTable(_ weights: [TestedWeights]) -> TextTable {
    var table = TestPlace.confusionTable
    for (index, test) in tests.enumerated() {
      place(of: test, weights).add(counts(index).matrix, test.classNames, to: &table)
    }
    return table
  }

  /// What is known of single images, as JSON Lines.
  func predictions(_ weights: [TestedWeights]) -> String {
    tests.enumerated().map { index, test in
      outcomes[index].map { place(of: test, weights).predictions($0, of: test.items) }.joined()
    }.joined()
  }

  private func place(of test: JobTest, _ weights: [TestedWeights]) -> TestPlace {
    TestPlace(weights[test.weights].name, test.set)
  }
}

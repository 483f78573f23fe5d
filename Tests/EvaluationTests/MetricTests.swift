import Evaluation
import TestSupport
import Testing

/// Accuracy, macro-F1 and harmonic mean against scikit-learn (Tests/Reference/metrics_goldens.py).
@Suite struct MetricTests {
  struct Golden: Decodable {
    struct Prediction: Decodable {
      let name: String
      let classes: Int
      let labels, predictions: [Int]
      let accuracy: Double
      let macroF1: Double

      enum CodingKeys: String, CodingKey {
        case name, classes, labels, predictions, accuracy
        case macroF1 = "macro_f1"
      }
    }
    let predictions: [Prediction]
  }

  @Test func metricsMatchScikitLearn() throws {
    let golden = try Goldens.json("metrics/metrics.json", as: Golden.self, keys: .useDefaultKeys)
    #expect(golden.predictions.count > 5)
    for sample in golden.predictions {
      var matrix = ConfusionMatrix(classCount: sample.classes)
      for (truth, prediction) in zip(sample.labels, sample.predictions) {
        matrix.add(truth: truth, prediction: prediction)
      }
      #expect(matrix.total == Int64(sample.labels.count))
      // Ratios of the same integers: only their summation may round.
      #expect(abs((matrix.accuracy ?? .nan) - sample.accuracy) < 1e-14, "\(sample.name)")
      #expect(abs((matrix.macroF1 ?? .nan) - sample.macroF1) < 1e-14, "\(sample.name)")
    }
  }

  @Test func nothingTestedHasNoAccuracy() {
    #expect(ConfusionMatrix(classCount: 3).accuracy == nil)
    #expect(ConfusionMatrix(classCount: 3).macroF1 == nil)
  }

  @Test(arguments: [(80.0, 60.0, 68.57142857142857), (0, 50, 0), (0, 0, 0), (70, 70, 70)])
  func harmonicMeans(base: Double, new: Double, mean: Double) {
    #expect(abs(harmonicMean(base, new) - mean) < 1e-12)
  }
}

import Foundation
import Reporting

/// Forecasts of Skip Tuning beside full fine-tuning, for people and for programs.
public struct PlanReport: Sendable {
  /// Skip Tuning's forecasts.
  public let skipTuning: ScalingStudy
  /// Full fine-tuning's, at the same numbers of ranks.
  public let fullFineTuning: ScalingStudy

  /// Both methods under the same conditions.
  public init(_ scenario: Scenario, on machine: MachineProfile, ranks: [Int]) {
    skipTuning = ScalingStudy(scenario, on: machine, ranks: ranks)
    var full = scenario
    full.method = .fullFineTuning
    full.keptClasses = nil
    fullFineTuning = ScalingStudy(full, on: machine, ranks: ranks)
  }

  private var studies: [(title: String, study: ScalingStudy)] {
    [("Skip Tuning", skipTuning), ("Full fine-tuning", fullFineTuning)]
  }

  /// Tables and sentences for a terminal.
  public var terminal: String {
    studies.map { "\($0.title)\n\n\(table($0.study).terminal)\n\(words($0.study))\n" }.joined(separator: "\n")
      + "\n\(comparison)\n"
  }

  /// The same as Markdown.
  public var markdown: String {
    studies.map { "### \($0.title)\n\n\(table($0.study).markdown)\n\(words($0.study))\n" }.joined(separator: "\n")
      + "\n\(comparison)\n"
  }

  private func words(_ study: ScalingStudy) -> String { study.words.joined(separator: "\n") }

  private func table(_ study: ScalingStudy) -> TextTable {
    var table = TextTable(columns: [
      "ranks", "images/rank", "compute", "exchange", "waited for", "step", "features", "images/s", "efficiency",
      "sent/rank", "memory/rank", "checkpoint/rank",
    ])
    for forecast in study.forecasts {
      table.append([
        Readable.count(forecast.ranks), Readable.count(forecast.imagesPerRank),
        Readable.seconds(forecast.compute + forecast.update), Readable.seconds(forecast.exchange),
        Readable.seconds(forecast.exposed + forecast.messages), Readable.seconds(forecast.step),
        Readable.seconds(forecast.features), Readable.fixed(forecast.imagesPerSecond, 1),
        Readable.fixed(100 * study.efficiency(forecast), 1) + "%", Readable.bytes(Int(forecast.sentBytes)),
        Readable.bytes(forecast.memory.total),
        "\(Readable.bytes(Int(forecast.checkpointBytes))) in \(Readable.seconds(forecast.checkpointSeconds))",
      ])
    }
    return table
  }

  /// What skipping saves, where it is most and least.
  private var comparison: String {
    let pairs = zip(skipTuning.forecasts, fullFineTuning.forecasts)
    let gains = pairs.map { (ranks: $0.ranks, times: ($1.step + $1.features) / ($0.step + $0.features)) }
    guard let least = gains.min(by: { $0.times < $1.times }), let most = gains.max(by: { $0.times < $1.times }) else {
      return ""
    }
    func times(_ gain: (ranks: Int, times: Double)) -> String {
      "\(Readable.fixed(gain.times, 1)) times at \(Readable.count(gain.ranks)) \(gain.ranks == 1 ? "rank" : "ranks")"
    }
    let range = least.ranks == most.ranks ? times(least) : "\(times(least)) to \(times(most))"
    return "An image takes full fine-tuning \(range) as long, features included."
  }
}

// MARK: - JSON

extension PlanReport {
  private struct Document: Encodable {
    let skipTuning, fullFineTuning: [Row]
    let words: [String: [String]]
  }

  private struct Row: Encodable {
    let ranks, nodes, globalBatch, imagesPerRank, keptClasses, textsPerRank, operationsPerRank: Int
    let computeSeconds, updateSeconds, exchangeSeconds, exposedSeconds, messageSeconds, stepSeconds,
      featureSeconds: Double
    let imagesPerSecond, efficiency, sentBytesPerStep: Double
    let memoryBytes, weightBytes, gradientBytes, momentumBytes, activationBytes, featureBytes: Int
    let checkpointBytes, checkpointSeconds: Double
  }

  private static func rows(_ study: ScalingStudy) -> [Row] {
    study.forecasts.map { forecast in
      Row(
        ranks: forecast.ranks, nodes: forecast.nodes, globalBatch: forecast.globalBatch,
        imagesPerRank: forecast.imagesPerRank, keptClasses: forecast.keptClasses, textsPerRank: forecast.textsPerRank,
        operationsPerRank: forecast.operations, computeSeconds: forecast.compute, updateSeconds: forecast.update,
        exchangeSeconds: forecast.exchange, exposedSeconds: forecast.exposed, messageSeconds: forecast.messages,
        stepSeconds: forecast.step, featureSeconds: forecast.features, imagesPerSecond: forecast.imagesPerSecond,
        efficiency: study.efficiency(forecast), sentBytesPerStep: forecast.sentBytes,
        memoryBytes: forecast.memory.total, weightBytes: forecast.memory.weights,
        gradientBytes: forecast.memory.gradients, momentumBytes: forecast.memory.momentum,
        activationBytes: forecast.memory.activations, featureBytes: forecast.memory.features,
        checkpointBytes: forecast.checkpointBytes, checkpointSeconds: forecast.checkpointSeconds)
    }
  }

  /// Sorted, indented JSON with `snake_case` keys; seconds and bytes.
  public func json() throws -> Data {
    try ReportJSON.document(
      Document(
        skipTuning: Self.rows(skipTuning), fullFineTuning: Self.rows(fullFineTuning),
        words: ["skip_tuning": skipTuning.words, "full_fine_tuning": fullFineTuning.words]))
  }
}

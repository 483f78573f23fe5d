import Reporting

extension RunResults {
  /// Accuracy and macro-F1 before and after, in percent, one row per test set.
  public var table: TextTable {
    var table = TextTable(columns: ["test", "images", "zero-shot", "tuned", "change", "zero-shot F1", "tuned F1"])
    for name in ["base", "new", "all"] {
      let (before, after) = (zeroShot?.scores[name], tuned?.scores[name])
      guard let either = before ?? after else { continue }
      table.append([
        name, Readable.count(Int(either.images)), Readable.percent(before?.accuracy), Readable.percent(after?.accuracy),
        change(before?.accuracy, after?.accuracy), Readable.percent(before?.macroF1), Readable.percent(after?.macroF1),
      ])
    }
    let (before, after) = (zeroShot?.harmonicMean, tuned?.harmonicMean)
    if before != nil || after != nil {
      table.append(["H", nil, Readable.percent(before), Readable.percent(after), change(before, after), nil, nil])
    }
    return table
  }

  /// The table, and what the run took, as lines for a terminal.
  public var summary: [String] {
    let cost = training
    var lines = table.terminal.split(separator: "\n").map(String.init)
    lines.append(
      "trained \(Readable.count(cost.trainedParameters)) of \(Readable.count(cost.totalParameters)) parameters, "
        + "\(Readable.count(cost.steps)) steps on \(ranks) \(ranks == 1 ? "rank" : "ranks") x \(threadsPerRank) "
        + (threadsPerRank == 1 ? "thread" : "threads"))
    lines.append(
      "reduced per step: \(traffic) (full fine-tuning: \(Readable.bytes(cost.fullFineTuningBytesPerStep)) of gradients)"
        + (ranks == 1 ? "" : "; sent per step by each rank: \(Readable.bytes(Int(cost.sentBytesPerStep.rounded())))")
    )
    if ranks > 1, let times = cost.exchangeSecondsPerStep, !times.isEmpty {
      lines.append("exchange per step, with waiting: " + words(of: times))
    }
    lines.append(
      "features \(Readable.seconds(cost.extractionSeconds)), steps \(Readable.seconds(cost.stepSeconds))"
        + (cost.medianStepSeconds.map { " (median \(Readable.seconds($0)))" } ?? "")
        + ", peak memory \(Readable.bytes(Int(cost.peakMemoryBytes))) per rank")
    if let checkpoints = checkpoints.summary { lines.append(checkpoints) }
    if let best {
      lines.append(
        "best by \(best.metric.replacing("_", with: " ")): \(best.checkpoint), \(Readable.fixed(best.value, 2))%"
          + (stoppedEarly == true ? "; training was stopped, as it got no better" : ""))
    }
    return lines
  }

  /// Counted bytes by purpose, most first.
  private var traffic: String {
    training.reducedBytesPerStep.isEmpty
      ? "nothing"
      : training.reducedBytesPerStep.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        .map { "\(Readable.bytes($0.value)) of \($0.key.replacing("_", with: " "))" }
        .joined(separator: ", ")
  }

  /// Times by purpose, longest first.
  private func words(of times: [String: Double]) -> String {
    times.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "\(Readable.seconds($0.value)) for \($0.key.replacing("_", with: " "))" }
      .joined(separator: ", ")
  }

  private func change(_ before: Double?, _ after: Double?) -> String? {
    guard let before, let after else { return nil }
    return (after < before ? "" : "+") + Readable.fixed(after - before, 2)
  }
}

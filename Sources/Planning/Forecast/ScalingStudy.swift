import Reporting

/// Forecasts over numbers of ranks, and what they mean in words.
public struct ScalingStudy: Sendable {
  /// What is trained.
  public let scenario: Scenario
  /// What it is trained on.
  public let machine: MachineProfile
  /// The numbers of ranks that were asked for, ascending.
  public let ranks: [Int]
  /// Forecasts, of the numbers of ranks that have enough images.
  public let forecasts: [Forecast]
  private let alone: Forecast

  /// Least efficiency at which ranks are still called well used.
  public static let goodEfficiency = 0.5

  /// Forecasts for each number of ranks.
  public init(_ scenario: Scenario, on machine: MachineProfile, ranks: [Int]) {
    self.scenario = scenario
    self.machine = machine
    self.ranks = Set(ranks).sorted()
    forecasts = self.ranks.compactMap { Forecast(scenario, on: machine, ranks: $0) }
    alone = Forecast(scenario, on: machine, ranks: 1)!
  }

  /// Images a second and rank, beside those of one rank alone.
  public func efficiency(_ forecast: Forecast) -> Double {
    forecast.imagesPerSecond / Double(forecast.ranks) / alone.imagesPerSecond
  }

  /// The most ranks of those asked for that are well used; nil where none are.
  public var lastGood: Forecast? { forecasts.last { efficiency($0) >= Self.goodEfficiency } }

  /// The forecast with the most images a second.
  public var fastest: Forecast? { forecasts.max { $0.imagesPerSecond < $1.imagesPerSecond } }

  /// Where it stops scaling, why, and what would change that, as sentences.
  public var words: [String] { [limitWords] + emptyRanksWords + adviceWords }

  /// The first forecast whose ranks are no longer well used.
  private var firstPoor: Forecast? { forecasts.first { efficiency($0) < Self.goodEfficiency } }

  private var limitWords: String {
    guard let last = forecasts.last else { return "No number of ranks asked for has enough images in a step." }
    guard let poor = firstPoor else {
      return "Scales to all \(Readable.count(last.ranks)) ranks asked for: "
        + "\(percent(efficiency(last))) efficiency, \(Readable.rate(last.imagesPerSecond, "image"))."
        + (efficiency(last) > 1 ? " (One rank alone runs all texts, which many share.)" : "")
    }
    let until =
      lastGood.map {
        $0.ranks < poor.ranks
          ? "Scales to \(Readable.count($0.ranks)) ranks (\(percent(efficiency($0))) efficiency)" : ""
      } ?? ""
    return (until.isEmpty ? "Does not scale" : until) + "; at \(Readable.count(poor.ranks)) it is "
      + "\(percent(efficiency(poor))): of a step of \(Readable.seconds(poor.step)), \(reason(poor))."
      + (fastest.map { " Most images a second: \(Readable.count($0.ranks)) ranks." } ?? "")
  }

  private func reason(_ forecast: Forecast) -> String {
    let waiting = forecast.exposed + forecast.messages
    let parts = [
      (forecast.compute, "\(Readable.seconds(forecast.compute)) are computing that more ranks do not divide"),
      (
        waiting,
        "\(Readable.seconds(waiting)) are waiting for the exchange of \(Readable.bytes(Int(forecast.sentBytes)))"
      ),
      (forecast.update, "\(Readable.seconds(forecast.update)) are the optimiser's pass"),
    ]
    return parts.max { $0.0 < $1.0 }!.1
  }

  private var emptyRanksWords: [String] {
    guard let tooMany = ranks.first(where: { Forecast(scenario, on: machine, ranks: $0) == nil }) else { return [] }
    return [
      "From \(Readable.count(tooMany)) ranks on a step has fewer images than ranks: give --batch-per-rank, or a larger "
        + "--batch."
    ]
  }

  /// Changes that help at the first number of ranks that are poorly used, each alone, best first.
  private var adviceWords: [String] {
    guard let poor = firstPoor else { return [] }
    let now = efficiency(poor)
    let gains = changes(poor).compactMap { change -> (Double, String)? in
      var scenario = scenario
      change.apply(&scenario)
      let study = ScalingStudy(scenario, on: machine, ranks: [poor.ranks])
      guard let forecast = study.forecasts.first else { return nil }
      // Against the one rank of today, as the change may slow that one down too.
      let then = forecast.imagesPerSecond / Double(forecast.ranks) / alone.imagesPerSecond
      return then > 1.05 * now ? (then, "\(change.words): \(percent(then))") : nil
    }
    guard !gains.isEmpty else { return ["No single change helps much there: use fewer ranks."] }
    let list = gains.sorted { $0.0 > $1.0 }.map(\.1).joined(separator: "; ")
    return ["At \(Readable.count(poor.ranks)) ranks instead of \(percent(now)): \(list)."]
  }

  private struct Change {
    let words: String
    let apply: (inout Scenario) -> Void
  }

  private func changes(_ poor: Forecast) -> [Change] {
    let exchange = scenario.exchange
    let larger = 4 * poor.imagesPerRank
    return [
      Change(words: "\(larger) images a rank and step") { $0.batch = .perRank(larger) },
      exchange.bytesPerElement > 2 ? Change(words: "bf16 exchange") { $0.exchange.bytesPerElement = 2 } : nil,
      exchange.overlaps ? nil : Change(words: "overlap") { $0.exchange.overlaps = true },
      exchange.isClassParallel
        ? nil : Change(words: "texts divided among ranks") { $0.exchange.isClassParallel = true },
      exchange.isSharded ? nil : Change(words: "sharded update") { $0.exchange.isSharded = true },
      exchange.isTwoLevel || scenario.ranksPerNode == 1
        ? nil : Change(words: "two-level exchange") { $0.exchange.isTwoLevel = true },
      Change(words: "buckets of \(Readable.bytes(16 * exchange.bucketBytes))") { $0.exchange.bucketBytes *= 16 },
      Change(words: "an exchange every \(8 * exchange.localSteps) steps") { $0.exchange.localSteps *= 8 },
    ].compactMap { $0 }
  }

  private func percent(_ share: Double) -> String { Readable.fixed(100 * share, share < 0.0995 ? 1 : 0) + "%" }
}

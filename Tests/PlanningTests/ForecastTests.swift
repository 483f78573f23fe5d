import CLIPModel
import SkipTuning
import Testing

@testable import Planning

/// Forecasts against what can be worked out by hand.
@Suite struct ForecastTests {
  /// A machine of round numbers: a link of 1 ms and 100 MB/s between hosts, 1 GB/s within.
  private static let machine = MachineProfile(
    threads: 1, ranksPerNode: 1, products: [.init(rows: 512, operations: 1e11)], attention: 1e11, elements: 1e10,
    update: 1e10, memory: 1e12, node: .init(latency: 1e-6, bandwidth: 1e9),
    network: .init(latency: 1e-3, bandwidth: 1e8))

  private static func scenario(_ batch: Scenario.Batch = .perRank(4)) throws -> Scenario {
    Scenario(
      try CLIPPresets.configuration(named: "ViT-B/16"), .skipTuning(startLayer: 6, .init()),
      classes: PromptSet(count: 100, length: 10, shared: 5), batch: batch, epochImages: 400)
  }

  private static func exchange(ranks: Int, perNode: Int = 1, twoLevel: Bool = true) -> ExchangeModel {
    ExchangeModel(machine: machine, ranks: ranks, ranksPerNode: perNode, isTwoLevel: twoLevel, isDirect: false)
  }

  @Test func exchangesTakeLatencyAndBytes() {
    // Four hosts: two rounds of 1 ms, and three quarters of 100 MB at 100 MB/s; the addition is 0.225 GB at 1 TB/s.
    #expect(abs(Self.exchange(ranks: 4).gather(bytes: 1e8) - 0.752) < 1e-9)
    #expect(abs(Self.exchange(ranks: 4).reduceScatter(bytes: 1e8) - 0.752225) < 1e-9)
    #expect(Self.exchange(ranks: 1).reduceScatter(bytes: 1e8) == 0)
    // Two nodes of two: half of the buffer within each, then half of it between them.
    #expect(abs(Self.exchange(ranks: 4, perNode: 2).gather(bytes: 1e8) - (1e-6 + 0.05 + 1e-3 + 0.5)) < 1e-9)
    #expect(abs(Self.exchange(ranks: 4, perNode: 2, twoLevel: false).gather(bytes: 1e8) - 0.752) < 1e-9)
    #expect(abs(Self.exchange(ranks: 2, perNode: 2).gather(bytes: 1e8) - (1e-6 + 0.05)) < 1e-9)
    #expect(Self.exchange(ranks: 5, perNode: 2).nodes == 3)
    // Directly: one latency, and three messages' cost of 5 us.
    let direct = ExchangeModel(machine: Self.machine, ranks: 4, ranksPerNode: 1, isTwoLevel: true, isDirect: true)
    #expect(abs(direct.gather(bytes: 1e8) - (1e-3 + 3 * 5e-6 + 0.75)) < 1e-9)
    // Within a node nothing is sent: gradients are added up in memory.
    let within = ExchangeModel(machine: Self.machine, ranks: 4, ranksPerNode: 4, isTwoLevel: true, isDirect: true)
    #expect(within.gather(bytes: 1e8) == 0 && abs(within.reduceScatter(bytes: 1e8) - 0.000225) < 1e-9)
    #expect(Self.exchange(ranks: 4).sentBytes(1e6) == 1.5e6)
  }

  @Test func bucketsWaitForGradientsAndForEachOther() {
    let pieces = [(1.0, 10.0), (1, 10), (1, 10), (1, 5)].map { OverlapTimeline.Piece(seconds: $0, bytes: $1) }
    // Buckets of 20 and 15 bytes, ready at 2 and 4; 0.1 s a byte: done at 4 and 5.5.
    #expect(abs(OverlapTimeline.waitAfterBackward(pieces, bucket: 20) { $0 * 0.1 } - 1.5) < 1e-9)
    // A fast link has only the last bucket to wait for, whatever its size.
    #expect(abs(OverlapTimeline.waitAfterBackward(pieces, bucket: 20) { $0 * 0.01 } - 0.15) < 1e-9)
    #expect(OverlapTimeline.waitAfterBackward([], bucket: 20) { $0 } == 0)
    // Parameters of the first piece are always waited for; the others arrive while it computes.
    #expect(abs(OverlapTimeline.waitDuringForward(pieces) { $0 * 0.01 } - 0.1) < 1e-9)
    // 10 bytes a second: arrivals at 10, 20, 30, 35, and a second of computing after the last.
    #expect(abs(OverlapTimeline.waitDuringForward(pieces) { $0 } - 32) < 1e-9)
  }

  @Test func oneRankComputesAndWaitsForNothing() throws {
    let scenario = try Self.scenario()
    let forecast = try #require(Forecast(scenario, on: Self.machine, ranks: 1))
    let work = StepWork(
      scenario.configuration, startLayer: 6, images: 4, texts: scenario.classes.batch(of: forecast.keptClasses),
      keptClasses: forecast.keptClasses, classCount: 100)
    let seconds = Double(work.total.operations) / 1e11 + Double(work.total.elementBytes) / 1e10
    #expect(abs(forecast.compute / seconds - 1) < 1e-9)
    #expect(abs(forecast.update - 20 * 62_099_456 / 1e10) < 1e-9)
    #expect(forecast.exchange == 0 && forecast.exposed == 0 && forecast.messages == 0 && forecast.sentBytes == 0)
    // CSkip keeps 50 of 100 and, of the others, as many as its chances add up to: docs/benchmarks.md counted 52.
    #expect((51...54).contains(forecast.keptClasses))
    #expect(abs(forecast.checkpointBytes * 1.65 - 8 * 62_099_456) < 1)
  }

  @Test func moreRanksShareOutTextsUpdateAndMomentum() throws {
    let scenario = try Self.scenario()
    let (one, four) = try (
      #require(Forecast(scenario, on: Self.machine, ranks: 1)), #require(Forecast(scenario, on: Self.machine, ranks: 4))
    )
    #expect(four.textsPerRank == (one.keptClasses + 3) / 4)
    #expect(four.memory.momentum == 62_099_456 && one.memory.momentum == 4 * 62_099_456)
    #expect(four.globalBatch == 16 && four.imagesPerRank == 4)
    #expect(four.compute < one.compute)
    var plain = scenario
    plain.exchange.isClassParallel = false
    plain.exchange.isSharded = false
    let unshared = try #require(Forecast(plain, on: Self.machine, ranks: 4))
    // A rank that is alone need not look through its gradients before.
    #expect(unshared.compute == one.compute && abs(unshared.update / one.update - 24.0 / 20) < 1e-9)
    #expect(unshared.memory.gradients == 4 * 62_099_456 && four.memory.gradients == 4 * 62_099_456)
    // The image encoder's blocks are the largest layers: 12 w^2 + 13 w.
    #expect(one.memory.gradients == 4 * (12 * 768 * 768 + 13 * 768))
    #expect(unshared.memory.momentum == one.memory.momentum)
  }

  @Test func overlapHidesNoMoreThanItsShareAndBf16HalvesTheBytes() throws {
    var scenario = try Self.scenario()
    let overlapped = try #require(Forecast(scenario, on: Self.machine, ranks: 8))
    scenario.exchange.overlaps = false
    let open = try #require(Forecast(scenario, on: Self.machine, ranks: 8))
    #expect(open.exposed == open.exchange && open.exchange == overlapped.exchange)
    #expect(overlapped.exposed < open.exposed && overlapped.exposed > 0.2 * open.exposed)
    scenario.exchange.bytesPerElement = 2
    let half = try #require(Forecast(scenario, on: Self.machine, ranks: 8))
    #expect(abs(half.exchange / open.exchange - 0.5) < 0.01)
    scenario.exchange.localSteps = 4
    let rare = try #require(Forecast(scenario, on: Self.machine, ranks: 8))
    #expect(abs(rare.exchange / half.exchange - 0.25) < 1e-9)
    #expect(rare.exposed == rare.exchange, "averages are not hidden")
    #expect(abs(rare.sentBytes / half.sentBytes - 0.25) < 0.01)
    // Each host keeps all momentum, and what it averaged last.
    #expect(rare.memory.momentum > 2 * half.memory.momentum && rare.compute > half.compute)
  }

  @Test func featuresTakeWhatIsKeptInMemory() throws {
    var scenario = try Self.scenario()
    let whole = try #require(Forecast(scenario, on: Self.machine, ranks: 2)).memory.features
    // 200 images of 197 tokens and 768 floats; the texts of 100 classes stay as they are.
    let images = 200 * 197 * 768
    scenario.features.bytesPerElement = 2
    #expect(try #require(Forecast(scenario, on: Self.machine, ranks: 2)).memory.features == whole - 2 * images)
    scenario.features.memoryBytes = 1_000_000
    let bounded = try #require(Forecast(scenario, on: Self.machine, ranks: 2)).memory.features
    #expect(bounded == whole - 4 * images + 1_000_000)
  }

  @Test func aStepNeedsAnImageForEachRank() throws {
    let scenario = try Self.scenario(.global(4))
    #expect(Forecast(scenario, on: Self.machine, ranks: 4)?.imagesPerRank == 1)
    #expect(Forecast(scenario, on: Self.machine, ranks: 3)?.imagesPerRank == 2)
    #expect(Forecast(scenario, on: Self.machine, ranks: 5) == nil)
    let study = ScalingStudy(scenario, on: Self.machine, ranks: [1, 4, 8, 16])
    #expect(study.forecasts.map(\.ranks) == [1, 4])
    #expect(study.words.contains { $0.contains("From 8 ranks on") })
  }

  @Test func wordsNameTheLimitAndChangesThatHelp() throws {
    let study = ScalingStudy(try Self.scenario(.perRank(1)), on: Self.machine, ranks: [1, 2, 4, 8, 16, 1024])
    let poor = try #require(study.forecasts.first { study.efficiency($0) < 0.5 })
    let words = study.words.joined(separator: "\n")
    #expect(words.contains("at \(poor.ranks) it is") && words.contains("waiting for the exchange"))
    #expect(words.contains("bf16 exchange") && words.contains("images a rank and step"))
    var fast = Self.machine
    fast.network = .init(latency: 1e-6, bandwidth: 1e11)
    #expect(ScalingStudy(try Self.scenario(), on: fast, ranks: [1, 1024]).words[0].hasPrefix("Scales to all 1,024"))
  }

  @Test func fullFineTuningComputesAndSendsMore() throws {
    let report = PlanReport(try Self.scenario(), on: Self.machine, ranks: [1, 8, 100_000])
    for (skip, full) in zip(report.skipTuning.forecasts, report.fullFineTuning.forecasts) {
      #expect(full.compute > skip.compute && full.trainedParameters == 149_620_736)
      // Small messages aside, bytes go as trained parameters do.
      #expect(skip.ranks == 1 || abs(full.sentBytes / skip.sentBytes - 149_620_736.0 / 62_099_456) < 0.01)
    }
    #expect(report.skipTuning.forecasts.last?.ranks == 100_000)
    let text = try String(decoding: report.json(), as: UTF8.self)
    #expect(text.contains("\"full_fine_tuning\"") && text.contains("\"images_per_second\""))
  }

  @Test func ratesAreInterpolatedOverRows() {
    var machine = Self.machine
    machine.products = [.init(rows: 10, operations: 10), .init(rows: 1000, operations: 30)]
    #expect(machine.productRate(rows: 1) == 10 && machine.productRate(rows: 5000) == 30)
    #expect(abs(machine.productRate(rows: 100) - 20) < 1e-9)
    #expect(machine.productRate(rows: 0) == 10)
  }
}

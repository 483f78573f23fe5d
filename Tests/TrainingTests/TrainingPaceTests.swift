import Testing

@testable import Training

@Suite struct TrainingPaceTests {
  private func standing(_ loss: Double?, batch: Int, left: Int) -> TrainingPace.Standing {
    TrainingPace.Standing(loss: loss, globalBatch: batch, stepsLeft: left)
  }

  @Test func ratesAreThoseOfTheLastSteps() {
    var pace = TrainingPace()
    #expect(pace.words(standing(nil, batch: 8, left: 9), elapsed: .zero).isEmpty)
    for _ in 0..<10 { pace.add(seconds: 100, sentBytes: 1) }
    for _ in 0..<32 { pace.add(seconds: 0.1, sentBytes: 120_000) }
    #expect(
      pace.words(standing(0.12341, batch: 8, left: 21), elapsed: .seconds(84))
        == "loss 0.1234, 42.0 s left, 80.0 images/s, 1.2 MB/s sent")
  }

  @Test func aRankAloneSendsNothingAndWaitsForNobody() {
    var pace = TrainingPace()
    pace.add(seconds: 0.5, sentBytes: 0)
    var standing = standing(1, batch: 4, left: 0)
    standing.balance = RankBalance(seconds: [2])
    #expect(pace.words(standing, elapsed: .seconds(1)) == "loss 1.0000, 8.0 images/s")
  }

  @Test func theBriefFormFitsAnOrdinaryTerminalButForWhatIsSent() {
    var pace = TrainingPace()
    for _ in 0..<32 { pace.add(seconds: 0.1, sentBytes: 120_000) }
    var standing = standing(0.12341, batch: 64, left: 3200)
    standing.accuracy = 93.2
    standing.balance = RankBalance(seconds: [1, 1, 0.91])
    #expect(
      pace.words(standing, elapsed: .seconds(2))
        == "loss 0.1234, accuracy 93.20%, 3 min 20 s left, 640 images/s, balance 97%, 1.2 MB/s sent")
    let brief = pace.words(standing, elapsed: .seconds(2), isBrief: true)
    #expect(brief == "loss 0.1234, acc 93.2%, 3 min 20 s left, 640 img/s, bal 97%, 1.2 MB/s")
    #expect("epoch 2/20  70%  ".count + brief.count - ", 1.2 MB/s".count <= 79)
  }

  @Test func slowImagesHaveSeconds() {
    var pace = TrainingPace()
    pace.add(seconds: 8, sentBytes: 0)
    #expect(pace.words(standing(1, batch: 4, left: 0), elapsed: .seconds(8), isBrief: true) == "loss 1.0000, 2.0 s/img")
  }
}

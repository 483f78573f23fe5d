import Testing

@testable import Training

@Suite struct TrainingPaceTests {
  @Test func ratesAreThoseOfTheLastSteps() {
    var pace = TrainingPace()
    #expect(pace.words(loss: nil, globalBatch: 8, stepsLeft: 9, elapsed: .zero).isEmpty)
    for _ in 0..<10 { pace.add(seconds: 100, sentBytes: 1) }
    for _ in 0..<32 { pace.add(seconds: 0.1, sentBytes: 120_000) }
    #expect(
      pace.words(loss: 0.12341, globalBatch: 8, stepsLeft: 21, elapsed: .seconds(84))
        == "loss 0.1234, 80.0 images/s, 1.2 MB/s sent, all done in 42.0 s")
  }

  @Test func aRankAloneSendsNothing() {
    var pace = TrainingPace()
    pace.add(seconds: 0.5, sentBytes: 0)
    #expect(pace.words(loss: 1, globalBatch: 4, stepsLeft: 0, elapsed: .seconds(1)) == "loss 1.0000, 8.0 images/s")
  }
}

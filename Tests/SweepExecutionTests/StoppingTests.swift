import Foundation
import Sweeps
import TestSupport
import Testing

@testable import SweepExecution

@Suite struct StoppingTests {
  private func scores(_ values: [(String, Int, Double)]) -> RungScores {
    RungScores(
      values.map { trial, epoch, value in
        var event = SweepEvent(event: .judged, trial: trial, holder: "h")
        (event.epoch, event.value) = (epoch, value)
        return event
      })
  }

  @Test func rungsArePowersOfTheReduction() {
    let halving = SweepStopping.halving(reduction: 3, firstEpochs: 2)
    #expect(halving.rungs(below: 20) == [2, 6, 18])
    #expect(halving.rungs(below: 18) == [2, 6], "the last epoch needs no judge")
    #expect(SweepStopping.median(firstEpochs: 3, leastTrials: 1).rungs(below: 6) == [3, 4, 5])
    #expect(SweepStopping.median(firstEpochs: 6, leastTrials: 1).rungs(below: 6).isEmpty)
    #expect(SweepStopping.none.rungs(below: 6).isEmpty)
  }

  /// The first to come goes on, as nobody can say whether it is good; later ones by the rule of the paper.
  @Test func oneInSoManyGoesOn() {
    let rule = SweepStopping.halving(reduction: 2, firstEpochs: 1)
    let others = scores([("a", 1, 50), ("b", 1, 60), ("c", 1, 70), ("a", 2, 99)])
    func goesOn(_ value: Double, _ isBetter: (Double, Double) -> Bool = { $0 > $1 }) -> Bool {
      rule.goesOn("d", at: 1, value: value, others, isBetter)
    }
    #expect(rule.goesOn("a", at: 1, value: 1, scores([]), { $0 > $1 }))
    #expect(goesOn(65) && goesOn(71) && !goesOn(55))
    #expect(goesOn(70) && goesOn(60) && !goesOn(50), "one that is as good is not worse")
    #expect(goesOn(55) { $0 < $1 } && !goesOn(65) { $0 < $1 })
    #expect(!goesOn(.nan) { left, right in left.isFinite && (!right.isFinite || left > right) })
    let few = scores([("a", 1, 50)])
    #expect(
      rule.goesOn("b", at: 1, value: 51, few, { $0 > $1 }) && !rule.goesOn("b", at: 1, value: 49, few, { $0 > $1 }))
  }

  @Test func whatIsWorseThanTheMedianStops() {
    let rule = SweepStopping.median(firstEpochs: 1, leastTrials: 3)
    // Means up to epoch 2: 50, 60, 70; d has not come so far.
    let others = scores([
      ("a", 1, 40), ("a", 2, 60), ("b", 1, 60), ("b", 2, 60), ("c", 1, 80), ("c", 2, 60), ("c", 3, 0), ("d", 1, 99),
    ])
    #expect(!rule.goesOn("e", at: 2, value: 59, others, { $0 > $1 }))
    #expect(rule.goesOn("e", at: 2, value: 60, others, { $0 > $1 }))
    let better = scores([
      ("a", 2, 50), ("b", 2, 60), ("c", 2, 70), ("e", 1, 61),
    ])
    #expect(rule.goesOn("e", at: 2, value: 10, better, { $0 > $1 }), "its best value counts, not its last")
    #expect(rule.goesOn("e", at: 2, value: 0, scores([("a", 2, 50), ("b", 2, 60)]), { $0 > $1 }), "too few to say")
  }

  /// 81 trials whose order does not change: the best one always comes through, with a part of the epochs of all.
  @Test func theBestComesThrough() {
    let rule = SweepStopping.halving(reduction: 3, firstEpochs: 1)
    for seed in 0..<20 {
      var generator = SplitMix(state: UInt64(seed))
      let order = Array(0..<81).shuffled(using: &generator)
      var (known, epochs, winner): ([(String, Int, Double)], Int, Int) = ([], 0, -1)
      for quality in order {
        var done = 81
        for rung in rule.rungs(below: 81).sorted() {
          let value = Double(quality) + log(Double(rung))
          let goesOn = rule.goesOn("\(quality)", at: rung, value: value, scores(known), { $0 > $1 })
          known.append(("\(quality)", rung, value))
          if !goesOn {
            done = rung
            break
          }
        }
        epochs += done
        if done == 81 { winner = max(winner, quality) }
      }
      #expect(winner == 80)
      #expect(epochs < 81 * 81 / 3, "one after the other saves least, and still most: \(epochs)")
    }
  }

  @Test func aDecisionIsMadeOnce() throws {
    try withScratchFolder { folder in
      let journal = try SweepJournal(in: folder, holder: "h")
      let book = RungBook(folder, journal, SweepMetric(.harmonicMean), .halving(reduction: 2, firstEpochs: 1))
      func outcome(_ number: Int, _ value: Double) -> TrialOutcome {
        TrialOutcome(
          Trial(number: number, settings: []), .stopped, attempts: 1, epochs: 1, metrics: ["harmonic_mean": value])
      }
      #expect(try book.goesOn(outcome(1, 50), isRevived: false))
      #expect(try book.goesOn(outcome(2, 60), isRevived: false))
      #expect(try !book.goesOn(outcome(3, 40), isRevived: false))
      // A job that was killed asks again, when others have come that would change the answer.
      #expect(try book.goesOn(outcome(1, 50), isRevived: false))
      #expect(try !book.goesOn(outcome(3, 40), isRevived: false))
      #expect(try book.goesOn(outcome(3, 40), isRevived: true))
      #expect(try SweepJournal.events(of: folder).count == 3)
    }
  }
}

/// Random numbers that are the same everywhere.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}

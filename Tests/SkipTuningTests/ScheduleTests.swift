import Optimization
import TestSupport
import Testing

/// Learning rates against Tests/Reference/schedule_goldens.py.
@Suite struct ScheduleTests {
  struct Golden: Decodable {
    struct Row: Decodable {
      let epochs, warmupEpochs: Int
      let baseRate, warmupRate: Double
      let rates: [Double]
    }
    struct Scaled: Decodable {
      let scaling: String
      let batch, baseBatch, epochs, warmupEpochs: Int
      let unscaledRate, warmupRate: Double
      let rates: [Double]
    }
    let published: [Row]
    let random: [Row]
    let scaled: [Scaled]
  }

  @Test func ratesMatchTheReference() throws {
    let golden = try Goldens.json("schedule/schedule.json", as: Golden.self)
    #expect(!golden.published.isEmpty && !golden.random.isEmpty)
    for row in golden.published + golden.random {
      let schedule = LearningRateSchedule(
        base: row.baseRate, epochs: row.epochs, warmupEpochs: row.warmupEpochs, warmupRate: row.warmupRate)
      for (epoch, rate) in row.rates.enumerated() {
        #expect(abs(schedule.rate(epoch: epoch) - rate) <= 1e-12 * row.baseRate)
      }
    }
  }

  @Test func scaledRatesMatchTheReference() throws {
    let golden = try Goldens.json("schedule/schedule.json", as: Golden.self)
    #expect(Set(golden.scaled.map(\.scaling)) == Set(LearningRateScaling.allCases.map(\.rawValue)))
    for row in golden.scaled {
      let scaling = try #require(LearningRateScaling(rawValue: row.scaling))
      let schedule = LearningRateSchedule(
        base: row.unscaledRate * scaling.factor(batch: row.batch, base: row.baseBatch), epochs: row.epochs,
        warmupEpochs: row.warmupEpochs, warmupRate: row.warmupRate)
      for (epoch, rate) in row.rates.enumerated() {
        #expect(abs(schedule.rate(epoch: epoch) - rate) <= 1e-12 * row.unscaledRate)
      }
    }
  }
}

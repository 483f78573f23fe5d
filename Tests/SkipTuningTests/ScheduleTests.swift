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
    let published: [Row]
    let random: [Row]
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
}

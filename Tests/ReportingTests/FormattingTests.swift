import Reporting
import Testing

@Suite struct FormattingTests {
  @Test(arguments: [
    (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_500_000_000, "1.5 GB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
    (-2000, "-2.0 kB"), (Int.max, "9.2 EB"), (Int.min, "-9.2 EB"),
  ])
  func bytes(count: Int, words: String) { #expect(Readable.bytes(count) == words) }

  @Test(arguments: [
    (0, "0 s"), (0.0005, "0.5 ms"), (0.012, "12 ms"), (0.0994, "99 ms"), (0.0996, "0.1 s"), (3.2, "3.2 s"),
    (59.94, "59.9 s"),
    (59.96, "1 min 00 s"), (245, "4 min 05 s"), (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (3725, "1 h 02 min"),
    (86_399, "1 d 00 h"), (273_600, "3 d 04 h"), (-3.2, "-3.2 s"), (.nan, "?"), (.infinity, "?"), (1e300, "?"),
  ])
  func durations(seconds: Double, words: String) { #expect(Readable.seconds(seconds) == words) }

  @Test func durationsOfTheClock() { #expect(Readable.duration(.milliseconds(3200)) == "3.2 s") }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1,000"), (62_099_456, "62,099,456"), (-1234, "-1,234"), (-123, "-123"),
    (Int.min, "-9,223,372,036,854,775,808"),
  ])
  func counts(count: Int, words: String) { #expect(Readable.count(count) == words) }

  @Test(arguments: [
    (12.34, "12.3 images/s"), (0.222, "4.5 s/image"), (1234.4, "1,234 images/s"), (0.999, "1.0 images/s"),
    (0, "? images/s"),
    (-1, "? images/s"), (.nan, "? images/s"), (.infinity, "? images/s"), (1e30, "? images/s"),
  ])
  func rates(perSecond: Double, words: String) { #expect(Readable.rate(perSecond, "image") == words) }

  @Test(arguments: [(1.005, 1, "1.0"), (-0.5, 0, "-0"), (.nan, 2, "nan"), (-.infinity, 2, "-inf")])
  func fixedDecimals(value: Double, decimals: Int, words: String) { #expect(Readable.fixed(value, decimals) == words) }

  @Test(arguments: [
    (0.00123456, 3, "0.00123"), (1.2e-7, 3, "1.2e-07"), (0, 3, "0"), (1234567, 3, "1.23e+06"), (.nan, 3, "nan"),
    (-.infinity, 2, "-inf"),
  ])
  func significantDigits(value: Double, digits: Int, words: String) {
    #expect(Readable.significant(value, digits) == words)
  }
}

import Foundation

/// Numbers as a reader of a log wants them; the same on every machine, whatever its language.
public enum Readable {
  /// A size in powers of 1000: `999 B`, `1.5 GB`.
  public static func bytes(_ count: Int) -> String {
    let magnitude = Double(count.magnitude)
    if count.magnitude < 1000 { return "\(count) B" }
    let sign = count < 0 ? "-" : ""
    var value = magnitude / 1000
    for unit in ["kB", "MB", "GB", "TB", "PB"] {
      // 999.95 would be printed as 1000.0.
      if value < 999.95 { return "\(sign)\(fixed(value, 1)) \(unit)" }
      value /= 1000
    }
    return "\(sign)\(fixed(value, 1)) EB"
  }

  /// A span of time in at most two units: `12 ms`, `3.2 s`, `4 min 05 s`, `1 h 02 min`, `3 d 04 h`.
  public static func duration(_ duration: Duration) -> String { seconds(duration.inSeconds) }

  /// As `duration`, from seconds; `?` for what is not finite.
  public static func seconds(_ seconds: Double) -> String {
    guard seconds.isFinite, abs(seconds) < 1e12 else { return "?" }
    if seconds < 0 { return "-" + Self.seconds(-seconds) }
    if seconds == 0 { return "0 s" }
    if seconds < 0.0995 { return "\(fixed(seconds * 1000, seconds < 0.00995 ? 1 : 0)) ms" }
    if seconds < 59.95 { return "\(fixed(seconds, 1)) s" }
    let whole = Int(seconds.rounded())
    if whole < 3600 { return "\(whole / 60) min \(twoDigits(whole % 60)) s" }
    let minutes = Int((seconds / 60).rounded())
    if minutes < 24 * 60 { return "\(minutes / 60) h \(twoDigits(minutes % 60)) min" }
    let hours = Int((seconds / 3600).rounded())
    return "\(hours / 24) d \(twoDigits(hours % 24)) h"
  }

  /// How many of something: `1 rank`, `2 ranks`; of words whose plural has an `s` more.
  public static func counted(_ count: Int, _ unit: String) -> String {
    "\(self.count(count)) \(unit)\(count == 1 ? "" : "s")"
  }

  /// A whole number in groups of three digits: `62,099,456`.
  public static func count(_ count: Int) -> String {
    let digits = String(count.magnitude)
    var grouped = ""
    for (position, digit) in digits.enumerated() {
      if position > 0, (digits.count - position).isMultiple(of: 3) { grouped.append(",") }
      grouped.append(digit)
    }
    return (count < 0 ? "-" : "") + grouped
  }

  /// Events per second: `12.3 images/s`, or `4.5 s/image` when they are slower than one a second.
  ///
  /// - Parameter unit: the event in the singular.
  public static func rate(_ perSecond: Double, _ unit: String) -> String {
    guard perSecond.isFinite, perSecond > 0 else { return "? \(unit)s/s" }
    if perSecond < 0.995 { return "\(seconds(1 / perSecond))/\(unit)" }
    if perSecond < 99.95 { return "\(fixed(perSecond, 1)) \(unit)s/s" }
    return perSecond < 1e15 ? "\(count(Int(perSecond.rounded()))) \(unit)s/s" : "? \(unit)s/s"
  }

  /// A number with a fixed count of decimals, and `nan` or `inf` for what is not finite.
  public static func fixed(_ value: Double, _ decimals: Int) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    return String(format: "%.\(decimals)f", locale: Locale(identifier: "en_US_POSIX"), value)
  }

  /// A number that is percent already, with two decimals; nil where there is none.
  public static func percent(_ value: Double?) -> String? { value.map { fixed($0, 2) } }

  /// A number with at most so many significant digits: `0.00123`, `1.2e-07`; `nan` or `inf` for what is not finite.
  public static func significant(_ value: Double, _ digits: Int) -> String {
    if !value.isFinite { return fixed(value, 0) }
    // With a locale, the exponent would be written with a capital.
    return String(format: "%.\(digits)g", value)
  }

  private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}

extension Duration {
  /// The span in seconds.
  public var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

/// A type of number that settings have: Int and Double.
public protocol SettingNumber: Comparable, Sendable {}

extension Int: SettingNumber {}
extension Double: SettingNumber {}

/// The values that a numeric setting may have: a rule that can be checked, put in words, and put in a JSON Schema.
public struct Bounds<Value: SettingNumber>: Sendable {
  /// The lower end, or nil for none.
  public var lower: Value?
  /// Whether `lower` itself is allowed.
  public var includesLower = true
  /// The upper end, or nil for none.
  public var upper: Value?
  /// Whether `upper` itself is allowed.
  public var includesUpper = true

  /// Every value.
  public static var any: Self { Self() }

  func contains(_ value: Value) -> Bool {
    if let lower, includesLower ? value < lower : value <= lower { return false }
    if let upper, includesUpper ? value > upper : value >= upper { return false }
    return true
  }

  /// ` from 1 to 12`, ` above 0 and at most 1`, or nothing.
  var words: String {
    if let lower, lower == upper { return " exactly \(Self.short(lower))" }
    if let lower, let upper, includesLower, includesUpper {
      return " from \(Self.short(lower)) to \(Self.short(upper))"
    }
    let below = lower.map { "\(includesLower ? "at least" : "above") \(Self.short($0))" }
    let above = upper.map { "\(includesUpper ? "at most" : "below") \(Self.short($0))" }
    let words = [below, above].compactMap { $0 }.joined(separator: " and ")
    return words.isEmpty ? "" : " " + words
  }

  /// A whole number without its `.0`.
  private static func short(_ value: Value) -> String {
    let text = "\(value)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  /// `an integer from 1 to 12`, `a number of at least 0`.
  func words(after noun: String) -> String { noun + (words.hasPrefix(" at ") ? " of" : "") + words }

  /// `a list of 2 to 3`.
  var listWords: String { "a list of" + (words.hasPrefix(" from ") ? String(words.dropFirst(5)) : words) }

  /// `integers, each from 1 to 12`.
  func words(each noun: String) -> String { noun + (words.isEmpty ? "" : ", each\(words)") }
}

/// A range literal or `Bounds`: what the `in:` of a numeric setting takes.
public protocol SettingRange<Bound> {
  /// The type of the setting's value.
  associatedtype Bound: SettingNumber
  /// The range as a rule.
  var bounds: Bounds<Bound> { get }
}

extension Bounds: SettingRange {
  /// The type of the setting's value.
  public typealias Bound = Value
  /// The range as a rule.
  public var bounds: Bounds<Value> { self }
}

extension SettingRange where Self == Bounds<Double> {
  /// Numbers greater than `lower`.
  public static func above(_ lower: Double) -> Self { Bounds(lower: lower, includesLower: false) }
  /// Numbers greater than `lower` and at most `upper`: (lower, upper].
  public static func above(_ lower: Double, through upper: Double) -> Self {
    Bounds(lower: lower, includesLower: false, upper: upper)
  }
  /// Numbers strictly between: (lower, upper).
  public static func above(_ lower: Double, below upper: Double) -> Self {
    Bounds(lower: lower, includesLower: false, upper: upper, includesUpper: false)
  }
}

extension ClosedRange: SettingRange where Bound: SettingNumber {
  /// The range as a rule.
  public var bounds: Bounds<Bound> { Bounds(lower: lowerBound, upper: upperBound) }
}

extension Range: SettingRange where Bound: SettingNumber {
  /// The range as a rule.
  public var bounds: Bounds<Bound> { Bounds(lower: lowerBound, upper: upperBound, includesUpper: false) }
}

extension PartialRangeFrom: SettingRange where Bound: SettingNumber {
  /// The range as a rule.
  public var bounds: Bounds<Bound> { Bounds(lower: lowerBound) }
}

extension PartialRangeThrough: SettingRange where Bound: SettingNumber {
  /// The range as a rule.
  public var bounds: Bounds<Bound> { Bounds(upper: upperBound) }
}

extension PartialRangeUpTo: SettingRange where Bound: SettingNumber {
  /// The range as a rule.
  public var bounds: Bounds<Bound> { Bounds(upper: upperBound, includesUpper: false) }
}

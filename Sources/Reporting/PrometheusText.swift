/// Metrics in the text format that Prometheus reads, one family after the other.
///
/// Names and labels are the caller's to choose by Prometheus' conventions; values of labels may be any text.
public struct PrometheusText: Sendable {
  /// What a metric's values mean from one reading to the next.
  public enum Kind: String, Sendable {
    /// Only grows, but for starts from an earlier value; its name ends in `_total`.
    case counter
    /// Goes up and down.
    case gauge
  }

  /// A value and what tells it from others of its metric.
  public struct Sample: Sendable {
    /// Names and values, in order.
    public var labels: [(name: String, value: String)]
    /// In the unit of the metric's name.
    public var value: Double

    /// A value, also one that is not finite.
    public init(_ value: Double, _ labels: [(name: String, value: String)] = []) {
      (self.value, self.labels) = (value, labels)
    }
  }

  /// What was added so far; whole lines.
  public private(set) var text = ""
  private let labels: [(name: String, value: String)]

  /// No metrics yet; `labels` stand first in every sample.
  public init(labels: [(name: String, value: String)] = []) { self.labels = labels }

  /// Adds a metric with its samples; nothing where there are none.
  public mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
    guard !samples.isEmpty else { return }
    text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
    for sample in samples {
      let pairs = (labels + sample.labels).map { "\($0.name)=\"\(Self.escaped($0.value, quotes: true))\"" }
      text += "\(name)\(pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}") \(Self.number(sample.value))\n"
    }
  }

  /// Adds a metric of one sample; nothing where there is no value.
  public mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double?) {
    add(name, kind, help, value.map { [Sample($0)] } ?? [])
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    guard value.isFinite else { return value < 0 ? "-Inf" : "+Inf" }
    return Int(exactly: value).map(String.init) ?? "\(value)"
  }
}

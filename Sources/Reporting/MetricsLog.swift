import Files
import Foundation

/// A value of a metrics record.
public enum MetricValue: Equatable, Sendable {
  case integer(Int)
  /// Written with the fewest digits that read back to the same Float.
  case float(Float)
  /// Written with the fewest digits that read back to the same Double.
  case double(Double)
  case text(String)
  case boolean(Bool)
  case list([MetricValue])
  case object(MetricRecord)
  case null
}

extension MetricValue: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByNilLiteral
{
  /// An integer.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A Double.
  public init(floatLiteral value: Double) { self = .double(value) }
  /// A text.
  public init(stringLiteral value: String) { self = .text(value) }
  /// A boolean.
  public init(booleanLiteral value: Bool) { self = .boolean(value) }
  /// A list.
  public init(arrayLiteral elements: MetricValue...) { self = .list(elements) }
  /// Null.
  public init(nilLiteral: ()) { self = .null }
}

/// Named values in the order given, such as `["step": 3, "loss": .float(loss)]`.
public struct MetricRecord: Equatable, Sendable, ExpressibleByDictionaryLiteral {
  /// Name and value, in order.
  public private(set) var fields: [Field]

  /// A named value.
  public struct Field: Equatable, Sendable {
    /// The key in the JSON object.
    public let name: String
    /// The value.
    public var value: MetricValue
  }

  /// A record of the given fields; a name given twice traps.
  public init(dictionaryLiteral elements: (String, MetricValue)...) {
    fields = []
    for (name, value) in elements {
      precondition(self[name] == nil, "the field \(name) is given twice")
      self[name] = value
    }
  }

  /// The value of a field; setting adds it at the end, setting nil removes it.
  public subscript(name: String) -> MetricValue? {
    get { fields.first { $0.name == name }?.value }
    set {
      let index = fields.firstIndex { $0.name == name }
      switch (index, newValue) {
      case (let index?, let value?): fields[index].value = value
      case (let index?, nil): fields.remove(at: index)
      case (nil, let value?): fields.append(Field(name: name, value: value))
      case (nil, nil): break
      }
    }
  }

  /// The record as a JSON object on one line.
  ///
  /// JSON has no word for what is not finite: it becomes "nan", "inf" or "-inf".
  public var json: String {
    var text = ""
    Self.append(.object(self), to: &text)
    return text
  }

  private static func append(_ value: MetricValue, to text: inout String) {
    switch value {
    case .integer(let value): text += "\(value)"
    case .float(let value): text += value.isFinite ? "\(value)" : nonFinite(Double(value))
    case .double(let value): text += value.isFinite ? "\(value)" : nonFinite(value)
    case .text(let value): append(quoted: value, to: &text)
    case .boolean(let value): text += value ? "true" : "false"
    case .null: text += "null"
    case .list(let values):
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += ", " }
        append(value, to: &text)
      }
      text += "]"
    case .object(let record):
      text += "{"
      for (index, field) in record.fields.enumerated() {
        if index > 0 { text += ", " }
        append(quoted: field.name, to: &text)
        text += ": "
        append(field.value, to: &text)
      }
      text += "}"
    }
  }

  private static func nonFinite(_ value: Double) -> String {
    value.isNaN ? "\"nan\"" : value < 0 ? "\"-inf\"" : "\"inf\""
  }

  private static func append(quoted value: String, to text: inout String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F || scalar.value == 0x2028 || scalar.value == 0x2029:
        text += "\\u" + String(format: "%04x", scalar.value)
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}

/// `metrics.jsonl`: one JSON object a line for each step, epoch or evaluation.
///
/// A line is written whole and at once, so that a reader who follows the file never sees half a number, and a killed
/// run loses nothing that was recorded.
public struct MetricsLog: Sendable {
  private let file: LineFile

  /// Opens a log to append to; creates it when it does not exist.
  ///
  /// - Throws: `Failure(.cannotCreate)`.
  public init(appendingTo file: URL) throws {
    self.file = try LineFile(appendingTo: file)
  }

  /// Appends a record.
  ///
  /// - Throws: `Failure(.inputOutput)`.
  public func append(_ record: MetricRecord) throws {
    try file.append(record.json)
  }

  /// Waits until everything appended is on the disk.
  ///
  /// - Throws: `Failure(.inputOutput)`.
  public func synchronize() throws { try file.synchronize() }
}

extension MetricsLog {
  /// Largest log that is read back; a step takes a few hundred bytes.
  private static let largest = 4 << 30

  /// Drops what a run that goes on after `step` steps will record again, and a line that was cut off.
  ///
  /// Steps below `step` stay, and the zero-shot test, which is not repeated. Evaluations of checkpoints all go: who goes on
  /// knows them, and which still hold. A log that does not exist stays so. Throws `Failure` when the log cannot be read or
  /// written.
  public static func truncate(_ file: URL, fromStep step: Int) throws {
    guard FileManager.default.fileExists(atPath: file.path) else { return }
    let lines = try SmallFile.bytes(of: file, limit: largest).split(separator: UInt8(ascii: "\n"))
    let kept = lines.filter { line in
      let record = (try? JSONSerialization.jsonObject(with: Data(line))) as? [String: Any]
      let test = record?["test"] as? String
      if let number = record?["step"] as? Int { return number < step && test != "checkpoint" }
      return step > 0 && test == "zero-shot"
    }
    try AtomicFile.write(kept.flatMap { $0 + [UInt8(ascii: "\n")] }, to: file)
  }
}

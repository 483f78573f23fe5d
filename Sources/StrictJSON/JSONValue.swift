import Diagnostics

/// A JSON text read strictly (RFC 8259), with members in file order.
///
/// Foundation's reader silently keeps one of two equal keys and turns every number into a double; file formats that forbid
/// the first and need exact integers cannot be checked with it.
package enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  /// A number without fraction and exponent that fits.
  case integer(Int)
  /// Any other number.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([JSONMember])

  /// The whole of `bytes` as one value; throws `JSONProblem`.
  package init(parsing bytes: [UInt8]) throws {
    var cursor = JSONCursor(bytes)
    self = try cursor.value()
    try cursor.end()
  }

  /// The whole of a file's content as one value; throws `Failure(.badData)` with line and column.
  package init(parsing bytes: [UInt8], file: String) throws {
    do {
      try self.init(parsing: bytes)
    } catch let problem as JSONProblem {
      throw problem.failure(in: file)
    }
  }

  /// The member of an object, or nil when this is none or has no such member.
  package subscript(_ key: String) -> JSONValue? { members?.first { $0.key == key }?.value }

  package var members: [JSONMember]? { if case .object(let members) = self { members } else { nil } }
  package var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
  package var string: String? { if case .string(let string) = self { string } else { nil } }
  package var integer: Int? { if case .integer(let integer) = self { integer } else { nil } }
  package var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }

  /// Any number, exact or not.
  package var number: Double? {
    switch self {
    case .integer(let integer): Double(integer)
    case .number(let number): number
    default: nil
    }
  }
}

/// A key and its value.
package struct JSONMember: Sendable, Equatable {
  package var key: String
  package var value: JSONValue

  package init(_ key: String, _ value: JSONValue) {
    self.key = key
    self.value = value
  }
}

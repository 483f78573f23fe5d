/// Writing of JSON.
package enum JSONText {
  /// A string in quotes, with escapes where JSON demands them and nowhere else.
  package static func quoted(_ string: String) -> String {
    var result = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{C}": result += "\\f"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  /// A value over several lines, two spaces deeper for each level, members in their order.
  ///
  /// Numbers come out with the fewest digits that read back to the same value. Traps on a number that is not finite, which
  /// JSON cannot say and reading never gives.
  package static func pretty(_ value: JSONValue, indentation: String = "") -> String {
    switch value {
    case .null: return "null"
    case .bool(let bool): return bool ? "true" : "false"
    case .integer(let integer): return String(integer)
    case .number(let number):
      precondition(number.isFinite, "JSON has no \(number)")
      return "\(number)"
    case .string(let string): return quoted(string)
    case .array(let elements):
      return lines(elements.map { pretty($0, indentation: indentation + "  ") }, in: ("[", "]"), indentation)
    case .object(let members):
      let parts = members.map { "\(quoted($0.key)): \(pretty($0.value, indentation: indentation + "  "))" }
      return lines(parts, in: ("{", "}"), indentation)
    }
  }

  private static func lines(_ parts: [String], in brackets: (String, String), _ indentation: String) -> String {
    guard !parts.isEmpty else { return brackets.0 + brackets.1 }
    let body = parts.map { "\n\(indentation)  \($0)" }.joined(separator: ",")
    return "\(brackets.0)\(body)\n\(indentation)\(brackets.1)"
  }
}

import Diagnostics

/// Comma-separated values (RFC 4180): fields in quotes may hold commas, line ends and doubled quotes.
package enum CSVText {
  /// A record and where it begins.
  package struct Record {
    /// From 1.
    package let line: Int
    package let fields: [String]
  }

  /// The records of `text`, without blank lines.
  ///
  /// Throws `Failure(.badData)` at `file:line` for a quote that is not closed or stands within a field.
  package static func records(_ text: String, file: String) throws -> [Record] {
    var reader = Reader(bytes: Array(text.utf8), file: file)
    var records: [Record] = []
    while let record = try reader.next() {
      if record.fields != [""] { records.append(record) }
    }
    return records
  }

  private struct Reader {
    let bytes: [UInt8]
    let file: String
    var offset = 0
    var line = 1

    mutating func next() throws -> Record? {
      guard offset < bytes.count else { return nil }
      let first = line
      var fields = [try field()]
      while take(UInt8(ascii: ",")) { fields.append(try field()) }
      _ = take(UInt8(ascii: "\r"))
      if take(UInt8(ascii: "\n")) { line += 1 }
      return Record(line: first, fields: fields)
    }

    private mutating func take(_ byte: UInt8) -> Bool {
      guard offset < bytes.count, bytes[offset] == byte else { return false }
      offset += 1
      return true
    }

    private mutating func field() throws -> String {
      if take(UInt8(ascii: "\"")) { return try quotedField() }
      let start = offset
      while offset < bytes.count, !isEnd(bytes[offset]) {
        guard bytes[offset] != UInt8(ascii: "\"") else {
          throw failure(line, "a quote within a field", "put the whole field in quotes and double the quotes in it")
        }
        offset += 1
      }
      return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    private mutating func quotedField() throws -> String {
      let opened = line
      var content: [UInt8] = []
      while offset < bytes.count {
        let byte = bytes[offset]
        offset += 1
        if byte == UInt8(ascii: "\n") { line += 1 }
        guard byte == UInt8(ascii: "\"") else {
          content.append(byte)
          continue
        }
        if take(UInt8(ascii: "\"")) {
          content.append(byte)
          continue
        }
        guard offset == bytes.count || isEnd(bytes[offset]) else {
          throw failure(line, "text after a closing quote", "double the quotes within a field")
        }
        return String(decoding: content, as: UTF8.self)
      }
      throw failure(opened, "a quote that is not closed", "close it")
    }

    private func isEnd(_ byte: UInt8) -> Bool {
      byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
    }

    private func failure(_ line: Int, _ problem: String, _ remedy: String) -> Failure {
      Failure(.badData, at: "\(file):\(line)", "malformed CSV: \(problem)", remedy: remedy)
    }
  }
}

import Diagnostics
import Files
import Foundation

/// A line of a text file that is not blank.
struct TextLine {
  /// From 1.
  let number: Int
  /// Without white space at both ends.
  let text: String

  /// What stands before the first space, and the rest without the spaces around it; nil where there is no rest.
  var firstWordAndRest: (word: String, rest: String)? {
    guard let space = text.firstIndex(of: " ") else { return nil }
    return (String(text[..<space]), String(text[space...].drop(while: \.isWhitespace)))
  }
}

/// Text files of lines, read whole.
enum TextLines {
  /// Larger files are refused unread.
  static let byteLimit = 64 << 20

  /// The lines of the file at `url` that are not blank; `what` is what messages call it ("the list of classes").
  ///
  /// Throws `Failure`: `.missingInput` where there is no file, `.inputOutput` where it cannot be read, `.badData` where it
  /// is too large or not UTF-8.
  static func read(_ url: URL, what: String, remedy: String) throws -> [TextLine] {
    let bytes = try SmallFile.bytes(of: url, limit: byteLimit, what: what, remedy: remedy)
    return try text(bytes, url, what: what).split(omittingEmptySubsequences: false, whereSeparator: isLineEnd)
      .enumerated().map { TextLine(number: $0 + 1, text: $1.trimmingCharacters(in: .whitespaces)) }
      .filter { !$0.text.isEmpty }
  }

  /// The bytes as text; editors on Windows put a byte order mark before UTF-8.
  static func text(_ bytes: [UInt8], _ url: URL, what: String) throws -> String {
    let bytes = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes[3...] : bytes[...]
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Failure(.badData, at: url.path, "\(what) is not UTF-8 text", remedy: "save it as plain UTF-8 text")
    }
    return text
  }

  /// Not `isNewline`: a line separator of Unicode may be part of a name.
  static func isLineEnd(_ character: Character) -> Bool {
    character == "\n" || character == "\r\n" || character == "\r"
  }
}

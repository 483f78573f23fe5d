/// Makes one trace out of the files of all ranks, as they arrive in pieces.
package struct TraceMerge {
  private var rest: [UInt8] = []
  private var isFirst = true

  /// A trace without events.
  package init() {}

  /// How the document begins.
  package var header: String { "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n" }

  /// The document's next part, from the next bytes of a rank's file; events are moved by `shift` nanoseconds of their time.
  package mutating func events(_ bytes: [UInt8], shift: (Int64) -> Int64) -> String {
    rest += bytes
    guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return "" }
    let lines = String(decoding: rest[..<end], as: UTF8.self)
    rest.removeSubrange(...end)
    var text = ""
    for line in lines.split(separator: "\n") {
      // The list's bracket, and a line that was cut off, are no events.
      guard let event = TraceLine.moved(line.hasSuffix(",") ? line.dropLast() : line, by: shift) else { continue }
      text += isFirst ? event : ",\n" + event
      isFirst = false
    }
    return text
  }

  /// Forgets what a rank's file ended with, before the next one begins.
  package mutating func endFile() { rest = [] }

  /// How the document ends; `other` is what viewers show as further information.
  package func footer(_ other: MetricRecord) -> String { "\n], \"otherData\": \(other.json)}\n" }
}

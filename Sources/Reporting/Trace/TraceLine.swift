/// Lines of a rank's trace file: the bracket that opens the list, names, then events, whose time stands first.
package enum TraceLine {
  /// What an event begins with; its time in microseconds follows.
  package static let timeKey = #"{"ts": "#

  /// Metadata: the rank as a process, its tracks as threads, in their order.
  package static func names(rank: Int, title: String) -> [String] {
    let process: [MetricRecord] = [
      ["ph": "M", "pid": .integer(rank), "name": "process_name", "args": .object(["name": .text(title)])],
      [
        "ph": "M", "pid": .integer(rank), "name": "process_sort_index", "args": .object(["sort_index": .integer(rank)]),
      ],
    ]
    let threads = TraceTrack.allCases.flatMap { track in
      (0..<TraceTrack.lanes).flatMap { lane -> [MetricRecord] in
        // Further lines are named as the first ones are; most of them are never used.
        guard lane < (track == .exchange ? 8 : 1) else { return [] }
        let id = MetricValue.integer(track.threadID(lane: lane))
        return [
          [
            "ph": "M", "pid": .integer(rank), "tid": id, "name": "thread_name",
            "args": .object(["name": .text(track.title(lane: lane))]),
          ],
          [
            "ph": "M", "pid": .integer(rank), "tid": id, "name": "thread_sort_index",
            "args": .object(["sort_index": id]),
          ],
        ]
      }
    }
    return (process + threads).map(\.json)
  }

  /// An event's line with its time moved by `shift`, or any other line as it is; nil for one that is no JSON object.
  package static func moved(_ line: Substring, by shift: (Int64) -> Int64) -> String? {
    guard line.hasPrefix("{"), line.hasSuffix("}") else { return nil }
    guard line.hasPrefix(timeKey) else { return String(line) }
    let rest = line.dropFirst(timeKey.count)
    guard let end = rest.firstIndex(of: ","), let time = nanoseconds(rest[..<end]) else { return nil }
    return timeKey + TraceLog.microseconds(time - shift(time)) + rest[end...]
  }

  private static func nanoseconds(_ text: Substring) -> Int64? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1].count == 3, let whole = Int64(parts[0]), let rest = Int64(parts[1]) else {
      return nil
    }
    return whole * 1000 + rest
  }
}

import Foundation
import Synchronization

/// How far a task has come, how fast it goes and how long it will take.
///
/// On a terminal one line is rewritten, at most ten times a second; elsewhere a plain line is written now and then.
/// Safe to call from any thread.
public final class ProgressLine: Sendable {
  private struct State {
    var completed: Int
    var lastUpdate: Duration
    var lastDraw: Duration?
    var lastLine: Duration
    var rate = SmoothedRate()
    var isFinished = false
  }

  /// On a terminal, lines are at least this far apart.
  static let redrawInterval = Duration.milliseconds(100)

  private let title: String
  private let unit: String
  private let total: Int?
  private let first: Int
  private let showsPace: Bool
  private let start: Duration
  private let output: ConsoleOutput
  private let lineInterval: Duration
  private let now: @Sendable () -> Duration
  private let state: Mutex<State>

  /// Starts the clock of a task.
  ///
  /// - Parameters:
  ///   - title: what is done, such as `epoch 3/10`.
  ///   - unit: one piece of it, in the singular: `image`.
  ///   - total: how many pieces there are; nil when nobody knows.
  ///   - first: how many were done before, by a run that is resumed; they do not count for the rate.
  ///   - showsPace: whether rate and time left of the task are shown; if not, the notes tell of them.
  ///   - lineInterval: the time between plain lines where there is no terminal.
  ///   - now: a clock that never goes back.
  public init(
    _ title: String, unit: String, total: Int?, startingAt first: Int = 0, showsPace: Bool = true,
    output: ConsoleOutput, lineInterval: Duration = .seconds(30),
    now: @escaping @Sendable () -> Duration = ProgressLine.uptime
  ) {
    self.title = printable(title, indentation: "")
    self.unit = unit
    self.total = total
    self.first = first
    self.showsPace = showsPace
    self.output = output
    self.lineInterval = lineInterval
    self.now = now
    start = now()
    state = Mutex(State(completed: first, lastUpdate: start, lastLine: start))
  }

  /// Time since some fixed moment, by the clock that `ProgressLine` uses when none is given.
  @Sendable public static func uptime() -> Duration { origin.duration(to: ContinuousClock.now) }

  private static let origin = ContinuousClock.now

  /// Tells how many pieces are done now, with a note such as `loss 1.23, 4.5 images/s`, and a shorter form of it for narrow
  /// terminals.
  public func update(completed: Int, note: String = "", brief: String = "") {
    state.withLock { state in
      guard !state.isFinished else { return }
      let time = now()
      state.rate.add(completed - state.completed, over: (time - state.lastUpdate).inSeconds)
      state.completed = completed
      state.lastUpdate = time
      if output.isTerminal {
        // A task that is over in a moment is not worth a flash, but for the one that everybody waits for.
        if time - (state.lastDraw ?? (showsPace ? start : start - Self.redrawInterval)) < Self.redrawInterval { return }
        state.lastDraw = time
        output.setStatus(statusLine(state, note, brief.isEmpty ? note : brief))
      } else if time - state.lastLine >= lineInterval {
        state.lastLine = time
        output.write(line: plainLine(state, note))
      }
    }
  }

  /// Ends the task with a line that stays: what was done, in what time, at what rate over all.
  public func finish(note: String = "") {
    state.withLock { state in
      guard !state.isFinished else { return }
      state.isFinished = true
      output.setStatus("")
      let elapsed = (now() - start).inSeconds
      let rate = Readable.rate(Double(state.completed - first) / elapsed, unit)
      let parts = ["\(count(state)) in \(Readable.seconds(elapsed))", rate, printable(note, indentation: "")]
      output.write(line: "\(title): " + parts.filter { !$0.isEmpty }.joined(separator: ", "))
    }
  }

  // MARK: Words

  private func count(_ state: State) -> String {
    let done = Readable.count(state.completed)
    return total.map { "\(done)/\(Readable.count($0))" } ?? "\(done) \(unit)s"
  }

  /// Between 0 and 1; nil when the total is not known.
  private func fraction(_ state: State) -> Double? {
    total.map { $0 <= 0 ? 1 : min(1, max(0, Double(state.completed) / Double($0))) }
  }

  private func timeLeft(_ state: State) -> String {
    guard showsPace, let total, total > state.completed, let rate = state.rate.perSecond, rate > 0 else { return "" }
    return Readable.seconds(Double(total - state.completed) / rate) + " left"
  }

  private func percentage(_ state: State) -> String {
    // Never 100% before the end.
    fraction(state).map { "\(Int(($0 * 100).rounded(.down)))%" } ?? ""
  }

  private func rateWords(_ state: State) -> String {
    guard showsPace, let rate = state.rate.perSecond, rate > 0 else { return "" }
    return Readable.rate(rate, unit)
  }

  private func plainLine(_ state: State, _ note: String) -> String {
    let percentage = percentage(state)
    let parts = [
      count(state) + (percentage.isEmpty ? "" : " (\(percentage))"), rateWords(state), timeLeft(state),
      printable(note, indentation: ""),
    ]
    return "\(title): " + parts.filter { !$0.isEmpty }.joined(separator: ", ")
  }

  /// Terminals of less columns get the brief form of a note, so that it does not change with the length of its numbers.
  private static let narrow = 100

  /// The status line, cut to the width of the terminal: first the bar goes, then the rate, then the count where the note tells
  /// of the pace, then the note from its end.
  private func statusLine(_ state: State, _ note: String, _ brief: String) -> String {
    let note = printable(output.width < Self.narrow - 1 ? brief : note, indentation: " ").filter { !$0.isNewline }
    let bar = fraction(state).map(Self.bar) ?? ""
    var parts = [title, bar, percentage(state), count(state), rateWords(state), timeLeft(state), note]
    let wholeNote: [(dropped: Set<Int>, note: String)] = [([], note), ([1], note), ([1, 4], note)]
    // A note of the pace is worth more than the count.
    let countless: Set = showsPace ? [1, 4] : [1, 3, 4]
    let shorter = ([note] + Self.shortened(note)).map { (dropped: countless, note: $0) }
    for (dropped, note) in wholeNote + shorter + [([1, 4], ""), ([1, 3, 4], "")] {
      parts[6] = note
      let kept = parts.indices.filter { !dropped.contains($0) && !parts[$0].isEmpty }
      let line = kept.map { parts[$0] }.joined(separator: "  ")
      if displayWidth(of: line) <= output.width { return emphasized(line) }
    }
    var cut = [title, percentage(state)].filter { !$0.isEmpty }.joined(separator: "  ")
    while displayWidth(of: cut) > output.width { cut.removeLast() }
    return emphasized(cut)
  }

  /// The note without its last words, which commas part, down to the first.
  private static func shortened(_ note: String) -> [String] {
    let words = note.components(separatedBy: ", ")
    return (1..<max(1, words.count)).reversed().map { words[..<$0].joined(separator: ", ") }
  }

  /// The title in bold.
  private func emphasized(_ line: String) -> String {
    guard output.usesColor, line.hasPrefix(title) else { return line }
    return "\u{1B}[1m\(title)\u{1B}[0m" + line.dropFirst(title.count)
  }

  private static func bar(_ fraction: Double) -> String {
    let filled = Int(fraction * 20)
    return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: 20 - filled) + "]"
  }
}

/// Events per second, recent ones counting more: the weight of a moment falls to 1/e after 20 seconds.
struct SmoothedRate {
  static let timeConstant = 20.0
  private var events = 0.0
  private var seconds = 0.0

  /// Nil until some time has passed.
  var perSecond: Double? { seconds > 0 ? max(0, events) / seconds : nil }

  mutating func add(_ count: Int, over interval: Double) {
    // Each moment's weight decays within the interval too, so that one long update equals many short ones.
    let decay = exp(-max(0, interval) / Self.timeConstant)
    let weight = Self.timeConstant * (1 - decay)
    events = events * decay + (interval > 0 ? Double(count) / interval * weight : Double(count))
    seconds = seconds * decay + weight
  }
}

import Foundation

/// Has a reader's inputs read by workers, one after the other, and notes which of them died, hung or complained.
final class Supervisor {
  /// What was found about an input.
  struct Finding {
    var input: Int
    var words: String
  }

  /// What came of a run.
  struct Outcome {
    var reader: String
    var done = 0
    var accepted = 0
    var refusals = 0
    var slowest = (input: 0, microseconds: 0)
    var memory = 0
    var seconds = 0.0
    var findings: [Finding] = []
  }

  let name: String
  let seed: UInt64
  let scratch: URL
  /// Seconds that an input may take.
  let hangLimit: Double
  private let arguments: [String]
  private let progress: Progress
  private let complaints: URL
  /// After so many the reader is broken.
  private static let mostFindings = 20

  init(_ name: String, seed: UInt64, scratch: URL, hangLimit: Double, arguments: [String]) {
    (self.name, self.seed, self.scratch, self.hangLimit) = (name, seed, scratch, hangLimit)
    self.arguments = arguments
    progress = Progress(scratch.appending(path: "\(name).progress"))
    complaints = scratch.appending(path: "\(name).complaints")
  }

  /// Reads inputs from a number on: so many, or for so long.
  func run(first: Int, count: Int, seconds: Double) throws -> Outcome {
    let start = ContinuousClock.now
    var outcome = Outcome(reader: name)
    var next = first
    let end = first + count
    while next < end, outcome.findings.count < Self.mostFindings {
      let left = seconds - start.duration(to: .now) / .seconds(1)
      guard left > 0 else { break }
      guard let death = try work(next..<end, seconds: left) else { break }
      if let words = death.words { outcome.findings.append(Finding(input: death.input, words: words)) }
      next = death.input + 1
    }
    outcome.findings += try complained()
    outcome.findings.sort { $0.input < $1.input }
    (outcome.done, outcome.accepted, outcome.refusals) = (progress.done, progress.accepted, progress.refusals)
    (outcome.slowest, outcome.memory) = (progress.slowest, progress.memory)
    outcome.seconds = start.duration(to: .now) / .seconds(1)
    return outcome
  }

  /// The worker's end; nil where it came to the end of its inputs or its time, no words where its complaints say why.
  private func work(_ inputs: Range<Int>, seconds: Double) throws -> (input: Int, words: String?)? {
    let errors = scratch.appending(path: "\(name).stderr")
    try Data().write(to: errors)
    progress.current = inputs.lowerBound - 1
    let worker = Process()
    worker.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    worker.arguments =
      arguments + [
        "--worker", "--reader", name, "--seed", "\(seed)", "--first", "\(inputs.lowerBound)", "--inputs",
        "\(inputs.count)", "--seconds", "\(seconds)", "--scratch", scratch.path,
      ]
    worker.standardOutput = FileHandle.nullDevice
    worker.standardError = try FileHandle(forWritingTo: errors)
    try worker.run()
    let isHanging = watch(worker)
    worker.waitUntilExit()
    let current = progress.current
    if isHanging { return (max(current, inputs.lowerBound), "takes more than \(hangLimit) s") }
    if worker.terminationReason == .exit {
      switch worker.terminationStatus {
      case 0: return nil
      case Worker.memoryStatus: return (current, nil)
      default: break
      }
    }
    let lines = String(decoding: try Data(contentsOf: errors), as: UTF8.self).split(whereSeparator: \.isNewline)
    // Swift's own words, and the places that its backtrace names.
    let telling = lines.filter {
      $0.contains("atal error") || $0.contains("failure") || $0.contains(" in skiptune-fuzz at ")
    }
    let words = (telling.isEmpty ? lines : telling).prefix(5).joined(separator: " | ")
    let how = worker.terminationReason == .exit ? "exit status" : "signal"
    return (max(current, inputs.lowerBound), "\(how) \(worker.terminationStatus) \(words.prefix(600))")
  }

  /// Waits for a worker, and ends it where it makes no progress.
  private func watch(_ worker: Process) -> Bool {
    var (seen, since) = (progress.current, ContinuousClock.now)
    var woke = ContinuousClock.now
    while worker.isRunning {
      usleep(20_000)
      let current = progress.current
      // Where this process has been stopped meanwhile, so has the worker.
      let wasStopped = woke.duration(to: .now) > .seconds(1)
      woke = .now
      if current != seen || wasStopped { (seen, since) = (current, .now) }
      // Its first input comes after its corpus is made.
      if since.duration(to: .now) / .seconds(1) > hangLimit {
        kill(worker.processIdentifier, SIGKILL)
        return true
      }
    }
    return false
  }

  private func complained() throws -> [Finding] {
    guard let text = try? String(contentsOf: complaints, encoding: .utf8) else { return [] }
    let all = text.split(separator: "\n").compactMap { line -> Finding? in
      let parts = line.split(separator: "\t", maxSplits: 1)
      guard parts.count == 2, let input = Int(parts[0]) else { return nil }
      return Finding(input: input, words: String(parts[1]))
    }
    // The first of each kind; the others are counted with them.
    let kinds = Dictionary(grouping: all) { $0.words.prefix { !$0.isNumber && $0 != "/" } }
    return kinds.values.map { alike in
      Finding(input: alike[0].input, words: alike[0].words + (alike.count > 1 ? " (\(alike.count) such)" : ""))
    }
  }
}

import ArgumentParser
import Foundation

/// `skiptune-fuzz`: reads damaged and hostile inputs of all formats, and says which of them readers do not refuse as they must.
@main struct FuzzCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "skiptune-fuzz",
    abstract: "Mutates files of every format that skiptune reads, and has its readers read them.",
    discussion: """
      Inputs depend on reader, seed and their number alone: --first N --inputs 1 --here reads input N again in this \
      process, for a debugger. docs/robustness.md has more.
      """)

  @Option(help: "A reader, or several after each other; all by default.") var reader: [String] = []
  @Option(help: "Draws the inputs.") var seed: UInt64 = 1
  @Option(help: "Number of the first input; the first ones are the whole files.") var first = 0
  @Option(help: "Inputs of each reader.") var inputs: Int?
  @Option(help: "Seconds for each reader.") var seconds: Double?
  @Option(help: "Folder for inputs that something was found about.") var keep: String?
  @Option(help: "Seconds that an input may take.") var hang = 10.0
  @Option(help: "MiB that memory may grow by.") var memory = 256
  @Option(help: "GiB of address space; 0 for no limit, as sanitizers need it.") var addressSpace = 6
  @Flag(help: "List the readers.") var list = false
  @Flag(help: "Read in this process.") var here = false
  @Flag(help: .hidden) var worker = false
  @Option(help: .hidden) var scratch: String?

  func validate() throws {
    for name in reader where allReaders[name] == nil {
      throw ValidationError("\(name) is none of \(allReaders.keys.sorted().joined(separator: ", "))")
    }
    guard first >= 0, inputs ?? 1 > 0, memory > 0, addressSpace >= 0 else {
      throw ValidationError("a number is too small")
    }
  }

  func run() throws {
    if list { return print(ordinaryReaders.keys.sorted().joined(separator: "\n")) }
    let scratch = try scratch.map { URL(fileURLWithPath: $0) } ?? Self.newScratch()
    defer { if self.scratch == nil { try? FileManager.default.removeItem(at: scratch) } }
    let names = reader.isEmpty ? ordinaryReaders.keys.sorted() : reader
    if worker || here { return try work(names[0], in: scratch) }
    let outcomes = try names.map { try supervise($0, in: scratch) }
    let count = outcomes.reduce(0) { $0 + $1.findings.count }
    print("\(outcomes.reduce(0) { $0 + $1.done }) inputs of \(outcomes.count) readers, \(count) findings")
    if count > 0 { throw ExitCode(1) }
  }

  /// In memory, where there is such a file system.
  private static func newScratch() throws -> URL {
    let memory = URL(fileURLWithPath: "/dev/shm")
    let place =
      FileManager.default.isWritableFile(atPath: memory.path) ? memory : FileManager.default.temporaryDirectory
    let scratch = place.appending(path: "skiptune-fuzz-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    return scratch
  }

  private func makeWorker(_ name: String, in scratch: URL) throws -> Worker {
    let folder = scratch.appending(path: name)
    try? FileManager.default.removeItem(at: folder)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var limits = Worker.Limits()
    (limits.memory, limits.addressSpace) = (memory << 20, addressSpace << 30)
    return Worker(name, try allReaders[name]!(folder), seed: seed, limits: limits)
  }

  private func work(_ name: String, in scratch: URL) throws {
    let maker = try makeWorker(name, in: scratch)
    let end = ContinuousClock.now + .seconds(seconds ?? 1e9)
    let numbers = first..<(inputs.map { first + $0 } ?? .max)
    if here {
      for number in numbers where ContinuousClock.now < end { print(number, try maker.read(number) ?? "accepted") }
    } else {
      try maker.run(
        numbers, until: end, Progress(scratch.appending(path: "\(name).progress")),
        complaints: scratch.appending(path: "\(name).complaints"))
    }
  }

  private func supervise(_ name: String, in scratch: URL) throws -> Supervisor.Outcome {
    let supervisor = Supervisor(
      name, seed: seed, scratch: scratch, hangLimit: hang,
      arguments: ["--memory", "\(memory)", "--address-space", "\(addressSpace)"])
    let count = inputs ?? (seconds == nil ? 1000 : 1 << 40)
    let outcome = try supervisor.run(first: first, count: count, seconds: seconds ?? 1e9)
    print(outcome.line)
    let kept = try outcome.findings.isEmpty ? nil : makeWorker(name, in: scratch)
    for finding in outcome.findings {
      print("  --reader \(name) --seed \(seed) --first \(finding.input) --inputs 1: \(finding.words.prefix(900))")
      if let keep, let kept {
        let folder = URL(fileURLWithPath: keep)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(kept.mutator.input(finding.input).bytes)
          .write(to: folder.appending(path: "\(name)-\(seed)-\(finding.input)"))
      }
    }
    return outcome
  }
}

extension Supervisor.Outcome {
  /// Figures of a run.
  var line: String {
    let rate = Int(Double(done) / max(seconds, 1e-9))
    let share = String(format: "%.1f", 100 * Double(accepted) / Double(max(done, 1)))
    return "\(reader): \(done) inputs, \(rate)/s, \(share)% accepted, \(refusals) kinds of refusals, slowest "
      + "\(slowest.microseconds / 1000) ms (\(slowest.input)), memory +\(memory >> 20) MiB, \(findings.count) findings"
  }
}

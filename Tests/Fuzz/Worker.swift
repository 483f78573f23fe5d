import Diagnostics
import Foundation

/// Reads inputs in a process of its own, which may die of one.
struct Worker {
  let name: String
  let mutator: Mutator
  let limits: Limits

  /// What no input may need.
  struct Limits {
    /// Bytes that resident memory may grow by.
    var memory = 256 << 20
    /// Bytes of address space of the process; 0 for no limit, as under a sanitizer.
    var addressSpace = 6 << 30
    /// Characters of a message, the path aside.
    var message = 2000
  }

  /// A complaint about an input that did not end the process.
  struct Complaint: Error {
    let words: String
  }

  /// Exit status of a worker that stops because of its memory, which stays grown.
  static let memoryStatus: Int32 = 3

  init(_ name: String, _ reader: FuzzReader, seed: UInt64, limits: Limits) {
    self.name = name
    mutator = Mutator(reader: reader, name: name, seed: seed)
    self.limits = limits
  }

  /// Reads inputs from a number on, up to a number or a time, and notes complaints in a file, a line each.
  func run(_ inputs: Range<Int>, until end: ContinuousClock.Instant, _ progress: Progress, complaints: URL) throws {
    limitAddressSpace()
    let file = fopen(complaints.path, "a")!
    defer { fclose(file) }
    var refusals: Set<String> = []
    let before = Self.peakMemory
    for number in inputs {
      let start = ContinuousClock.now
      if start >= end { return }
      progress.current = number
      let verdict = Result { try read(number) }
      progress.done += 1
      let took = start.duration(to: .now)
      progress.slowest = (number, Int(took / .microseconds(1)))
      switch verdict {
      case .success(nil): progress.accepted += 1
      case .success(let refusal?): refusals.insert(refusal)
      case .failure(let complaint): fputs("\(number)\t\((complaint as? Complaint)?.words ?? "\(complaint)")\n", file)
      }
      progress.refusals = refusals.count
      progress.memory = Self.peakMemory - before
      if progress.memory > limits.memory {
        fputs("\(number)\tmemory grew by \(progress.memory >> 20) MiB\n", file)
        fflush(file)
        exit(Self.memoryStatus)
      }
      fflush(file)
    }
  }

  /// Reads one input; gives nil where the reader takes it, and how its refusal begins where not.
  ///
  /// Throws `Complaint` where the reader does not refuse as it must.
  func read(_ number: Int) throws -> String? {
    let (bytes, seed) = mutator.input(number)
    do {
      try mutator.reader.read(bytes, seed.file)
      return nil
    } catch {
      let refusal = try judge(error)
      let isSeed = number < mutator.reader.seeds.count
      if isSeed, seed.isValid { throw Complaint(words: "a whole file is refused: \(error)") }
      return refusal
    }
  }

  private func judge(_ error: any Error) throws -> String {
    guard let failure = error as? Failure else {
      throw Complaint(
        words: "throws \(type(of: error)): \(error)".split(whereSeparator: \.isNewline).joined(separator: " "))
    }
    let line = failure.description
    guard [.badData, .missingInput, .usage].contains(failure.status) else {
      throw Complaint(words: "exit status \(failure.status.rawValue): \(line)")
    }
    if line.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
      throw Complaint(words: "control characters in: \(line.debugDescription)")
    }
    guard !failure.problem.isEmpty, line.count <= limits.message + (failure.place?.count ?? 0) else {
      throw Complaint(words: "a message of \(line.count) characters: \(line.prefix(200))")
    }
    // Up to what the input itself may have in it.
    return String(failure.problem.prefix { !$0.isNumber && $0 != "\"" && $0 != "[" })
  }

  private static var peakMemory: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }

  /// So that what asks for very much memory gets none, and is seen; and no core files.
  private func limitAddressSpace() {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    guard limits.addressSpace > 0 else { return }
    var limit = rlimit(rlim_cur: rlim_t(limits.addressSpace), rlim_max: rlim_t(limits.addressSpace))
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  }
}

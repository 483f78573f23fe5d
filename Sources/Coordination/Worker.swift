import Collectives

/// A rank that does what rank 0 hands out.
final class Worker {
  private let collectives: any MessagePassing
  private let channel: MessageChannel<WorkMessage>
  private var bench: Workbench
  private var isWaitingForWork = false
  private var isEnding = false

  init(_ collectives: any MessagePassing, _ start: @escaping (WorkChunk) throws -> any ChunkWork) {
    self.collectives = collectives
    channel = MessageChannel(collectives, tag: WorkMessage.tag)
    bench = Workbench(start)
  }

  /// Works until rank 0 says that it is the end; what went wrong here is returned, what went wrong between ranks thrown.
  func run() throws -> Result<Void, any Error> {
    try channel.listen(to: 0)
    var outcome = Result<Void, any Error>.success(())
    do {
      while try work() {}
    } catch let problem as WorkProblem {
      outcome = .failure(problem.error)
    }
    bench.clear()
    try channel.send(WorkMessage(.farewell, flag: outcome.isFailure), to: 0)
    try waitForEnd()
    try channel.flush()
    return outcome
  }

  /// Asks, and does a batch or waits for an answer; false at the end.
  private func work() throws -> Bool {
    if bench.wantsMore, !isWaitingForWork, !isEnding {
      try channel.send(WorkMessage(.request), to: 0)
      isWaitingForWork = true
    }
    try hear()
    guard !bench.isEmpty else {
      if isEnding { return false }
      try waitForAnswer()
      return true
    }
    if let finished = try WorkProblem.catching({ try bench.step() }) {
      let message = WorkMessage(
        .result, chunk: finished.chunk, seconds: finished.seconds, payload: finished.result.count)
      try channel.send(message, finished.result, to: 0)
    }
    return true
  }

  private func waitForAnswer() throws {
    var message: WorkMessage?
    try collectives.wait(in: "wait for work from rank 0") {
      message = try channel.take(from: 0)
      return message != nil
    }
    try follow(message!)
  }

  private func hear() throws {
    if !isEnding, let message = try channel.take(from: 0) { try follow(message) }
  }

  private func follow(_ message: WorkMessage) throws {
    if message.kind == .end {
      isEnding = true
      if message.flag { bench.clear() }
      return
    }
    try channel.listen(to: 0)
    isWaitingForWork = false
    try WorkProblem.catching { try bench.add(message.chunk) }
  }

  /// After a farewell: rank 0's last word, past whatever it sent before it heard.
  private func waitForEnd() throws {
    while !isEnding {
      var message: WorkMessage?
      try collectives.wait(in: "wait for rank 0 to end the work") {
        message = try channel.take(from: 0)
        return message != nil
      }
      if message!.kind == .end { isEnding = true } else { try channel.listen(to: 0) }
    }
  }
}

/// What went wrong in the work itself, told apart from trouble between ranks, after which there is nothing left to say.
struct WorkProblem: Error {
  let error: any Error

  static func catching<Value>(_ body: () throws -> Value) throws(WorkProblem) -> Value {
    do { return try body() } catch { throw WorkProblem(error: error) }
  }
}

extension Result {
  var isFailure: Bool { if case .failure = self { true } else { false } }
}

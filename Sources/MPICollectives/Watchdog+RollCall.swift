import CMPIShims
import Collectives
import Diagnostics
import Foundation

/// A question or an answer that is being sent.
struct OutgoingReport: @unchecked Sendable {  // Used under the watchdog's lock.
  let request: UInt
  let bytes: UnsafeMutableRawBufferPointer
}

/// What a report between ranks is; the message's tag.
private enum ReportKind: Int32 {
  case question = 0
  case answer = 1
}

extension Watchdog {
  /// Answers questions unless another thread is in MPI, which then answers itself; false when there is nothing more to do.
  func answerIfFree() -> Bool {
    state.withLockIfAvailable { state in
      if !state.isEnded { readReports(&state) }
      return !state.isEnded
    } ?? true
  }

  /// Answers questions, asks where the deadline has passed, and judges what was heard.
  ///
  /// For the thread that waits. Ends the process if the run is lost: a failure that is thrown would give up memory which
  /// MPI still reads and writes.
  func check(at time: ContinuousClock.Instant) {
    let finding = state.withLock { state in judge(&state, at: time) }
    switch finding {
    case .loss(let failure, let isSpeaker, let isNodeSilent):
      if isNodeSilent { LauncherProcess.nearest()?.killLater(after: Self.launcherLimit) }
      if isSpeaker {
        state.withLock { $0.reportLoss }(failure)
        MPICollectives.letLauncherForward()
      } else {
        usleep(UInt32(Self.speakingTime / .microseconds(1)))
      }
      end(status: failure.status)
    case .patience(let words): state.withLock { $0.reportPatience }(words)
    case nil: break
    }
  }

  /// What this rank has to do about what it has found out.
  private enum Finding {
    case loss(Failure, isSpeaker: Bool, isNodeSilent: Bool)
    case patience(String)
  }

  private func judge(_ state: inout State, at time: ContinuousClock.Instant) -> Finding? {
    state.noteArrivals(at: time)
    readReports(&state)
    guard let wait = state.wait else { return nil }
    if state.asking == nil, wait.patientSince.duration(to: time) >= state.deadline { ask(&state, at: time) }
    guard let asking = state.asking, asking.rollCall.isComplete || time >= asking.end else { return nil }
    let isSpeaker = asking.rollCall.isSpeaker
    switch asking.rollCall.verdict(isLast: wait.extensions >= Self.extensionLimit) {
    case .giveUp(let failure):
      state.isLost = true
      return .loss(failure, isSpeaker: isSpeaker, isNodeSilent: asking.rollCall.isNodeSilent(nodes))
    case .wait(let words):
      state.wait?.patientSince = time
      state.wait?.extensions += 1
      state.asking = nil
      return isSpeaker ? .patience(words) : nil
    }
  }

  /// Begins a roll call.
  private func ask(_ state: inout State, at time: ContinuousClock.Instant) {
    let own = report(state)
    let rollCall = RollCall(own: own, expected: expected, hosts: state.hosts, deadline: state.deadline)
    state.asking = Asking(rollCall: rollCall, end: time + RollCall.listeningTime(deadline: state.deadline))
    for peer in expected where peer != rank { send(own, .question, to: peer, &state) }
  }

  /// What this rank says of itself.
  private func report(_ state: State) -> RankReport {
    RankReport(
      rank: rank, call: state.wait?.call, operations: state.operations,
      secondsWaited: state.wait.map { $0.since.duration(to: .now) / .seconds(1) } ?? 0, activity: state.activity())
  }

  /// Takes in what others ask and answer.
  ///
  /// Trouble with this channel is no failure of its own: whoever cannot be heard is missing.
  private func readReports(_ state: inout State) {
    dropSent(&state)
    while let (kind, report) = receive() {
      state.asking?.rollCall.hear(report, isQuestion: kind == .question)
      guard kind == .question, (0..<state.hosts.count).contains(report.rank) else { continue }
      send(self.report(state), .answer, to: report.rank, &state)
      // Ranks that wait for the same lost one ask together, so that one can speak for all.
      if state.asking == nil, !state.isLost, let wait = state.wait,
        wait.patientSince.duration(to: .now) >= state.deadline / 2
      {
        ask(&state, at: .now)
        state.asking?.rollCall.hear(report, isQuestion: true)
      }
    }
  }

  private func receive() -> (ReportKind, RankReport)? {
    var (found, source, tag, count) = (Int32(0), Int32(0), Int32(0), Int32(0))
    while mpi_shim_probe(MPI_SHIM_ROLL_CALLS, &found, &source, &tag, &count) == 0, found != 0 {
      var bytes = [UInt8](repeating: 0, count: Int(count))
      guard mpi_shim_take(MPI_SHIM_ROLL_CALLS, &bytes, count, source, tag) == 0 else { return nil }
      if let kind = ReportKind(rawValue: tag), let report = RankReport(encoded: bytes), report.rank == Int(source) {
        return (kind, report)
      }
    }
    return nil
  }

  private func send(_ report: RankReport, _ kind: ReportKind, to peer: Int, _ state: inout State) {
    let encoded = report.encoded()
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: encoded.count, alignment: 1)
    bytes.copyBytes(from: encoded)
    var request: UInt = 0
    let code = mpi_shim_send(
      MPI_SHIM_ROLL_CALLS, bytes.baseAddress, Int32(bytes.count), Int32(peer), kind.rawValue, &request)
    if code == 0 { state.outgoing.append(OutgoingReport(request: request, bytes: bytes)) } else { bytes.deallocate() }
  }

  /// Frees what has left; what never does is few and small.
  private func dropSent(_ state: inout State) {
    state.outgoing.removeAll { report in
      var (isDone, received) = (Int32(0), Int32(0))
      guard mpi_shim_test(report.request, &isDone, &received) == 0, isDone != 0 else { return false }
      report.bytes.deallocate()
      return true
    }
  }
}

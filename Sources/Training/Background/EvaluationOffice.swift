import Collectives
import Coordination
import Diagnostics
import Foundation

/// Rank 0's side of evaluation beside training: hands checkpoints to the ranks that evaluate, one at a time, and hears what
/// they find.
///
/// Of checkpoints that come while another one is evaluated, the newest is next.
final class EvaluationOffice {
  /// What is told to those who train.
  struct Listener {
    var found: (CheckpointEvaluation) -> Void = { _ in }
    /// The step of a checkpoint that is left out.
    var omitted: (Int) -> Void = { _ in }
    var failed: (Failure) -> Void = { _ in }
  }

  /// Microseconds between two looks of a rank that does nothing else.
  static let pause: UInt32 = 2000
  private static let heartbeat = Duration.seconds(1)

  var listener = Listener()
  private let world: any MessagePassing
  private let channel: MessageChannel<EvaluationMessage>
  private let evaluators: Range<Int>
  private let folder: URL
  /// Those that have not said farewell.
  private var peers: Set<Int>
  private var current: CheckpointPosition?
  /// What an earlier start of the run left to be done, ascending; it is left out for nothing.
  private var backlog: [CheckpointPosition] = []
  private var next: CheckpointPosition?
  /// When something was last said to the evaluating ranks, and heard of them.
  private var lastWord = ContinuousClock.now
  private var lastHeard = ContinuousClock.now
  private var isClosed = false

  /// The evaluating ranks of a world, and the folder of checkpoints.
  init(_ world: any MessagePassing, evaluators: Range<Int>, folder: URL) throws {
    (self.world, self.evaluators, self.folder) = (world, evaluators, folder)
    channel = MessageChannel(world, tag: EvaluationMessage.tag)
    peers = Set(evaluators)
    for peer in peers { try channel.listen(to: peer) }
  }

  /// Whether anything is evaluated or waits for it.
  var isBusy: Bool { !isClosed && (current != nil || next != nil || !backlog.isEmpty) }

  /// Steps of checkpoints that must stay.
  var claimedSteps: Set<Int> { Set(([current, next] + backlog).compactMap { $0?.step }) }

  /// Has a checkpoint evaluated when its turn comes; one that still waits is left out for it.
  func submit(_ place: CheckpointPosition) {
    if let next { listener.omitted(next.step) }
    next = place
  }

  /// Has checkpoints evaluated that an earlier start of the run did not get to.
  func resubmit(_ places: [CheckpointPosition]) { backlog += places }

  /// Takes in what has come, and hands out what is next.
  ///
  /// Blocks only where nothing has come for as long as ranks wait for each other: then one may be lost, which a wait finds
  /// out.
  func serve() throws {
    _ = try hear()
    if current != nil, lastHeard.duration(to: .now) > world.deadline { try waitForNews() }
  }

  /// The same without ever blocking; whether anything had come.
  private func hear() throws -> Bool {
    var heard = false
    for peer in peers.sorted() {
      guard let message = try channel.take(from: peer) else { continue }
      heard = true
      try follow(message, of: peer)
    }
    if heard { lastHeard = .now }
    if current == nil, !isClosed { try handOut() }
    return heard
  }

  /// Waits until the evaluating ranks have said something, or this process was asked to stop.
  func waitForNews() throws {
    try world.wait(in: "wait for the evaluation of step \(current?.step ?? next?.step ?? 0)") {
      let heard = try hear()
      if !heard { usleep(Self.pause) }
      return heard || StopSignal.isRequested
    }
  }

  /// Tells the evaluating ranks that it is the end, and waits until all have heard.
  func end(with failure: Failure?) throws {
    isClosed = true
    for peer in evaluators { try channel.send(.end, failure?.encoded() ?? [], to: peer) }
    while !peers.isEmpty {
      try world.wait(in: "wait for the ranks that evaluate to end") {
        let heard = try hear()
        if !heard { usleep(Self.pause) }
        return heard
      }
    }
    try channel.flush()
  }

  private func handOut() throws {
    if let place = backlog.first ?? next {
      if backlog.isEmpty { next = nil } else { backlog.removeFirst() }
      (current, lastHeard) = (place, .now)
      let path = Array(folder.appendingPathComponent(place.name).path.utf8)
      for peer in evaluators { try channel.send(.evaluate, step: place.step, epoch: place.epoch, path, to: peer) }
    } else if lastWord.duration(to: .now) >= min(Self.heartbeat, world.deadline / 4) {
      for peer in evaluators { try channel.send(.heartbeat, to: peer) }
    } else {
      return
    }
    lastWord = .now
  }

  private func follow(_ message: EvaluationMessage, of peer: Int) throws {
    let payload = try channel.takePayload(of: message, from: peer)
    switch message.kind {
    case .progress: break
    case .result:
      current = nil
      listener.found(try CheckpointEvaluation(encoded: Data(payload)))
    case .failed:
      // What follows from it comes back as the end; until then nothing more is handed out.
      guard !isClosed else { break }
      isClosed = true
      listener.failed(Failure(encoded: payload) ?? Failure(.internalError, "a failure of rank \(peer) cannot be read"))
    case .farewell:
      peers.remove(peer)
      return
    case .evaluate, .heartbeat, .end: throw Failure(.internalError, "rank \(peer) takes itself for rank 0")
    }
    try channel.listen(to: peer)
  }
}

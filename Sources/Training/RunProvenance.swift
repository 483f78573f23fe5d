import Checkpoints
import Collectives
import Foundation
import StrictJSON

/// Where a state comes from: which program on which ranks, and what it was begun with.
struct RunProvenance: Sendable {
  /// Of the program.
  let version: String
  /// When this process began to train, in seconds since 1970.
  let startedAt: Double
  let ranks: Int
  let hosts: Int
  let threadsPerRank: Int
  /// The checkpoint whose parameters the run began with; nil for the untuned model.
  var initialCheckpoint: InitialCheckpoint?
  /// Steps that this process went on from.
  var resumedStep: Int?
  /// In which the run was changed between two starts, and after how many steps.
  var acceptedDifferences: [String] = []

  /// Who computes now.
  ///
  /// Collective: all ranks call this in the same order.
  init(version: String, threads: Int, _ collectives: any Collectives) throws {
    self.version = version
    startedAt = Date().timeIntervalSince1970
    ranks = collectives.worldSize
    hosts = Set(try collectives.allGather(Array(collectives.hostName.utf8))).count
    threadsPerRank = threads
  }

  /// As stored in a checkpoint.
  var json: JSONValue {
    var members = [
      JSONMember("program", .string("skiptune \(version)")), JSONMember("started_at", .number(startedAt)),
      JSONMember("ranks", .integer(ranks)), JSONMember("hosts", .integer(hosts)),
      JSONMember("threads_per_rank", .integer(threadsPerRank)),
    ]
    if let initialCheckpoint { members.append(JSONMember("initial_checkpoint", initialCheckpoint.json)) }
    if let resumedStep { members.append(JSONMember("resumed_step", .integer(resumedStep))) }
    members.append(JSONMember("accepted_differences", .array(acceptedDifferences.map { .string($0) })))
    return .object(members)
  }

  /// Takes over what a run that goes on must still know of itself.
  mutating func inherit(_ stored: JSONValue?) {
    initialCheckpoint = stored?["initial_checkpoint"].flatMap(InitialCheckpoint.init)
    acceptedDifferences = stored?["accepted_differences"]?.elements?.compactMap(\.string) ?? []
  }
}

/// The checkpoint that a run began with.
struct InitialCheckpoint: Codable, Equatable, Sendable {
  /// Where it was.
  let path: String
  /// Steps that its own run had done.
  let step: Int
  /// Of its manifest.
  let hash: String

  init(_ checkpoint: Checkpoint) {
    path = checkpoint.folder.path
    step = checkpoint.manifest.step
    hash = "\(checkpoint.hash)"
  }

  fileprivate init?(_ json: JSONValue) {
    guard let path = json["path"]?.string, let step = json["step"]?.integer, let hash = json["manifest_hash"]?.string
    else { return nil }
    self.path = path
    self.step = step
    self.hash = hash
  }

  fileprivate var json: JSONValue {
    .object([
      JSONMember("path", .string(path)), JSONMember("step", .integer(step)), JSONMember("manifest_hash", .string(hash)),
    ])
  }
}

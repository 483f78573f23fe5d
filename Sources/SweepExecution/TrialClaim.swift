import Foundation

/// Who works on a trial, as a claim file tells it; or that nobody does any more.
struct TrialClaim: Codable, Equatable, Sendable {
  /// What became of the trial while it was held.
  enum End: String, Codable, Sendable {
    case finished, failed, stopped, interrupted
  }

  var trial: String
  /// Who holds it, one name for each group of ranks that ever was; that of its heartbeat, too.
  var holder: String
  /// The holder's first rank.
  var process: ProcessIdentity
  /// The job that the holder is of: an `mpirun`, a task of a Slurm array.
  var job: String
  /// When it was written, in ISO 8601.
  var time: String
  /// Seconds without a heartbeat after which the holder is given up by those that cannot see it.
  var lease: Double
  /// Nil while it is held.
  var end: End?
}

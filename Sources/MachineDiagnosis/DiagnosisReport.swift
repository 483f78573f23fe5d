import Diagnostics
import Foundation
import Reporting

/// What was found on all ranks, as the JSON file holds it.
public struct DiagnosisReport: Codable, Sendable, Equatable {
  /// Messages between two ranks.
  public struct Link: Codable, Sendable, Equatable {
    /// The two ranks.
    public var ranks: [Int]
    /// Their hosts.
    public var hosts: [String]
    /// Seconds of a message of a few bytes.
    public var latency: Double
    /// Bytes a second each way, both used.
    public var bandwidth: Double
  }

  /// The clock of a host beside that of rank 0, in seconds.
  public struct Clock: Codable, Sendable, Equatable {
    /// Whose clock it is.
    public var host: String
    /// By how much it is ahead.
    public var ahead: Double
    /// The truth is at most this far away.
    public var uncertainty: Double
  }

  /// What a training with some settings takes.
  public struct Need: Codable, Sendable, Equatable {
    /// What was asked about.
    public var name: String
    /// Most bytes of a rank.
    public var bytesPerRank: Int

    /// A forecast.
    public init(name: String, bytesPerRank: Int) { (self.name, self.bytesPerRank) = (name, bytesPerRank) }
  }

  /// By rank.
  public var ranks: [RankFacts]
  /// Those that were measured.
  public var links: [Link]
  /// Pairs that should be measured.
  public var pairs: Int
  /// Of each host but rank 0's.
  public var clocks: [Clock]
  /// Of the run directory.
  public var folder: FolderFacts?
  /// Forecasts of memory.
  public var needs: [Need]
  /// What is wrong, errors first.
  public var findings: [Finding] = []
}

extension DiagnosisReport {
  /// Ranks of each node, in order of nodes.
  var hosts: [[RankFacts]] {
    Dictionary(grouping: ranks, by: \.node).sorted { $0.key < $1.key }.map(\.value)
  }

  /// The failure that a command ends with, on all ranks alike: the first error's status; nil where there are warnings only.
  public var failure: Failure? {
    let errors = findings.filter { $0.severity == .error }
    guard let status = errors.first?.status.flatMap(ExitStatus.init) else { return nil }
    return Failure(
      status,
      errors.count == 1 ? "one thing is wrong that a training would end with" : "\(errors.count) things are wrong",
      remedy: "see the list above")
  }
}

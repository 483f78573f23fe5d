import Diagnostics
import Files
import Foundation
import Reporting

/// Claims on trials, in files that several jobs on several hosts share.
///
/// The claims on a trial are numbered, `<trial>.<number>.json`; the highest one counts. A claim, a release and a take-over are
/// each the next number, written aside and put in its place by `link(2)`, which gives a name to one writer alone on network
/// file systems, too. Nothing is renamed or removed, so that whoever looks at an old state of the folder fails to get the next
/// number, and looks again.
struct ClaimFolder: Sendable {
  /// The claim that counts.
  struct Standing: Equatable, Sendable {
    /// 0 where there never was a claim.
    var number = 0
    /// Nil where there was none, or its file cannot be read.
    var claim: TrialClaim?

    /// Whether the trial is nobody's.
    var isFree: Bool { number == 0 || claim?.end != nil }
  }

  private static let largest = 1 << 16
  private let url: URL

  /// The folder `claims` of a sweep, which is made where it is not there.
  init(in sweep: URL) throws {
    url = sweep.appending(path: "claims")
    try SharedFolder.create(url)
  }

  /// The same for reading alone.
  init(reading sweep: URL) { url = sweep.appending(path: "claims") }

  /// Numbers of the claims that count, by trial.
  func numbers() throws -> [String: Int] {
    var numbers: [String: Int] = [:]
    for name in try SharedFolder.names(in: url) {
      let parts = name.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[2] == "json", !parts[0].isEmpty, let number = Int(parts[1]),
        (1..<Int.max).contains(number)
      else {
        continue
      }
      numbers[String(parts[0])] = max(number, numbers[String(parts[0])] ?? 0)
    }
    return numbers
  }

  /// The claim of that number on a trial.
  func standing(_ trial: String, number: Int) -> Standing {
    guard number > 0, let bytes = try? SmallFile.bytes(of: file(trial, number), limit: Self.largest) else {
      return Standing(number: number)
    }
    return Standing(number: number, claim: try? SharedFolder.decoder.decode(TrialClaim.self, from: Data(bytes)))
  }

  /// Puts a claim after the one that `standing` is; nil where somebody else was first.
  ///
  /// Throws `Failure` where the disk does not take it.
  func put(_ claim: TrialClaim, after standing: Standing) throws -> Standing? {
    let place = file(claim.trial, standing.number + 1)
    guard try SharedFolder.publish(try ReportJSON.document(claim), at: place) else { return nil }
    return Standing(number: standing.number + 1, claim: claim)
  }

  private func file(_ trial: String, _ number: Int) -> URL { url.appending(path: "\(trial).\(number).json") }
}

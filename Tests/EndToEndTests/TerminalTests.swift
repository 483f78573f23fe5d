import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// What a run shows on a terminal, which `script` makes.
  @Suite struct Terminal {
    private static let erase = "\r\u{1B}[K"

    /// What two ranks show under mpirun with further options, on a terminal of 80 columns.
    private func shown(_ options: String = "", _ environment: [String: String] = [:]) throws -> String {
      let task = try SmallTask()
      let arguments = task.trainArguments("run", ["limits.max_steps=60"]).map { "'\($0)'" }.joined(separator: " ")
      let command =
        "mpirun --allow-run-as-root --oversubscribe --bind-to none \(options) -np 2 "
        + "'\(try BuiltProducts.url("skiptune").path)' \(arguments)"
      let outcome = try ProcessRunner.run(
        URL(fileURLWithPath: "/usr/bin/script"), ["-qec", command, "/dev/null"],
        environment: MPIRun.cleanEnvironment.merging(["TERM": "xterm"]) { $1 }.merging(environment) { $1 },
        timeout: .seconds(60))
      try #require(outcome.status == 0 && !outcome.timedOut, "\(outcome.stdout) \(outcome.stderr)")
      return outcome.stdout
    }

    @Test func aLineIsRewrittenUnderMpirun() throws {
      let text = try shown()
      let drawn = text.components(separatedBy: Self.erase).map { $0.replacing(/\u{1B}\[[0-9;]*m/, with: "") }
      let lines = drawn.map { $0.prefix { !$0.isNewline } }.filter { $0.contains(#/^epoch \d+/\d+  .*\d+%  /#) }
      #expect(!lines.isEmpty && lines.allSatisfy { $0.count <= 79 }, "\(drawn)")
      // Of the epoch before, so not in the first.
      #expect(lines.contains { $0.contains(#/loss \d.*left, .*img/s, bal \d+%/#) }, "\(lines)")
    }

    @Test func plainLinesAreWrittenWhereNothingCanBeRewritten() throws {
      for text in [try shown("--tag-output"), try shown("", ["TERM": "dumb"])] {
        #expect(!text.contains("\u{1B}") && text.contains("epoch 1/"), "\(text)")
      }
    }

    @Test func thereIsNoColorWhereNoneIsWanted() throws {
      let text = try shown("", ["NO_COLOR": "1"])
      #expect(text.contains(Self.erase) && !text.contains("\u{1B}[1m"), "\(text)")
    }
  }
}

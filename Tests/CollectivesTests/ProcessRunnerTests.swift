import Foundation
import TestSupport
import Testing

@Suite struct ProcessRunnerTests {
  private func shell(_ script: String, timeout: Duration = .seconds(60)) throws -> ProcessRunner.Outcome {
    try ProcessRunner.run(URL(fileURLWithPath: "/bin/sh"), ["-c", script], timeout: timeout)
  }

  @Test func outputsAndStatusAreKept() throws {
    let outcome = try shell("echo out; echo err >&2; exit 3")
    #expect(outcome.stdout == "out\n")
    #expect(outcome.stderr == "err\n")
    #expect(outcome.status == 3)
    #expect(!outcome.timedOut)
  }

  /// A pipe holds 64 KiB: waiting before reading would never end.
  @Test func largeOutputsDoNotBlock() throws {
    let outcome = try shell("head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero")
    #expect(outcome.stdout.utf8.count == 1_000_000)
    #expect(outcome.stderr.utf8.count == 1_000_000)
  }

  @Test func theWholeGroupEndsAfterTheTimeOut() throws {
    let clock = ContinuousClock()
    let start = clock.now
    let outcome = try shell("sleep 600 & sleep 600", timeout: .milliseconds(300))
    #expect(outcome.timedOut)
    #expect(outcome.status == 128 + 15)
    #expect(clock.now - start < .seconds(4))  // Less than the time after which it would have been killed.
  }

  @Test func whoIgnoresThePoliteSignalIsKilled() throws {
    let outcome = try shell("trap '' TERM; while :; do sleep 1; done", timeout: .milliseconds(300))
    #expect(outcome.timedOut)
    #expect(outcome.status == 128 + 9)
  }

  @Test func aProgramThatIsNotThereIsAnError() {
    #expect(throws: ProcessRunner.StartFailure.self) {
      try ProcessRunner.run(URL(fileURLWithPath: "/nonexistent/program"), [], timeout: .seconds(1))
    }
  }
}

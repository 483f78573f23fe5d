import Foundation
import TestSupport
import Testing

/// A short run of the fuzzer over all readers, and proof that it sees what it looks for.
@Suite struct FuzzTests {
  private func fuzz(_ arguments: String...) throws -> ProcessRunner.Outcome {
    try ProcessRunner.run(try BuiltProducts.url("skiptune-fuzz"), arguments, timeout: .seconds(300))
  }

  @Test func readersRefuseWhatIsDamaged() throws {
    let outcome = try fuzz("--seed", "1", "--inputs", "200")
    #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
    #expect(outcome.stdout.hasSuffix(" 0 findings\n"))
  }

  @Test(arguments: [
    ("trap", "signal"), ("memory", "memory grew"), ("error", "CancellationError"), ("status", "exit status 70"),
    ("message", "characters"), ("hang", "takes more than"),
  ])
  func faultsAreFound(fault: String, words: String) throws {
    let inputs = fault == "hang" ? "12" : "40"
    let outcome = try fuzz("--reader", "faulty-\(fault)", "--inputs", inputs, "--hang", "2")
    #expect(outcome.status == 1 && outcome.stdout.contains(words), "\(outcome.stdout)\(outcome.stderr)")
  }

  @Test func inputsAreTheSameAgain() throws {
    let one = try fuzz("--reader", "json", "--first", "100", "--inputs", "20", "--here")
    let more = try fuzz("--reader", "json", "--first", "90", "--inputs", "30", "--here")
    #expect(one.status == 0 && one.stdout.split(separator: "\n") == more.stdout.split(separator: "\n").suffix(20))
  }
}

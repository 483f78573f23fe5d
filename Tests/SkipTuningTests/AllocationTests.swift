import Foundation
import TestSupport
import Testing

/// What a training step takes of memory once it has been done a few times, counted where malloc is.
@Suite struct AllocationTests {
  @Test(arguments: [1, 2]) func aSteadyStepTakesOnlyShortLists(threads: Int) throws {
    let outcome = try ProcessRunner.run(
      BuiltProducts.url("skiptune-allocations"), ["\(threads)"], timeout: .seconds(120))
    #expect(outcome.status == 0, "\(outcome.stderr)")
    var counted: [Substring: (count: Int, bytes: Int)] = [:]
    for line in outcome.stdout.split(separator: "\n") {
      let words = line.split(separator: " ")
      counted[words[0]] = (Int(words[1])!, Int(words[2])!)
    }
    // Of 64 KiB or more: a norm's statistics alone are smaller, any activation is larger.
    #expect(try #require(counted["activations"]).count == 0)
    // Twenty steps; about a thousand lists a step, of rows, classes and shapes, 70 kB together.
    let all = try #require(counted["all"])
    #expect(all.count > 0 && all.bytes < 20 * 250_000, "\(all)")
  }
}

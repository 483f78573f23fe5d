import Foundation
import Testing

@testable import Sweeps

@Suite struct TrialTests {
  private let settings = [Setting(key: "method.start_layer", value: "2"), Setting(key: "seed", value: "1")]

  /// The hash is that of `printf 'method.start_layer=2\nseed=1\n' | sha256sum`.
  @Test func isNamedByNumberAndSettings() {
    #expect(Trial(number: 7, settings: settings).name == "0007-ce17a50e")
    #expect(Trial(number: 12_345, settings: settings.reversed()).name == "12345-ce17a50e")
  }
}

import Foundation
import Testing

@testable import Reporting

@Suite struct LauncherTerminalTests {
  @Test(arguments: [
    (["mpirun", "-np", "2", "skiptune", "train"], false), (["/usr/bin/mpiexec", "skiptune"], false),
    (["prterun", "--np", "2", "skiptune"], false), (["prterun", "--output", "tag", "skiptune"], true),
    (["mpirun", "--tag-output", "skiptune"], true), (["mpirun", "-timestamp-output", "skiptune"], true),
    (["mpirun", "--output-filename", "log", "skiptune"], true), (["bash"], true), ([], true),
  ])
  func onlyALauncherThatChangesNothingIsTrusted(arguments: [String], marks: Bool) {
    #expect(LauncherTerminal.marksLines([:], arguments) == marks)
  }

  @Test func marksMayBeAskedForByTheEnvironment() {
    #expect(LauncherTerminal.marksLines(["OMPI_MCA_orte_tag_output": "1"], ["mpirun"]))
  }

  @Test func withoutALauncherThereIsNone() {
    #expect(LauncherTerminal(environment: [:]) == nil)
    // The parent of a test run is no mpirun.
    #expect(LauncherTerminal(environment: ["OMPI_COMM_WORLD_RANK": "0"]) == nil)
  }
}

import Diagnostics
import Foundation
import Reporting
import Testing

@Suite struct ConsoleLogTests {
  let recorder = Recorder()

  /// 13:07:09 in the time zone of the machine.
  static var time: Date {
    Calendar.current.date(from: DateComponents(year: 2024, month: 5, day: 6, hour: 13, minute: 7, second: 9)) ?? Date()
  }

  func destination(usesColor: Bool = false) -> LogDestination {
    let recorder = recorder
    return LogDestination(
      ConsoleOutput(isTerminal: usesColor, usesColor: usesColor) { recorder.add($0) }, clock: { Self.time })
  }

  @Test func aLineHasTimeLevelAndMessage() {
    let log = ConsoleLog(destination()).logger()
    log.info("reading data")
    log.debug("not shown")
    log.warning("slow", metadata: ["seconds": "3", "at": "disk"])
    #expect(recorder.take() == ["13:07:09 info reading data\n", "13:07:09 warning slow at=disk seconds=3\n"])
  }

  @Test func theLevelIsRespected() {
    let log = ConsoleLog(destination(), level: .trace).logger()
    log.trace("fine")
    #expect(recorder.take() == ["13:07:09 trace fine\n"])
  }

  @Test func otherRanksSpeakOnErrorsOnly() {
    let log = ConsoleLog(destination(), level: .trace, rank: 2).logger()
    log.warning("unheard")
    log.error("lost")
    #expect(recorder.take() == ["13:07:09 error [rank 2] lost\n"])
    ConsoleLog(destination(), rank: 0, showsRank: true).logger().info("hello")
    #expect(recorder.take() == ["13:07:09 info [rank 0] hello\n"])
  }

  @Test func aMessageCannotForgeLinesOrControlTheTerminal() {
    ConsoleLog(destination()).logger().info("a\n13:00:00 error b\u{1B}[2J\r\u{202E}\u{9B}c")
    #expect(recorder.take() == ["13:07:09 info a\n  13:00:00 error b?[2J??c\n"])
  }

  @Test func warningsAreColoredOnATerminal() {
    let log = ConsoleLog(destination(usesColor: true)).logger()
    log.info("a")
    log.warning("b")
    log.error("c")
    #expect(
      recorder.take() == [
        "13:07:09 info a\n", "\u{1B}[33m13:07:09 warning \u{1B}[0mb\n", "\u{1B}[31m13:07:09 error \u{1B}[0mc\n",
      ])
  }

  @Test func linesGoToTheFileTooOnceItIsAttached() throws {
    try withTemporaryFolder { folder in
      let file = folder.appendingPathComponent("run.log")
      let destination = destination(usesColor: true)
      let log = ConsoleLog(destination).logger()
      log.info("before")
      try destination.attach(file)
      log.error("after")
      #expect(try text(of: file) == "13:07:09 error after\n")
    }
  }

  @Test func aFullDiskIsToldOnceAndDoesNotStopTheLog() throws {
    guard FileManager.default.isWritableFile(atPath: "/dev/full") else { return }
    let destination = destination()
    try destination.attach(URL(fileURLWithPath: "/dev/full"))
    let log = ConsoleLog(destination).logger()
    log.info("a")
    log.info("b")
    #expect(
      recorder.take() == [
        "13:07:09 info a\n",
        "13:07:09 warning /dev/full: writing failed: No space left on device; free some space on that disk; no more log lines go there\n",
        "13:07:09 info b\n",
      ])
  }

  @Test(arguments: ["info", "INFO", "critical"]) func levelsHaveNames(name: String) throws {
    #expect(try ConsoleLog.level(named: name).rawValue == name.lowercased())
  }

  @Test func aMistypedLevelFindsItsNeighbour() {
    #expect(
      failure { _ = try ConsoleLog.level(named: "warnin") }?.description
        == "--log-level: warnin is not a level: it must be one of trace, debug, info, notice, warning, error, critical; did you mean warning?"
    )
    #expect(failure { _ = try ConsoleLog.level(named: "loud") }?.remedy == "use info")
  }

  @Test func linesOfManyThreadsStayWhole() async {
    let log = ConsoleLog(destination()).logger()
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask { for step in 0..<50 { log.info("task \(task) step \(step)") } }
      }
    }
    let expected = (0..<8).flatMap { task in (0..<50).map { "13:07:09 info task \(task) step \($0)\n" } }
    #expect(recorder.take().sorted() == expected.sorted())
  }
}

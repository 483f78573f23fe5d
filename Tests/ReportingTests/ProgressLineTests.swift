import Foundation
import Testing

@testable import Reporting

@Suite struct ProgressLineTests {
  let clock = ManualClock()
  let recorder = Recorder()

  func console(isTerminal: Bool, usesColor: Bool = false, columns: Int = 120) -> ConsoleOutput {
    let recorder = recorder
    return ConsoleOutput(isTerminal: isTerminal, usesColor: usesColor, columns: { columns }) { recorder.add($0) }
  }

  func progress(_ output: ConsoleOutput, total: Int? = 100, startingAt first: Int = 0) -> ProgressLine {
    ProgressLine("epoch 1/2", unit: "image", total: total, startingAt: first, output: output, now: clock.now)
  }

  static let erase = "\r\u{1B}[K"

  @Test func aTerminalLineIsRewrittenAndFinallyReplaced() {
    let progress = progress(console(isTerminal: true))
    clock.advance(1)
    progress.update(completed: 10, note: "loss 1.23")
    #expect(
      recorder.take() == [
        Self.erase + "epoch 1/2  [##..................]  10%  10/100  10.0 images/s  9.0 s left  loss 1.23"
      ])
    clock.advance(9)
    progress.update(completed: 100)
    #expect(recorder.take() == [Self.erase + "epoch 1/2  [####################]  100%  100/100  10.0 images/s"])
    progress.finish(note: "loss 1.00")
    #expect(recorder.take() == [Self.erase, "epoch 1/2: 100/100 in 10.0 s, 10.0 images/s, loss 1.00\n"])
    progress.finish()
    progress.update(completed: 100)
    #expect(recorder.take() == [])
  }

  @Test func aTerminalLineIsDrawnTenTimesASecondAtMost() {
    let progress = progress(console(isTerminal: true), total: 100_000)
    for step in 1...1000 {
      clock.advance(0.001)
      progress.update(completed: step)
    }
    #expect((9...11).contains(recorder.take().count))
  }

  @Test func plainLinesAreRare() {
    let progress = progress(console(isTerminal: false), total: 100)
    for step in 1...90 {
      clock.advance(1)
      progress.update(completed: step, note: "loss \(step)")
    }
    #expect(
      recorder.take() == [
        "epoch 1/2: 30/100 (30%), 1.0 images/s, 1 min 10 s left, loss 30\n",
        "epoch 1/2: 60/100 (60%), 1.0 images/s, 40.0 s left, loss 60\n",
        "epoch 1/2: 90/100 (90%), 1.0 images/s, 10.0 s left, loss 90\n",
      ])
    progress.finish()
    #expect(recorder.take() == ["epoch 1/2: 90/100 in 1 min 30 s, 1.0 images/s\n"])
  }

  @Test(arguments: [
    (100, "epoch 1/2  [#####...............]  25%  25/100  25.0 images/s  3.0 s left  note"),
    (79, "epoch 1/2  25%  25/100  25.0 images/s  3.0 s left  note"),
    (50, "epoch 1/2  25%  25/100  3.0 s left  note"),
    (38, "epoch 1/2  25%  25/100  3.0 s left"),
    (30, "epoch 1/2  25%  3.0 s left"), (20, "epoch 1/2  25%"), (8, "epoch 1"), (1, "e"), (0, "e"),
  ])
  func aNarrowTerminalGetsLess(columns: Int, line: String) {
    let progress = progress(console(isTerminal: true, columns: columns))
    clock.advance(1)
    progress.update(completed: 25, note: "note")
    #expect(recorder.take() == [Self.erase + line])
  }

  @Test(arguments: [
    (71, "  loss 1.0, 80 images/s, 1 MB/s sent"), (60, "  loss 1.0, 80 images/s"), (45, "  loss 1.0"), (40, ""),
  ])
  func aNoteLosesItsLastWordsFirst(columns: Int, words: String) {
    let progress = progress(console(isTerminal: true, columns: columns))
    clock.advance(1)
    progress.update(completed: 25, note: "loss 1.0, 80 images/s, 1 MB/s sent")
    #expect(recorder.take() == [Self.erase + "epoch 1/2  25%  25/100  3.0 s left" + words])
  }

  /// One that tells of its pace in its notes.
  @Test(arguments: [
    (100, "epoch 1/2  [#####...............]  25%  25/100  loss 1.0, 80 images/s"),
    (99, "epoch 1/2  [#####...............]  25%  25/100  loss 1.0, 80 img/s"),
    (60, "epoch 1/2  25%  25/100  loss 1.0, 80 img/s"),
    (38, "epoch 1/2  25%  loss 1.0, 80 img/s"), (30, "epoch 1/2  25%  loss 1.0"), (23, "epoch 1/2  25%  25/100"),
    (20, "epoch 1/2  25%"),
  ])
  func aNoteOfThePaceBecomesBrief(columns: Int, line: String) {
    let progress = ProgressLine(
      "epoch 1/2", unit: "step", total: 100, showsPace: false, output: console(isTerminal: true, columns: columns),
      now: clock.now)
    clock.advance(1)
    progress.update(completed: 25, note: "loss 1.0, 80 images/s", brief: "loss 1.0, 80 img/s")
    #expect(recorder.take() == [Self.erase + line])
  }

  @Test func anotherProcessesStatusLineIsOverwritten() {
    let recorder = recorder
    let output = ConsoleOutput(isTerminal: false, sharesTerminal: true) { recorder.add($0) }
    output.setStatus("never")
    output.write(line: "an error")
    #expect(recorder.take() == [Self.erase + "an error\n"])
  }

  @Test func withoutATotalThereIsNoTimeLeft() {
    let progress = progress(console(isTerminal: true), total: nil)
    clock.advance(2)
    progress.update(completed: 5000)
    #expect(recorder.take() == [Self.erase + "epoch 1/2  5,000 images  2,500 images/s"])
  }

  @Test func anEmptyTaskAndATaskWithoutTimeAreHarmless() {
    let progress = progress(console(isTerminal: true), total: 0)
    progress.update(completed: 0)
    #expect(recorder.take() == [])
    clock.advance(1)
    progress.update(completed: 0)
    #expect(recorder.take() == [Self.erase + "epoch 1/2  [####################]  100%  0/0"])
    progress.finish()
    #expect(recorder.take().last == "epoch 1/2: 0/0 in 1.0 s, ? images/s\n")
  }

  @Test func whatAResumedRunDidBeforeDoesNotCountForTheRate() {
    let progress = progress(console(isTerminal: false), startingAt: 90)
    clock.advance(30)
    progress.update(completed: 93)
    #expect(recorder.take() == ["epoch 1/2: 93/100 (93%), 10.0 s/image, 1 min 10 s left\n"])
  }

  @Test func theTitleIsBoldInColorOnly() {
    let progress = progress(console(isTerminal: true, usesColor: true), total: nil)
    clock.advance(1)
    progress.update(completed: 1)
    #expect(recorder.take() == [Self.erase + "\u{1B}[1mepoch 1/2\u{1B}[0m  1 images  1.0 images/s"])
  }

  @Test func theRateFollowsTheRecentPast() throws {
    var rate = SmoothedRate()
    #expect(rate.perSecond == nil)
    for _ in 0..<100 { rate.add(10, over: 1) }
    #expect(abs(try #require(rate.perSecond) - 10) < 1e-9)
    for _ in 0..<100 { rate.add(1, over: 1) }
    // 9 exp(-100 / 20) of the old rate is left.
    #expect(abs(try #require(rate.perSecond) - (1 + 9 * exp(-5))) < 0.01)
  }

  @Test func oneLongUpdateEqualsManyShortOnes() throws {
    var short = SmoothedRate()
    var long = SmoothedRate()
    for _ in 0..<60 { short.add(3, over: 0.5) }
    long.add(180, over: 30)
    short.add(2, over: 7)
    long.add(2, over: 7)
    #expect(abs(try #require(short.perSecond) - #require(long.perSecond)) < 1e-9)
  }

  @Test func aMessageLandsAboveTheStatusLine() {
    let output = console(isTerminal: true)
    output.setStatus("working")
    output.write(line: "message")
    output.setStatus("")
    output.setStatus("")
    output.write(line: "end")
    #expect(recorder.take() == [Self.erase + "working", Self.erase + "message\nworking", Self.erase, "end\n"])
  }

  @Test func aDumbTerminalAndNoColorAreRespected() {
    // Standard error of a test run is a file or a pipe in continuous integration and a terminal at a desk.
    #expect(!ConsoleOutput.standardError(environment: ["TERM": "dumb"]).isTerminal)
    #expect(!ConsoleOutput.standardError(environment: ["NO_COLOR": "1"]).usesColor)
  }

  @Test func updatesFromManyThreadsAreSafe() async {
    let progress = progress(console(isTerminal: true), total: 800)
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        let clock = clock
        group.addTask {
          for step in 0..<100 {
            clock.advance(0.01)
            progress.update(completed: task * 100 + step)
          }
        }
      }
    }
    progress.finish()
    #expect(recorder.take().last?.hasSuffix("\n") == true)
  }
}

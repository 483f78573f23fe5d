import Diagnostics
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SweepExecution

@Suite struct ClaimTests {
  private func claim(_ trial: String, by holder: String, end: TrialClaim.End? = nil) -> TrialClaim {
    TrialClaim(
      trial: trial, holder: holder, process: .own, job: "job", time: "2026-01-01T00:00:00Z", lease: 60, end: end)
  }

  /// Of many who want the same, one gets it: a free trial, and one that is taken over from the dead.
  @Test func eachNumberIsGivenOnce() throws {
    try withScratchFolder { folder in
      let claims = try ClaimFolder(in: folder)
      let trials = (1...20).map { "trial-\($0)" }
      for round in 0..<3 {
        let winners = Mutex<[String: Int]>([:])
        let failures = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: 8) { worker in
          for trial in trials {
            let before = ClaimFolder.Standing(number: round)
            do {
              if try claims.put(claim(trial, by: "\(worker)"), after: before) != nil {
                winners.withLock { $0[trial, default: 0] += 1 }
              }
            } catch {
              failures.withLock { $0 += 1 }
            }
          }
        }
        #expect(winners.withLock { $0 } == Dictionary(uniqueKeysWithValues: trials.map { ($0, 1) }))
        #expect(failures.withLock { $0 } == 0)
        #expect(try claims.numbers() == Dictionary(uniqueKeysWithValues: trials.map { ($0, round + 1) }))
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "claims").path)
      #expect(left.count == 3 * trials.count, "nothing is left beside the claims")
    }
  }

  @Test func whoeverWasTakenOverReleasesNothing() throws {
    try withScratchFolder { folder in
      let claims = try ClaimFolder(in: folder)
      #expect(claims.standing("a", number: 0).isFree)
      let first = try #require(try claims.put(claim("a", by: "first"), after: ClaimFolder.Standing()))
      #expect(!first.isFree)
      let second = try #require(try claims.put(claim("a", by: "second"), after: first))
      #expect(try claims.put(claim("a", by: "first", end: .finished), after: first) == nil)
      #expect(claims.standing("a", number: 2).claim?.holder == "second")
      let released = try #require(try claims.put(claim("a", by: "second", end: .failed), after: second))
      #expect(claims.standing("a", number: 3) == released && released.isFree)
    }
  }

  /// Files that others leave, and a claim that is not whole yet.
  @Test func whatCannotBeReadIsSomebodys() throws {
    try withScratchFolder { folder in
      let claims = try ClaimFolder(in: folder)
      for name in ["a.1.json", "a.x.json", "b.json", ".a.9.json.partial", "a.-3.json", "c.2.json.bak"] {
        try Data("{".utf8).write(to: folder.appending(path: "claims/\(name)"))
      }
      #expect(try claims.numbers() == ["a": 1])
      #expect(!claims.standing("a", number: 1).isFree)
    }
  }

  @Test func processesAreToldApart() throws {
    var other = ProcessIdentity.own
    #expect(other.isRunning == true)
    other.started += 1
    #expect(other.isRunning == false, "another process with the same number")
    other = .own
    other.space = "another host"
    #expect(other.isRunning == nil)
    let child = Process()
    child.executableURL = URL(fileURLWithPath: "/bin/cat")
    let input = Pipe()
    child.standardInput = input
    try child.run()
    other = .own
    other.process = child.processIdentifier
    #expect(other.isRunning == false, "a child has another start")
    // It inherits that tests block signals, but it ends with its input.
    try input.fileHandleForWriting.close()
    child.waitUntilExit()
    #expect(other.isRunning == false)
  }

  @Test func aHolderIsDeadAfterItsLease() throws {
    var time = Duration.zero
    var number: Int? = 3
    var watch = LivenessWatch(now: { time }, number: { _ in number })
    func look() -> LivenessWatch.Verdict { watch.look(at: "holder", lease: .seconds(60)) }
    #expect(look() == .unknown)
    time = .seconds(59)
    #expect(look() == .unknown, "its last beat may be as old as the lease, or new")
    number = 4
    #expect(look() == .alive)
    time = .seconds(118)
    #expect(look() == .alive)
    time = .seconds(119)
    #expect(look() == .dead)
    number = nil
    #expect(look() == .alive, "whatever changes is a sign of life")
    time = .seconds(200)
    #expect(look() == .dead)
  }

  @Test func beatsAreRead() throws {
    try withScratchFolder { folder in
      let heartbeats = try Heartbeats(in: folder)
      #expect(heartbeats.number(of: "a") == nil && !heartbeats.isStopRequested(of: "job"))
      heartbeats.beat(7, of: "a")
      heartbeats.requestStop(of: "job")
      #expect(heartbeats.number(of: "a") == 7 && heartbeats.isStopRequested(of: "job"))
      #expect(!heartbeats.isStopRequested(of: "job2"))
    }
  }

  @Test func theJournalIsOfAllHoldersAndMayBeTorn() throws {
    try withScratchFolder { folder in
      let first = try SweepJournal(in: folder, holder: "first")
      try first.append(.claimed, "a")
      try first.append(.judged, "a") { ($0.epoch, $0.value, $0.goesOn) = (2, 50.5, false) }
      let torn = folder.appending(path: "journal/second.jsonl")
      try Data(
        "{\"event\":\"claimed\",\"trial\":\"b\",\"time\":\"2000-01-01T00:00:00Z\",\"holder\":\"second\"}\n{\"ev".utf8
      )
      .write(to: torn)
      let events = try SweepJournal.events(of: folder)
      #expect(events.map(\.trial) == ["b", "a", "a"])
      #expect(events[2].goesOn == false && events[2].epoch == 2 && events[2].value == 50.5)
      // Whoever goes on with a torn file ends its line first.
      try SweepJournal(in: folder, holder: "second").append(.finished, "b")
      #expect(try SweepJournal.events(of: folder).map(\.event) == [.claimed, .claimed, .judged, .finished])
    }
  }

  @Test func aFolderOfOtherThingsIsRefused() throws {
    try withScratchFolder { folder in
      try SharedFolder.claim(folder.appending(path: "new"))
      try SharedFolder.claim(folder.appending(path: "new"))
      let failure = #expect(throws: Failure.self) { try SharedFolder.claim(folder) }
      #expect(failure?.status == .cannotCreate && failure?.problem.contains("such as new") == true)
    }
  }

  @Test func ranksAreDividedIntoGroups() throws {
    let groups = try RankGroups(worldSize: 5, ranksPerTrial: 2, usesAllRanks: false)
    #expect(groups.working == [0..<2, 2..<4] && groups.idle == 4..<5)
    #expect(groups.group(of: 3) == (2..<4, 1, true) && groups.group(of: 4) == (4..<5, 2, false))
    #expect(groups.words == "2 groups of 2 ranks; 1 rank is left over and idle (--use-all-ranks)")
    let all = try RankGroups(worldSize: 5, ranksPerTrial: 2, usesAllRanks: true)
    #expect(all.working == [0..<2, 2..<4, 4..<5] && all.idle.isEmpty)
    #expect(all.words == "2 groups of 2 ranks and 1 group of 1 rank")
    #expect(throws: Failure.self) { try RankGroups(worldSize: 1, ranksPerTrial: 2, usesAllRanks: false) }
    #expect(try RankGroups(worldSize: 1, ranksPerTrial: 2, usesAllRanks: true).working == [0..<1])
  }

  @Test func groupsGrowWhereTrialsAreFew() throws {
    let groups = try RankGroups(worldSize: 7, ranksPerTrial: 2, usesAllRanks: false)
    #expect(groups.resized(for: 3) == groups && groups.resized(for: 9) == groups && groups.resized(for: 0) == groups)
    let two = groups.resized(for: 2)
    #expect(two.working == [0..<4, 4..<7] && two.idle.isEmpty && two.group(of: 6) == (4..<7, 1, true))
    #expect(groups.resized(for: 1).working == [0..<7])
    #expect(groups.grows(0..<2, for: 1) && groups.grows(0..<2, for: 2))
    #expect(!groups.grows(0..<2, for: 3) && !groups.grows(0..<2, for: 0))
  }
}

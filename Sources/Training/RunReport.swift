import Configuration
import Diagnostics
import Files
import Foundation
import Reporting

/// The run's voice and memory: log and progress on the console, files in the run directory.
///
/// Rank 0 has a directory; on other ranks every method does nothing, so that callers need not ask who they are. Trouble
/// with the disk is kept until `check`, which all ranks pass together: no rank stops alone in the middle of a step.
final class RunReport {
  private let console: ConsoleOutput
  private let log: Log
  private var directory: RunDirectory?
  private var metrics: MetricsLog?
  private var events: RunEvents?
  private var monitor: RunMonitor?
  /// The resolved configuration, as YAML.
  private var configuration = ""
  private var progress: ProgressLine?
  private var trouble: Failure?
  /// The data set that is trained on.
  private var dataset: String?
  /// Of the last test of the run's own data set, on the classes that are trained; percent.
  private(set) var accuracy: Double?
  private let speaks: Bool

  init(console: ConsoleOutput, log: Log, rank: Int) {
    self.console = console
    self.log = log
    speaks = rank == 0
  }

  /// Whether something could not be written.
  var hasTrouble: Bool { trouble != nil }

  /// Throws what could not be written.
  func check() throws {
    if let trouble { throw trouble }
  }

  /// Takes the run directory and records the configuration.
  ///
  /// What an unfinished run left stays where the run goes on from it, and is moved aside otherwise. Throws `Failure` where
  /// there is a finished run, or no room.
  func open(
    _ folder: URL, _ resolved: ResolvedConfiguration, logTo destination: LogDestination,
    keepsEarlierFiles: @autoclosure () -> Bool
  ) throws {
    guard speaks else { return }
    let directory = try RunDirectory(claiming: folder, earlier: keepsEarlierFiles() ? .keep : .moveAside)
    configuration = resolved.yaml()
    try directory.writeAtomically(Data(configuration.utf8), "config.resolved.yaml")
    try destination.attach(directory.file("run.log"))
    self.directory = directory
  }

  /// Opens metrics.jsonl after dropping the lines of steps from `step` on, which the run will take again; an event file too
  /// where TensorBoard is given `eventsOf` so many images per step.
  func openMetrics(from step: Int, eventsOf globalBatch: Int?) throws {
    guard let directory else { return }
    let file = directory.file("metrics.jsonl")
    try MetricsLog.truncate(file, fromStep: step)
    metrics = try MetricsLog(appendingTo: file)
    events = try globalBatch.map {
      try RunEvents(in: directory.url, from: step, globalBatch: $0, configuration: configuration)
    }
  }

  /// Begins the file for Prometheus of a run that trains on `dataset`.
  func openMonitor(_ file: URL?, dataset: String) throws {
    self.dataset = dataset
    guard let file, let directory else { return }
    monitor = try RunMonitor(file, run: directory.url, dataset: dataset)
  }

  func info(_ message: String) {
    if speaks { log.info("\(message)") }
  }

  func warning(_ message: String) {
    if speaks { log.warning("\(message)") }
  }

  /// Appends a line to metrics.jsonl, and tells TensorBoard.
  func record(_ record: MetricRecord) {
    attempt {
      try metrics?.append(record)
      try events?.add(record)
    }
    monitoring { try $0.tell(record) }
    remember(record)
  }

  /// Takes note of the accuracy that a record tells of, if it is one to show.
  private func remember(_ record: MetricRecord) {
    guard case .double(let accuracy)? = record["accuracy"], case .text(let classes)? = record["classes"],
      classes != "new"
    else { return }
    if case .text(let other)? = record["data_set"], other != dataset { return }
    self.accuracy = accuracy
  }

  /// Tells TensorBoard how long the features of an epoch took.
  func recordFeatures(seconds: Double) { attempt { try events?.addFeatures(seconds: seconds) } }

  /// Writes the files of a test that is through.
  func write(_ files: TestFiles) {
    attempt { if let tests = directory?.file("tests") { try files.write(to: tests) } }
  }

  /// Starts a progress line; the one before must be finished.
  func start(_ title: String, unit: String, total: Int, showsPace: Bool = true) {
    guard speaks else { return }
    progress = ProgressLine(title, unit: unit, total: total, showsPace: showsPace, output: console)
  }

  func update(_ completed: Int, note: String = "", brief: String = "") {
    progress?.update(completed: completed, note: note, brief: brief)
    monitoring { try $0.refresh() }
  }

  /// Tells Prometheus where training stands.
  func tell(_ standing: RunMonitor.Standing) { monitoring { try $0.tell(standing) } }

  /// Tells Prometheus of a test of an earlier start.
  func tell(_ test: RunResults.TestOutcome, of model: String) {
    accuracy = (test.scores["all"] ?? test.scores["base"])?.accuracy
    monitoring { $0.tell(test, of: model) }
  }

  /// Tells Prometheus that the run has ended before its end.
  func end(with failure: any Error) {
    let isStopped = (failure as? Failure)?.status == .requeue
    monitoring { try $0.end(isStopped ? .stopped : .failed) }
  }

  /// A run is worth no less where nobody hears of it: trouble is said once, and the file is left alone from then on.
  private func monitoring(_ body: (inout RunMonitor) throws -> Void) {
    guard monitor != nil else { return }
    do {
      try body(&monitor!)
    } catch {
      monitor = nil
      warning("output.prometheus is not written any more: \(error)")
    }
  }

  func finishProgress(note: String = "") {
    progress?.finish(note: note)
    progress = nil
  }

  /// Takes the progress line away; the caller says in its own words what was done.
  func dropProgress() {
    console.setStatus("")
    progress = nil
  }

  /// Writes a line that stays.
  func line(_ text: String) {
    if speaks { console.write(line: text) }
  }

  /// The file or folder of that name in the run directory; nil on ranks that do not write.
  func file(_ name: String) -> URL? { directory?.file(name) }

  /// Writes results.json, a table and, where the run `describes` itself, a page, and marks the run as finished.
  func complete(_ results: RunResults, describes: Bool) throws {
    guard let directory else { return }
    try metrics?.synchronize()
    try events?.synchronize()
    try directory.writeAtomically(try results.json(), "results.json")
    try directory.writeAtomically(Data(results.table.markdown.utf8), "results.md")
    if describes { describe(directory.url) }
    try directory.complete()
    monitoring { try $0.end(.finished) }
    log.info("results are in \(directory.url.path)")
  }

  /// Writes report.html of a run or job; it is worth no less without it.
  func describe(_ folder: URL) {
    do {
      try AtomicFile.write(Data(RunPage.html([folder.path]).utf8), to: folder.appending(path: "report.html"))
    } catch {
      warning("report.html is not written: \(error)")
    }
  }

  /// Keeps a failure until `check`, as if something could not be written.
  func note(_ failure: Failure) { attempt { throw failure } }

  /// Does something on the disk, whose trouble is kept until `check`; nothing where there is trouble already.
  func attempt(_ body: () throws -> Void) {
    guard trouble == nil else { return }
    do { try body() } catch { trouble = error as? Failure ?? Failure(.inputOutput, "\(error)") }
  }
}

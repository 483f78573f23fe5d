import Diagnostics
import Files
import Foundation
import Reporting

/// `output.prometheus`: where a run stands, in a file that Prometheus' node exporter hands on.
///
/// The file is replaced as a whole, at most once a second; its first and last state are always written.
struct RunMonitor {
  /// What a run is doing.
  enum State: String, CaseIterable {
    case running, finished
    /// Asked to stop, with its state saved.
    case stopped
    case failed
  }

  /// How far training is.
  struct Standing {
    var position = TrainingPosition()
    /// Of the whole run.
    var steps: Int
    var loss: Double?
    var imagesPerSecond: Double?
    /// Bytes that this rank has sent in steps of this process.
    var sentBytes = 0
    var secondsLeft: Double?
  }

  /// What a test is told from others by.
  private struct Test: Hashable, Comparable {
    /// `zero-shot`, `tuned`, or `checkpoint` for the newest that was tested.
    var model: String
    var dataset: String
    var classes: String

    static func < (left: Test, right: Test) -> Bool {
      (left.model, left.dataset, left.classes) < (right.model, right.dataset, right.classes)
    }
  }

  private static let interval = Duration.seconds(1)

  private let file: URL
  private let run: String
  private let dataset: String
  private let now: () -> ContinuousClock.Instant
  private var lastWrite: ContinuousClock.Instant
  private var state = State.running
  private var standing: Standing?
  /// Percent.
  private var accuracies: [Test: Double] = [:]

  /// Begins the file of a run, which is named by its directory.
  ///
  /// Throws `Failure(.cannotCreate)` where there is no folder for the file, `.inputOutput` where writing fails.
  init(
    _ file: URL, run: URL, dataset: String, now: @escaping () -> ContinuousClock.Instant = { .now }
  ) throws {
    self.file = file
    self.run = run.standardizedFileURL.path
    self.dataset = dataset
    self.now = now
    lastWrite = now()
    try write()
  }

  /// Throws `Failure(.cannotCreate)` where there is no folder for the file.
  static func judge(_ file: URL) throws {
    var isFolder: ObjCBool = false
    let folder = file.deletingLastPathComponent().path
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
      throw Failure(
        .cannotCreate, at: file.path, "the file for Prometheus cannot be created: \(folder) is not a folder",
        remedy: "create the folder first, or change output.prometheus")
    }
  }

  /// Takes note of where training stands.
  mutating func tell(_ standing: Standing) throws {
    self.standing = standing
    try refresh()
  }

  /// Takes note of a test, if that is what a record of metrics.jsonl is about.
  mutating func tell(_ record: MetricRecord) throws {
    guard case .text(let model)? = record["test"], case .text(let classes)? = record["classes"] else { return }
    var dataset = self.dataset
    if case .text(let other)? = record["data_set"] { dataset = other }
    let test = Test(model: model, dataset: dataset, classes: classes)
    if case .double(let accuracy)? = record["accuracy"] { accuracies[test] = accuracy }
    try refresh()
  }

  /// Takes note of a test of an earlier start of the run.
  mutating func tell(_ test: RunResults.TestOutcome, of model: String) {
    for (classes, score) in test.scores {
      accuracies[Test(model: model, dataset: dataset, classes: classes)] = score.accuracy
    }
  }

  /// Writes the file again unless that was done within a second: its age tells whether the run is alive.
  mutating func refresh() throws {
    guard now() - lastWrite >= Self.interval else { return }
    try write()
  }

  /// Writes the last state.
  mutating func end(_ state: State) throws {
    self.state = state
    standing?.imagesPerSecond = 0
    standing?.secondsLeft = state == .finished ? 0 : nil
    try write()
  }

  private mutating func write() throws {
    lastWrite = now()
    try AtomicFile.write(Data(text.utf8), to: file, isDurable: false)
  }

  // MARK: Metrics

  private var text: String {
    var text = PrometheusText(labels: [("run", run)])
    text.add(
      "skiptune_run_info", .gauge, "The run and the data set that it trains on; always 1.",
      [PrometheusText.Sample(1, [("dataset", dataset)])])
    text.add(
      "skiptune_run_state", .gauge, "1 for what the run is doing, 0 for the other states.",
      State.allCases.map { PrometheusText.Sample($0 == state ? 1 : 0, [("state", $0.rawValue)]) })
    addStanding(to: &text)
    text.add(
      "skiptune_test_accuracy_ratio", .gauge, "Share of test images whose class was found in the last such test.",
      accuracies.sorted { $0.key < $1.key }.map { test, accuracy in
        let labels = [("model", test.model), ("dataset", test.dataset), ("classes", test.classes)]
        return PrometheusText.Sample(accuracy / 100, labels.map { (name: $0.0, value: $0.1) })
      })
    return text.text
  }

  private func addStanding(to text: inout PrometheusText) {
    guard let standing else { return }
    text.add("skiptune_steps_total", .counter, "Training steps done.", Double(standing.position.step))
    text.add("skiptune_planned_steps", .gauge, "Training steps of the whole run.", Double(standing.steps))
    text.add("skiptune_epochs_total", .counter, "Epochs done.", Double(standing.position.epoch))
    text.add("skiptune_loss", .gauge, "Mean loss of the last step's batch.", standing.loss)
    text.add(
      "skiptune_images_per_second", .gauge, "Training images per second, over the last steps.",
      standing.imagesPerSecond)
    text.add(
      "skiptune_sent_bytes_total", .counter, "Bytes that rank 0 sent in the steps of this process.",
      Double(standing.sentBytes))
    text.add(
      "skiptune_remaining_seconds", .gauge, "Time until training is done, at the pace so far.", standing.secondsLeft)
  }
}

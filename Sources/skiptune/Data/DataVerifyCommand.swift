import ArgumentParser
import Collectives
import DatasetVerification
import Datasets
import Diagnostics
import StrictJSON

extension FindingKind: ExpressibleByArgument {}

extension DataCommand {
  /// `skiptune data verify`.
  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Decode every image of data sets, and look for what is missing, damaged, doubled or named alike.",
      discussion: """
        Ends with status 65 where something is wrong that is not accepted. Checks: missing and unreadable files; \
        absent-class, without images in a list; class-name, of several classes whose prompts are alike; label-conflict, \
        train-test and repeated, of images with the same pixels under different labels, for training and for testing, and \
        in one list. Under mpirun the ranks share the images.
        """)
    @OptionGroup var datasets: DatasetOptions
    @Option(
      parsing: .upToNextOption,
      help: ArgumentHelp("Checks whose findings are shown but are no reason to fail.", valueName: "check"))
    var accept: [FindingKind] = []
    @Flag(help: "List the images of each class too.")
    var classes = false
    @Flag(help: "Print one JSON object, with all findings.")
    var json = false
    @OptionGroup var logging: LogOptions

    func run() throws {
      try Session.run(logLevel: logging.logLevel) { session in
        let locations = try session.collectives.agree { try datasets.presentLocations() }
        var outcomes: [Outcome] = []
        for location in locations {
          let outcome = try Outcome(location, session)
          if session.collectives.rank == 0, !json {
            print((outcomes.isEmpty ? "" : "\n") + text(outcome), terminator: "")
          }
          outcomes.append(outcome)
        }
        if session.collectives.rank == 0, json { print(JSONText.pretty(value(outcomes))) }
        try judge(outcomes)
      }
    }

    /// What came of one data set.
    private struct Outcome {
      let location: DatasetLocation
      let result: Result<DatasetVerification, Failure>

      /// Collective: all ranks call this in the same order.
      init(_ location: DatasetLocation, _ session: Session) throws {
        self.location = location
        let read = Result { try session.collectives.agree { try location.read() } }.mapError { Failure(describing: $0) }
        switch read {
        case .failure(let failure): result = .failure(failure)
        case .success(let dataset):
          result = .success(
            try DatasetVerification(
              dataset, threads: session.threads, console: session.console, session.collectives))
        }
      }
    }

    private var accepted: Set<FindingKind> { Set(accept) }

    private func text(_ outcome: Outcome) -> String {
      switch outcome.result {
      case .success(let verification): verification.terminalText(accepting: accepted, withClasses: classes)
      case .failure(let failure): "\(outcome.location.name): cannot be read: \(failure)\n"
      }
    }

    private func value(_ outcomes: [Outcome]) -> JSONValue {
      let datasets = outcomes.map { outcome -> JSONValue in
        switch outcome.result {
        case .success(let verification): verification.json(accepting: accepted)
        case .failure(let failure):
          .object([
            JSONMember("name", .string(outcome.location.name)), JSONMember("sound", .bool(false)),
            JSONMember("error", .string("\(failure)")),
          ])
        }
      }
      return .object([JSONMember("data_sets", .array(datasets))])
    }

    /// Throws the failure of one data set as it is, of several as a list of them.
    private func judge(_ outcomes: [Outcome]) throws {
      let problems = outcomes.compactMap { outcome -> Failure? in
        switch outcome.result {
        case .failure(let failure): failure
        case .success(let verification):
          verification.problem(accepting: accepted).map {
            Failure(
              .badData, at: verification.dataset.name, "is not sound: \($0)",
              remedy: "repair the copy, or --accept what the data set is known to have")
          }
        }
      }
      guard problems.count > 1 else { return try problems.first.map { throw $0 } ?? () }
      let names = zip(outcomes, outcomes.map { isSound($0) }).filter { !$0.1 }.map { $0.0.location.name }
      throw Failure(
        .badData, "\(problems.count) of \(outcomes.count) data sets are not sound: \(names.joined(separator: ", "))",
        remedy: "repair the copies, or --accept what the data sets are known to have")
    }

    private func isSound(_ outcome: Outcome) -> Bool {
      (try? outcome.result.get()).map { $0.problem(accepting: accepted) == nil } ?? false
    }
  }
}

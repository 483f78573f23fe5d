import ArgumentParser
import CLIPModel
import Diagnostics
import Files
import Foundation
import MPICollectives
import MachineDiagnosis
import MatrixBackends
import Reporting
import Training

/// `skiptune doctor`.
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look at the machine, or at all hosts of mpirun, and say what is wrong and what to do.",
    discussion: """
      Alone or under mpirun, started as training would be. Takes about ten seconds; nothing else should run. Ends with 0 \
      where nothing or only warnings were found, else with the status that the first error would end a training with.
      """)

  @Option(
    help: ArgumentHelp("Try this folder as a run would use it; what is made there is removed.", valueName: "folder"))
  var runDir: String?
  @Option(
    help: ArgumentHelp(
      "A model, as model.path names it: does Skip Tuning of it fit the memory? Weights are not read.",
      valueName: "model"))
  var model: String?
  @OptionGroup var details: ModelDetailOptions
  @OptionGroup var settings: SettingOptions
  @Option(help: ArgumentHelp("Write what was found to this file.", valueName: "file"))
  var json: String?

  /// A rank that is lost should be missed soon.
  private static let deadline = Duration.seconds(60)

  func validate() throws {
    guard settings.overrides.isEmpty || !settings.files.isEmpty else {
      throw ValidationError("--set changes the run of a configuration: give that with -c, too")
    }
  }

  func run() throws {
    try Session.run(logLevel: "error", deadline: Self.deadline) { session in
      let isSpeaker = session.collectives.rank == 0
      try session.collectives.agree { if isSpeaker, let json { try OutputPlace.judgeFile(json) } }
      let (needs, problems) = try needs(session)
      let report = try Diagnosis(
        session.collectives, threads: session.threads, software: software(session.threads)
      ) { MachineProduct(threads: session.threads, precision: $0) }
      .run(folder: runDir, needs: needs, problems: problems) { step in
        if isSpeaker { FileHandle.standardError.write(Data("\(step)\n".utf8)) }
      }
      try session.collectives.agree {
        guard isSpeaker else { return }
        print(report.text, terminator: "")
        if let json { try AtomicFile.write(try ReportJSON.document(report), to: URL(fileURLWithPath: json)) }
      }
      if let failure = report.failure { throw failure }
    }
  }

  private func software(_ threads: Int) -> RankFacts.Software {
    let product = MachineProduct(threads: threads, precision: .fp32)
    return RankFacts.Software(
      skiptune: Skiptune.version, mpi: (try? MPICollectives.libraryVersion()) ?? "unknown",
      openBLAS: OpenBLASProduct.version, oneDNN: OneDNNProduct.version, products: product.description,
      bfloat16: MachineProduct.Capabilities.here.bfloat16, readsPeers: MPICollectives.ranksReadPeers)
  }

  /// Forecasts for what was asked about, and what speaks against it.
  ///
  /// Collective: all ranks call this in the same order.
  private func needs(_ session: Session) throws -> (needs: [DiagnosisReport.Need], problems: [Finding]) {
    var needs: [DiagnosisReport.Need] = []
    var problems: [Finding] = []
    func note(_ body: () throws -> DiagnosisReport.Need?) {
      do {
        if let need = try body() { needs.append(need) }
      } catch {
        problems.append(.error(error as? Failure ?? Failure(.internalError, "\(error)")))
      }
    }
    if let model {
      note {
        let shape = try session.collectives.agree { try details.source(model).configuration() }
        return DiagnosisReport.Need(
          name: model,
          bytesPerRank: MemoryForecast.bytes(
            shape, ranks: session.collectives.worldSize, ranksPerHost: session.collectives.nodeSize))
      }
    }
    if !settings.files.isEmpty {
      note { try forecast(session) }
    }
    return (needs, problems)
  }

  /// The run of the configuration files, judged as a dry run does.
  private func forecast(_ session: Session) throws -> DiagnosisReport.Need? {
    // Nothing is written: where results would go need not be known.
    let place = ConfigurationOptions.runDirectory(runDir ?? FileManager.default.temporaryDirectory.path)
    let (settings, resolved) = try session.collectives.agree {
      try RunSettings.read(self.settings.source().adding(files: [], overrides: place))
    }
    let run = TrainingRun(
      settings, resolved, from: StartingState(Resume("never"), initialCheckpoint: nil, acceptsDifferences: false),
      try TrainingRun.Environment(session, settings.compute.precision))
    return try run.forecastMemory().map {
      DiagnosisReport.Need(name: "the configured run", bytesPerRank: $0)
    }
  }
}

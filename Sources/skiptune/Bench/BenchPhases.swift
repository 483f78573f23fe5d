import ArgumentParser
import Diagnostics
import Files
import Foundation
import Kernels
import MachineBenchmark

/// `skiptune bench phases`.
struct BenchPhases: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "phases",
    abstract: "Measure a step, features, tests and texts, and what share of this machine's peak they reach.",
    discussion: """
      Needs no model and no data: weights are random, of the shape that is asked for, and images are noise in memory. \
      Under mpirun every rank measures by itself, all at the same time. Nothing else should run.
      """)

  @OptionGroup var shape: ModelShapeOptions
  @OptionGroup var sizes: TaskSizeOptions
  @Option(help: "Images of a step of each rank.")
  var batch = 4
  @Option(help: "Images that are tested at a time.")
  var testBatch = 32
  @Option(help: "Factors of products: fp32 or bf16.")
  var precision = Precision.fp32
  @Option(help: ArgumentHelp("Write the results to this file.", valueName: "file"))
  var json: String?
  @OptionGroup var logging: LogOptions

  func run() throws {
    try Session.run(logLevel: logging.logLevel) { session in
      let isSpeaker = session.collectives.rank == 0
      try session.collectives.agree { if isSpeaker, let json { try OutputPlace.judgeNew(json) } }
      let configuration = try session.collectives.agree { try shape.configuration() }
      let task: PhaseTask = try session.collectives.agree {
        try judgedTask(
          blocks: min(configuration.vision.depth, configuration.text.depth), context: configuration.contextLength)
      }
      let report = try PhaseBenchmark(
        configuration, task, session.collectives, threads: session.threads, by: try session.product(precision)
      ).run { if isSpeaker { session.log.info("measuring \($0)") } }
      try session.collectives.agree {
        guard isSpeaker else { return }
        print(report.table.terminal, terminator: "")
        if let json { try AtomicFile.write(try report.json(), to: URL(fileURLWithPath: json)) }
      }
    }
  }

  private func judgedTask(blocks: Int, context: Int) throws -> PhaseTask {
    for (value, option, range) in [
      (sizes.startLayer, "start-layer", 0...blocks), (batch, "batch", 1...4096),
      (sizes.classes, "classes", 2...100_000),
      (sizes.tokens, "tokens", 3...context), (sizes.sharedTokens, "shared-tokens", 1...max(1, sizes.tokens - 2)),
      (testBatch, "test-batch", 1...4096),
    ] where !range.contains(value) {
      throw Failure(
        .usage, at: "--\(option) \(value)", "must be from \(range.lowerBound) to \(range.upperBound)",
        remedy: "give such a number")
    }
    guard sizes.keepRatio > 0, sizes.keepRatio.isFinite else {
      throw Failure(.usage, at: "--keep-ratio \(sizes.keepRatio)", "must be above 0", remedy: "give 0.5, say")
    }
    var task = PhaseTask()
    (task.startLayer, task.images, task.testImages) = (sizes.startLayer, batch, testBatch)
    (task.classes, task.tokens, task.sharedTokens) = (sizes.classes, sizes.tokens, sizes.sharedTokens)
    task.classSkip.ratio = sizes.keepRatio
    return task
  }
}

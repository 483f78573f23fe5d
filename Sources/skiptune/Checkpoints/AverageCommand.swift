import ArgumentParser
import TunedModels

extension CheckpointCommand {
  /// `skiptune checkpoint average`.
  struct Average: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Average the weights of checkpoints, and interpolate with those of the base.",
      discussion: """
        Writes (1 - ALPHA) base + ALPHA (w1 checkpoint1 + w2 checkpoint2 + ...) / (w1 + w2 + ...), taken in double \
        precision. All must have been trained from one base model and one start layer. With one checkpoint and an ALPHA \
        below 1 this is WiSE-FT. A delta file may stand for a checkpoint.
        """)
    @Argument(help: CheckpointArgument.help)
    var checkpoints: [String]
    @Option(
      parsing: .upToNextOption, help: ArgumentHelp("One weight per checkpoint; default: equal ones.", valueName: "w"))
    var weights: [Double] = []
    @Option(help: ArgumentHelp("Share of the tuned weights, 0 (the base) to 1.", valueName: "alpha"))
    var withBase = 1.0
    @OptionGroup var export: ExportOptions

    func validate() throws {
      guard weights.isEmpty || weights.count == checkpoints.count else {
        throw ValidationError(
          "--weights must be as many as the checkpoints, \(checkpoints.count), not \(weights.count)")
      }
      guard weights.allSatisfy({ $0 >= 0 && $0.isFinite }), weights.isEmpty || weights.contains(where: { $0 > 0 })
      else {
        throw ValidationError("--weights must be at least 0, and one of them above 0")
      }
      guard (0...1).contains(withBase) else {
        throw ValidationError("--with-base must be a number from 0 to 1, not \(withBase)")
      }
    }

    func run() throws {
      try export.write {
        let parts = try checkpoints.map { try CheckpointArgument.tunedWeights($0) }
        let weights = weights.isEmpty ? parts.map { _ in 1 } : weights
        return try TunedWeights(averageOf: parts, weights: weights, alpha: withBase)
      }
    }
  }
}

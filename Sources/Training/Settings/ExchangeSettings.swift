import Configuration
import Diagnostics
import GradientExchange

/// What ranks exchange at a step, and how.
struct ExchangeSettings: Sendable {
  /// What becomes of gradients.
  enum Mode: String, CaseIterable, Sendable {
    /// Each rank sums, updates and keeps the optimiser's state of a part.
    case sharded
    /// All ranks sum and update everything.
    case replicated
  }

  /// What becomes of a step whose loss or gradients are not finite.
  enum NonFinite: String, CaseIterable, Sendable {
    case stop, skip
  }

  var mode: Mode
  var precision: WirePrecision
  var bucketMegabytes: Double
  var firstBucketMegabytes: Double
  var overlap: Bool
  var twoLevel: Bool
  var classParallelText: Bool
  var nonFinite: NonFinite
  /// Steps from one synchronisation of hosts to the next.
  var localSteps: Int
  var outer: ParameterAveraging.Settings

  init(_ reader: SettingsReader) throws {
    mode = try reader.choice(
      "mode", default: Mode.sharded,
      "sharded: each rank sums, updates and keeps the optimiser's state of a part; replicated: of everything")
    precision = try reader.choice(
      "precision", default: WirePrecision.float32,
      "of gradients and updates between hosts; bf16 halves the bytes and keeps rounding errors for the next step")
    bucketMegabytes = try reader.number(
      "bucket_mb", default: 8, in: .above(0), "MB of gradients that are exchanged together")
    firstBucketMegabytes = try reader.number(
      "first_bucket_mb", default: 1, in: .above(0),
      "MB of the first bucket of a step, small so that sending starts early")
    overlap = try reader.boolean(
      "overlap", default: true, "whether gradients are exchanged while the backward pass goes on")
    twoLevel = try reader.boolean(
      "two_level", default: true,
      "whether ranks of a host share one copy of the weights and add up gradients in memory before anything is sent")
    classParallelText = try reader.boolean(
      "class_parallel_text", default: true, "whether ranks divide the texts of the kept classes")
    nonFinite = try reader.choice(
      "on_nonfinite", default: NonFinite.stop,
      "a loss or gradient that is not finite ends the run, or its step is left out and counted")
    localSteps = try reader.integer(
      "local_steps", default: 1, in: 1...,
      "steps that the ranks of each host take by themselves before hosts average their parameters; 1 sums all gradients at every step"
    )
    outer = ParameterAveraging.Settings(
      rate: try reader.number(
        "outer_learning_rate", default: 1, in: .above(0),
        "multiple of the hosts' mean change that is applied after local steps; 1 without outer momentum is their mean"),
      momentum: try reader.number(
        "outer_momentum", default: 0, in: 0..<1, "Nesterov momentum of the changes applied after local steps"))
    try reader.require(
      takesLocalSteps || outer == ParameterAveraging.Settings(), about: "outer_learning_rate",
      "must be 1, and exchange.outer_momentum 0, where exchange.local_steps is 1",
      remedy: "set exchange.local_steps above 1")
    try reader.require(
      mode == .sharded || !takesLocalSteps, about: "local_steps", "must be 1 where exchange.mode is replicated",
      remedy: "set exchange.mode to sharded")
    try reader.require(
      mode == .sharded || precision == .float32, about: "precision", "must be fp32 where exchange.mode is replicated",
      remedy: "set exchange.mode to sharded")
  }

  /// Whether hosts train apart from each other between synchronisations.
  var takesLocalSteps: Bool { localSteps > 1 }

  /// Whether hosts synchronise after batch `index` of an epoch of `count`: each so many batches, and at its end.
  func isSynchronized(afterBatch index: Int, of count: Int) -> Bool {
    (index + 1).isMultiple(of: localSteps) || index + 1 == count
  }

  /// What the exchange is made with.
  var options: ShardedExchange.Options {
    ShardedExchange.Options(precision: precision, appliesEagerly: nonFinite == .stop, groupsNodes: twoLevel)
  }

  /// Elements of a bucket, and of the first one.
  var bucketCounts: (usual: Int, first: Int) {
    func count(_ megabytes: Double) -> Int { max(BucketPlan.alignment, Int(megabytes * 1e6 / 4)) }
    return (count(bucketMegabytes), count(firstBucketMegabytes))
  }
}

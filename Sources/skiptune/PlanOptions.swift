import ArgumentParser
import CLIPModel
import Diagnostics
import Planning
import Reporting
import SkipTuning

/// Numbers that a plan takes must be above zero.
private func requirePositive(_ value: Double?, _ option: String) throws {
  guard let value, !(value > 0 && value.isFinite) else { return }
  throw Failure(.usage, at: "--\(option) \(value)", "must be above 0", remedy: "give a number such as 1")
}

/// How large a task is, where none is read.
struct TaskSizeOptions: ParsableArguments {
  @Option(help: "First trained block of both encoders.")
  var startLayer = 6
  @Option(help: "Classes of the task.")
  var classes = 100
  @Option(help: "Tokens of a prompt, start and end included.")
  var tokens = 10
  @Option(help: "Tokens at the beginning that all prompts share, start included; they are computed once.")
  var sharedTokens = 5
  @Option(help: "Share of the classes that a step always keeps; above 1, their number.")
  var keepRatio = ClassSkip.Settings().ratio
}

/// What is trained, as a plan is told of it.
struct PlannedTaskOptions: ParsableArguments {
  @OptionGroup var sizes: TaskSizeOptions
  @Option(help: "Most classes that are always kept.")
  var keepCap = ClassSkip.Settings().cap
  @Option(help: "Images of a step of all ranks together.")
  var batch: Int?
  @Option(help: "Images of a step of each rank (4 unless --batch is given).")
  var batchPerRank: Int?
  @Option(help: "Training images (16 of each class unless given).")
  var images: Int?
  @Option(help: "What image features are kept in: fp32, fp16 or bf16.")
  var featureStorage = FeatureStorage.fp32
  @Option(help: "Most MB of image features that a rank keeps in memory, the rest in a file.")
  var featureMemoryMb: Double?
  @Flag(help: "Make activations once more in the backward pass instead of keeping them.")
  var recompute = false
  @Option(help: "Milliseconds that one thread takes to decode and crop an image.")
  var decodeMs = 5.0
  @Option(help: "MB a second that a node's disk takes.")
  var diskMbS = 500.0
  @Option(help: "Ranks on each node.")
  var ranksPerNode = 1

  /// Numbers that features are kept in.
  enum FeatureStorage: String, ExpressibleByArgument, CaseIterable {
    case fp32, fp16, bf16
  }

  /// Judges the options and puts them together.
  func scenario(_ configuration: CLIPConfiguration, exchange: Scenario.Exchange) throws -> Scenario {
    let counts = [
      (sizes.classes, "classes"), (sizes.tokens, "tokens"), (batch ?? 1, "batch"),
      (batchPerRank ?? 1, "batch-per-rank"),
      (images ?? 1, "images"), (ranksPerNode, "ranks-per-node"), (keepCap, "keep-cap"),
    ]
    for (value, option) in counts where !(1...1_000_000_000).contains(value) {
      throw Failure(.usage, at: "--\(option) \(value)", "must be from 1 to 1000000000", remedy: "give such a number")
    }
    for (value, option) in [(sizes.keepRatio, "keep-ratio"), (diskMbS, "disk-mb-s")] {
      try requirePositive(value, option)
    }
    guard sizes.sharedTokens >= 0 else {
      throw Failure(.usage, at: "--shared-tokens \(sizes.sharedTokens)", "must be at least 0", remedy: "give 5, say")
    }
    guard decodeMs >= 0, decodeMs.isFinite else {
      throw Failure(.usage, at: "--decode-ms \(decodeMs)", "must be at least 0", remedy: "give a number such as 5")
    }
    try judge(configuration)
    guard batch == nil || batchPerRank == nil else {
      throw Failure(.usage, at: "--batch", "contradicts --batch-per-rank", remedy: "give one of the two")
    }
    guard featureMemoryMb.map({ $0 >= 0 && $0.isFinite }) ?? true else {
      throw Failure(
        .usage, at: "--feature-memory-mb \(featureMemoryMb!)", "must be at least 0", remedy: "give 500, say")
    }
    var scenario = Scenario(
      configuration, .skipTuning(startLayer: sizes.startLayer, .init(ratio: sizes.keepRatio, cap: keepCap)),
      classes: PromptSet(
        count: sizes.classes, length: Double(sizes.tokens), shared: Double(min(sizes.sharedTokens, sizes.tokens - 1))),
      batch: batch.map { .global($0) } ?? .perRank(batchPerRank ?? 4), epochImages: images ?? 16 * sizes.classes,
      ranksPerNode: ranksPerNode, exchange: exchange, decodeSeconds: decodeMs / 1e3, diskBandwidth: diskMbS * 1e6)
    scenario.activations.recomputes = recompute
    scenario.features.bytesPerElement = featureStorage == .fp32 ? 4 : 2
    scenario.features.memoryBytes = featureMemoryMb.map { Int(min($0 * 1e6, 0x1p53)) }
    return scenario
  }

  private func judge(_ configuration: CLIPConfiguration) throws {
    let depth = min(configuration.vision.depth, configuration.text.depth)
    guard (0...depth).contains(sizes.startLayer) else {
      throw Failure(
        .usage, at: "--start-layer \(sizes.startLayer)", "lies beyond the model's \(depth) blocks",
        remedy: "choose 0 to \(depth)")
    }
    guard sizes.tokens <= configuration.contextLength else {
      throw Failure(
        .usage, at: "--tokens \(sizes.tokens)", "the model reads \(configuration.contextLength)",
        remedy: "give the length of a whole prompt, about 10")
    }
  }
}

/// How ranks work together, as a plan is told of it.
struct PlannedExchangeOptions: ParsableArguments {
  /// Numbers on the wire.
  enum Precision: String, ExpressibleByArgument, CaseIterable {
    case fp32, bf16
  }

  @Option(name: .customLong("exchange"), help: "Numbers on the wire: fp32 or bf16.")
  var precision = Precision.fp32
  @Flag(inversion: .prefixedNo, help: "Exchange while computing.")
  var overlap = true
  @Option(help: "Share of what could be hidden behind computing that is hidden.")
  var hiddenShare = Scenario.Exchange().hiddenShare
  @Flag(inversion: .prefixedNo, help: "Each rank updates a share of the parameters.")
  var sharded = true
  @Flag(inversion: .prefixedNo, help: "Each rank runs a share of the kept classes' texts.")
  var classParallel = true
  @Flag(inversion: .prefixedNo, help: "Ranks of a node reduce among themselves first.")
  var twoLevel = true
  @Option(help: "MB that are exchanged at a time.")
  var bucketMb = Double(Scenario.Exchange().bucketBytes) / 1e6
  @Option(help: "Steps from one exchange to the next.")
  var localSteps = 1

  /// Judges the options and puts them together.
  var settings: Scenario.Exchange {
    get throws {
      try requirePositive(bucketMb, "bucket-mb")
      guard (0...1).contains(hiddenShare) else {
        throw Failure(.usage, at: "--hidden-share \(hiddenShare)", "must be from 0 to 1", remedy: "give 0.8, say")
      }
      guard localSteps >= 1 else {
        throw Failure(.usage, at: "--local-steps \(localSteps)", "must be at least 1", remedy: "give 1, say")
      }
      var settings = Scenario.Exchange()
      settings.bytesPerElement = precision == .fp32 ? 4 : 2
      settings.overlaps = overlap
      settings.hiddenShare = hiddenShare
      settings.isSharded = sharded
      settings.isClassParallel = classParallel
      settings.isTwoLevel = twoLevel
      settings.bucketBytes = max(1, Int(min(bucketMb, 1e6) * 1e6))
      settings.localSteps = localSteps
      return settings
    }
  }
}

/// How fast the machine is, measured or typed.
struct PlannedMachineOptions: ParsableArguments {
  @Option(
    name: .customLong("machine"), parsing: .upToNextOption,
    help: ArgumentHelp(
      "Files of skiptune bench machine --json; --validate takes the one that fits a run.", valueName: "file"))
  var files: [String] = []
  @Option(help: "Threads of each rank (2, or the most that were measured).")
  var threads: Int?
  @Option(help: "Products, GF/s of each thread.")
  var gflops: Double?
  @Option(help: "Products inside attention, GF/s of each thread.")
  var attentionGflops: Double?
  @Option(help: "Element-wise passes, GB/s of each rank.")
  var elementGbS: Double?
  @Option(help: "Memory, GB/s of each rank.")
  var memoryGbS: Double?
  @Option(help: "Network of each node, Gbit/s.")
  var linkGbit: Double?
  @Option(help: "Latency of the network, microseconds.")
  var linkUs: Double?
  @Option(help: "What a message takes the sender's processor, microseconds.")
  var messageUs: Double?
  @Option(help: "Between ranks of a node, GB/s each way.")
  var nodeGbS: Double?
  @Option(help: "Latency within a node, microseconds.")
  var nodeUs: Double?

  /// What is taken where nothing was measured or typed: a core of a current x86 server, and 10 Gbit/s.
  private static func assumed(threads: Int) -> MachineProfile {
    MachineProfile(
      threads: threads, ranksPerNode: 1, products: [.init(rows: 512, operations: 90e9 * Double(threads))],
      attention: 65e9 * Double(threads), elements: 15e9, update: 20e9, memory: 20e9,
      node: .init(latency: 1e-6, bandwidth: 5e9), network: .init(latency: 30e-6, bandwidth: 1.25e9))
  }

  /// The first measurement's profile, or what is assumed, with what was typed in its place.
  func profile(_ reports: [MachineReport]) throws -> MachineProfile {
    for (value, option) in typed { try requirePositive(value, option) }
    guard threads.map({ (1...4096).contains($0) }) ?? true else {
      throw Failure(.usage, at: "--threads \(threads!)", "must be from 1 to 4096", remedy: "give 2, say")
    }
    let assumed = Self.assumed(threads: threads ?? 2)
    var profile = reports.first?.profile(threads: threads, assumed: assumed) ?? assumed
    let count = Double(profile.threads)
    if let gflops { profile.products = [.init(rows: 512, operations: gflops * 1e9 * count)] }
    if let attentionGflops { profile.attention = attentionGflops * 1e9 * count }
    if let elementGbS { profile.elements = elementGbS * 1e9 }
    if let memoryGbS { (profile.memory, profile.update) = (memoryGbS * 1e9, memoryGbS * 1e9) }
    if let linkGbit { profile.network.bandwidth = linkGbit * 1e9 / 8 }
    if let linkUs { profile.network.latency = linkUs / 1e6 }
    if let messageUs { profile.messageCost = messageUs / 1e6 }
    if let nodeGbS { profile.node.bandwidth = nodeGbS * 1e9 }
    if let nodeUs { profile.node.latency = nodeUs / 1e6 }
    return profile
  }

  private var typed: [(Double?, String)] {
    [
      (gflops, "gflops"), (attentionGflops, "attention-gflops"), (elementGbS, "element-gb-s"),
      (memoryGbS, "memory-gb-s"), (linkGbit, "link-gbit"), (linkUs, "link-us"), (nodeGbS, "node-gb-s"),
      (nodeUs, "node-us"), (messageUs, "message-us"),
    ]
  }

  /// The profile in a sentence, and what of it is only assumed.
  func words(_ profile: MachineProfile, _ reports: [MachineReport]) -> String {
    func gigabytes(_ rate: Double) -> String { "\(Readable.fixed(rate / 1e9, 2)) GB/s" }
    let source =
      reports.isEmpty ? "What is not typed is assumed." : "Measured: \(files[0])."
    let network = reports.first.map { $0.link(withinNode: false) == nil && linkGbit == nil } ?? (linkGbit == nil)
    return "A rank: \(profile.threads) \(profile.threads == 1 ? "thread" : "threads"), products "
      + "\(Readable.fixed(profile.productRate(rows: 512) / 1e9, 0)) GF/s, element-wise passes "
      + "\(gigabytes(profile.elements)), update \(gigabytes(profile.update)). A node: network "
      + "\(gigabytes(profile.network.bandwidth)) at \(Readable.fixed(profile.network.latency * 1e6, 1)) us"
      + "\(network ? " (assumed)" : ""), between its ranks \(gigabytes(profile.node.bandwidth)) at "
      + "\(Readable.fixed(profile.node.latency * 1e6, 1)) us. \(source)"
  }
}

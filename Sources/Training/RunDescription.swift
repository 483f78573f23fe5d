import Configuration
import Foundation
import SkipTuning
import StrictJSON

/// What checkpoints say of the run that saves them.
struct RunDescription: Sendable {
  let identity: RunIdentity
  var provenance: RunProvenance
  /// `config.resolved.yaml`.
  private let configuration: String
  private let method: String
  private let classSkip: JSONValue
  /// Class names and prompt, for programs that use the tuned weights.
  private let task: [String: JSONValue]
  private let sampler: [JSONMember]

  init(_ resolved: ResolvedConfiguration, _ identity: RunIdentity, _ facts: RunFacts, _ provenance: RunProvenance) {
    self.identity = identity
    self.provenance = provenance
    configuration = resolved.yaml()
    method = facts.settings.method.kind.rawValue
    classSkip = Self.classSkip(facts)
    let (settings, inputs) = (facts.settings, facts.inputs)
    task = [
      "classes": .array(inputs.training.classNames.map { .string($0) }),
      "template": .string("\(inputs.test.template)"),
    ]
    sampler = [
      JSONMember("seed", .integer(settings.seed)), JSONMember("order", .string(inputs.order.rawValue)),
      JSONMember("group_size", .integer(settings.batch.groupSize)),
      JSONMember("global_batch", .integer(inputs.globalBatch)),
    ]
  }

  /// Batches, crops and masks are functions of these numbers and of the position; nothing else is drawn.
  private static func classSkip(_ facts: RunFacts) -> JSONValue {
    let method = facts.settings.method
    return .object([
      JSONMember("ratio", .number(method.classSkip.ratio)), JSONMember("cap", .integer(method.classSkip.cap)),
      JSONMember("lambda", .number(method.classSkip.lambda)),
      JSONMember("redraw", .string(method.classSkip.redraw.rawValue)),
      JSONMember("seed", .integer(method.maskSeed ?? facts.settings.seed)), JSONMember("mask", .string(facts.mask)),
    ])
  }

  /// The `state` of a manifest.
  func state(at progress: RunProgress) throws -> [String: JSONValue] {
    let place = [
      JSONMember("epoch", .integer(progress.position.epoch)), JSONMember("batch", .integer(progress.position.batch)),
    ]
    var state: [String: JSONValue] = [
      "identity": identity.json, "configuration": .string(configuration), "provenance": provenance.json,
      "method": .string(method), "class_skip": classSkip, "sampler": .object(sampler + place),
      "epoch_loss": progress.epochLoss.json,
    ]
    state.merge(task) { first, _ in first }
    if let zeroShot = progress.zeroShot {
      state["zero_shot"] = .string(String(decoding: try JSONEncoder().encode(zeroShot), as: UTF8.self))
    }
    return state
  }
}

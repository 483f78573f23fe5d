import CLIPModel
import Checkpoints
import Collectives
import Diagnostics
import Files
import Foundation
import ShardFiles
import TunedModels

/// What is laid over the base for a test, found and judged by its header.
struct FoundWeights {
  let tested: TestedWeights
  /// Nil for the base itself.
  let tuned: TunedWeights?
  /// Of a checkpoint's manifest, or of a delta file; nil for the base itself.
  let hash: Hash128?

  /// Finds them.
  ///
  /// Throws the same `Failure` on all ranks where there are none or they are damaged. Collective: all ranks call this.
  init(
    _ tested: TestedWeights, _ collectives: any Collectives, passingOver report: (Failure) -> Void
  ) throws {
    self.tested = tested
    switch tested {
    case .zeroShot: (tuned, hash) = (nil, nil)
    case .delta(let path):
      (tuned, hash) = try collectives.agree {
        (try TunedWeights(deltaFile: URL(fileURLWithPath: path)), try Self.hash(ofFile: path))
      }
    case .checkpoint(let path):
      let checkpoint = try Checkpoint.find(URL(fileURLWithPath: path), collectives, passingOver: report)
      (tuned, hash) = (TunedWeights(checkpoint), checkpoint.hash)
    }
  }

  /// Throws where a linear probe, which knows its classes by their number alone, was trained on others.
  func judgeClasses(of task: TaskInputs) throws {
    guard task.method?.kind == .linearProbe, let tuned, let trained = tuned.description.classNames,
      trained != task.whole.classNames
    else { return }
    throw Failure(
      .badData, at: tuned.place,
      "the linear probe was trained on the \(trained.count) classes of another data set than \(task.whole.name)",
      remedy: "test it on the data set of its training")
  }

  private static func hash(ofFile path: String) throws -> Hash128 {
    let file = try Descriptor.reading(path, what: "the delta file", remedy: "check the path")
    let size = try file.size()
    var stream = HashStream()
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { piece.deallocate() }
    for start in stride(from: 0, to: size, by: piece.count) {
      let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, size - start)])
      try file.read(into: part, at: start)
      stream.append(UnsafeRawBufferPointer(part))
    }
    return stream.hash
  }
}

/// A base model that weights are laid over, one after the other.
final class ModelOverlay {
  let model: CLIP
  private let file: WeightsFile
  private let method: (any TrainingMethod)?
  private let isShared: Bool
  private let collectives: any MessagePassing
  private var isBase = true

  /// A model that was read for a task; where `isShared`, into memory that the ranks of each host have in common.
  init(_ model: CLIP, _ task: TaskInputs, isShared: Bool, among collectives: any MessagePassing) {
    (self.model, file, method, self.isShared, self.collectives) =
      (model, task.weights, task.method, isShared, collectives)
  }

  /// Lays weights over the base, or brings the base back.
  ///
  /// No rank may be computing with the model. Throws the same `Failure` on all ranks. Collective: all ranks call this.
  func lay(_ tuned: TunedWeights?) throws {
    // Nobody writes before everybody has come here.
    try collectives.barrier()
    try collectives.agree {
      guard !isShared || collectives.nodeRank == 0 else { return }
      if !isBase {
        try file.read(into: model.parameters)
        method?.initialize(model)
      }
      if let tuned { try model.apply(tuned, base: file.source.name) }
    }
    isBase = tuned == nil
  }
}

import Diagnostics
import ShardFiles
import StrictJSON

/// Everything of a checkpoint but the values in its shards.
package struct CheckpointManifest: Sendable, Equatable {
  /// Version of the format that this program writes and reads.
  package static let version = 1

  /// A trained parameter and its place in the flat trained vector.
  package struct TrainedTensor: Sendable, Equatable {
    /// The parameter's name in the model.
    package var name: String
    /// Extents, outermost first.
    package var shape: [Int]
    /// Its elements in the vector.
    package var range: Range<Int>

    /// A parameter at a place of the vector.
    package init(name: String, shape: [Int], range: Range<Int>) {
      self.name = name
      self.shape = shape
      self.range = range
    }
  }

  /// Steps done since training began.
  package var step: Int
  /// Epochs done.
  package var epoch: Int
  /// Batches done of the epoch that follows.
  package var batchesDone: Int
  /// Seconds since 1970.
  package var writtenAt: Double = 0
  /// Of the weights that training started from.
  package var baseFingerprint: Hash128
  /// The flat trained vector, in its order, without gaps.
  package var tensors: [TrainedTensor]
  /// Numbers to choose a checkpoint by; what is not finite comes back as not a number.
  package var metrics: [String: Double]
  /// Whatever else resuming needs: masks, seeds, resolved configuration, provenance.
  package var state: [String: JSONValue]
  /// What each rank wrote, by rank; filled in by `CheckpointDirectory.commit`.
  package var shards: [ShardDescription] = []

  /// The state at a step; shards and time are filled in when it is written.
  package init(
    step: Int, epoch: Int, batchesDone: Int, baseFingerprint: Hash128, tensors: [TrainedTensor],
    metrics: [String: Double] = [:], state: [String: JSONValue] = [:]
  ) {
    self.step = step
    self.epoch = epoch
    self.batchesDone = batchesDone
    self.baseFingerprint = baseFingerprint
    self.tensors = tensors
    self.metrics = metrics
    self.state = state
  }

  /// Ranks that wrote the checkpoint.
  package var worldSize: Int { shards.count }

  /// Elements of the flat trained vector, and so of every section name.
  package var trainedCount: Int { tensors.last?.range.upperBound ?? 0 }

  /// Names of the vectors that are stored, such as "parameters" and "momentum".
  package var vectorNames: [String] { Set(shards.flatMap(\.sections).map(\.name)).sorted() }

  /// Size of all shards.
  package var byteCount: Int { shards.reduce(0) { $0 + $1.byteCount } }
}

// MARK: - Consistency

extension CheckpointManifest {
  /// Refuses what no writer makes; after it, all arithmetic on the manifest is safe.
  ///
  /// Throws `Failure(.badData)` at `place`.
  func check(at place: String) throws {
    guard step >= 0, epoch >= 0, batchesDone >= 0 else {
      throw refusal(place, "step \(step), epoch \(epoch) and batch \(batchesDone) must not be negative")
    }
    try checkTensors(place)
    guard !shards.isEmpty else { throw refusal(place, "there are no shards") }
    for shard in shards { try shard.check(at: place) }
    for name in vectorNames { try checkCoverage(of: name, place) }
  }

  private func checkTensors(_ place: String) throws {
    var end = 0
    for tensor in tensors {
      guard tensor.range.lowerBound == end, tensor.range.count == Self.product(tensor.shape) else {
        throw refusal(
          place, "tensor \(quoted(tensor.name)) of shape \(tensor.shape) does not fill elements \(tensor.range)")
      }
      end = tensor.range.upperBound
    }
    guard Set(tensors.map(\.name)).count == tensors.count else {
      throw refusal(place, "two tensors have the same name")
    }
  }

  /// The sections of a name must hold every element of the vector once.
  private func checkCoverage(of name: String, _ place: String) throws {
    let ranges = shards.flatMap(\.sections).filter { $0.name == name && $0.count > 0 }.map(\.range)
    var end = 0
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      guard range.lowerBound == end else {
        let first = min(end, range.lowerBound)
        throw refusal(place, "\(quoted(name)): elements from \(first) on are missing or there twice")
      }
      end = range.upperBound
    }
    guard end == trainedCount else {
      throw refusal(place, "\(quoted(name)) ends at element \(end), the trained parameters at \(trainedCount)")
    }
  }

  /// Nil where an extent is negative or the product does not fit.
  private static func product(_ shape: [Int]) -> Int? {
    var product = 1
    for extent in shape {
      let (next, overflows) = product.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflows else { return nil }
      product = next
    }
    return product
  }

  private func refusal(_ place: String, _ problem: String) -> Failure {
    Failure(.badData, at: place, problem, remedy: "use another checkpoint")
  }
}

// MARK: - Comparison with a run

extension CheckpointManifest {
  /// Refuses a checkpoint of another model or another trained part.
  ///
  /// Throws `Failure(.badData)` at `place` that names the first difference.
  package func checkFits(tensors expected: [TrainedTensor], baseFingerprint base: Hash128, at place: String) throws {
    func refuse(_ problem: String) -> Failure {
      Failure(
        .badData, at: place, problem, remedy: "resume with the configuration that the checkpoint was written with")
    }
    for (mine, theirs) in zip(tensors, expected) where mine != theirs {
      let here = "\(quoted(mine.name)) \(mine.shape) at element \(mine.range.lowerBound)"
      throw refuse(
        "the checkpoint trains \(here), this run \(quoted(theirs.name)) \(theirs.shape) at element "
          + "\(theirs.range.lowerBound)")
    }
    guard tensors.count == expected.count else {
      throw refuse("the checkpoint trains \(tensors.count) tensors, this run \(expected.count)")
    }
    guard baseFingerprint == base else {
      throw refuse("training began with other weights (\(baseFingerprint)) than those of this run (\(base))")
    }
  }
}

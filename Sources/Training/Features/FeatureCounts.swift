import Collectives

/// How many views of images had their features from where: counted on each rank, and added up over all.
struct FeatureCounts: Codable, Sendable, Equatable {
  /// Read as they were kept.
  var read: Int64 = 0
  /// Begun from features that were kept at an earlier block.
  var continued: Int64 = 0
  /// Made from the image.
  var made: Int64 = 0

  /// All of them.
  var total: Int64 { read + continued + made }

  /// Over all ranks; the same on all.
  ///
  /// Collective: all ranks call this.
  func summed(over collectives: any Collectives) throws -> FeatureCounts {
    FeatureCounts(
      read: try collectives.allReduce(read, .sum), continued: try collectives.allReduce(continued, .sum),
      made: try collectives.allReduce(made, .sum))
  }

  /// `120 of 240 views were there, 0 were begun at an earlier block`.
  var words: String { "\(read) of \(total) views were kept, \(continued) were begun at an earlier block" }
}

/// Those of training and of tests.
struct KeptFeatureCounts: Codable, Sendable, Equatable {
  var training: FeatureCounts
  var tests: FeatureCounts
}

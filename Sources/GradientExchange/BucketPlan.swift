import Collectives

/// How the trained vector is cut for the exchange of gradients.
///
/// Gradients become final from the end of each encoder to its start layer. So the vector is cut from its ends into buckets,
/// each exchanged as soon as its last gradient is there, and each bucket into one slice per rank: the rank that owns a
/// slice sums it, updates it and hands it to the others.
public struct BucketPlan: Sendable, Equatable {
  /// Elements whose gradients become final at the same moment: a block, or an encoder's final norm and projection.
  public struct Segment: Sendable, Equatable {
    /// Elements of the trained vector.
    public let range: Range<Int>
    /// Elements of one group lie together, and no bucket spans two: one group per encoder.
    public let group: Int

    /// A part of the vector.
    public init(_ range: Range<Int>, group: Int) {
      self.range = range
      self.group = group
    }
  }

  /// Elements that are exchanged together.
  public struct Bucket: Sendable, Equatable {
    /// Elements of the trained vector.
    public let range: Range<Int>
    /// Group of all of them.
    public let group: Int
    /// The segment that completes the bucket, as an index of `segments`.
    public let lastSegment: Int
    /// The part that each rank owns, by rank, as elements of the vector; empty where there are more ranks than there is
    /// to share.
    public let slices: [Range<Int>]
  }

  /// All segments, in the order in which their gradients become final.
  public let segments: [Segment]
  /// All buckets, in the order in which they become ready.
  public let buckets: [Bucket]
  /// Elements of the vector.
  public let count: Int

  /// Elements to which slices are rounded: a cache line.
  public static let alignment = 16

  /// Cuts the vector that `segments` make up, given in the order in which their gradients become final.
  ///
  /// Buckets have about `bucketCount` elements, the first one `firstBucketCount`, so that communication starts early. Traps
  /// unless the segments of a group follow each other downwards and all cover the vector without gaps.
  public init(segments: [Segment], worldSize: Int, bucketCount: Int, firstBucketCount: Int) {
    precondition(worldSize > 0 && bucketCount > 0 && firstBucketCount > 0)
    self.segments = segments
    count = segments.reduce(0) { $0 + $1.range.count }
    var buckets: [Bucket] = []
    for group in Self.groups(segments) {
      let ranges = Self.cut(
        group.range, bucketCount: bucketCount, first: buckets.isEmpty ? firstBucketCount : bucketCount)
      for range in ranges {
        buckets.append(
          Bucket(
            range: range, group: segments[group.indices.lowerBound].group,
            lastSegment: group.indices.first { segments[$0].range.contains(range.lowerBound) }!,
            slices: (0..<worldSize).map { Self.slice(range, rank: $0, worldSize: worldSize) }))
      }
    }
    self.buckets = buckets
  }

  /// Buckets that hold elements of a segment.
  public func buckets(of segment: Int) -> [Int] {
    buckets.indices.filter { buckets[$0].range.overlaps(segments[segment].range) }
  }

  /// What a rank owns of each bucket; empty ranges included.
  public func owned(by rank: Int) -> [Range<Int>] { buckets.map { $0.slices[rank] } }

  /// The elements of each group, which no bucket and no update spans two of.
  public var groupRanges: [Range<Int>] { Self.groups(segments).map(\.range) }

  /// Runs of segments of one group, with the elements they cover.
  private static func groups(_ segments: [Segment]) -> [(range: Range<Int>, indices: Range<Int>)] {
    var groups: [(range: Range<Int>, indices: Range<Int>)] = []
    for (index, segment) in segments.enumerated() where !segment.range.isEmpty {
      if let last = groups.last, segments[last.indices.lowerBound].group == segment.group {
        precondition(segment.range.upperBound == last.range.lowerBound, "segments of a group must follow each other")
        groups[groups.count - 1] = (
          segment.range.lowerBound..<last.range.upperBound, last.indices.lowerBound..<index + 1
        )
      } else {
        groups.append((segment.range, index..<index + 1))
      }
    }
    return groups
  }

  /// Ranges from the end of `whole` downwards: one of `first` elements, the rest in equal parts.
  private static func cut(_ whole: Range<Int>, bucketCount: Int, first: Int) -> [Range<Int>] {
    let head = max(whole.lowerBound, whole.upperBound - first)
    var ranges = [head..<whole.upperBound]
    let rest = whole.lowerBound..<head
    let parts = (rest.count + bucketCount - 1) / bucketCount
    for part in 0..<parts {
      let range = slice(rest, rank: parts - 1 - part, worldSize: parts)
      if !range.isEmpty { ranges.append(range) }
    }
    return ranges
  }

  /// An even part, rounded to the alignment.
  private static func slice(_ range: Range<Int>, rank: Int, worldSize: Int) -> Range<Int> {
    let units = evenShard(of: (range.count + alignment - 1) / alignment, rank: rank, worldSize: worldSize)
    let end = range.upperBound
    return min(
      end, range.lowerBound + units.lowerBound * alignment)..<min(end, range.lowerBound + units.upperBound * alignment)
  }
}

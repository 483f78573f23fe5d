import CLIPModel
import Collectives
import Kernels
import SkipTuning
import Tensors

/// Text features of the classes of many test sets: each prompt is computed once, by one rank.
struct ClassTexts {
  /// Prompts that pass the text tower together, whichever rank they fall to: so features do not depend on the ranks.
  private static let group = 32

  private let prompts: [[Int32]]
  /// By test set, template and class.
  private let places: [[[Int]]]

  /// Prompts by test set, template and class.
  init(_ sets: [[[[Int32]]]]) {
    var known: [[Int32]: Int] = [:]
    var prompts: [[Int32]] = []
    places = sets.map { templates in
      templates.map { list in
        list.map { prompt in
          if let place = known[prompt] { return place }
          known[prompt] = prompts.count
          prompts.append(prompt)
          return prompts.count - 1
        }
      }
    }
    self.prompts = prompts
  }

  /// Unit rows `[classes, embedding]` for each test set, means over its templates, on all ranks.
  ///
  /// Collective: all ranks call this in the same order.
  func features(
    _ model: CLIP, _ collectives: some Collectives, by product: some MatrixProduct
  ) throws -> [Tensor] {
    let width = model.configuration.embeddingWidth
    let groupCount = (prompts.count + Self.group - 1) / Self.group
    let shares = (0..<collectives.worldSize).map { rank in
      let groups = evenShard(of: groupCount, rank: rank, worldSize: collectives.worldSize)
      return min(prompts.count, groups.lowerBound * Self.group)..<min(prompts.count, groups.upperBound * Self.group)
    }
    let all = Tensor(uninitialized: [prompts.count, width])
    let own = shares[collectives.rank]
    let arena = Arena()
    for start in stride(from: own.lowerBound, to: own.upperBound, by: Self.group) {
      arena.reset()
      let rows = start..<min(start + Self.group, own.upperBound)
      let prefix = model.textPrefix(Array(prompts[rows]), upTo: 0, arena: arena, by: product)
      all.rows(rows).copy(from: model.unitTextFeatures(of: prefix, from: 0, by: product))
    }
    try collectives.allGather(into: all.buffer, counts: shares.map { $0.count * width })
    return places.map { templates in CLIP.meanUnitFeatures(templates.map { all.gathered(rows: $0) }) }
  }
}

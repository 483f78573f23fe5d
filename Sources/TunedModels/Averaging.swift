import Diagnostics
import Foundation
import Tensors

extension TunedWeights {
  /// The weighted mean of several tuned weights of one base, interpolated with that base:
  /// `(1 - alpha) * base + alpha * Σ wᵢ xᵢ / Σ wᵢ`.
  ///
  /// With one of them and an `alpha` below 1, this is WiSE-FT (Wortsman et al., 2022); with several and 1, a model soup.
  /// Sums are taken in double precision and rounded once. Memory grows by about 20 MB with each. Throws `Failure(.badData)`
  /// where they are not of one base or trained other tensors; traps unless there is one weight, not negative, for each,
  /// and they do not add up to 0, and where `alpha` is not from 0 to 1.
  package init(averageOf parts: [TunedWeights], weights: [Double], alpha: Double) throws {
    let total = weights.reduce(0, +)
    precondition(parts.count == weights.count && weights.allSatisfy { $0 >= 0 } && total > 0, "weights \(weights)")
    precondition((0...1).contains(alpha), "alpha \(alpha)")
    for part in parts.dropFirst() { try part.checkFits(parts[0]) }
    let shares = weights.map { alpha * ($0 / total) }
    var description = TunedDescription(source: Self.words(parts, shares, baseShare: 1 - alpha))
    // What all agree on.
    description.method = parts[0].description.method
    let classNames = Set(parts.map(\.description.classNames)), templates = Set(parts.map(\.description.template))
    description.classNames = classNames.count == 1 ? parts[0].description.classNames : nil
    description.template = templates.count == 1 ? parts[0].description.template : nil
    self.init(
      description, parts[0].tensors, baseFingerprint: parts[0].baseFingerprint, at: parts[0].place
    ) { base in
      let terms = try zip(shares, parts).map { ($0, try $1.open(base)) }
      return WeightedSum(terms + [(1 - alpha, base)])
    }
  }

  /// Throws `Failure(.badData)` unless both can be averaged.
  private func checkFits(_ first: TunedWeights) throws {
    func refuse(_ problem: String) -> Failure {
      Failure(.badData, at: place, problem, remedy: "average checkpoints of one base model and one start layer")
    }
    guard baseFingerprint == first.baseFingerprint else {
      throw refuse("it was tuned from other base weights (\(baseFingerprint)) than \(first.place)")
    }
    let mine = Set(tensors.map(\.name)), theirs = Set(first.tensors.map(\.name))
    if let name = mine.symmetricDifference(theirs).min() {
      throw refuse("tensor \(quoted(name)) was trained in only one of it and \(first.place)")
    }
    guard tensors == first.tensors else {
      throw refuse("its tensors lie in another order than those of \(first.place)")
    }
  }

  private static func words(_ parts: [TunedWeights], _ shares: [Double], baseShare: Double) -> String {
    let terms = zip(shares, parts).map { ($0, $1.description.source) } + (baseShare > 0 ? [(baseShare, "base")] : [])
    return terms.map { String(format: "%.6g", $0) + " " + $1 }.joined(separator: " + ")
  }
}

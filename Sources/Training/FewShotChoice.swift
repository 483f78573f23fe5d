import Datasets
import Diagnostics

extension DataSettings {
  /// The data set with the training images that are chosen, all classes of it, and how many a class has of them; nil where
  /// all are trained on.
  ///
  /// Throws `Failure` for a subset's file that cannot be read or does not fit.
  func trainingChoice(of dataset: Dataset, seed: Int) throws -> (dataset: Dataset, shots: Int?) {
    guard let subset else { return (try shots.map { try dataset.fewShot(shots: $0, seed: seed) } ?? dataset, shots) }
    let file = try location().folder.resolving(try fileName(subset, seed: seed))
    let chosen = try dataset.taking(FewShotSubset(contentsOf: file), from: file.path, shots: shots)
    let largest = Dictionary(grouping: chosen.train, by: \.label).values.map(\.count).max()
    return (chosen, shots ?? largest)
  }

  /// The name with the run's shots and seed.
  private func fileName(_ subset: String, seed: Int) throws -> String {
    guard shots != nil || !subset.contains("{shots}") else {
      throw Failure(
        .usage, at: "data.subset", "{shots} stands for data.shots, which is not set", remedy: "set data.shots")
    }
    return subset.replacing("{shots}", with: "\(shots ?? 0)").replacing("{seed}", with: "\(seed)")
  }
}

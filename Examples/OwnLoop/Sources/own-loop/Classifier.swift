import CLIPModel
import Foundation
import Kernels
import SkipTuning
import Tensors

/// Tells the classes of images by the model as it is now.
struct Classifier {
  private let task: Task
  /// `[classes, embedding]`, unit rows.
  private let classes: Tensor

  init(_ task: Task) {
    self.task = task
    classes = task.model.unitTextFeatures(averaging: [task.prompts], by: task.product)
  }

  /// The class of each file that its feature is nearest to.
  func labels(of files: [URL]) throws -> [Int] {
    let (loader, arena) = (task.loader(files), Arena())
    var labels: [Int] = []
    while let batch = try loader.next() {
      arena.reset()
      let features = task.model.imageFeatures(batch.pixels, arena: arena, by: task.product)
      // All have the same length, or the longest class feature would win; those of images need not.
      let cosines = arena.tensor([features.rowCount, classes.rowCount])
      task.product.multiply(MatrixView(features), MatrixView(classes).transposed, into: MatrixView(cosines))
      labels += (0..<features.rowCount).map { row in
        let scores = cosines.row(row).array
        return scores.indices.max { scores[$0] < scores[$1] } ?? 0
      }
    }
    return labels
  }

  /// Percent of the test images whose class is found.
  func accuracy() throws -> Double {
    let test = task.images.test
    let found = try labels(of: test.map { task.images.url(of: $0) })
    return 100 * Double(zip(found, test).count { $0 == $1.label }) / Double(test.count)
  }
}

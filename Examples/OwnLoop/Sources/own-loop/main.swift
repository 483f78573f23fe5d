import Diagnostics
import Foundation
import Optimization

// own-loop IMAGE...: adapts the quick start's CLIP to handwritten digits and names those on the images. What
// `skiptune train -c configs/quickstart/all-classes.yaml` does with five epochs and without augmentation, in a loop of
// one's own; started in the repository.

do {
  let images = CommandLine.arguments.dropFirst().map { URL(filePath: $0) }
  let task = try Task(threads: ProcessInfo.processInfo.activeProcessorCount)
  print("accuracy before: \(try Classifier(task).accuracy())")
  let training = Training(
    task: task, startLayer: 3, epochs: 5, batchSize: 4,
    rates: LearningRateSchedule(base: 2e-3, epochs: 5, warmupEpochs: 1, warmupRate: 1e-5))
  try training.run { number, loss in print("epoch \(number): loss \(loss)") }
  let classifier = Classifier(task)
  print("accuracy after: \(try classifier.accuracy())")
  for (image, label) in zip(images, try classifier.labels(of: images)) {
    print("\(image.relativePath): \(task.images.classNames[label])")
  }
} catch let failure as Failure {
  FileHandle.standardError.write(Data("\(failure)\n".utf8))
  exit(failure.status.rawValue)
}

import AllocationCounter
import CLIPModel
import Kernels
import MatrixBackends
import Optimization
import Planning
import SkipTuning
import Tensors

// skiptune-allocations THREADS: counts what twenty training steps take of memory after thirty others. Prints two lines, of
// allocations that are as large as activations and of all: their number and bytes.

/// Counts the steps of a part of ViT-B/16 against 40 classes; with OpenBLAS, which keeps the memory that it packs matrices
/// in, where oneDNN asks for it in each call.
func countAllocations(threads: Int) throws {
  var shape = try CLIPPresets.configuration(named: "ViT-B/16")
  (shape.vision.depth, shape.text.depth, shape.vocabularySize) = (3, 3, 1000)
  let model = CLIP(shape, ParameterStore(ParameterLayout(shape)))
  for index in 0..<model.parameters.values.count { model.parameters.values[index] = Float(index % 89) * 0.001 - 0.044 }
  let product = OpenBLASProduct(threads: threads)
  let trained = TrainedParameters(of: model, from: 1)
  let prompts = (0..<40).map { label in [1, 2, 3, Int32(10 + label), Int32(100 + label % 7), 999] }
  let step = SkipTuningStep(
    model, trained, ClassSkip(classCount: 40, ClassSkip.Settings(redraw: .perStep), seed: 1),
    textPrefix: model.textPrefix(prompts, upTo: 1, arena: Arena(), by: product), by: product)
  let layout = model.imagePrefixLayout(count: 2, upTo: 1)
  let images = PrefixFeatures(Tensor(repeating: 0.1, shape: [layout.tokenCount, shape.vision.width]), layout)
  let momentum = trained.makeStore(model.parameters.layout)
  func once(_ number: Int) throws {
    _ = try step.run(
      images: images, labels: [number % 40, (number + 7) % 40], globalBatch: 2, step: number,
      exchange: WholeBatch())
    let images = trained.windows[.image]!
    SGD().update(
      model.parameters.values.slice(images), gradient: step.gradients.values.slice(0..<images.count),
      momentumBuffer: momentum.values.slice(0..<images.count), rate: 1e-6)
  }
  // Other classes each time: more rows than ever before may take memory once.
  for number in 0..<30 { try once(number) }
  var bytes = 0
  for (what, least) in [("activations", 1 << 16), ("all", 1)] {
    allocation_counter_start(least)
    for number in 30..<50 { try once(number) }
    let count = allocation_counter_stop(&bytes)
    print("\(what) \(count) \(bytes)")
  }
}

guard CommandLine.arguments.count == 2, let threads = Int(CommandLine.arguments[1]) else {
  fatalError("usage: skiptune-allocations THREADS")
}
try countAllocations(threads: threads)

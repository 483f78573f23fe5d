import CKernels
import CLIPModel
import Collectives
import Dispatch
import Kernels
import Planning
import Tensors

/// Speeds of one rank's computing at a model's shapes, while all other ranks do the same.
struct ComputeBenchmark<Product: MatrixProduct> {
  let configuration: CLIPConfiguration
  let collectives: any Collectives
  let product: Product
  let threads: Int
  /// Seconds for each of about ten measurements.
  let budget: Double

  private var width: Int { configuration.vision.width }
  private var tower: CLIPConfiguration.Tower { configuration.vision }

  /// Collective: all ranks call this in the same order.
  func measure() throws -> MachineReport.Compute {
    MachineReport.Compute(
      threads: threads, products: try productRates(), attention: try attentionRate(), elements: try elementRate(),
      update: try updateRate(), memory: try memoryRate())
  }

  /// What all ranks reach, the middle one's.
  private func rate(of count: Int, _ seconds: () throws -> Double) throws -> Double {
    try collectives.median(ownRate(of: count, seconds))
  }

  /// What this rank reaches while all others do the same.
  private func ownRate(of count: Int, _ seconds: () throws -> Double) throws -> Double {
    try collectives.barrier()
    return Double(count) / max(1e-9, try seconds())
  }

  /// Values of which products stay ordinary numbers.
  private static func noise(_ shape: [Int]) -> Tensor {
    let tensor = Tensor(uninitialized: shape)
    var random = CounterRandom(seed: 7, stream: 3)
    for index in 0..<tensor.count { tensor[index] = Float(random.uniform() - 0.5) * 0.1 }
    return tensor
  }
}

// MARK: - Products

extension ComputeBenchmark {
  /// Rows from a few tokens to sixteen images.
  private static var rowCounts: [Int] { [8, 32, 128, 512, 2048] }

  private func productRates() throws -> [MachineProfile.ProductRate] {
    let (inputs, results) = operands(rows: Self.rowCounts.max()!)
    return try Self.rowCounts.map { rows in
      MachineProfile.ProductRate(
        rows: rows, operations: try collectives.median(productRate(rows: rows, inputs, into: results)))
    }
  }

  /// Operations a second that this rank reaches with features of `rows` rows, while all others do the same.
  ///
  /// Collective: all ranks call this in the same order.
  func productRate(rows: Int) throws -> Double {
    let (inputs, results) = operands(rows: rows)
    return try productRate(rows: rows, inputs, into: results)
  }

  /// Those of a block's four linear layers.
  private var layers: [(input: Int, output: Int)] {
    let (w, m) = (width, tower.mlpWidth)
    return [(w, 3 * w), (w, w), (w, m), (m, w)]
  }

  private func operands(rows: Int) -> (inputs: Operands, results: Operands) {
    let (longest, weights) = (max(tower.mlpWidth, 3 * width), 3 * width * tower.mlpWidth)
    return (
      Operands(rows: rows, width: longest, weights: weights, Self.noise),
      Operands(rows: rows, width: longest, weights: weights) { Tensor(uninitialized: $0) }
    )
  }

  /// Forward and both gradients of the layers.
  private func productRate(rows: Int, _ inputs: Operands, into results: Operands) throws -> Double {
    let operations: Int = layers.reduce(0) { sum, layer in sum + 6 * rows * layer.input * layer.output }
    return try ownRate(of: operations) {
      Timing.median(budget: budget) {
        for layer in layers { multiply(rows, layer.input, layer.output, inputs, into: results) }
      }
    }
  }

  /// Features on both sides of a layer, and its weight, each long enough for the longest.
  private struct Operands {
    let x, y, weight: Tensor

    init(rows: Int, width: Int, weights: Int, _ make: ([Int]) -> Tensor) {
      (x, y, weight) = (make([rows, width]), make([rows, width]), make([weights]))
    }
  }

  /// Results go elsewhere than inputs come from, so that values stay what they are.
  private func multiply(_ rows: Int, _ input: Int, _ output: Int, _ inputs: Operands, into results: Operands) {
    func views(_ operands: Operands) -> (x: MatrixView, y: MatrixView, weight: MatrixView) {
      (
        MatrixView(operands.x.pointer, rows: rows, columns: input, stride: input),
        MatrixView(operands.y.pointer, rows: rows, columns: output, stride: output),
        MatrixView(operands.weight.pointer, rows: output, columns: input, stride: input)
      )
    }
    let (given, made) = (views(inputs), views(results))
    product.multiply(given.x, given.weight.transposed, into: made.y)
    product.multiply(given.y, given.weight, into: made.x)
    product.multiply(given.y.transposed, given.x, into: made.weight)
  }

  /// The six products of each head of four images, forward and backward: what attention takes with them and not without.
  private func attentionRate() throws -> Double {
    let (images, tokens) = (4, configuration.tokensPerImage)
    let attention = Attention(headCount: tower.headCount, isCausal: false)
    let scope = attention.scope(SequenceLayout(count: images, length: tokens))
    let (qkv, gradients) = (
      Operand(Self.noise([images * tokens, 3 * width])), Operand(Self.noise([images * tokens, 3 * width]))
    )
    let (arena, context) = (Arena(), Operand(Self.noise([images * tokens, width])))
    let probabilities = attention.probabilities(scope, Arena(), by: IdleProduct(value: nil))
    probabilities.round(Self.noise([probabilities.count]))
    func pass(_ product: some MatrixProduct) {
      arena.reset()
      let inputs = Attention.Inputs(qkv: qkv)
      attention.forward(
        inputs, scope, probabilities: probabilities, into: context, arena: arena, by: product)
      attention.backward(
        context, inputs, probabilities: probabilities, scope, into: Attention.Inputs(qkv: gradients), arena: arena,
        by: product)
    }
    return try rate(of: 12 * images * tokens * tokens * width) {
      let whole = Timing.median(budget: budget) { pass(product) }
      let rest = Timing.median(budget: budget) { pass(IdleProduct(value: nil)) }
      // On a busy machine the difference may vanish.
      return max(whole - rest, 0.2 * whole)
    }
  }
}

// MARK: - Passes

/// Writes a constant in place of a product, or leaves what is there: what a block takes beside its products.
private struct IdleProduct: MatrixProduct {
  let value: Float?
  let operandFormat = ElementFormat.float32

  func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ epilogue: Epilogue) {
    guard let value else { return }
    for row in 0..<c.rows { (c.pointer + row * c.stride).update(repeating: value, count: c.columns) }
  }

  func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView) { multiply(a, b, into: c) }
}

extension ComputeBenchmark {
  /// Two image blocks, norm and projection of four images, forward and backward, without their products.
  private func elementRate() throws -> Double {
    var shape = configuration
    (shape.vision.depth, shape.text.depth, shape.vocabularySize) = (2, 1, 2)
    let model = CLIP(shape, ParameterStore(ParameterLayout(shape)))
    let gradients = TowerParameters(ParameterStore(model.parameters.layout), .image, depth: 2)
    let images = 4
    let layout = model.imageEmbedding.layout(count: images)
    let x = Self.noise([layout.tokenCount, width])
    let arena = Arena()
    func pass(_ product: IdleProduct) {
      arena.reset()
      let pass = model.imageTower.forward(x, layout, from: 0, arena: arena, by: product, willUse: { _ in })
      model.imageTower.backward(
        pass.features, pass, gradients: gradients, arena: arena, by: product, onReady: { _ in })
    }
    pass(IdleProduct(value: 0.01))
    let work = StepWork(
      shape, startLayer: 0, images: images, texts: SequenceBatch(images: 0, tokens: 1), keptClasses: 0, classCount: 0)
    let bytes = work.units.filter { $0.encoder == .image }.reduce(0) {
      $0 + $1.forward.elementBytes + $1.backward.elementBytes
    }
    return try rate(of: bytes) { Timing.median(budget: budget) { pass(IdleProduct(value: nil)) } }
  }

  /// Parameters of a pass that no cache holds.
  private static var passCount: Int { 16 << 20 }

  private func updateRate() throws -> Double {
    let (parameters, momentum, gradient) = (
      Tensor(zeros: [Self.passCount]), Tensor(zeros: [Self.passCount]), Tensor(repeating: 1e-3, shape: [Self.passCount])
    )
    return try rate(of: 20 * Self.passCount) {
      Timing.median(budget: budget) {
        StochasticGradient.update(
          parameters: parameters, momentumBuffer: momentum, gradient: gradient, rate: 1e-3, momentum: 0.9,
          weightDecay: 0)
      }
    }
  }

  private func memoryRate() throws -> Double { try collectives.median(ownMemoryRate()) }

  /// Bytes a second of `a = b + s c` that this rank reaches while all others do the same.
  ///
  /// Collective: all ranks call this in the same order.
  func ownMemoryRate() throws -> Double {
    let (a, b, c) = (
      Tensor(zeros: [Self.passCount]), Tensor(repeating: 1, shape: [Self.passCount]),
      Tensor(repeating: 2, shape: [Self.passCount])
    )
    return try ownRate(of: 12 * Self.passCount) {
      Timing.median(budget: budget) {
        DispatchQueue.concurrentPerform(iterations: threads) { index in
          let part = evenShard(of: Self.passCount, rank: index, worldSize: threads)
          skt_triad(a.slice(part).pointer, b.slice(part).pointer, c.slice(part).pointer, 3, part.count)
        }
      }
    }
  }
}

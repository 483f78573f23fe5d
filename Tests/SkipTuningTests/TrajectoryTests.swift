import CLIPModel
import MatrixBackends
import Optimization
import SkipTuning
import Tensors
import TestSupport
import Testing

/// Twenty steps of the whole method (CSkip, schedule, SGD) against PyTorch (Tests/Reference/sgd_goldens.py).
@Suite struct TrajectoryTests {
  struct Settings: Decodable {
    struct Step: Decodable {
      let epoch: Int
      let textRate, imageRate: Double
      let indices, keptClasses: [Int]
      let loss: Double
    }
    let startLayer: Int
    let ratio: Double
    let cap: Int
    let mask: [Bool]
    let warmupEpochs, epochs: Int
    let warmupRate, textRate, imageRate, momentum, weightDecay: Double
    let steps: [Step]
  }

  static let product = MachineProduct(threads: 2)

  @Test func weightsAndMomentumAfterTwentySteps() throws {
    let settings = try Goldens.json("sgd/settings.json", as: Settings.self)
    let base = try CLIP(huggingFaceFolder: Goldens.url("towers/model"))
    let model = CLIP(base.configuration, base.parameters.copied())
    let momentum = try Self.train(model, settings)

    // PyTorch's float32 weights moved 3e-4 (worst tensor, relative to the movement) away from its float64 run: small
    // movements lose digits against the weights. Momentum holds its digits: 2.7e-6 there.
    let final = try Goldens.tensors("sgd/final.safetensors")
    let buffers = try Goldens.tensors("sgd/momentum.safetensors")
    for slot in momentum.slots {
      let start = base.parameters[slot.name]!
      let moved = Tensor(zip(model.parameters[slot.name]!.array, start.array).map(-))
      let truth = Tensor(zip(try final.tensor(slot.name).array, start.array).map(-))
      #expect(relativeError(model.parameters[slot.name]!, try final.tensor(slot.name)) < 1e-6, "\(slot.name)")
      #expect(relativeError(moved, truth) < 1e-3, "\(slot.name)")
      // Of a key bias, momentum is decay and rounding: its errors are those of the sums behind the query bias.
      let scale = slot.name.replacing("k_proj.bias", with: "q_proj.bias")
      let error = Tensor(zip(momentum[slot.name]!.array, try buffers.tensor(slot.name).array).map(-))
      #expect(length(error) < 3e-5 * length(try buffers.tensor(scale)), "\(slot.name)")
    }
  }

  /// Updates that are made layer by layer, in memory for one layer's gradients, change no bit.
  @Test func layersMayTakeTurns() throws {
    let settings = try Goldens.json("sgd/settings.json", as: Settings.self)
    let base = try CLIP(huggingFaceFolder: Goldens.url("towers/model"))
    let (whole, layerwise) = (
      CLIP(base.configuration, base.parameters.copied()), CLIP(base.configuration, base.parameters.copied())
    )
    let momentum = try Self.train(whole, settings)
    let updates = LayerUpdates(
      layerwise, TrainedParameters(of: layerwise, from: settings.startLayer),
      SGD(momentum: settings.momentum, weightDecay: settings.weightDecay))
    _ = try Self.train(layerwise, settings, updates)
    #expect(updates.gradients.values.count < momentum.values.count / 4)
    #expect(updates.momentum.values.array == momentum.values.array)
    #expect(layerwise.parameters.values.array == whole.parameters.values.array)
  }

  func length(_ tensor: Tensor) -> Float { tensor.buffer.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  /// Follows the golden's batches, checking loss, kept classes and rates of every step; returns the momentum, of which
  /// `updates` have their own.
  static func train(_ model: CLIP, _ settings: Settings, _ updates: LayerUpdates? = nil) throws -> ParameterStore {
    let pool = try Goldens.tensors("sgd/pool.safetensors")
    let prompts = try pool.prompts()
    let labels = try pool.integers("labels")
    let arena = Arena()
    let trained = TrainedParameters(of: model, from: settings.startLayer)
    let classSkip = ClassSkip(
      classCount: prompts.count, ClassSkip.Settings(ratio: settings.ratio, cap: settings.cap), seed: 0,
      mask: settings.mask)
    let step = SkipTuningStep(
      model, trained, classSkip,
      textPrefix: model.textPrefix(prompts, upTo: settings.startLayer, arena: arena, by: product),
      gradients: updates?.gradients, by: product)
    let momentum = trained.makeStore(model.parameters.layout)
    let optimizer = SGD(momentum: settings.momentum, weightDecay: settings.weightDecay)
    let images = try prefix(model, try pool.tensor("pixel_values"), upTo: settings.startLayer)

    for (index, expected) in settings.steps.enumerated() {
      let outcome = try step.run(
        images: images.gathered(expected.indices, in: Arena()), labels: expected.indices.map { labels[$0] },
        globalBatch: expected.indices.count, step: index,
        exchange: WholeBatch { encoder, layer in
          let rate = encoder == .image ? expected.imageRate : expected.textRate
          if let updates { #expect(updates.update(encoder, layer: layer, rate: rate)) }
        })
      #expect(outcome.keptClasses == expected.keptClasses, "step \(index)")
      let loss = outcome.losses.reduce(0, +) / Double(outcome.losses.count)
      #expect(abs(loss / expected.loss - 1) < 1e-5, "step \(index)")
      for (encoder, base, rate) in [
        (Encoder.image, settings.imageRate, expected.imageRate), (.text, settings.textRate, expected.textRate),
      ] {
        let schedule = LearningRateSchedule(
          base: base, epochs: settings.epochs, warmupEpochs: settings.warmupEpochs, warmupRate: settings.warmupRate)
        #expect(abs(schedule.rate(epoch: expected.epoch) / rate - 1) < 1e-12)
        guard updates == nil else { continue }
        let window = trained.windows[encoder]!
        optimizer.update(
          model.parameters.values(in: window), gradient: step.gradients.values(in: window),
          momentumBuffer: momentum.values(in: window), rate: rate)
      }
    }
    return momentum
  }

  static func prefix(_ model: CLIP, _ pixels: Tensor, upTo startLayer: Int) throws -> PrefixFeatures {
    let layout = model.imagePrefixLayout(count: pixels.shape[0], upTo: startLayer)
    let x = Tensor(uninitialized: [layout.tokenCount, model.imageTower.width])
    model.imagePrefix(pixels, into: x, upTo: startLayer, arena: Arena(), by: product)
    return PrefixFeatures(x, layout)
  }
}

import Tensors
import Testing

@testable import Datasets

@Suite struct ImageTransformTests {
  private func apply(_ transform: ImageTransform, _ image: RGBImage, seed: UInt64 = 0) -> [Float] {
    let result = Tensor(uninitialized: [3, transform.cropSize, transform.cropSize])
    var random = CounterRandom(seed: seed)
    transform.apply(image, to: result.buffer, random: &random)
    return result.array
  }

  /// `[3, size, size]` in 0...1 as interleaved bytes.
  private func image(of planes: [Float], size: Int) -> RGBImage {
    let pixels = (0..<size * size).flatMap { i in (0..<3).map { UInt8((planes[$0 * size * size + i] * 255).rounded()) }
    }
    return RGBImage(width: size, height: size, pixels: pixels)
  }

  @Test(arguments: ImageGoldens.shared.index.central)
  func evaluationPixelsArePillows(golden: ImageGoldens.Central) {
    let goldens = ImageGoldens.shared
    let transform = ImageTransform(
      resizeSize: golden.resize, cropSize: golden.crop, mean: [0, 0, 0], std: [1, 1, 1], augmentation: nil)
    let result = image(of: apply(transform, goldens.image(golden.source)), size: golden.crop)
    #expect(result == goldens.image(golden.result))
  }

  @Test func channelsAreNormalisedInFloatArithmetic() {
    let pixels = (0..<16 * 16 * 3).map { UInt8($0 / 3) }
    let mean: [Float] = [0.481_454_66, 0.457_827_5, 0.408_210_73]
    let std: [Float] = [0.268_629_54, 0.261_302_58, 0.275_777_11]
    let transform = ImageTransform(resizeSize: 16, cropSize: 16, mean: mean, std: std, augmentation: nil)
    let result = apply(transform, RGBImage(width: 16, height: 16, pixels: pixels))
    for channel in 0..<3 {
      for value in 0..<256 {
        #expect(result[channel * 256 + value] == (Float(value) / 255 - mean[channel]) / std[channel])
      }
    }
  }

  @Test func aCropLargerThanTheImageIsPaddedWithBlack() {
    let white = RGBImage(width: 4, height: 4, pixels: [UInt8](repeating: 255, count: 48))
    let transform = ImageTransform(
      resizeSize: 4, cropSize: 7, mean: [0.5, 0.25, 0], std: [0.5, 0.5, 0.5], augmentation: nil)
    let result = apply(transform, white)
    for (channel, (black, full)) in [(-1, 1), (-0.5, 1.5), (0, 2)].enumerated() {
      for y in 0..<7 {
        for x in 0..<7 {
          let inside = (1..<5).contains(x) && (1..<5).contains(y)
          #expect(result[(channel * 7 + y) * 7 + x] == Float(inside ? full : black))
        }
      }
    }
  }

  @Test(arguments: ImageGoldens.shared.index.choices)
  func randomCropsFollowTorchvisionsFormulas(golden: ImageGoldens.Choice) {
    let augmentation = Augmentation(
      scale: golden.scale[0]...golden.scale[1], ratio: golden.ratio[0]...golden.ratio[1], flipProbability: golden.flip)
    var random = CounterRandom(seed: 0x0123_4567_89AB_CDEF, stream: 5, golden.image)
    let choice = augmentation.choice(width: golden.width, height: golden.height, random: &random)
    #expect(choice == CropChoice(box: PixelBox(golden.box), mirrored: golden.mirrored))
  }

  @Test func trainingPixelsAreThoseOfTheChosenBox() {
    let goldens = ImageGoldens.shared
    let source = goldens.image(goldens.index.decoded["rgb8.png"]!)
    let augmentation = Augmentation()
    let transform = ImageTransform(
      resizeSize: 1, cropSize: 20, mean: [0, 0, 0], std: [1, 1, 1], augmentation: augmentation)
    var mirroredCount = 0
    for seed in 0..<20 {
      var random = CounterRandom(seed: UInt64(seed))
      let choice = augmentation.choice(width: source.width, height: source.height, random: &random)
      let expected = source.resized(width: 20, height: 20, from: choice.box)
      let result = image(of: apply(transform, source, seed: UInt64(seed)), size: 20)
      #expect(result == (choice.mirrored ? mirrored(expected) : expected))
      mirroredCount += choice.mirrored ? 1 : 0
    }
    #expect((1..<20).contains(mirroredCount))
  }

  private func mirrored(_ image: RGBImage) -> RGBImage {
    var pixels: [UInt8] = []
    for y in 0..<image.height {
      for x in (0..<image.width).reversed() {
        let start = 3 * (y * image.width + x)
        pixels += image.pixels[start..<start + 3]
      }
    }
    return RGBImage(width: image.width, height: image.height, pixels: pixels)
  }

  /// The area is uniform in the scale range (before rounding) and half of the crops are mirrored: 4 standard deviations.
  @Test func manyCropsHaveTheStatedDistribution() {
    let augmentation = Augmentation(scale: 0.1...0.5, ratio: 1...1)
    var random = CounterRandom(seed: 9)
    let choices = (0..<4_000).map { _ in augmentation.choice(width: 1_000, height: 1_000, random: &random) }
    let areas = choices.map { Double($0.box.width * $0.box.height) / 1e6 }
    let mean = areas.reduce(0, +) / 4_000
    let deviation = 0.4 / Double(12 * 4_000).squareRoot()
    #expect(abs(mean - 0.3) < 4 * deviation)
    #expect(abs(choices.count { $0.mirrored } - 2_000) < 4 * 32)
    #expect(choices.allSatisfy { $0.box.width == $0.box.height })
  }
}

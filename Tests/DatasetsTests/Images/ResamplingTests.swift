import Foundation
import Tensors
import Testing

@testable import Datasets

@Suite struct ResamplingTests {
  @Test(arguments: ImageGoldens.shared.index.resized)
  func bytesArePillows(golden: ImageGoldens.Resized) {
    let goldens = ImageGoldens.shared
    let result = goldens.image(golden.source).resized(
      width: golden.result.width, height: golden.result.height, from: PixelBox(golden.box))
    #expect(result == goldens.image(golden.result))
  }

  @Test func theSameSizeIsACopy() {
    let image = noise(width: 33, height: 18, seed: 1)
    #expect(image.resized(width: 33, height: 18) == image)
  }

  /// The twin works in double precision and rounds nowhere.
  ///
  /// The passes round twice: half a level after the first, grown
  /// by the absolute sum of the second's weights (at most 1.3), and half a level at the end.
  @Test(arguments: [
    (40, 30, 17, 11), (40, 30, 97, 61), (40, 30, 40, 7), (5, 90, 20, 20), (64, 48, 63, 47), (1, 9, 6, 2),
    (130, 17, 3, 50),
  ])
  func theDoublePrecisionTwinAgrees(width: Int, height: Int, newWidth: Int, newHeight: Int) {
    let image = noise(width: width, height: height, seed: 2)
    let result = image.resized(width: newWidth, height: newHeight)
    let twin = slowlyResized(image, newWidth, newHeight)
    let largest = zip(result.pixels, twin).map { abs(Double($0) - $1) }.max()!
    #expect(largest < 0.5 * 1.3 + 0.5 + 0.01)
  }

  @Test func aWindowIsAPartOfTheWhole() {
    let image = noise(width: 50, height: 41, seed: 3)
    let box = PixelBox(left: 3, top: 5, width: 44, height: 31)
    let whole = Resampling(box: box, width: 29, height: 70, columns: 0..<29, rows: 0..<70)(image)
    let window = Resampling(box: box, width: 29, height: 70, columns: 4..<23, rows: 33..<51)(image)
    for channel in 0..<3 {
      for y in 0..<18 {
        let part = window.bytes[((channel * 18 + y) * window.stride)...].prefix(19)
        #expect(part.elementsEqual(whole.bytes[((channel * 70 + y + 33) * whole.stride + 4)...].prefix(19)))
      }
    }
  }

  @Test func aStripOfAMillionPixelsNeedsLittleMemory() {
    let image = RGBImage(width: 1, height: 1_000_000, pixels: [UInt8](repeating: 77, count: 3_000_000))
    let transform = ImageTransform(
      resizeSize: 224, cropSize: 224, mean: [0, 0, 0], std: [1, 1, 1], augmentation: nil)
    let result = Tensor(uninitialized: [transform.outputCount])
    var random = CounterRandom(seed: 0)
    transform.apply(image, to: result.buffer, random: &random)
    #expect(result.array.allSatisfy { $0 == 77 / 255 as Float })
  }

  private func noise(width: Int, height: Int, seed: UInt64) -> RGBImage {
    var random = CounterRandom(seed: seed)
    // Mostly extremes, so that overshoot is clipped often.
    let pixels = (0..<3 * width * height).map { _ in
      [0, 255, UInt8(random.integer(below: 256))][random.integer(below: 3)]
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }

  private func slowlyResized(_ image: RGBImage, _ width: Int, _ height: Int) -> [Double] {
    let columns = weights(from: image.width, to: width)
    let rows = weights(from: image.height, to: height)
    var between = [Double](repeating: 0, count: image.height * width * 3)
    for y in 0..<image.height {
      for x in 0..<width {
        for c in 0..<3 {
          let terms = (0..<image.width).map { columns[x][$0] * Double(image.pixels[(y * image.width + $0) * 3 + c]) }
          between[(y * width + x) * 3 + c] = clipped(terms.reduce(0, +))
        }
      }
    }
    var result: [Double] = []
    for y in 0..<height {
      for i in 0..<width * 3 {
        result.append(clipped((0..<image.height).map { rows[y][$0] * between[$0 * width * 3 + i] }.reduce(0, +)))
      }
    }
    return result
  }

  private func clipped(_ value: Double) -> Double { min(255, max(0, value)) }

  /// Weights of every input for every output, `[to][from]`, straight from the kernel's definition.
  private func weights(from inputs: Int, to outputs: Int) -> [[Double]] {
    let scale = Double(inputs) / Double(outputs)
    return (0..<outputs).map { output in
      let raw = (0..<inputs).map { input in
        kernel((Double(input) + 0.5 - (Double(output) + 0.5) * scale) / max(1, scale))
      }
      let sum = raw.reduce(0, +)
      return raw.map { $0 / sum }
    }
  }

  private func kernel(_ x: Double) -> Double {
    let x = abs(x)
    if x < 1 { return 1.5 * pow(x, 3) - 2.5 * pow(x, 2) + 1 }
    return x < 2 ? -0.5 * pow(x, 3) + 2.5 * pow(x, 2) - 4 * x + 2 : 0
  }
}

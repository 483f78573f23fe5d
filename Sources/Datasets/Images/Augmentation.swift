import Foundation
import Tensors

/// A part of an image, and whether it is mirrored: what one draw of an augmentation decides.
public struct CropChoice: Sendable, Equatable {
  /// The part that is kept.
  public var box: PixelBox
  /// Whether left and right are exchanged.
  public var mirrored: Bool

  /// The given part, mirrored or not.
  public init(box: PixelBox, mirrored: Bool) {
    self.box = box
    self.mirrored = mirrored
  }
}

/// Random crops of varying size and shape, and horizontal flips (torchvision's RandomResizedCrop and
/// RandomHorizontalFlip).
public struct Augmentation: Sendable, Equatable {
  /// Share of the image's area that a crop takes.
  public var scale: ClosedRange<Double>
  /// Width over height of a crop, drawn uniformly in the logarithm.
  public var ratio: ClosedRange<Double>
  /// Share of images that are mirrored.
  public var flipProbability: Double

  /// Crops of the given areas and shapes.
  ///
  /// Traps unless they are positive and the probability lies in `0...1`.
  public init(
    scale: ClosedRange<Double> = 0.08...1, ratio: ClosedRange<Double> = 3.0 / 4...4.0 / 3, flipProbability: Double = 0.5
  ) {
    precondition(scale.lowerBound > 0 && scale.upperBound.isFinite, "a crop cannot take \(scale) of an image")
    precondition(ratio.lowerBound > 0 && ratio.upperBound.isFinite, "a crop cannot have the shape \(ratio)")
    precondition((0...1).contains(flipProbability), "\(flipProbability) is not a probability")
    self.scale = scale
    self.ratio = ratio
    self.flipProbability = flipProbability
  }

  /// Draws a crop and a flip for an image of `width` x `height` pixels; a pure function of the state of `random`.
  ///
  /// Up to ten tries draw an area and a shape; one that fits is placed uniformly. When none fits, the centre is taken,
  /// cut to the allowed shapes.
  public func choice(width: Int, height: Int, random: inout CounterRandom) -> CropChoice {
    let box = randomBox(width: width, height: height, random: &random) ?? centralBox(width: width, height: height)
    return CropChoice(box: box, mirrored: random.uniform() < flipProbability)
  }

  private func randomBox(width: Int, height: Int, random: inout CounterRandom) -> PixelBox? {
    let area = Double(width * height)
    for _ in 0..<10 {
      let target = area * random.uniform(scale.lowerBound, scale.upperBound)
      let shape = exp(random.uniform(log(ratio.lowerBound), log(ratio.upperBound)))
      // Compared as floating point: a scale or ratio beyond all sense must not overflow an integer.
      let boxWidth = (target * shape).squareRoot().rounded(.toNearestOrEven)
      let boxHeight = (target / shape).squareRoot().rounded(.toNearestOrEven)
      guard boxWidth > 0, boxWidth <= Double(width), boxHeight > 0, boxHeight <= Double(height) else { continue }
      let top = random.integer(below: height - Int(boxHeight) + 1)
      let left = random.integer(below: width - Int(boxWidth) + 1)
      return PixelBox(left: left, top: top, width: Int(boxWidth), height: Int(boxHeight))
    }
    return nil
  }

  /// The largest centred box of an allowed shape.
  private func centralBox(width: Int, height: Int) -> PixelBox {
    let shape = Double(width) / Double(height)
    var (boxWidth, boxHeight) = (width, height)
    if shape < ratio.lowerBound {
      boxHeight = max(1, Int((Double(width) / ratio.lowerBound).rounded(.toNearestOrEven)))
    } else if shape > ratio.upperBound {
      boxWidth = max(1, Int((Double(height) * ratio.upperBound).rounded(.toNearestOrEven)))
    }
    return PixelBox(
      left: (width - boxWidth) / 2, top: (height - boxHeight) / 2, width: boxWidth, height: boxHeight)
  }
}

import CImageShims
import Tensors

/// From an RGB image to the model's input: resized, cropped, scaled to `(byte / 255 - mean) / std`, planar.
///
/// Without augmentation the shorter side is resized to `resizeSize` and the centre `cropSize` x `cropSize` is kept; with
/// it a random part of the image is resized to `cropSize` x `cropSize` and perhaps mirrored. Bicubic, with the rounding
/// of torchvision's transforms on Pillow images.
public struct ImageTransform: Sendable, Equatable {
  /// Pixels of the shorter side after resizing, in evaluation.
  public let resizeSize: Int
  /// Rows and columns of the result.
  public let cropSize: Int
  /// Subtracted from each channel, red, green, blue, in units of the full range.
  public let mean: [Float]
  /// Divides each channel after that.
  public let std: [Float]
  /// Random crops and flips for training; nil for evaluation.
  public let augmentation: Augmentation?

  /// A transform to `[3, cropSize, cropSize]`.
  ///
  /// Traps on sizes below 1 and on other than three means and deviations.
  public init(resizeSize: Int, cropSize: Int, mean: [Float], std: [Float], augmentation: Augmentation?) {
    precondition(
      (1...65_536).contains(resizeSize) && (1...65_536).contains(cropSize),
      "images cannot have \(resizeSize) or \(cropSize) pixels a side")
    precondition(mean.count == 3 && std.count == 3 && !std.contains(0), "three means and three deviations are needed")
    self.resizeSize = resizeSize
    self.cropSize = cropSize
    self.mean = mean
    self.std = std
    self.augmentation = augmentation
  }

  /// Floats that `apply` writes: 3 x cropSize x cropSize.
  public var outputCount: Int { 3 * cropSize * cropSize }

  /// Writes the transformed image to `target`, `[3, cropSize, cropSize]`, drawing from `random` only for augmentation.
  public func apply(
    _ image: RGBImage, to target: UnsafeMutableBufferPointer<Float>, random: inout CounterRandom
  ) {
    precondition(target.count == outputCount, "\(target.count) floats are not [3, \(cropSize), \(cropSize)]")
    let plan = plan(width: image.width, height: image.height, random: &random)
    if plan.resampling.columns.count < cropSize || plan.resampling.rows.count < cropSize { fillWithBlack(target) }
    normalize(plan.resampling(image), plan, target)
  }

  private func fillWithBlack(_ target: UnsafeMutableBufferPointer<Float>) {
    let plane = cropSize * cropSize
    for channel in 0..<3 {
      target[channel * plane..<(channel + 1) * plane].update(repeating: -mean[channel] / std[channel])
    }
  }

  private func normalize(_ planes: BytePlanes, _ plan: Plan, _ target: UnsafeMutableBufferPointer<Float>) {
    planes.bytes.withUnsafeBufferPointer { bytes in
      for channel in 0..<3 {
        image_normalize(
          bytes.baseAddress! + channel * planes.height * planes.stride, planes.stride, planes.height, planes.width,
          mean[channel], std[channel], plan.mirrored ? 1 : 0,
          target.baseAddress! + (channel * cropSize + plan.top) * cropSize + plan.left, cropSize)
      }
    }
  }
}

// MARK: - Geometry

extension ImageTransform {
  /// What is resampled, and where it goes in the result.
  struct Plan: Equatable {
    var resampling: Resampling
    var mirrored = false
    /// Black columns to the left, when the crop is larger than the resized image.
    var left = 0
    /// Black rows above.
    var top = 0
  }

  /// Decides the geometry for an image of `width` x `height` pixels, without looking at pixels.
  func plan(width: Int, height: Int, random: inout CounterRandom) -> Plan {
    guard let augmentation else { return centralPlan(width: width, height: height) }
    let choice = augmentation.choice(width: width, height: height, random: &random)
    let resampling = Resampling(
      box: choice.box, width: cropSize, height: cropSize, columns: 0..<cropSize, rows: 0..<cropSize)
    return Plan(resampling: resampling, mirrored: choice.mirrored)
  }

  private func centralPlan(width: Int, height: Int) -> Plan {
    let (resizedWidth, resizedHeight) = resizedSize(width: width, height: height)
    let (columns, left) = centralWindow(of: resizedWidth)
    let (rows, top) = centralWindow(of: resizedHeight)
    let resampling = Resampling(
      box: PixelBox(left: 0, top: 0, width: width, height: height), width: resizedWidth, height: resizedHeight,
      columns: columns, rows: rows)
    return Plan(resampling: resampling, left: left, top: top)
  }

  /// The size with the shorter side `resizeSize` and the longer one in proportion, rounded down.
  func resizedSize(width: Int, height: Int) -> (width: Int, height: Int) {
    let long = Int(Double(resizeSize * max(width, height)) / Double(min(width, height)))
    return width <= height ? (resizeSize, long) : (long, resizeSize)
  }

  /// Which of `size` pixels lie in the centre crop, and how many black pixels come before them.
  private func centralWindow(of size: Int) -> (window: Range<Int>, padding: Int) {
    guard size >= cropSize else { return (0..<size, (cropSize - size) / 2) }
    let start = Int((Double(size - cropSize) / 2).rounded(.toNearestOrEven))
    return (start..<start + cropSize, 0)
  }
}

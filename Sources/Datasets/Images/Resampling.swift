import CImageShims

/// Three planes of bytes, red, green and blue, each `[height, stride]` of which `width` columns count.
struct BytePlanes {
  let width: Int
  let height: Int
  let stride: Int
  var bytes: [UInt8]

  init(width: Int, height: Int) {
    let alignment = IMAGE_PLANE_ALIGNMENT
    self.width = width
    self.height = height
    stride = (width + alignment - 1) / alignment * alignment
    bytes = [UInt8](repeating: 0, count: 3 * height * stride)
  }
}

/// Which part of an image is resized to which size, and which window of the result is wanted.
///
/// Cutting the window out of a resized image and computing only the window give the same bytes, because an output
/// depends on its own inputs only.
struct Resampling: Equatable {
  /// The part of the image that is resized; nothing outside it is read.
  var box: PixelBox
  /// Columns that the whole box is resized to.
  var width: Int
  /// Rows that the whole box is resized to.
  var height: Int
  /// Columns wanted, a non-empty part of `0..<width`.
  var columns: Range<Int>
  /// Rows wanted, a non-empty part of `0..<height`.
  var rows: Range<Int>

  /// The window's bytes: a pass along rows, rounded to bytes, then a pass along columns.
  func callAsFunction(_ image: RGBImage) -> BytePlanes {
    precondition(
      box.left >= 0 && box.top >= 0 && box.width > 0 && box.height > 0 && box.left + box.width <= image.width
        && box.top + box.height <= image.height, "\(box) is not inside \(image.width) x \(image.height) pixels")
    let columnTaps = FilterTaps(inputSize: box.width, outputSize: width, window: columns)
    let rowTaps = FilterTaps(inputSize: box.height, outputSize: height, window: rows)
    let corner = (box.top + rowTaps.inputs.lowerBound) * image.width + box.left + columnTaps.inputs.lowerBound
    var between = BytePlanes(width: columns.count, height: rowTaps.inputs.count)
    var result = BytePlanes(width: columns.count, height: rows.count)
    image.pixels.withUnsafeBufferPointer { pixels in
      filterColumns(pixels.baseAddress! + 3 * corner, 3 * image.width, columnTaps, into: &between)
    }
    filterRows(between, rowTaps, into: &result)
    return result
  }

  private func filterColumns(
    _ rgb: UnsafePointer<UInt8>, _ rgbStride: Int, _ taps: FilterTaps, into planes: inout BytePlanes
  ) {
    let scratchSize = image_resample_scratch_size(taps.inputs.count)
    let (height, stride) = (planes.height, planes.stride)
    withUnsafeTemporaryAllocation(byteCount: scratchSize, alignment: 64) { scratch in
      planes.bytes.withUnsafeMutableBufferPointer { planes in
        taps.withTaps {
          image_resample_columns(
            rgb, rgbStride, taps.inputs.count, height, $0, planes.baseAddress, stride,
            scratch.assumingMemoryBound(to: UInt8.self).baseAddress)
        }
      }
    }
  }

  private func filterRows(_ planes: BytePlanes, _ taps: FilterTaps, into result: inout BytePlanes) {
    let (sourceSize, resultSize, stride) = (planes.height * planes.stride, result.height * result.stride, result.stride)
    planes.bytes.withUnsafeBufferPointer { source in
      result.bytes.withUnsafeMutableBufferPointer { result in
        taps.withTaps { taps in
          for channel in 0..<3 {
            image_resample_rows(
              source.baseAddress! + channel * sourceSize, stride, taps, result.baseAddress! + channel * resultSize)
          }
        }
      }
    }
  }
}

extension RGBImage {
  /// This image, or a part of it, resized with an antialiased bicubic filter: the bytes of Pillow's
  /// `image.crop(box).resize((width, height), BICUBIC)`.
  public func resized(width: Int, height: Int, from box: PixelBox? = nil) -> RGBImage {
    let box = box ?? PixelBox(left: 0, top: 0, width: self.width, height: self.height)
    let planes = Resampling(box: box, width: width, height: height, columns: 0..<width, rows: 0..<height)(self)
    var pixels: [UInt8] = []
    pixels.reserveCapacity(3 * width * height)
    for y in 0..<height {
      for x in 0..<width {
        for channel in 0..<3 { pixels.append(planes.bytes[(channel * height + y) * planes.stride + x]) }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}

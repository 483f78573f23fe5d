import CLIPModel
import Diagnostics
import Files
import Foundation
import Kernels
import Reporting
import SkipTuning
import Tensors

/// The features of images at the stage that training starts from, from their extraction to the step that needs them: in memory as far as the
/// settings allow, the rest in a file without a name.
///
/// The file is read and written by calls rather than mapped: a bad disk is then a failure with words, not a signal, and what
/// the system caches of the file is not this process's memory.
final class FeatureStore {
  /// Images.
  let count: Int
  private let elementsPerImage: Int
  private let columns: Int
  private let layout: (Int) -> SequenceLayout
  private let precision: StoragePrecision
  private let inMemory: Int
  private let memory: FloatStorage
  private let file: Descriptor?
  private var staging = FloatStorage(uninitialized: 0)
  private var window = FloatStorage(uninitialized: 0)

  /// Room for `count` images at a stage.
  ///
  /// Throws `Failure` where the file cannot be made, or its disk has no room.
  init(count: Int, _ model: CLIP, at stage: ImageStage, _ settings: FeatureSettings) throws {
    self.count = count
    columns = model.imageColumns(at: stage)
    layout = { model.imageLayout(count: $0, at: stage) }
    elementsPerImage = Self.elementsPerImage(model, at: stage)
    precision = settings.storage
    let split = settings.split(count, elementsPerImage: elementsPerImage)
    inMemory = split.memory
    memory = FloatStorage(uninitialized: Self.words(split.memory * elementsPerImage * precision.byteCount))
    file =
      split.file == 0
      ? nil
      : try Descriptor.scratch(
        in: settings.folder, size: split.file * elementsPerImage * precision.byteCount, what: "the file of features")
  }

  /// Floats that an image has there.
  static func elementsPerImage(_ model: CLIP, at stage: ImageStage) -> Int {
    model.imageLayout(count: 1, at: stage).tokenCount * model.imageColumns(at: stage)
  }

  private static func words(_ bytes: Int) -> Int { (bytes + 3) / 4 }
  private var bytesPerImage: Int { elementsPerImage * precision.byteCount }

  /// Room for the features of images, for whoever makes them; valid until the next call of this or of `features`.
  func scratch(_ images: Int) -> Tensor {
    Tensor(room(&window, images * elementsPerImage), offset: 0, shape: [images * rowsPerImage, columns])
  }

  private var rowsPerImage: Int { elementsPerImage / columns }

  private func room(_ storage: inout FloatStorage, _ count: Int) -> FloatStorage {
    if storage.count < count { storage = FloatStorage(uninitialized: count) }
    return storage
  }

  /// Keeps the features `[images * tokens, width]` of consecutive images.
  ///
  /// Throws `Failure` where one is too large for the precision, or the disk fails.
  func write(_ values: Tensor, of images: Range<Int>) throws {
    try forEachPart(of: images) { part, bytes in
      guard precision.encode(rows(part, of: images, in: values), into: bytes) else {
        throw Failure(
          .badData, at: "features.storage", "a feature is too large for \(precision.rawValue)",
          remedy: "choose \(precision == .float16 ? "bf16 or fp32" : "fp32")")
      }
      if let position = position(of: part) { try file?.write(UnsafeRawBufferPointer(bytes), at: position) }
    }
  }

  /// The features of consecutive images; valid until the next call, and free to be overwritten.
  ///
  /// Throws `Failure` where the disk fails.
  func features(of images: Range<Int>) throws -> PrefixFeatures {
    let values = scratch(images.count)
    try forEachPart(of: images) { part, bytes in
      if let position = position(of: part) { try file?.read(into: bytes, at: position) }
      precision.decode(UnsafeRawBufferPointer(bytes), into: rows(part, of: images, in: values))
    }
    return PrefixFeatures(values, layout(images.count))
  }

  private func rows(_ part: Range<Int>, of images: Range<Int>, in values: Tensor) -> Tensor {
    let first = part.lowerBound - images.lowerBound
    return values.rows(first * rowsPerImage..<(first + part.count) * rowsPerImage)
  }

  /// Calls `body` with the images that lie in memory and where, and with those of the file and memory for as many.
  private func forEachPart(
    of images: Range<Int>, _ body: (Range<Int>, UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    precondition(images.lowerBound >= 0 && images.upperBound <= count, "images \(images) of \(count)")
    let own = images.clamped(to: 0..<inMemory)
    if !own.isEmpty {
      let start = UnsafeMutableRawPointer(memory.pointer) + own.lowerBound * bytesPerImage
      try body(own, UnsafeMutableRawBufferPointer(start: start, count: own.count * bytesPerImage))
    }
    let others = images.clamped(to: inMemory..<count)
    if !others.isEmpty {
      let bytes = others.count * bytesPerImage
      let start = UnsafeMutableRawPointer(room(&staging, Self.words(bytes)).pointer)
      try body(others, UnsafeMutableRawBufferPointer(start: start, count: bytes))
    }
  }

  /// Where images lie in the file; nil for those in memory.
  private func position(of part: Range<Int>) -> Int? {
    part.lowerBound < inMemory ? nil : (part.lowerBound - inMemory) * bytesPerImage
  }
}

extension FeatureSettings {
  /// What the features of an epoch take, in words: `image features of an epoch up to 1.4 MB in bf16, 0.4 MB of it in /tmp`.
  func words(images: Int, elementsPerImage: Int) -> String {
    let bytes = elementsPerImage * storage.byteCount
    let spilled = split(images, elementsPerImage: elementsPerImage).file * bytes
    return "image features of an epoch up to \(Readable.bytes(images * bytes))"
      + (storage == .float32 ? "" : " in \(storage.rawValue)")
      + (spilled == 0 ? "" : ", \(Readable.bytes(spilled)) of it in a file in \(folder.path)")
  }

  /// Throws where the folder takes no file, or its disk has no room for the files of `ranks` ranks with `images` each.
  func judge(images: Int, ranks: Int, elementsPerImage: Int) throws {
    let bytes = split(images, elementsPerImage: elementsPerImage).file * elementsPerImage * storage.byteCount
    guard bytes > 0 else { return }
    let file = try Descriptor.scratch(in: folder, size: 0, what: "the file of features")
    let free = try file.freeBytes()
    guard ranks * bytes <= free else {
      throw Failure(
        .inputOutput, at: folder.path,
        "there is no room for the features of \(ranks) \(ranks == 1 ? "rank" : "ranks"): they need \(ranks * bytes) bytes, "
          + "\(free) are free",
        remedy: "raise features.memory_mb, set features.storage to bf16, or name another disk in features.folder")
    }
  }
}

import Diagnostics
import Files
import Foundation
import Safetensors

/// The weights of a model as they lie in its folder, read piece by piece when they are asked for: nothing is in memory.
///
/// Any thread may read. The file stays open, so another one that takes its name does not matter; one that is written over
/// does, see `isUnchanged`.
public final class StoredWeights: Sendable {
  private let layout: ParameterLayout
  private let file: SafetensorsFile
  private let version: Descriptor.Version

  /// Opens the file that `CLIP(huggingFaceFolder:)` reads.
  ///
  /// Throws `Failure` where it cannot be opened or does not hold the parameters of the layout.
  public init(huggingFaceFolder folder: URL, _ layout: ParameterLayout) throws {
    self.layout = layout
    file = try SafetensorsFile(contentsOf: folder.appendingPathComponent("model.safetensors"))
    version = try file.version()
    for slot in layout.slots {
      let count = file.shape(of: slot.name)?.reduce(1, *)
      guard count == slot.range.count else {
        throw Failure(
          .badData, at: file.url.path, "tensor \(slot.name) is not as it was when it was read",
          remedy: "do not change files in use")
      }
    }
  }

  /// Whether nobody has written to the file since it was opened.
  public var isUnchanged: Bool { (try? file.version()) == version }

  /// Fills `target` with the values of a range of the flat order, which has as many elements.
  ///
  /// Throws `Failure` when reading fails. Traps on a range outside of the layout.
  public func read(_ range: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) throws {
    precondition(range.lowerBound >= 0 && range.upperBound <= layout.count && target.count == range.count)
    var index = layout.slots.partitioningIndex { $0.range.upperBound > range.lowerBound }
    while index < layout.slots.count, layout.slots[index].range.lowerBound < range.upperBound {
      let slot = layout.slots[index]
      let part = slot.range.clamped(to: range)
      let elements = part.lowerBound - slot.range.lowerBound..<part.upperBound - slot.range.lowerBound
      let place = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
      try file.readElements(elements, of: slot.name, into: UnsafeMutableBufferPointer(rebasing: target[place]))
      index += 1
    }
  }
}

extension Array {
  /// The first index whose element satisfies a predicate that holds for all elements after it too.
  fileprivate func partitioningIndex(where predicate: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if predicate(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

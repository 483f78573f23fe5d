import Files
import Tensors

extension ElementType {
  /// Whether `Descriptor.readFloats` reads elements of this type.
  package var isReadableAsFloat: Bool { [.float32, .float16, .bfloat16, .float64].contains(self) }
}

extension Descriptor {
  /// Fills `target` with elements that lie one after the other from byte `offset` on, widened (F64: rounded) to fp32.
  ///
  /// Throws `.inputOutput` when reading fails. Traps on a type that `isReadableAsFloat` excludes.
  package func readFloats(
    _ type: ElementType, at offset: Int, into target: UnsafeMutableBufferPointer<Float>
  ) throws {
    switch type {
    case .float32:
      try read(into: UnsafeMutableRawBufferPointer(target), at: offset)
      if 1.bigEndian == 1 {
        for i in target.indices { target[i] = Float(bitPattern: target[i].bitPattern.byteSwapped) }
      }
    case .float16: try convert(at: offset, to: target) { HalfPrecision.float(fromFloat16: $0) }
    case .bfloat16: try convert(at: offset, to: target) { HalfPrecision.float(fromBFloat16: $0) }
    case .float64: try convert(at: offset, to: target) { (bits: UInt64) in Float(Double(bitPattern: bits)) }
    default: preconditionFailure("\(type.rawValue) is not read as fp32")
    }
  }

  /// Reads elements piece by piece, so that besides the result only one small buffer is needed.
  func convert<Stored: FixedWidthInteger, Value: BitwiseCopyable>(
    at offset: Int, to target: UnsafeMutableBufferPointer<Value>, by widen: (Stored) -> Value
  ) throws {
    let pieceCount = 1 << 18
    var piece = [Stored](repeating: 0, count: min(pieceCount, target.count))
    for start in stride(from: 0, to: target.count, by: pieceCount) {
      let count = min(pieceCount, target.count - start)
      try piece.withUnsafeMutableBytes { bytes in
        let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(count * MemoryLayout<Stored>.stride)])
        try read(into: part, at: offset + start * MemoryLayout<Stored>.stride)
      }
      for i in 0..<count { target.initializeElement(at: start + i, to: widen(Stored(littleEndian: piece[i]))) }
    }
  }
}

import Files
import Foundation
import Testing

/// Against the examples of FIPS 180-4, in pieces of every size.
@Suite struct SHA256Tests {
  static let million = Array(repeating: UInt8(ascii: "a"), count: 1_000_000)

  @Test(arguments: [
    ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (Array("abc".utf8), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ), (million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
  ]) func examples(bytes: [UInt8], digest: String) {
    for size in [1, 3, 55, 56, 63, 64, 65, 1000, 1 << 20] where bytes.count / size < 100_000 {
      var hash = SHA256()
      bytes.withUnsafeBytes { bytes in
        for start in stride(from: 0, to: bytes.count, by: size) {
          hash.append(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + size, bytes.count)]))
        }
      }
      #expect(hash.hexadecimal() == digest, "pieces of \(size)")
    }
  }
}

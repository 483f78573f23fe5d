import Diagnostics
import Foundation
import Safetensors
import Tensors
import TestSupport
import Testing

@Suite struct SafetensorsWriterTests {
  @Test func filesEqualThoseOfTheReferenceByteForByte() throws {
    let described = try golden("written")
    let tensors = try #require(described["tensors"]?.elements).map { value in
      let bits = try #require(value["bits"]?.elements).compactMap(\.integer)
      let shape = try #require(value["shape"]?.elements).compactMap(\.integer)
      return (
        name: try #require(value["name"]?.string),
        tensor: Tensor(bits.map { Float(bitPattern: UInt32($0)) }, shape: shape)
      )
    }
    let folder = try ScratchFolder()
    let url = folder.url.appendingPathComponent("own.safetensors")
    try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: url)
    #expect(try Data(contentsOf: url) == Data(contentsOf: Goldens.url("safetensors/written.safetensors")))
    #expect(try folder.contents() == ["own.safetensors"])
  }

  @Test func whatIsWrittenIsReadAgain() throws {
    let folder = try ScratchFolder()
    let url = folder.url.appendingPathComponent("a.safetensors")
    let names = ["z", "a\"\\/\u{8}\u{C}\n\r\t\u{1}\u{7F}", "", "🦜é", "e\u{301}x"]
    let tensors = names.enumerated().map { index, name in
      (name: name, tensor: Tensor((0..<index * 3).map { Float($0) + 0.5 }, shape: [index, 3]))
    }
    let metadata = ["k\n": "v\u{2028}", "": ""]
    try SafetensorsWriter.write(tensors, metadata: metadata, to: url)
    let file = try SafetensorsFile(contentsOf: url)
    #expect(file.names == names.sorted())
    #expect(file.metadata == metadata)
    for (name, tensor) in tensors {
      #expect(file.shape(of: name) == tensor.shape)
      #expect(try file.tensor(name).array == tensor.array)
    }
  }

  @Test(arguments: 0..<9)
  func dataStartsAtAMultipleOfEightBytes(nameLength: Int) throws {
    let folder = try ScratchFolder()
    let url = folder.url.appendingPathComponent("a")
    try SafetensorsWriter.write([(String(repeating: "n", count: nameLength), Tensor([1]))], to: url)
    #expect(try Data(contentsOf: url).count % 8 == 4)
  }

  @Test func viewsAreWrittenWithoutTheirSurroundings() throws {
    let folder = try ScratchFolder()
    let url = folder.url.appendingPathComponent("a")
    let whole = Tensor((0..<12).map(Float.init), shape: [4, 3])
    try SafetensorsWriter.write([("rows", whole.rows(1..<3))], to: url)
    #expect(try SafetensorsFile(contentsOf: url).tensor("rows").array == [3, 4, 5, 6, 7, 8])
  }

  @Test func anExistingFileIsReplacedOnlyByACompleteOne() throws {
    let folder = try ScratchFolder()
    let url = folder.url.appendingPathComponent("a")
    try SafetensorsWriter.write([("x", Tensor([1]))], to: url)
    struct Interruption: Error {}
    let declarations = [SafetensorsWriter.Declaration(name: "x", shape: [1]), .init(name: "y", shape: [1])]
    #expect(throws: Interruption.self) {
      try SafetensorsWriter.write(declarations, to: url) { index in
        if index == 1 { throw Interruption() }
        return Tensor([2])
      }
    }
    #expect(try SafetensorsFile(contentsOf: url).tensor("x").array == [1])
    #expect(try folder.contents() == ["a"])
    try SafetensorsWriter.write(declarations, to: url) { Tensor([Float($0)]) }
    #expect(try SafetensorsFile(contentsOf: url).tensor("y").array == [1])
  }

  @Test func placesThatCannotBeWrittenAreNamed() throws {
    let folder = try ScratchFolder()
    let nowhere = folder.url.appendingPathComponent("none/a.safetensors")
    let missing = try #require(throws: Failure.self) { try SafetensorsWriter.write([("x", Tensor([1]))], to: nowhere) }
    #expect(missing.status == .cannotCreate && missing.place == nowhere.path)
    let taken = folder.url.appendingPathComponent("folder")
    try FileManager.default.createDirectory(at: taken, withIntermediateDirectories: true)
    let directory = try #require(throws: Failure.self) { try SafetensorsWriter.write([("x", Tensor([1]))], to: taken) }
    #expect(directory.status == .cannotCreate && directory.place == taken.path)
    #expect(try folder.contents() == ["folder"])
  }

  /// A limit on the size of files stands for a full disk; it holds for the whole process, so only in a child.
  @Test func aFullDiskIsNamedAndLeavesNothing() async throws {
    await #expect(processExitsWith: .success) {
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
      #if canImport(Glibc)
      let status = setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      #else
      let status = setrlimit(RLIMIT_FSIZE, &limit)
      #endif
      precondition(status == 0)
      let folder = try ScratchFolder()
      let url = folder.url.appendingPathComponent("a")
      do {
        try SafetensorsWriter.write([("x", Tensor(zeros: [2048]))], to: url)
        preconditionFailure("a file larger than the limit was written")
      } catch let failure as Failure {
        precondition(failure.status == .inputOutput && failure.place == url.path, "\(failure)")
      }
      let contents = try folder.contents()
      precondition(contents.isEmpty, "\(contents) is left")
    }
  }
}

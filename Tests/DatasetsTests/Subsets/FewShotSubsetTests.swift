import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Against pickles that CPython wrote of what CPython drew: Tests/Reference/pickle_goldens.py.
@Suite struct FewShotSubsetTests {
  static func url(_ name: String) -> URL { Goldens.url("pickles/\(name).pkl") }

  @Test(arguments: [("DescribableTextures", 4, 1), ("DescribableTextures", 2, 3), ("ImageNet", 16, 2)])
  func aPublishedSubsetIsTheOneThatIsDrawn(name: String, shots: Int, seed: Int) throws {
    let dataset = try ReaderGoldenTests.read(name)
    let subset = try FewShotSubset(contentsOf: Self.url("\(name)-shot_\(shots)-seed_\(seed)"))
    let taken = try dataset.taking(subset, from: "here", shots: shots)
    #expect(taken == (try dataset.fewShot(shots: shots, seed: seed)))
    #expect(subset.train[0].path.hasPrefix("/mnt/hdd/DATA/"))
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let scratch = try ScratchFolder()
    let dataset = try ReaderGoldenTests.read("Food101")
    let drawn = try dataset.fewShot(shots: 8, seed: 2)
    let subset = FewShotSubset(train: drawn.train, validation: drawn.validation)
    try subset.write(to: scratch.file("subset.json"), of: "Food101", shots: 8, seed: 2)
    let read = try FewShotSubset(contentsOf: scratch.file("subset.json"))
    #expect(read == subset)
    #expect(try dataset.taking(read, from: "here", shots: 8) == drawn)
    // Another reader agrees on the shape.
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: scratch.file("subset.json"))) as? [String: Any])
    #expect(object["data_set"] as? String == "Food101")
    #expect(object["shots"] as? Int == 8 && object["seed"] as? Int == 2)
    #expect((object["train"] as? [[Any]])?.map { $0[0] as? String } == drawn.train.map(\.path))
  }

  /// A change to the subset, and words of the failure.
  static let changes: [(words: String, change: @Sendable (inout FewShotSubset) -> Void)] = [
    ("train[0]: \"nowhere.jpg\" is no image of the list train", { $0.train[0].path = "nowhere.jpg" }),
    ("train[1]: \"", { $0.train[1] = $0.train[0] }),
    ("train[0]: \"", { $0.train[0].label = 7 }),
    (
      "has label 0, \"no\", here, and label",
      {
        $0.train[0].className = "no"; $0.train[0].label = 0
      }
    ),
    ("val[0]: \"", { $0.validation[0] = $0.train[0] }),
    ("the subset has no training images", { $0.train = [] }),
    ("images of class", { $0.train.removeLast() }),
  ]

  @Test(arguments: changes.indices) func aSubsetOfAnotherSplitIsRefused(index: Int) throws {
    let dataset = try ReaderGoldenTests.read("EuroSAT")
    let drawn = try dataset.fewShot(shots: 2, seed: 1)
    var subset = FewShotSubset(train: drawn.train, validation: drawn.validation)
    Self.changes[index].change(&subset)
    let failure = try #require(SplitFileTests.failure { try dataset.taking(subset, from: "s.json", shots: 2) })
    #expect(failure.status == .badData && failure.place == "s.json")
    #expect(failure.description.contains(Self.changes[index].words), "\(failure)")
  }

  @Test func anotherPickleIsRefused() throws {
    let scratch = try ScratchFolder()
    for (bytes, words) in [
      ("}.", "no dictionary with the list train"), ("(dS'train'\nN s.", "cannot be read"),
      ("}(S'train'\n]K\u{1}au.", "train[0] is no dassl.data.datasets.base_dataset.Datum"),
      ("cos\nsystem\n(S'x'\ntR.", "names \"os.system\", which is not allowed here (at byte 0)"),
    ] {
      try Data(bytes.utf8).write(to: scratch.file("s.pkl"))
      let failure = try #require(SplitFileTests.failure { try FewShotSubset(contentsOf: scratch.file("s.pkl")) })
      #expect(failure.description.contains(words), "\(failure)")
    }
  }
}

import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Every reader against an independent one in Python: Tests/Reference/datasets_goldens.py.
@Suite struct ReaderGoldenTests {
  static let known = DatasetCatalog.entries.map(\.name)
  static let own: [String: OwnLayout] = [
    "class-folders": .classFolders,
    "val-is-test": .classFolders,
    "class-tree": .classTree(SeededDivision(seed: 3)),
    "csv": .manifests(["all.csv"], SeededDivision()),
    "jsonl": .manifests(["all.jsonl"], SeededDivision(train: 0.6, validation: 0)),
    "csv-files": .manifests(["train.csv", "val.csv", "test.csv"], SeededDivision()),
  ]

  /// The data set as it is read from its tree.
  static func read(_ name: String) throws -> Dataset {
    let scratch = try ScratchFolder()
    let trees = try DatasetTrees.trees()
    try #require(trees[name]).write(to: scratch.url)
    // ImageNet's class names serve a variant that has none of its own.
    if name == "ImageNetSketch" { try #require(trees["ImageNet"]).write(to: scratch.url) }
    let dataset = try DatasetLocation(name: name, dataRoot: scratch.url, layout: own[name]).read()
    try dataset.verifyImagesExist(dataset.train + dataset.validation + dataset.test)
    return dataset
  }

  @Test(arguments: known + own.keys.sorted())
  func itemsAndSubsetsAreTheExpectedOnes(name: String) throws {
    let dataset = try Self.read(name)
    let expected = try #require(try DatasetTrees.items()[name])
    #expect(dataset.name == name)
    #expect(dataset.classNames == expected.class_names)
    for (items, wanted) in [
      (dataset.train, expected.train), (dataset.validation, expected.val), (dataset.test, expected.test),
    ] {
      #expect(items == wanted.map { DatasetItem(path: $0.path, label: $0.label, className: $0.className) })
    }
    #expect(expected.subsets.count == (dataset.train.isEmpty ? 0 : 15))
    for subset in expected.subsets {
      let drawn = try dataset.fewShot(shots: subset.shots, seed: subset.seed)
      #expect(drawn.train == subset.train.map { dataset.train[$0] }, "seed \(subset.seed), shots \(subset.shots)")
      #expect(drawn.validation == subset.validation.map { dataset.validation[$0] })
    }
  }

  @Test(arguments: ["ImageNetA", "ImageNetR"])
  func aVariantOfTwoHundredClassesHasTheirNamesOnly(name: String) throws {
    let dataset = try Self.read(name)
    #expect(dataset.classNames.count == 200)
    #expect(dataset.test.count == 200)
    #expect(Set(dataset.test.map(\.className)) == Set(dataset.classNames))
    #expect(dataset.train.isEmpty && dataset.validation.isEmpty)
  }

  @Test func everyKnownDataSetHasATree() throws {
    #expect(try Set(DatasetTrees.trees().keys) == Set(Self.known).union(Self.own.keys))
  }
}

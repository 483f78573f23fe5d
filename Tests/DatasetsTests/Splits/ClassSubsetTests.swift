import Diagnostics
import Foundation
import Testing

@testable import Datasets

@Suite struct ClassSubsetTests {
  /// `classCount` classes; class c has c + 1 training images, and one image each for validation and testing.
  static func dataset(classCount: Int) -> Dataset {
    func item(_ part: String, _ label: Int, _ index: Int) -> DatasetItem {
      DatasetItem(path: "\(part)/\(label)_\(index).jpg", label: label, className: "class_\(label)")
    }
    let labels = 0..<classCount
    return Dataset(
      name: "made", imageRoot: URL(filePath: "/images"),
      train: labels.reversed().flatMap { label in (0...label).map { item("train", label, $0) } },
      validation: labels.map { item("val", $0, 0) }, test: labels.map { item("test", $0, 0) },
      classNames: labels.map { "class_\($0)" })
  }

  @Test(arguments: [(2, 1), (5, 3), (10, 5), (47, 24), (101, 51)])
  func baseIsTheFirstHalfRoundedUp(classCount: Int, baseCount: Int) throws {
    let dataset = Self.dataset(classCount: classCount)
    let base = try dataset.subset(.base)
    let new = try dataset.subset(.new)
    #expect(base.classNames == Array(dataset.classNames.prefix(baseCount)))
    #expect(new.classNames == Array(dataset.classNames.dropFirst(baseCount)))
    #expect(Set((base.train + new.train).map(\.path)) == Set(dataset.train.map(\.path)))
    #expect(base.test.count == baseCount)
    #expect(new.validation.count == classCount - baseCount)
  }

  @Test(arguments: [ClassSubset.base, .new])
  func labelsAreRenumberedAndStillNameTheirClass(subset: ClassSubset) throws {
    let part = try Self.dataset(classCount: 7).subset(subset)
    for items in [part.train, part.validation, part.test] {
      #expect(Set(items.map(\.label)) == Set(part.classNames.indices))
      #expect(items.allSatisfy { part.classNames[$0.label] == $0.className })
    }
  }

  @Test func allIsTheDataSetItself() throws {
    let dataset = Self.dataset(classCount: 3)
    #expect(try dataset.subset(.all) == dataset)
  }

  @Test func oneClassHasNoHalves() throws {
    #expect {
      try Self.dataset(classCount: 1).subset(.new)
    } throws: { error in
      (error as? Failure)?.status == .usage && "\(error)".contains("1 class cannot be parted")
    }
  }
}

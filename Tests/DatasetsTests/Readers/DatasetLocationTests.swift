import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite struct DatasetLocationTests {
  static let root = URL(filePath: "/data")

  @Test func aKnownNameGivesEverything() throws {
    let pets = try DatasetLocation(name: "OxfordPets", dataRoot: Self.root)
    #expect(pets.name == "OxfordPets")
    #expect(pets.imageRoot.path == "/data/oxford_pets/images")
    #expect(pets.layout == .splitFile(URL(filePath: "/data/oxford_pets/split_zhou_OxfordPets.json")))
    #expect(pets.promptTemplate.description == "a bad photo of a {}, a type of pet.")
    let cars = try DatasetLocation(name: "StanfordCars", dataRoot: Self.root)
    #expect(cars.imageRoot.path == "/data/stanford_cars")
  }

  @Test(arguments: [("dtd", "DescribableTextures"), ("OXFORD-PETS", "OxfordPets"), ("caltech_101", "Caltech101")])
  func foldersAndSpellingsAreNamesToo(given: String, name: String) throws {
    #expect(try DatasetLocation(name: given, dataRoot: Self.root).name == name)
  }

  @Test func settingsReplaceWhatTheCatalogueSays() throws {
    let location = try DatasetLocation(
      name: "eurosat", dataRoot: Self.root, folder: "/elsewhere/eurosat", imageRoot: "images",
      layout: .splitFile("my.json"),
      promptTemplate: "{}")
    #expect(location.imageRoot.path == "/elsewhere/eurosat/images")
    #expect(location.layout == .splitFile(URL(filePath: "/elsewhere/eurosat/my.json")))
    #expect(location.promptTemplate.prompt(for: "Sea_Lake") == "Sea Lake")
  }

  @Test func anUnknownNameNeedsItsSplitFile() throws {
    let own = try DatasetLocation(name: "mine", dataRoot: Self.root, layout: .splitFile("split.json"))
    #expect(own.imageRoot.path == "/data/mine")
    #expect(own.layout == .splitFile(URL(filePath: "/data/mine/split.json")))
    #expect(own.promptTemplate.prompt(for: "red_car") == "a photo of a red car.")
  }

  @Test(arguments: [
    ("OxfordPet", "did you mean OxfordPets?"), ("mine", "data.layout, or choose one of ImageNet, Calt"),
  ])
  func anUnknownNameIsRefused(name: String, words: String) throws {
    let failure = try #require(SplitFileTests.failure { try DatasetLocation(name: name, dataRoot: Self.root) })
    #expect(failure.status == .usage)
    #expect(failure.description.contains(words), "\(failure)")
  }

  @Test func everyPublishedTemplateIsOne() throws {
    for entry in DatasetCatalog.entries {
      #expect(try PromptTemplate(entry.promptTemplate).description == entry.promptTemplate)
    }
    #expect(DatasetCatalog.entries.count == 15)
  }

  @Test(arguments: ["a photo", "{} and {}", ""])
  func aTemplateHasOnePlace(text: String) throws {
    let failure = try #require(SplitFileTests.failure { try PromptTemplate(text) })
    #expect(failure.status == .usage)
    #expect(failure.description.contains("must hold {} exactly once"))
  }

  @Test func readingGivesUrlsAndMissingImagesAreCounted() throws {
    let scratch = try ScratchFolder()
    let items = (0..<8).map { DatasetItem(path: "a/\($0) %41.jpg", label: 0, className: "a") }
    _ = try scratch.file("mine/images/\(items[0].path)", Data())
    try SplitFile(train: items, validation: [], test: [items[0]]).write(to: scratch.url.appending(path: "mine/s.json"))
    let location = try DatasetLocation(
      name: "mine", dataRoot: scratch.url, imageRoot: "images", layout: .splitFile("s.json"))
    let dataset = try location.read()
    #expect(dataset.train == items)
    #expect(dataset.url(of: items[0]).path == scratch.url.path + "/mine/images/a/0 %41.jpg")
    try dataset.verifyImagesExist(dataset.test)
    let failure = try #require(SplitFileTests.failure { try dataset.verifyImagesExist(dataset.train) })
    #expect(failure.status == .missingInput)
    let words =
      "7 of 8 images of mine are missing: a/1 %41.jpg, a/2 %41.jpg, a/3 %41.jpg, a/4 %41.jpg, a/5 %41.jpg, ...;"
    #expect(failure.description.contains(words), "\(failure)")
  }

  @Test func anAbsentImageFolderIsNamedOnce() throws {
    let dataset = ClassSubsetTests.dataset(classCount: 2)
    let failure = try #require(SplitFileTests.failure { try dataset.verifyImagesExist(dataset.train) })
    #expect(failure.status == .missingInput)
    #expect(failure.description.hasPrefix("/images: the image folder of made does not exist"))
  }
}

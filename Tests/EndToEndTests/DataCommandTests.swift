import Foundation
import TestSupport
import Testing

/// A data root with small data sets in the layouts of all that are known by name.
///
/// Pictures are small and each is another one, but that the first of each data set are as found in the wild: a PNG that is
/// named as a JPEG, a CMYK JPEG, a grey one, a GIF, and one that is cut off.
struct DataRoot {
  static let known = [
    "ImageNet", "Caltech101", "OxfordPets", "StanfordCars", "OxfordFlowers", "Food101", "FGVCAircraft", "SUN397",
    "DescribableTextures", "EuroSAT", "UCF101", "ImageNetV2", "ImageNetSketch", "ImageNetA", "ImageNetR",
  ]

  let scratch: ScratchFolder
  let trees: [String: DatasetTrees.Tree]

  /// Writes the data sets of `names`; `wild`: with files as found in the wild.
  init(_ names: [String] = known, wild: Bool) throws {
    scratch = try ScratchFolder()
    trees = try DatasetTrees.trees().filter { names.contains($0.key) }
    let odd = try ["png_named.jpg", "cmyk.jpg", "grey.jpg", "gif.jpg"].map {
      try Data(contentsOf: Goldens.url("images/files/\($0)"))
    }
    let cut = try Data(contentsOf: Goldens.url("images/files/ycbcr_420.jpg")).prefix(500)
    for tree in trees.values {
      try tree.write(to: scratch.url) { number in
        wild && number < 5 ? (odd + [cut])[number] : PatternImage.png(label: number % 10, number: number)
      }
    }
  }

  func image(_ name: String, _ number: Int) -> URL {
    scratch.file(trees[name]!.folder).appendingPathComponent(trees[name]!.images[number])
  }
}

extension EndToEnd {
  @Suite struct DataCommands {
    struct Report: Decodable {
      struct DataSet: Decodable {
        struct List: Decodable {
          let images: Int
          let images_per_class: [Int]
        }
        struct Findings: Decodable {
          let count: Int
          let first: [String]
        }
        let name: String
        let sound: Bool
        let lists: [String: List]?
        let findings: [String: Findings]?
        let error: String?
      }
      let data_sets: [DataSet]
    }

    @Test func verifyReadsEveryLayoutAndNamesTheBadFiles() throws {
      let root = try DataRoot(wild: true)
      let arguments = ["data", "verify", "--root", root.scratch.url.path, "--json"]
      let outcome = try Program.run(arguments)
      #expect(outcome.status == 65)
      #expect(outcome.stderr.contains("15 of 15 data sets are not sound: ImageNet, Caltech101,"), "\(outcome.stderr)")
      let report = try JSONDecoder().decode(Report.self, from: Data(outcome.stdout.utf8))
      let expected = try DatasetTrees.items()
      #expect(report.data_sets.map(\.name) == DataRoot.known)
      for found in report.data_sets {
        let items = try #require(expected[found.name])
        #expect(found.lists?["train"]?.images == items.train.count)
        #expect(found.lists?["val"]?.images == items.val.count)
        #expect(
          found.lists?["test"]?.images_per_class
            == items.class_names.indices.map { label in
              items.test.count { $0.label == label }
            })
        #expect(found.findings?["unreadable"]?.count == 2, "\(found.name)")
        #expect(found.findings?.values.map(\.count).reduce(0, +) == 2, "\(found.name)")
        let words = found.findings?["unreadable"]?.first.sorted { $0.contains("GIF") && !$1.contains("GIF") } ?? []
        let tree = root.trees[found.name]!
        for (line, number) in zip(words, [3, 4]) {
          let path = line.prefix { $0 != ":" }
          #expect(tree.images[number].hasSuffix(path), "\(line)")
        }
        #expect(words.last?.contains("the JPEG is truncated") == true)
      }
      let onRanks = try Program.run(ranks: 3, arguments)
      #expect(onRanks.status == 65)
      // When a job ends with an error, Open MPI 5 may drop some of what it still has to forward.
      if MPIRun.majorVersion < 5 { #expect(onRanks.stdout == outcome.stdout) }
    }

    @Test(arguments: [nil, 2]) func aSoundDataSetPasses(ranks: Int?) throws {
      let root = try DataRoot(["EuroSAT"], wild: false)
      let outcome = try Program.run(
        ranks: ranks, ["data", "verify", "eurosat", "--root", root.scratch.url.path, "--classes"])
      #expect(outcome.status == 0, "\(outcome.stderr)")
      #expect(outcome.stdout.hasPrefix("EuroSAT, 4 classes, \(root.scratch.url.path)/eurosat/2750\n"))
      #expect(outcome.stdout.contains(/train +48 +4 +3 to 22\n/), "\(outcome.stdout)")
      #expect(outcome.stdout.contains(/1  Forest +3 +2 +1\n/), "\(outcome.stdout)")
      #expect(outcome.stdout.contains(/unreadable +0\n/), "\(outcome.stdout)")
    }

    @Test func findingsCanBeAccepted() throws {
      let root = try DataRoot(["DescribableTextures"], wild: false)
      let arguments = ["data", "verify", "dtd", "--root", root.scratch.url.path]
      try FileManager.default.removeItem(at: root.image("DescribableTextures", 7))
      // The last images are those for testing.
      try Data(contentsOf: root.image("DescribableTextures", 2)).write(to: root.image("DescribableTextures", 62))
      let refused = try Program.run(arguments)
      #expect(refused.status == 65)
      #expect(refused.stderr.contains("DescribableTextures: is not sound: 1 missing, "), "\(refused.stderr)")
      #expect(refused.stderr.contains("1 train-test"), "\(refused.stderr)")
      #expect(refused.linesButWarnings.last?.contains("repair the copy, or --accept") == true, "\(refused.stderr)")
      let accepted = try Program.run(arguments + ["--accept", "missing", "train-test", "label-conflict"])
      #expect(accepted.status == 0, "\(accepted.stderr)")
      #expect(accepted.stdout.contains("accepted"))
    }

    @Test func whatCannotBeReadOrIsNotThereEndsWithItsStatus() throws {
      let root = try DataRoot(["EuroSAT", "FGVCAircraft"], wild: false)
      let path = root.scratch.url.path
      try Data("{".utf8).write(to: root.scratch.file("eurosat/split_zhou_EuroSAT.json"))
      let cases: [(arguments: [String], status: Int32, words: String)] = [
        (["--root", path, "EuroSAT"], 65, "split_zhou_EuroSAT.json:1:2: malformed JSON"),
        (["--root", path, "dtd"], 66, "split_zhou_DescribableTextures.json: the split file does not exist"),
        (["--root", path + "/eurosat"], 66, "none of the known data sets is here"),
        (["--root", path, "EuroSta"], 64, "did you mean EuroSAT?"),
        ([], 64, "--root: is not given"),
        (["--root", path, "--set", "data.name=dtd"], 64, "not both"),
        (["--root", path], 65, "split_zhou_EuroSAT.json:1:2: malformed JSON"),
      ]
      for (arguments, status, words) in cases {
        let outcome = try Program.run(["data", "verify"] + arguments)
        #expect(outcome.status == status, "\(outcome.stderr)")
        #expect(outcome.stderr.contains(words), "\(outcome.stderr)")
      }
      let outcome = try Program.run(["data", "list", "--root", path])
      #expect(outcome.status == 0)
      #expect(outcome.stdout.contains(/FGVCAircraft +variant lists +present +48 +11 +6 +4\b/), "\(outcome.stdout)")
      #expect(outcome.stdout.contains(/EuroSAT +split file +unreadable/))
      #expect(outcome.stdout.contains(/ImageNetR +WordNet folders +absent/))
      #expect(outcome.stdout.contains("split_zhou_EuroSAT.json:1:2: malformed JSON"))
    }

    @Test func theKnownDataSetsAreListed() throws {
      let outcome = try Program.run(["data", "list"])
      #expect(outcome.status == 0)
      #expect(outcome.stdout.split(separator: "\n").count == 17)
      #expect(outcome.stdout.contains(/DescribableTextures +dtd +images +itap of a {}\./), "\(outcome.stdout)")
    }

    /// configs/datasets: a file per data set, with the published prompt, which leads to what an independent reader finds.
    @Test func everyKnownDataSetHasAConfiguration() throws {
      let root = try DataRoot(wild: false)
      let folder = Goldens.repositoryRoot.appendingPathComponent("configs/datasets")
      let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      let catalogue = try Program.run(["data", "list", "--root", root.scratch.url.path]).stdout.split(separator: "\n")
      #expect(catalogue.count == 17)
      let rows = try files.map { file -> Substring in
        let outcome = try Program.run([
          "data", "list", "-c", folder.appendingPathComponent(file).path, "--set",
          "data.root=\(root.scratch.url.path)",
        ])
        #expect(outcome.status == 0, "\(outcome.stderr)")
        return try #require(outcome.stdout.split(separator: "\n").last)
      }
      func cells(_ row: Substring) -> [String] {
        row.split(separator: #/ {2,}/#).map { $0.trimmingCharacters(in: .whitespaces) }
      }
      #expect(Set(rows.map(cells)) == Set(catalogue.dropFirst(2).map(cells)))
      let expected = try DatasetTrees.items()
      for row in rows.map(cells) {
        let items = try #require(expected[row[0]])
        let counts = [items.train.count, items.val.count, items.test.count, items.class_names.count]
        #expect(Array(row[3...6]) == counts.map(String.init))
      }
    }

    @Test func theDataSetOfAConfigurationIsVerified() throws {
      let task = try SmallTask()
      let good = try Program.run(["data", "verify", "-c", task.configuration.path])
      #expect(good.status == 0, "\(good.stderr)")
      #expect(good.stdout.hasPrefix("stripes, 10 classes"))
      // Neither a model nor a batch size is needed.
      let settings = ["data.root=\(task.data.path)", "data.name=stripes", "data.split_file=split.json"]
      let short = try Program.run(["data", "list"] + settings.flatMap { ["--set", $0] })
      #expect(short.status == 0, "\(short.stderr)")
      #expect(short.stdout.contains(/stripes +split file +present +80 +10 +50 +10/), "\(short.stdout)")
    }

    @Test func trainingOnAWrittenSubsetIsTrainingOnTheDrawnOne() throws {
      let task = try SmallTask()
      let file = task.folder.appendingPathComponent("subset.json")
      let written = try Program.run([
        "data", "subset", "-c", task.configuration.path, "--shots", "4", "--seed", "3", "-o", file.path,
      ])
      #expect(written.status == 0, "\(written.stderr)")
      #expect(written.stdout == "wrote \(file.path): 40 training and 10 validation images of stripes\n")
      let drawn = try task.train("drawn", ["data.shots=4", "limits.max_steps=6"])
      let taken = try task.train("taken", ["data.subset=\(file.path)", "limits.max_steps=6", "seed=3"])
      #expect(try drawn.steps().map(\.loss) == taken.steps().map(\.loss))
      #expect(try drawn.steps().count == 6)
      let results = try String(contentsOf: taken.url.appendingPathComponent("results.json"), encoding: .utf8)
      #expect(results.contains(/"shots" : 4,/), "\(results)")
      let other = try Program.run(task.trainArguments("other", ["data.subset=\(file.path)", "data.shots=2"]))
      #expect(other.status == 65)
      #expect(other.stderr.contains("the subset has 4 images of class 0, \"amber\", not 2"), "\(other.stderr)")
    }

    @Test func aDataSetWithoutTrainingImagesIsTestedButNotTrainedOn() throws {
      let root = try DataRoot(["ImageNetV2"], wild: false)
      let task = try SmallTask()
      // The data set's own layout: the configuration's split file is left out.
      try task.replace("  name: stripes\n  split_file: split.json", "  name: ImageNetV2", in: "run.yaml")
      let settings = ["data.root=\(root.scratch.url.path)"]
      let tested = try Program.run(["evaluate", "-c", task.configuration.path, "--set", settings[0]])
      #expect(tested.status == 0, "\(tested.stderr)")
      let trained = try Program.run(task.trainArguments("run", settings))
      #expect(trained.status == 66)
      #expect(trained.stderr.contains("data.name: ImageNetV2 has no training images here"), "\(trained.stderr)")
    }
  }
}

import ArgumentParser
import Datasets
import Diagnostics
import Reporting

extension DataCommand {
  /// `skiptune data list`.
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the data sets that are known, and what a data root has of them.",
      discussion: "Lists are read and judged; no image is looked at. See `skiptune data verify`.")
    @OptionGroup var datasets: DatasetOptions

    func run() throws {
      guard datasets.isGiven else { return print(Self.catalogue.terminal, terminator: "") }
      var table = TextTable(columns: [
        "data set", "layout", "state", "train", "val", "test", "classes", "prompt", "folder",
      ])
      var failures: [Failure] = []
      for location in try datasets.locations() { table.append(Self.row(location, &failures)) }
      print(table.terminal, terminator: "")
      for failure in failures { print("\n\(failure)") }
    }

    /// State and counts of a data set: `absent` where its folder is not there, `unreadable` where something is wrong.
    private static func row(_ location: DatasetLocation, _ failures: inout [Failure]) -> [String?] {
      func row(_ counts: [String?]) -> [String?] {
        [location.name, location.layout.words] + counts + [location.promptTemplate.description, location.folder.path]
      }
      guard location.isPresent else { return row(["absent", nil, nil, nil, nil]) }
      do {
        let dataset = try location.read()
        let lists = [dataset.train, dataset.validation, dataset.test]
        return row(["present"] + (lists.map(\.count) + [dataset.classNames.count]).map(Readable.count))
      } catch {
        failures.append(error as? Failure ?? Failure(.internalError, "\(error)"))
        return row(["unreadable", nil, nil, nil, nil])
      }
    }

    private static var catalogue: TextTable {
      var table = TextTable(columns: ["data set", "folder", "image root", "prompt"])
      for entry in DatasetCatalog.entries {
        table.append([entry.name, entry.folder, entry.imageRoot, entry.promptTemplate])
      }
      return table
    }
  }
}

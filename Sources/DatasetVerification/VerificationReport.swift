import Datasets
import Reporting
import StrictJSON

extension DatasetVerification {
  /// Findings of a kind that a terminal shows.
  private static let shown = 5
  /// Findings of a kind that JSON lists.
  private static let listed = 10_000

  /// Counts and findings for a terminal.
  ///
  /// `accepting`: kinds that are no problem. `withClasses`: a line per class too.
  public func terminalText(accepting accepted: Set<FindingKind>, withClasses: Bool) -> String {
    var text = "\(dataset.name), \(Readable.count(dataset.classNames.count)) classes, \(dataset.imageRoot.path)\n\n"
    text += listTable.terminal + "\n"
    if withClasses { text += classTable.terminal + "\n" }
    var table = TextTable(columns: ["check", "findings", ""])
    for kind in FindingKind.allCases {
      let found = findings(kind)
      let isAccepted = !found.isEmpty && accepted.contains(kind)
      table.append([kind.rawValue, Readable.count(found.count), isAccepted ? "accepted" : nil])
      for finding in found.prefix(Self.shown) { table.append([nil, nil, finding.words]) }
      if found.count > Self.shown { table.append([nil, nil, "and \(Readable.count(found.count - Self.shown)) more"]) }
    }
    return text + table.terminal
  }

  private var listTable: TextTable {
    var table = TextTable(columns: ["list", "images", "classes", "images per class"])
    for (list, items) in dataset.lists {
      let counts = dataset.counts(of: items).filter { $0 > 0 }
      let span = counts.min().map { least in least == counts.max()! ? "\(least)" : "\(least) to \(counts.max()!)" }
      table.append([list.rawValue, Readable.count(items.count), Readable.count(counts.count), span])
    }
    return table
  }

  private var classTable: TextTable {
    var table = TextTable(columns: ["label", "class", "train", "val", "test"])
    let counts = dataset.lists.map { dataset.counts(of: $0.items) }
    for (label, name) in dataset.classNames.enumerated() {
      table.append(["\(label)", name] + counts.map { "\($0[label])" })
    }
    return table
  }

  /// The same as JSON, with more of the findings.
  package func json(accepting accepted: Set<FindingKind>) -> JSONValue {
    let lists = dataset.lists.map { list, items in
      JSONMember(
        list.rawValue,
        .object([
          JSONMember("images", .integer(items.count)),
          JSONMember("images_per_class", .array(dataset.counts(of: items).map { .integer($0) })),
        ]))
    }
    let kinds = FindingKind.allCases.map { kind in
      let found = findings(kind)
      return JSONMember(
        kind.rawValue,
        .object([
          JSONMember("count", .integer(found.count)), JSONMember("accepted", .bool(accepted.contains(kind))),
          JSONMember("first", .array(found.prefix(Self.listed).map { .string($0.words) })),
        ]))
    }
    return .object([
      JSONMember("name", .string(dataset.name)), JSONMember("image_root", .string(dataset.imageRoot.path)),
      JSONMember("sound", .bool(problem(accepting: accepted) == nil)),
      JSONMember("class_names", .array(dataset.classNames.map { .string($0) })),
      JSONMember("lists", .object(lists)), JSONMember("findings", .object(kinds)),
    ])
  }
}

import Diagnostics
import Files
import Foundation
import StrictJSON

/// A few-shot subset in a file: ours in JSON, or one that CoOp-style code has left as a pickle.
///
/// The items are as the file has them; ``Dataset/taking(_:from:shots:)`` looks for them in a data set.
public struct FewShotSubset: Sendable, Equatable {
  /// Larger files are refused unread.
  static let byteLimit = 256 << 20

  /// What to train on.
  public var train: [DatasetItem]
  /// For choosing settings; may be empty.
  public var validation: [DatasetItem]

  /// A subset of items.
  public init(train: [DatasetItem], validation: [DatasetItem]) {
    self.train = train
    self.validation = validation
  }

  /// Reads a file; whether it is JSON or a pickle is judged by content.
  ///
  /// Throws `Failure`: `.missingInput` where there is no file, `.badData` with the place of what is wrong in it.
  public init(contentsOf url: URL) throws {
    let bytes = try SmallFile.bytes(
      of: url, limit: Self.byteLimit, what: "the few-shot subset",
      remedy: "correct data.subset, the data root or the folder")
    let isText = bytes.first { ![0x20, 0x09, 0x0a, 0x0d].contains($0) } == UInt8(ascii: "{")
    self = try isText ? Self(json: bytes, url) : Self(pickle: bytes, url)
  }

  private init(json bytes: [UInt8], _ url: URL) throws {
    self.init(train: [], validation: [])
    var lists: [SplitList: [DatasetItem]] = [:]
    var cursor = JSONCursor(bytes)
    do {
      try cursor.object("a few-shot subset") { cursor, key in
        guard let list = SplitList(rawValue: key), list != .test else { return try cursor.skipValue() }
        lists[list] = try SplitFile.items(of: list, from: &cursor)
      }
      try cursor.end()
    } catch let problem as JSONProblem {
      throw problem.failure(in: url.path)
    }
    guard let train = lists[.train] else {
      throw Failure(
        .badData, at: url.path, "the list \"train\" is missing", remedy: "a few-shot subset has the lists train and val"
      )
    }
    self.init(train: train, validation: lists[.validation, default: []])
  }

  /// Writes the lists as JSON, one item a line, with what they were drawn by.
  ///
  /// The file is written aside and renamed. Throws `Failure`: `.cannotCreate` when the folder does not take it,
  /// `.inputOutput` when writing fails part-way.
  public func write(to url: URL, of dataset: String, shots: Int, seed: Int) throws {
    var members = ["\"data_set\": \(JSONText.quoted(dataset))", "\"shots\": \(shots)", "\"seed\": \(seed)"]
    members += [(SplitList.train, train), (.validation, validation)].map(SplitFile.text)
    try AtomicFile.write(Data("{\n\(members.joined(separator: ",\n"))\n}\n".utf8), to: url)
  }
}

import Diagnostics
import Files
import Foundation
import TunedModels

/// Image files as users name them.
enum ImagePaths {
  private static let extensions = ["jpg", "jpeg", "png"]

  /// Files as they are, and for each folder the files in it and below that are called as images are, by name.
  ///
  /// Throws `Failure(.missingInput)` for a path where nothing is, and for a folder without images.
  static func expand(_ paths: [String]) throws -> [String] {
    try paths.flatMap { path -> [String] in
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        // Said by the image reader in its own words, so that it can be skipped like any other.
        return [path]
      }
      guard isFolder.boolValue else { return [path] }
      let names = (FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []).filter(isImage)
      guard !names.isEmpty else {
        throw Failure(
          .missingInput, at: path, "there are no images in this folder",
          remedy: "name files, or a folder that holds .jpg, .jpeg or .png files")
      }
      return names.sorted().map { path.hasSuffix("/") ? path + $0 : "\(path)/\($0)" }
    }
  }

  /// Hidden files are what systems leave beside images.
  private static func isImage(_ name: String) -> Bool {
    let parts = name.split(separator: "/")
    let isHidden = parts.contains { $0.hasPrefix(".") }
    return !isHidden && extensions.contains((name as NSString).pathExtension.lowercased())
  }
}

/// Class names as users give them.
enum ClassNames {
  private static let largestFile = 16 << 20

  /// The names that are given, those in the one file that is given, or those that the tuned weights were trained on.
  ///
  /// Throws `Failure` where there are none, where two are equal, or where the file cannot be read.
  static func choose(_ given: [String], _ tuned: TunedDescription?) throws -> [String] {
    if given.isEmpty {
      guard let names = tuned?.classNames, !names.isEmpty else {
        throw Failure(
          .usage, "no classes are named", remedy: "give --classes, or a --delta that names those it was trained on")
      }
      return names
    }
    var isFolder: ObjCBool = false
    guard given.count == 1, FileManager.default.fileExists(atPath: given[0], isDirectory: &isFolder) else {
      return try judged(given, at: "--classes", .usage)
    }
    return try judged(lines(of: given[0]), at: given[0], .badData)
  }

  private static func lines(of path: String) throws -> [String] {
    let bytes = try SmallFile.bytes(of: URL(fileURLWithPath: path), limit: largestFile, what: "the list of classes")
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Failure(.badData, at: path, "the list of classes is not UTF-8 text", remedy: "save it as plain UTF-8 text")
    }
    return text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }
  }

  private static func judged(_ names: [String], at place: String, _ status: ExitStatus) throws -> [String] {
    guard !names.isEmpty else {
      throw Failure(status, at: place, "no class is named", remedy: "write one name on each line")
    }
    var known: Set<String> = []
    for name in names where !known.insert(name).inserted {
      throw Failure(status, at: place, "class \(quoted(name)) is named twice", remedy: "leave one of them out")
    }
    return names
  }
}

import ArgumentParser
import Diagnostics
import FeatureCache
import Foundation
import Reporting

/// `skiptune cache`.
struct CacheCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cache", abstract: "Look at the features of images that runs keep in features.cache, and delete them.",
    subcommands: [List.self, Clear.self])

  private static let help = ArgumentHelp("Folder that features.cache names.", valueName: "folder")

  /// The folder, which must be there.
  private static func folder(_ path: String) throws -> CacheFolder {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
      throw Failure(
        .missingInput, at: path, "there is no such folder", remedy: "name the folder of a run's features.cache")
    }
    return CacheFolder(URL(fileURLWithPath: path), budget: nil)
  }

  /// `skiptune cache list`.
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List what is kept, the last used first.")
    @Argument(help: CacheCommand.help)
    var path: String

    func run() throws {
      let listings = try CacheCommand.folder(path).list()
      var table = TextTable(columns: ["features of", "images", "there", "size", "unused for", "state"])
      for listing in listings {
        table.append([
          listing.description.words, Readable.count(listing.description.count), Readable.count(listing.present),
          Readable.bytes(listing.description.fileSize),
          Readable.seconds(max(0, Date().timeIntervalSince(listing.lastUse))), listing.isInUse ? "in use" : nil,
        ])
      }
      print(table.terminal, terminator: "")
      let bytes = listings.reduce(0) { $0 + $1.description.fileSize }
      print("\(Readable.count(listings.count)) files, \(Readable.bytes(bytes))")
    }
  }

  /// `skiptune cache clear`.
  struct Clear: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete what is kept, but for what a run has open.",
      discussion: "Runs make again what they need; results do not change.")
    @Argument(help: CacheCommand.help)
    var path: String

    func run() throws {
      let folder = try CacheCommand.folder(path)
      do {
        let cleared = try folder.clear()
        print(
          "\(Readable.count(cleared.deleted)) files deleted, \(Readable.bytes(cleared.bytes))"
            + (cleared.kept == 0 ? "" : "; \(Readable.count(cleared.kept)) in use stay"))
      } catch CacheFolder.Refusal.disk(let failure) {
        throw failure
      } catch {
        throw Failure(
          .cannotCreate, at: path, "another process holds the lock on the folder", remedy: "try again later")
      }
    }
  }
}

import Diagnostics
import Files
import Foundation

/// Where other programs keep the models that they have downloaded; nothing is ever downloaded here.
///
/// Hugging Face's cache holds `models--ORGANISATION--NAME/snapshots/REVISION`, with the revision in `refs/main`; OpenAI's
/// holds files as they are called at their source.
public struct ModelCaches: Sendable {
  private let hub: URL
  private let openAI: URL

  /// The caches that an environment tells of.
  public init(environment: [String: String], home: URL) {
    func folder(_ name: String) -> URL? {
      environment[name].flatMap { $0.isEmpty ? nil : URL(fileURLWithPath: $0) }
    }
    let cache = folder("XDG_CACHE_HOME") ?? home.appendingPathComponent(".cache")
    let huggingFace = folder("HF_HOME") ?? cache.appendingPathComponent("huggingface")
    hub = folder("HF_HUB_CACHE") ?? huggingFace.appendingPathComponent("hub")
    openAI = home.appendingPathComponent(".cache/clip")
  }

  /// Those of this process.
  public static var current: ModelCaches {
    ModelCaches(
      environment: ProcessInfo.processInfo.environment, home: FileManager.default.homeDirectoryForCurrentUser)
  }

  /// Names of OpenAI's models, such as `ViT-B/16`, with the files they are in.
  static let openAIFiles = [
    "ViT-B/32": "ViT-B-32.pt", "ViT-B/16": "ViT-B-16.pt", "ViT-L/14": "ViT-L-14.pt",
    "ViT-L/14@336px": "ViT-L-14-336px.pt",
  ]

  /// Whether a text may be a model's name: one of OpenAI's, or `ORGANISATION/NAME` as on Hugging Face's hub.
  public static func isName(_ text: String) -> Bool {
    if openAIFiles[text] != nil { return true }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 2
      && parts.allSatisfy { part in
        part.first.map { $0.isASCII && ($0.isLetter || $0.isNumber) } ?? false
          && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
      }
  }

  /// The file or folder that a path or a name means; a path that exists comes first.
  ///
  /// Throws `.missingInput` where there is none, with the places that were looked at.
  public func place(of name: String) throws -> URL {
    let path = URL(fileURLWithPath: NSString(string: name).expandingTildeInPath)
    if FileManager.default.fileExists(atPath: path.path) { return path }
    guard Self.isName(name) else {
      throw Failure(
        .missingInput, at: name, "there is no such file or folder",
        remedy: "give the path of a model, or a name such as openai/clip-vit-base-patch16 or ViT-B/16 of a cached one")
    }
    if let file = Self.openAIFiles[name] { return try cachedFile(file, of: name) }
    return try cachedSnapshot(of: name)
  }

  private func cachedFile(_ file: String, of name: String) throws -> URL {
    let place = openAI.appendingPathComponent(file)
    if FileManager.default.fileExists(atPath: place.path) { return place }
    throw missing(name, "there is no \(place.path)")
  }

  private func cachedSnapshot(of name: String) throws -> URL {
    let repository = hub.appendingPathComponent("models--" + name.replacing("/", with: "--"))
    let snapshots = repository.appendingPathComponent("snapshots")
    guard FileManager.default.fileExists(atPath: snapshots.path) else {
      throw missing(name, "there is no \(snapshots.path)")
    }
    let reference = repository.appendingPathComponent("refs/main")
    let revision =
      FileManager.default.fileExists(atPath: reference.path)
      ? String(decoding: try SmallFile.bytes(of: reference, limit: 1 << 10), as: UTF8.self)
        .trimmingCharacters(in: .whitespacesAndNewlines)
      : try onlySnapshot(in: snapshots, of: name)
    guard !revision.isEmpty, revision.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }) else {
      throw Failure(
        .badData, at: reference.path, "it names no revision", remedy: "give the path of the model's folder instead")
    }
    let snapshot = snapshots.appendingPathComponent(revision)
    guard FileManager.default.fileExists(atPath: snapshot.path) else {
      throw missing(name, "the cache lacks \(snapshot.path), which refs/main names")
    }
    return snapshot
  }

  private func onlySnapshot(in folder: URL, of name: String) throws -> String {
    let revisions = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { !$0.hasPrefix(".") }
    guard let only = revisions.first, revisions.count == 1 else {
      throw missing(name, "\(folder.path) has \(revisions.count) revisions and no refs/main that chooses")
    }
    return only
  }

  private func missing(_ name: String, _ problem: String) -> Failure {
    Failure(
      .missingInput, at: name, "no such file or folder, and not in the cache: \(problem)",
      remedy:
        "download it first (skiptune never does) or give a path; HF_HOME and HF_HUB_CACHE move Hugging Face's cache")
  }
}

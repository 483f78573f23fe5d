import ArgumentParser
import Checkpoints
import Diagnostics
import Foundation
import Reporting

/// `skiptune checkpoint`.
struct CheckpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint", abstract: "Look at the checkpoints of a run, and make models of them.",
    subcommands: [List.self, Verify.self, Inspect.self, Diff.self, Export.self, Average.self])

  /// `skiptune checkpoint list`.
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List checkpoints, newest first.")
    @Argument(help: ArgumentHelp("Run directory, or a folder of checkpoints.", valueName: "run"))
    var path: String

    func run() throws {
      var table = TextTable(columns: ["checkpoint", "steps", "epochs", "loss", "ranks", "size", "state"])
      let url = URL(fileURLWithPath: path)
      for listing in try CheckpointDirectory(CheckpointPlace(url).folder(url)).list() {
        table.append(row(listing))
      }
      print(table.terminal, terminator: "")
    }

    private func row(_ listing: CheckpointListing) -> [String?] {
      switch listing.condition {
      case .complete(let manifest):
        let epochs =
          manifest.batchesDone == 0 ? "\(manifest.epoch)" : "\(manifest.epoch) + \(manifest.batchesDone) batches"
        return [
          listing.name, Readable.count(manifest.step), epochs,
          manifest.metrics["loss"].map { Readable.fixed($0, 4) }, "\(manifest.worldSize)",
          Readable.bytes(manifest.byteCount),
          (["whole"] + (listing.isLatest ? ["latest"] : []) + (listing.isBest ? ["best"] : []))
            .joined(separator: ", "),
        ]
      case .damaged(let failure): return [listing.name, nil, nil, nil, nil, nil, "damaged: \(failure)"]
      case .leftover: return [listing.name, nil, nil, nil, nil, nil, "left by a writer that stopped"]
      }
    }
  }

  /// `skiptune checkpoint verify`.
  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Read every byte of every checkpoint and compare hashes and checksums.",
      discussion: "Ends with status 65 where one is damaged.")
    @Argument(help: ArgumentHelp("Run directory, or one checkpoint's folder.", valueName: "run"))
    var path: String

    func run() throws {
      let url = URL(fileURLWithPath: path)
      let place = try CheckpointPlace(url)
      let directory = CheckpointDirectory(place.folder(url))
      let names =
        try place == .checkpoint
        ? [url.standardizedFileURL.lastPathComponent]
        : directory.list().compactMap { listing in if case .leftover = listing.condition { nil } else { listing.name } }
      var damaged: Failure?
      for name in names {
        do {
          try Checkpoint(reading: directory.url.appendingPathComponent(name)).verify(.frames)
          print("\(name): whole")
        } catch let failure as Failure {
          print("\(name): damaged: \(failure)")
          damaged = damaged ?? failure
        }
      }
      guard !names.isEmpty else {
        throw Failure(.missingInput, at: directory.url.path, "there are no checkpoints", remedy: "name another run")
      }
      if let damaged { throw damaged }
    }
  }
}

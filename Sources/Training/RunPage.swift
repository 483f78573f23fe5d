import Configuration
import Datasets
import Foundation
import HTMLReport
import RunRecords

/// A page that tells of a run, or compares several.
public enum RunPage {
  /// Pixels of the longer side of a picture on the page.
  private static let pictureSide = 80

  /// The page of run directories, finished or not, as HTML; of one run with pictures where its images are still there.
  ///
  /// A single folder may also be that of an evaluation job, which has a page of its own.
  /// Throws `Failure`: `.missingInput` for what is no run directory, `.badData` where one is damaged.
  public static func html(_ folders: [String]) throws -> String {
    if folders.count == 1, EvaluationRecord.exists(at: folders[0]) {
      return EvaluationPage(try EvaluationRecord(contentsOf: folders[0])).text
    }
    let records = try folders.map(RunRecord.init(contentsOf:))
    // A run may be looked at on another machine than its images are on.
    let root = try? imageRoot(of: records[0])
    return ReportPage(records) { path in
      root.flatMap { root in
        try? Thumbnail.png(of: root.appending(path: path, directoryHint: .notDirectory), side: pictureSide)
      }
    }.text
  }

  private static func imageRoot(of record: RunRecord) throws -> URL {
    let file = URL(fileURLWithPath: record.path).appending(path: "config.resolved.yaml")
    return try RunSettings.dataset(ConfigurationSource(files: [file])).imageRoot
  }
}

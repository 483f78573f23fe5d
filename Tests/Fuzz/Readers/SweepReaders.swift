import Foundation
import Protocols
import SweepExecution
import Sweeps

private let results = """
  {"version": "1", "dataset": "D", "task": "all-classes", "seed": 1, "ranks": 2, "hosts": ["a", "a"],
   "zero_shot": {"scores": {"all": {"images": 4, "correct": 3, "accuracy": 75.0, "macro_f1": 70.5}}},
   "tuned": {"scores": {"base": {"images": 4, "correct": 2, "macro_f1": null},
     "new": {"images": 4, "correct": 4, "macro_f1": 100}}},
   "training": {"extraction_seconds": 1.5, "step_seconds": 2.5, "peak_memory_bytes": 1000, "trained_parameters": 100,
     "test_seconds": {"base": 0.5}}, "provenance": {"program": {"commit": "abc"}, "seed": 1}}
  """

/// Results as `skiptune compare` reads them, beside others.
func comparisonReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  try folder.add("other.json", Array(results.utf8))
  let test = """
    {"version": "1", "dataset": "D", "weights": "zero-shot", "test": {"scores": {"all": {"images": 9, "correct": 1}}}}
    """
  return FuzzReader(
    seeds: [FuzzSeed("results.json", results), FuzzSeed("results.json", test)],
    words: ["\"scores\": {}", "\"images\": -1", "\"correct\": 0", "\"test\": {}", "null"], nesting: ["[", "{\"a\":"]
  ) { bytes, file in
    let comparison = try RunComparison([folder.replace(file, bytes).path, folder.file("other.json").path])
    _ = comparison.differences.terminal + comparison.results.terminal
  }
}

/// The folder of a sweep, its tables and its page.
func sweepFolderReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let trials = (1...3).map { number in
    Trial(
      number: number,
      settings: [Setting(key: "method.start_layer", value: "\(number)"), Setting(key: "seed", value: "1")])
  }
  func settings(_ trial: Trial) -> String { #"{"method.start_layer": "\#(trial.number)", "seed": "1"}"# }
  let listed = trials.map { #"{"trial": \#($0.number), "name": "\#($0.name)", "settings": \#(settings($0))}"# }
  let points = trials.map { #"{"trial": \#($0.number), "settings": \#(settings($0))}"# }
  let record = """
    {"format": 1, "metric": {"name": "harmonic_mean", "of": null, "seconds_weight": 0.0, "sent_mb_weight": 0.0},
     "sources": ["a.yaml"], "excluded": 1, "duplicates": 2, "trials": [\(listed.joined(separator: ", "))],
     "parts": [{"name": "", "points": [\(points.joined(separator: ", "))]}]}
    """
  func outcome(_ trial: Trial, _ accuracy: Double) -> String {
    """
    {"trial": \(trial.number), "name": "\(trial.name)", "settings": \(settings(trial)), "state": "finished",
     "attempts": 1, "epochs": 2, "steps": 20, "metrics": {"harmonic_mean": \(accuracy), "images.base": 40},
     "seconds": 1.5, "test_seconds": 0.5, "peak_memory_bytes": 1000000, "sent_bytes": 5, "ranks": 2, "problem": null}
    """
  }
  let results = SweepFolder(url)
  func name(_ file: URL) -> String { String(file.path.dropFirst(url.path.count + 1)) }
  let claim = """
    {"trial": "\(trials[2].name)", "holder": "h", "process": {"host": "h", "process": 1, "started": 1, "space": "s"},
     "job": "j", "time": "2026-01-01T00:00:00Z", "lease": 60}
    """
  let metrics =
    "{\"step\": 0, \"epoch\": 0, \"loss\": 2.5, \"seconds\": 0.5}\n{\"step\": 1, \"epoch\": 0, \"loss\": 2.0}\n"
  let seeds = try folder.adding([
    FuzzSeed("sweep.json", record), FuzzSeed(name(results.outcome(of: trials[0])), outcome(trials[0], 80)),
    FuzzSeed(name(results.outcome(of: trials[1])), outcome(trials[1], 81.5)),
    FuzzSeed("claims/\(trials[2].name).1.json", claim),
    FuzzSeed(name(results.run(of: trials[2])) + "/metrics.jsonl", metrics),
  ])
  return FuzzReader(
    seeds: seeds,
    words: ["\"parts\": []", "\"stopped\"", "\"failed\"", "null", "\"accuracy\"", "1e308", "\"metrics\": {}"],
    nesting: ["[", "{\"a\":"]
  ) { bytes, file in
    try folder.replace(file, bytes)
    let found = try SweepResults(of: results)
    _ = found.leaderboard.terminal + found.caption + found.page(version: "1")
    _ = try SweepStatus(url, found.record.trials, found.record.metric).text
  }
}

import Evaluation
import FeatureCache
import Foundation
import HTMLReport
import Planning
import RunRecords
import ShardFiles
import Sweeps
import Training

func featureEntryReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let description = EntryDescription(key: Hash128(high: 7, low: 1), count: 5, bytesPerImage: 96, words: "an entry")
  let path = folder.file("small").path
  let entry = try FeatureEntry.create(description, at: path)
  for image in [0, 2, 4] {
    try [UInt8](repeating: UInt8(image), count: 96).withUnsafeBytes { try entry.write(image, $0, maker: 5) }
  }
  let seeds = [try FuzzSeed("0000000000000007.features", contentsOf: folder.file("small"))]
  try FileManager.default.removeItem(atPath: path)
  let cache = CacheFolder(folder.url, budget: nil)
  return FuzzReader(seeds: seeds, repair: Repairs.featureEntry) { bytes, file in
    let place = try folder.replace(file, bytes)
    _ = cache.list()
    guard let found = try FeatureEntry.open(description, at: place.path) else { return }
    var features = [UInt8](repeating: 0, count: description.bytesPerImage)
    for image in 0..<description.count {
      _ = found.maker(of: image)
      let content = try features.withUnsafeMutableBytes { try found.read(image, into: $0) }
      if case .whole = content { precondition(features.allSatisfy { $0 == UInt8(image) }, "image \(image)") }
    }
  }
}

private let score = #"{"images": 4, "correct": 3, "accuracy": 75.0, "macro_f1": 70.5}"#

/// A run's directory, and its page.
func runRecordReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let settings = "# all\nrun_dir: runs/a  # --run-dir\nmodel:\n  path: \"m\"  # a.yaml:4\nseed: 1\n"
  let results = """
    {"version": "1", "task": "all-classes", "ranks": 2, "threads_per_rank": 1, "zero_shot": {"scores": {"all": \(score)}},
     "tuned": {"scores": {"base": \(score), "new": \(score)}, "harmonic_mean": 75.0, "seconds": 1.5},
     "training": {"epochs": 1, "steps": 3, "final_loss": 0.5, "seconds": 9.5, "median_step_seconds": 0.1}}
    """
  let metrics = """
    {"test": "zero-shot", "classes": "all", "images": 4, "correct": 3, "macro_f1": 0.7, "seconds": 1}
    {"step": 0, "epoch": 0, "loss": 2.5, "text_lr": 0.1, "image_lr": 0.2, "seconds": 0.5}
    {"step": 1, "epoch": 0, "loss": "nan", "text_lr": 0.1, "image_lr": 0.2, "seconds": 0.5}
    {"step": 2, "ep
    """
  let classes =
    "checkpoint,data_set,set,label,class,images,correct,accuracy,f1\n"
    + "tuned,D,all,0,\"a, \"\"b\"\"\",2,1,50.0,50.0\ntuned,D,all,1,c,0,0,,\n"
  let confusion = "checkpoint,data_set,set,truth,prediction,images\ntuned,D,all,c,\"a, \"\"b\"\"\",1\n"
  let prediction = #"{"set": "all", "path": "1.png", "label": 0, "prediction": 1, "confidence": 0.5}"# + "\n"
  let seeds = try folder.adding([
    FuzzSeed("config.resolved.yaml", settings), FuzzSeed("results.json", results), FuzzSeed("metrics.jsonl", metrics),
    FuzzSeed("tests/tuned/classes.csv", classes), FuzzSeed("tests/tuned/confusion.csv", confusion),
    FuzzSeed("tests/tuned/predictions.jsonl", prediction + prediction.replacing("1.png", with: "2.png")),
  ])
  return FuzzReader(
    seeds: seeds,
    words: ["\"scores\": {}", "\"images\": 0", "\"step\": ", "\"loss\": ", "\"test\": ", "tuned", "\"macro_f1\": "],
    nesting: ["[", "{\"a\":", "\""]
  ) { bytes, file in
    try folder.replace(file, bytes)
    let record = try RunRecord(contentsOf: folder.url.path)
    // The page of one run, or of two beside each other.
    _ = ReportPage(bytes.count.isMultiple(of: 2) ? [record] : [record, record]) { _ in nil }.text
  }
}

/// The folder of an evaluation job, and its page.
func evaluationRecordReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let test = """
    {"checkpoint": "zero-shot", "dataset": "D", "set": "all", "state": "finished", "total": 5, "images": 4, "correct": 3,
     "top1": 75.0, "top5": 100.0, "macro_f1": 70.0, "calibration_error": 4.5,
     "per_class": [{"name": "cat", "images": 2, "correct": 2}, {"name": "dog", "images": 2, "correct": 1}],
     "skipped": [{"path": "x.png", "problem": "is truncated"}]}
    """
  let second = test.replacing("zero-shot", with: "run").replacing("\"correct\": 3", with: "\"correct\": 4")
  let results = "{\"version\": \"1\", \"ranks\": 2, \"seconds\": 1.5, \"tests\": [\(test), \(second)]}"
  let confusion = "checkpoint,data_set,set,truth,prediction,images\nzero-shot,D,all,cat,dog,1\nrun,D,all,cat,cat,9\n"
  let seeds = try folder.adding([FuzzSeed("results.json", results), FuzzSeed("confusion.csv", confusion)])
  return FuzzReader(
    seeds: seeds, words: ["\"per_class\": []", "\"skipped\": []", "\"total\": 0", "\"state\": \"running\"", "null"],
    nesting: ["[", "{\"a\":", "\""]
  ) { bytes, file in
    try folder.replace(file, bytes)
    _ = EvaluationPage(try EvaluationRecord(contentsOf: folder.url.path)).text
  }
}

func journalReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let chunk = #"{"outcomes":{"confidences":[1,2],"first":0,"ranked":[[1,0],[0,1]],"skipped":[]},"test":"abc"}"#
  let skipped =
    #"{"outcomes":{"confidences":[0],"first":2,"ranked":[[]],"skipped":[{"index":2,"problem":"x"}]},"test":"abc"}"#
  var whole = FuzzSeed("journal.jsonl", "- \(chunk)\n- \(skipped)")
  Repairs.journal(&whole.bytes, whole)
  return FuzzReader(
    seeds: [whole], words: ["\"first\":", "\"ranked\":[[]]", "\"index\":-1", " ", "\n"], nesting: ["[", "{\"a\":"],
    repair: Repairs.journal
  ) { bytes, file in
    let (entries, _) = try EvaluationJournal.read(folder.replace(file, bytes))
    for entry in entries where entry.outcomes.first == 0 {
      let isWhole = entry.outcomes.fits(0..<2, classCount: 2)
      precondition(!isWhole || entry.outcomes.range == 0..<2)
    }
  }
}

/// What `skiptune plan` reads: speeds of a machine, and results of a run.
func planFilesReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let machine = """
    {"format": 1, "version": "1", "ranks": 2, "ranks_per_node": 2, "compute": [{"threads": 1,
      "products": [{"rows": 64, "operations_per_second": 1e10}, {"rows": 512, "operations_per_second": 5e10}],
      "attention_operations_per_second": 1e9, "element_bytes_per_second": 1e9, "update_bytes_per_second": 1e9,
      "memory_bytes_per_second": 1e10}],
     "pairs": [{"hosts": ["a", "b"], "latency_seconds": 1e-5, "bytes_per_second": 1e9}],
     "all_reduce": [{"bytes": 1024, "seconds": 0.001}, {"bytes": 2048, "seconds": null}]}
    """
  let tower = #"{"depth": 2, "width": 64, "head_count": 1, "mlp_width": 96}"#
  let run = """
    {"ranks": 2, "threads_per_rank": 1, "start_layer": 1, "training": {"median_step_seconds": 0.1}, "workload": {
      "classes": 10, "prompt_tokens": 80, "prompt_rows": 12, "global_batch": 4, "epoch_images": 100, "ranks_per_node": 2,
      "mean_kept_classes": 5.0, "exchange": {"bytes_per_element": 4, "overlaps": true, "is_sharded": false,
        "is_class_parallel": false, "is_two_level": false, "bucket_bytes": 1048576, "local_steps": 1},
      "model": {"vision": \(tower), "text": \(tower), "image_size": 32, "patch_size": 8, "context_length": 77,
        "vocabulary_size": 520, "embedding_width": 24}}}
    """
  let seeds = try folder.adding([FuzzSeed("machine.json", machine), FuzzSeed("results.json", run)])
  let link = MachineProfile.Link(latency: 1e-5, bandwidth: 1e9)
  let assumed = MachineProfile(
    threads: 1, ranksPerNode: 1, products: [.init(rows: 64, operations: 1e10)], attention: 1e9, elements: 1e9,
    update: 1e9, memory: 1e10, node: link, network: link)
  return FuzzReader(seeds: seeds, words: ["null", "1e300", "[]"], nesting: ["[", "{\"a\":"]) { bytes, file in
    try folder.replace(file, bytes)
    let machine = try MachineReport(contentsOf: folder.file("machine.json"))
    let run = try MeasuredRun(contentsOf: folder.file("results.json"))
    _ = PlanValidation([run], machines: [machine], assumed: assumed, hiddenShare: 0.5, tolerance: 0.3).table
  }
}

func trialOutcomeReader(_ url: URL) throws -> FuzzReader {
  let folder = try FolderUnderTest(url)
  let trial = Trial(
    number: 1, settings: [Setting(key: "method.start_layer", value: "2"), Setting(key: "seed", value: "1")])
  let text = """
    {"trial": 1, "name": "\(trial.name)", "settings": {"method.start_layer": "2", "seed": "1"}, "state": "finished",
     "attempts": 1, "epochs": 2, "steps": 20, "metrics": {"harmonic_mean": 80.5, "images.base": 40}, "seconds": 1.5,
     "test_seconds": null, "peak_memory_bytes": 1000000, "sent_bytes": null, "ranks": 2, "problem": null}
    """
  return FuzzReader(
    seeds: [FuzzSeed("outcome.json", text)], words: ["\"failed\"", "\"stopped\"", "null", "\"settings\": {}"],
    nesting: ["[", "{\"a\":"]
  ) { bytes, file in _ = try TrialOutcome(contentsOf: folder.replace(file, bytes)) }
}

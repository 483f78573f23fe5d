import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Planning

/// Results of runs that forecasts are compared with: what no run can have measured is refused before anything is computed.
@Suite struct MeasuredRunTests {
  private static let text = """
    {"ranks": 2, "threads_per_rank": 1, "start_layer": 1, "training": {"median_step_seconds": 0.1}, "workload": {
      "classes": 10, "prompt_tokens": 80, "prompt_rows": 12, "global_batch": 4, "epoch_images": 100,
      "ranks_per_node": 2, "mean_kept_classes": 5.0,
      "exchange": {"bytes_per_element": 4, "overlaps": true, "is_sharded": false, "is_class_parallel": false,
        "is_two_level": false, "bucket_bytes": 1048576, "local_steps": 1},
      "model": {"vision": {"depth": 2, "width": 64, "head_count": 1, "mlp_width": 96},
        "text": {"depth": 1, "width": 64, "head_count": 1, "mlp_width": 96}, "image_size": 32, "patch_size": 8,
        "context_length": 77, "vocabulary_size": 520, "embedding_width": 24}}}
    """

  private func read(_ text: String) throws -> MeasuredRun {
    let folder = try ScratchFolder()
    try Data(text.utf8).write(to: folder.file("results.json"))
    return try MeasuredRun(contentsOf: folder.file("results.json"))
  }

  @Test func aRunIsRead() throws {
    let run = try read(Self.text)
    #expect(run.ranks == 2 && run.stepSeconds == 0.1 && run.scenario.keptClasses == 5)
  }

  @Test(arguments: [
    (
      "\"mean_kept_classes\": 5.0", "\"mean_kept_classes\": 1e300", "workload.mean_kept_classes must be at most classes"
    ),
    ("\"mean_kept_classes\": 5.0", "\"mean_kept_classes\": 11", "workload.mean_kept_classes must be at most classes"),
    ("\"global_batch\": 4", "\"global_batch\": 281474976710656", "workload.model and its batches are larger than any"),
    ("\"prompt_tokens\": 80", "\"prompt_tokens\": 8000", "workload.prompt_rows must be a whole number from 800 on"),
    (
      "\"prompt_tokens\": 80, \"prompt_rows\": 12", "\"prompt_tokens\": 8000, \"prompt_rows\": 900",
      "workload.prompt_tokens must be at most context_length for each class"
    ), ("\"head_count\": 1", "\"head_count\": 65", "workload.model has more heads than widths"),
  ])
  func whatNoRunMeasuredIsRefused(part: String, replacement: String, problem: String) throws {
    let damaged = Self.text.replacing(part, with: replacement)
    let failure = #expect(throws: Failure.self) { try read(damaged) }
    #expect(failure?.status == .badData && failure?.problem == problem)
  }
}

import Foundation

/// Makes a reader; its files lie in the folder.
typealias ReaderMaker = @Sendable (_ folder: URL) throws -> FuzzReader

/// The readers of skiptune, by name.
let ordinaryReaders: [String: ReaderMaker] = [
  "safetensors": safetensorsReader,
  "torch-archive": torchArchiveReader,
  "pickle": pickleReader,
  "json": jsonReader,
  "split": splitReader,
  "few-shot": fewShotReader,
  "manifest": manifestReader,
  "configuration": configurationReader,
  "sweep": sweepReader,
  "png": pngReader,
  "jpeg": jpegReader,
  "tokenizer": tokenizerReader,
  "model": modelReader,
  "checkpoint": checkpointReader,
  "delta": deltaReader,
  "feature-entry": featureEntryReader,
  "run-record": runRecordReader,
  "evaluation-record": evaluationRecordReader,
  "journal": journalReader,
  "plan-files": planFilesReader,
  "comparison": comparisonReader,
  "sweep-folder": sweepFolderReader,
  "trial-outcome": trialOutcomeReader,
]

/// Those, and some that are wrong on purpose: tests see that each of their faults is found.
let allReaders = ordinaryReaders.merging(faultyReaders) { first, _ in first }

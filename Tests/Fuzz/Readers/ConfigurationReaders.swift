import Configuration
import Foundation
import Sweeps
import TestSupport
import Training

private let configurations = Goldens.repositoryRoot.appending(path: "configs")

private func seeds(in folder: String, _ file: String) throws -> [FuzzSeed] {
  let url = configurations.appending(path: folder)
  let names = try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
  return try names.filter { $0.hasSuffix(".yaml") }.map { try FuzzSeed(file, contentsOf: url.appending(path: $0)) }
}

private let yamlWords = [
  "method:\n  start_layer: 3\n", "seed: ", "- ", "? ", ": ", "&a ", "*a", "!!binary ", "!!int ", "---\n", "...\n",
  "%YAML 1.2\n",
  "<<: ", "~", ".inf", ".nan", "0x7fffffffffffffff", "0o777", "1_000", "|\n", ">\n", "'", "\"\\x", "# ", "{", "}", "[",
  "]",
]

private let yamlNesting = ["[", "{a: ", "- ", "? ", "- - ", "[&a ", "{? ", "\n ", "'", "!a "]

func configurationReader(_ url: URL) throws -> FuzzReader {
  _ = FileManager.default.changeCurrentDirectoryPath(Goldens.repositoryRoot.path)
  let folder = try FolderUnderTest(url)
  let layers = try ["quickstart", "datasets", "methods"].flatMap { try seeds(in: $0, "file.yaml") }
  let whole = configurations.appending(path: "quickstart/base-to-new.yaml")
  return FuzzReader(
    seeds: layers, words: yamlWords, nesting: yamlNesting
  ) { bytes, file in
    let source = try ConfigurationSource(files: [whole, folder.replace(file, bytes)], overrides: ["run_dir=runs/a"])
    _ = try RunSettings.read(source)
  }
}

func sweepReader(_ url: URL) throws -> FuzzReader {
  _ = FileManager.default.changeCurrentDirectoryPath(Goldens.repositoryRoot.path)
  let folder = try FolderUnderTest(url)
  let text = """
    base: [configs/quickstart/base-to-new.yaml]
    grid:
      method.start_layer: {from: 1, to: 5, step: 2}
      seed: [1, 2]
    random:
      count: 2
      seed: 7
      settings:
        optim.learning_rate: {from: 1.0e-5, to: 1.0e-2, scale: log}
    constraints: [method.start_layer < 4]
    max_trials: 12
    metric: {name: harmonic_mean, seconds_weight: 0.1}
    """
  let whole = try seeds(in: "sweeps/quickstart", "sweep.yaml").filter { $0.bytes.count < 4000 }
  let limited = whole.map { FuzzSeed($0.file, $0.bytes + Array("\nmax_trials: 64\n".utf8), isValid: false) }
  return FuzzReader(
    seeds: whole + limited + [FuzzSeed("sweep.yaml", text.utf8, isValid: false)],
    words: yamlWords + [
      "grid:", "list:", "random:", "parts:", "{from: 1, to: 3, step: 1}", "step: 0.1", "max_trials: 10", "if: ",
    ],
    nesting: yamlNesting
  ) { bytes, file in
    _ = try SweepPlan(folder.replace(file, bytes), files: [], overrides: [], folder: folder.file("out"))
  }
}

import Configuration
import Diagnostics
import Foundation

/// The settings that the tests of this target read: each kind at least once.
struct SampleSettings: Equatable {
  enum Precision: String, CaseIterable { case fp32, bf16, half = "16" }

  var seed: Int
  var resume: Bool
  var data: URL
  var dataset: String
  var method: Method
  var steps: Int?
  var label: String?

  struct Method: Equatable {
    var startLayer: Int
    var ratio: Double
    var precision: Precision
    var layers: [Int]
    var betas: [Double]
    var names: [String]
    var backup: URL?
  }

  init(_ reader: SettingsReader) throws {
    seed = try reader.integer("seed", default: 1, in: 0..., "Seed of every random choice.")
    resume = try reader.boolean("resume", default: false, "Whether to go on from a checkpoint.")
    data = try reader.path("data", default: "data", "Folder of the data sets.")
    dataset = try reader.string("dataset", default: nil, example: "caltech101", "Name of the data set.")
    method = try reader.section("method", "What is trained, and how.") { try Method($0) }
    steps = try reader.optionalInteger("steps", in: 1...1000, "Steps to stop after.")
    label = try reader.optionalString("label", "Shown in the report.")
    try reader.require(
      steps == nil || !resume, about: "steps", "cannot be combined with resume", remedy: "give one of the two")
  }
}

extension SampleSettings.Method {
  init(_ reader: SettingsReader) throws {
    startLayer = try reader.integer("start_layer", default: 8, in: 1...12, "First trained block.")
    ratio = try reader.number("ratio", default: 0.5, in: .above(0, through: 1), "Share of classes kept.")
    precision = try reader.choice("precision", default: .fp32, "Number format.")
    layers = try reader.integers("layers", default: [1, 2], in: 1...12, "Blocks.")
    betas = try reader.numbers("betas", default: [0.9, 0.999], in: 0..<1, count: 2...2, "Decay rates.")
    names = try reader.strings("names", default: [], "Tags.")
    backup = try reader.optionalPath("backup", "Second copy.")
  }
}

/// Reads texts called a.yaml, b.yaml and so on, and options.
func readSample(
  _ texts: [String], set overrides: [String] = []
) throws -> (value: SampleSettings, resolved: ResolvedConfiguration) {
  let documents = zip(["a.yaml", "b.yaml", "c.yaml"], texts).map { (name: $0, text: $1) }
  return try ResolvedConfiguration.read(
    ConfigurationSource(documents: documents, overrides: overrides), SampleSettings.init)
}

/// The message of the failure that `body` throws, or what happened instead.
func message(of body: () throws -> Void) -> String {
  do {
    try body()
    return "no failure"
  } catch let failure as Failure {
    return failure.status == .usage ? failure.description : "status \(failure.status): \(failure.description)"
  } catch {
    return "not a Failure: \(error)"
  }
}

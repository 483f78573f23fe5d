import ArgumentParser
import CLIPModel
import Foundation
import Reporting
import StrictJSON
import TunedModels

extension ModelCommand {
  /// `skiptune model inspect`.
  struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say what a pretrained model is: form, sizes, tokenizer, what each start layer would train.",
      discussion: "Reads all weights once, for their fingerprints and to find damage.")
    @Argument(help: BaseModelOptions.help)
    var model: String
    @OptionGroup var details: ModelDetailOptions
    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
      let report = try ModelReport(WeightsFile(details.source(model)))
      print(json ? JSONText.pretty(report.json) + "\n" : report.text, terminator: "")
    }
  }
}

/// What `inspect` says of a model.
private struct ModelReport {
  private let facts: ModelFacts
  private let fingerprint: String
  private let layout: ParameterLayout

  init(_ weights: WeightsFile) throws {
    facts = try ModelFacts(weights)
    fingerprint = "\(try BaseModel(weights).fingerprint)"
    layout = weights.layout
  }

  private func trained(_ encoder: Encoder, from startLayer: Int) -> Int {
    layout.trainedRange(of: encoder, from: startLayer).count
  }

  // MARK: For people

  var text: String { [factTable, layerTable].map(\.terminal).joined(separator: "\n") + notes }

  private var notes: String { facts.notes.map { "\nnote: \($0)" }.joined() + (facts.notes.isEmpty ? "" : "\n") }

  private var factTable: TextTable {
    var table = TextTable(columns: ["fact", "value"])
    for fact in facts.all + [ModelFacts.Fact(key: "fingerprint", value: .text(fingerprint))] {
      table.append([fact.key.replacing("_", with: " "), fact.value.words])
    }
    return table
  }

  private var layerTable: TextTable {
    var table = TextTable(columns: ["start layer", "image", "text", "trained", "share"])
    for layer in 0...layout.depth {
      let counts = Encoder.allCases.map { trained($0, from: layer) }
      let sum = counts.reduce(0, +)
      table.append(
        ["\(layer)"] + (counts + [sum]).map { Readable.count($0) }
          + [Readable.fixed(100 * Double(sum) / Double(layout.count), 1) + " %"])
    }
    return table
  }

  // MARK: For programs

  var json: JSONValue {
    .object(
      facts.all.map { JSONMember($0.key, $0.value.json) } + [
        JSONMember("fingerprint", .string(fingerprint)), JSONMember("notes", .array(facts.notes.map { .string($0) })),
        JSONMember(
          "start_layers",
          .array(
            (0...layout.depth).map { layer in
              .object([
                JSONMember("start_layer", .integer(layer)),
                JSONMember("image", .integer(trained(.image, from: layer))),
                JSONMember("text", .integer(trained(.text, from: layer))),
              ])
            })),
      ])
  }
}

extension ModelFacts.Value {
  fileprivate var words: String {
    switch self {
    case .text(let text): text
    case .count(let count): Readable.count(count)
    case .unknown: "-"
    }
  }

  fileprivate var json: JSONValue {
    switch self {
    case .text(let text): .string(text)
    case .count(let count): .integer(count)
    case .unknown: .null
    }
  }
}

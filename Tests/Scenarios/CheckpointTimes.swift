import Checkpoints
import Diagnostics
import Foundation
import Safetensors
import ShardFiles
import Tensors

/// Prints sizes and times of writing and reading shards, a line of JSON each, so many times over.
///
/// `values.safetensors` in the folder holds the flat vectors `parameters`, `momentum` and, of the parameters before
/// training, `base`.
@Sendable func timeCheckpoints(_ folder: URL, _ repetitions: Int) throws {
  let file = try SafetensorsFile(contentsOf: folder.appendingPathComponent("values.safetensors"))
  let (values, momentum) = (try file.tensor("parameters"), try file.tensor("momentum"))
  let base = BaseValues(try file.tensor("base"))
  let difference = ShardSource("parameters", start: 0, values, base: base)
  let state = ShardSource("momentum", start: 0, momentum)
  for _ in 0..<repetitions {
    try time("parameters, planes", [ShardSource("parameters", start: 0, values)], folder)
    try time("parameters, difference to base", [difference], folder)
    try time("momentum, planes", [state], folder)
    for (level, threads) in [(1, 1), (1, 2), (3, 1)] {
      try time(
        "both, level \(level), threads \(threads)", [difference, state], folder,
        ShardOptions(level: level, threads: threads))
    }
  }
}

/// What one shard took.
private struct ShardTimes: Encodable {
  var what: String
  var rawBytes, bytes: Int
  var writeSeconds, processorSeconds, hashSeconds, readSeconds: Double
}

private func time(_ what: String, _ sources: [ShardSource], _ folder: URL, _ options: ShardOptions = .init()) throws {
  let file = folder.appendingPathComponent("shard")
  defer { try? FileManager.default.removeItem(at: file) }
  let clock = ContinuousClock()
  let before = processorSeconds()
  var description: ShardDescription?
  let writing = try clock.measure { description = try ShardWriter.write(sources, to: file, options: options) }
  let busy = processorSeconds() - before
  let reader = try ShardReader(file, expecting: description!)
  let hashing = try clock.measure { try reader.verifyHash() }
  let target = Tensor(zeros: [sources[0].values.count])
  let reading = try clock.measure {
    for source in sources {
      try reader.read(source.name, 0..<target.count, into: target.buffer, base: source.base)
    }
  }
  let times = ShardTimes(
    what: what, rawBytes: sources.reduce(0) { $0 + $1.values.count * MemoryLayout<Float>.stride },
    bytes: description!.byteCount, writeSeconds: writing / .seconds(1), processorSeconds: busy,
    hashSeconds: hashing / .seconds(1), readSeconds: reading / .seconds(1))
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  print(String(decoding: try encoder.encode(times), as: UTF8.self))
}

private func processorSeconds() -> Double {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  let (user, system) = (usage.ru_utime, usage.ru_stime)
  return Double(user.tv_sec + system.tv_sec) + Double(user.tv_usec + system.tv_usec) / 1e6
}

import Checkpoints
import Collectives
import Diagnostics
import Foundation
import ShardFiles
import Tensors

/// Prints sizes and times of checkpoints of a made-up training: base weights normal with deviation 0.02, steps of SGD with
/// momentum 0.9 whose gradients are normal and move a weight by about 1e-8 each.
@Sendable func timeCheckpoints(_ folder: URL, _ count: Int) throws {
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  let base = Tensor(zeros: [count])
  addNormal(to: base, scale: 0.02, stream: 0)
  let (weights, momentum) = (base.copied(), Tensor(zeros: [count]))
  for step in 1...30 {
    let (w, m) = (weights.buffer, momentum.buffer)
    for index in m.indices { m[index] *= 0.9 }
    addNormal(to: momentum, scale: 1e-3, stream: UInt64(step))
    for index in w.indices { w[index] -= 1e-5 * m[index] }
    guard [1, 10, 30].contains(step) else { continue }
    print("after \(step) steps")
    let parameters = ShardSource("parameters", start: 0, weights, base: BaseValues(base))
    try time("parameters, difference to base", [parameters], folder)
    try time("parameters, planes", [ShardSource("parameters", start: 0, weights)], folder)
    try time("momentum, planes", [ShardSource("momentum", start: 0, momentum)], folder)
  }
  let both = [
    ShardSource("parameters", start: 0, weights, base: BaseValues(base)), ShardSource("momentum", start: 0, momentum),
  ]
  for (level, threads) in [(1, 1), (1, 2), (3, 1), (6, 1)] {
    try time("both, level \(level), \(threads) threads", both, folder, ShardOptions(level: level, threads: threads))
  }
}

/// Adds to each element the sum of four uniform numbers, centred: close enough to normal for compression.
private func addNormal(to values: Tensor, scale: Float, stream: UInt64) {
  let elements = values.buffer
  let deviation = scale * Float(3).squareRoot()
  var state = stream &* 0xD1B5_4A32_D192_ED03
  for index in elements.indices {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
    bits ^= bits >> 31
    let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
    elements[index] += deviation * (Float(sum) * 0x1p-16 - 2)
  }
}

private func time(_ what: String, _ sources: [ShardSource], _ folder: URL, _ options: ShardOptions = .init()) throws {
  let file = folder.appendingPathComponent("shard")
  defer { try? FileManager.default.removeItem(at: file) }
  let raw = sources.reduce(0) { $0 + $1.values.count * MemoryLayout<Float>.stride }
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
      try reader.read(source.name, 0..<target.count, into: target.buffer, base: sources[0].base)
    }
  }
  func rate(_ bytes: Int, _ time: Duration) -> String { "\(Int(Double(bytes) / 1e6 / (time / .seconds(1)))) MB/s" }
  print(
    "  \(what): \(description!.byteCount) of \(raw) bytes, ratio",
    String(format: "%.2f", Double(raw) / Double(description!.byteCount)),
    "write and sync \(rate(raw, writing)) (\(writing), \(String(format: "%.2f", busy)) s of CPU)",
    "hash \(rate(description!.byteCount, hashing)) read \(rate(raw, reading))")
}

private func processorSeconds() -> Double {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  let (user, system) = (usage.ru_utime, usage.ru_stime)
  return Double(user.tv_sec + system.tv_sec) + Double(user.tv_usec + system.tv_usec) / 1e6
}

/// Names of what a folder of checkpoints holds.
enum CheckpointName {
  /// The last file of a checkpoint that is written.
  static let manifest = "manifest.json"
  /// The file that names the checkpoint written last.
  static let latest = "latest"
  /// The file that names the best checkpoint.
  static let best = "best"

  /// The folder of a step's checkpoint: `step-00001200`.
  static func folder(step: Int) -> String { "step-" + padded(step, 8) }

  /// The step of `step-00001200`; nil for any other name, such as that of an unfinished checkpoint.
  static func step(of name: String) -> Int? {
    guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), step >= 0, folder(step: step) == name else {
      return nil
    }
    return step
  }

  /// The file that a rank writes: `shard-00000-of-00004.zst`.
  static func shard(_ rank: Int, of worldSize: Int) -> String {
    "shard-\(padded(rank, 5))-of-\(padded(worldSize, 5)).zst"
  }

  /// A checkpoint that is being written.
  static func partial(step: Int, token: String) -> String { folder(step: step) + ".partial-" + token }

  /// A checkpoint that is being deleted.
  static func deleting(_ name: String, token: String) -> String { name + ".deleting-" + token }

  /// A damaged checkpoint that stood where a new one was to be written.
  static func damaged(_ name: String, token: String) -> String { name + ".damaged-" + token }

  /// A checkpoint of steps that the run went back behind.
  static func superseded(_ name: String, token: String) -> String { name + ".superseded-" + token }

  /// Whether a writer that died left this, so that it may go.
  static func isLeftover(_ name: String) -> Bool {
    if [latest, best].contains(where: { name.hasPrefix(".\($0).") }), name.hasSuffix(".partial") { return true }
    return [".partial-", ".deleting-"].contains { mark in
      name.firstRange(of: mark).map { step(of: String(name[..<$0.lowerBound])) != nil } ?? false
    }
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

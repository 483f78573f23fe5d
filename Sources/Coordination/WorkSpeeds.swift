/// How long workers have needed for an item, and what that says of those that were not seen yet.
struct WorkSpeeds: Sendable {
  private struct Place: Hashable {
    var worker: Int
    var unit: Int
  }

  /// A mean in which the newest value counts as much as all before it.
  private struct RecentMean: Sendable {
    private(set) var value: Double

    init(_ first: Double) { value = first }

    mutating func add(_ new: Double) { value = (value + new) / 2 }
  }

  private var byPlace: [Place: RecentMean] = [:]
  private var byWorker: [Int: RecentMean] = [:]
  private var byUnit: [Int: RecentMean] = [:]

  /// Shorter times than any clock tells are no times.
  private static let least = 1e-9

  mutating func note(seconds: Double, items: Int, _ worker: Int, _ unit: Int) {
    let time = max(Self.least, seconds / Double(max(1, items)))
    Self.note(time, Place(worker: worker, unit: unit), &byPlace)
    Self.note(time, worker, &byWorker)
    Self.note(time, unit, &byUnit)
  }

  private static func note<Key>(_ time: Double, _ key: Key, _ means: inout [Key: RecentMean]) {
    if means[key] == nil { means[key] = RecentMean(time) } else { means[key]!.add(time) }
  }

  func isKnown(_ worker: Int) -> Bool { byWorker[worker] != nil }

  /// Of all workers that were seen; 1 before.
  var secondsPerItem: Double {
    byWorker.isEmpty ? 1 : byWorker.values.reduce(0) { $0 + $1.value } / Double(byWorker.count)
  }

  /// Of a worker; that of all where it was not seen.
  func secondsPerItem(of worker: Int) -> Double { byWorker[worker]?.value ?? secondsPerItem }

  /// Of a unit, whoever works at it.
  func secondsPerItem(ofUnit unit: Int) -> Double { byUnit[unit]?.value ?? secondsPerItem }

  /// Of a worker at a unit; that of the worker where it has not worked at this one.
  func secondsPerItem(of worker: Int, _ unit: Int) -> Double {
    byPlace[Place(worker: worker, unit: unit)]?.value ?? secondsPerItem(of: worker)
  }
}

/// Makes values of objects.
struct PickleTree {
  /// What was made of an item.
  private struct Made {
    var value: PickleValue
    /// Values in it when shared ones count each time: who walks through it meets so many.
    var count = 1
    /// Levels of objects in it.
    var height = 0
  }

  private let objects: PickleObjects
  private let limits: PickleReader.Limits
  /// Of a problem; an object has no place of its own.
  private let offset: Int
  private var made: [Int: Made] = [:]
  private var open: Set<Int> = []

  /// A maker that says `offset` of problems.
  init(_ objects: PickleObjects, _ limits: PickleReader.Limits, offset: Int) {
    self.objects = objects
    self.limits = limits
    self.offset = offset
  }

  /// The value of an item.
  ///
  /// Throws `PickleProblem` where it contains itself, or is larger than the limits allow.
  mutating func value(of item: PickleItem) throws -> PickleValue { try make(item, depth: 0).value }

  private mutating func make(_ item: PickleItem, depth: Int) throws -> Made {
    switch item {
    case .none: Made(value: .none)
    case .bool(let bool): Made(value: .bool(bool))
    case .int(let int): Made(value: .int(int))
    case .float(let float): Made(value: .float(float))
    case .string(let string): Made(value: .string(string))
    case .bytes(let bytes): Made(value: .bytes(bytes))
    case .global(let global): Made(value: .global(global))
    case .object(let number): try make(object: number, depth: depth)
    }
  }

  private mutating func make(object number: Int, depth: Int) throws -> Made {
    if let made = made[number] {
      try judge(depth: depth + made.height)
      return made
    }
    try judge(depth: depth + 1)
    guard open.insert(number).inserted else { throw problem("a value contains itself") }
    defer { open.remove(number) }
    var result = Made(value: .none, height: 1)
    result.value = try value(of: objects[number], depth: depth + 1, in: &result)
    made[number] = result
    return result
  }

  private mutating func value(of object: PickleObject, depth: Int, in whole: inout Made) throws -> PickleValue {
    let elements = try make(object.elements, depth, in: &whole)
    switch object.kind {
    case .list: return .list(elements)
    case .tuple: return .tuple(elements)
    case .set: return .set(elements)
    case .dict: return .dict(Self.pairs(elements))
    case .persistent: return .persistent(elements[0])
    case .record(let global):
      return .record(
        PickleRecord(
          global: global, arguments: try make(object.arguments, depth, in: &whole),
          state: try make(object.state, depth, in: &whole).first, elements: elements,
          pairs: Self.pairs(try make(object.pairs, depth, in: &whole))))
    }
  }

  private mutating func make(_ items: [PickleItem], _ depth: Int, in whole: inout Made) throws -> [PickleValue] {
    var values: [PickleValue] = []
    values.reserveCapacity(items.count)
    for item in items {
      let part = try make(item, depth: depth)
      whole.count += part.count
      whole.height = max(whole.height, part.height + 1)
      guard whole.count <= limits.values else { throw problem("there are more than \(limits.values) values") }
      values.append(part.value)
    }
    return values
  }

  private static func pairs(_ items: [PickleValue]) -> [PicklePair] {
    stride(from: 0, to: items.count, by: 2).map { PicklePair(key: items[$0], value: items[$0 + 1]) }
  }

  private func judge(depth: Int) throws {
    guard depth <= limits.depth else { throw problem("values nest deeper than \(limits.depth) levels") }
  }

  private func problem(_ what: String) -> PickleProblem { PickleProblem(offset: offset, what: what) }
}

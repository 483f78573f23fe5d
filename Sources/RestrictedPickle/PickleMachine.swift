/// Follows the opcodes of a pickle.
struct PickleMachine {
  var input: PickleInput
  var objects = PickleObjects()
  let isAllowed: (PickleGlobal) -> Bool
  let allowsPersistentIDs: Bool
  let valueLimit: Int

  private var stack: [PickleItem] = []
  /// Heights of the stack at the marks that were set.
  private var marks: [Int] = []
  private var memo: [Int: PickleItem] = [:]

  init(
    _ bytes: [UInt8], isAllowed: @escaping (PickleGlobal) -> Bool, allowsPersistentIDs: Bool, valueLimit: Int
  ) {
    input = PickleInput(bytes)
    self.isAllowed = isAllowed
    self.allowsPersistentIDs = allowsPersistentIDs
    self.valueLimit = valueLimit
  }

  /// Follows the opcodes up to the end of the first pickle and gives its value.
  ///
  /// Throws `PickleProblem`.
  mutating func run() throws -> PickleItem {
    while true {
      let code = try input.opcode()
      guard code != UInt8(ascii: ".") else { return try pop() }
      guard try pushesPlain(code) || changesStack(code) || makesObject(code) || fillsObject(code) || names(code) else {
        throw input.problem("the opcode 0x\(String(code, radix: 16)) is not known")
      }
      guard stack.count <= valueLimit, memo.count <= valueLimit, objects.all.count <= valueLimit,
        objects.heldCount <= valueLimit
      else { throw input.problem("there are more than \(valueLimit) values") }
    }
  }

  // MARK: The stack

  mutating func push(_ item: PickleItem) { stack.append(item) }

  mutating func push(_ kind: PickleObject.Kind, _ elements: [PickleItem] = []) {
    push(object: PickleObject(kind: kind, elements: elements))
  }

  mutating func push(object: PickleObject) { push(objects.add(object)) }

  /// The uppermost item; what lies below a mark is out of reach.
  mutating func pop() throws -> PickleItem {
    guard stack.count > marks.last ?? 0 else { throw input.problem("the stack is empty") }
    return stack.removeLast()
  }

  mutating func pop(_ count: Int) throws -> [PickleItem] {
    guard stack.count - count >= marks.last ?? 0 else { throw input.problem("the stack is empty") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  /// The items above the last mark, which goes too.
  mutating func popToMark() throws -> [PickleItem] {
    guard let mark = marks.popLast() else { throw input.problem("no mark was set") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  func top() throws -> PickleItem {
    guard stack.count > marks.last ?? 0, let item = stack.last else { throw input.problem("the stack is empty") }
    return item
  }

  private mutating func changesStack(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "("): marks.append(stack.count)
    case UInt8(ascii: "0"):
      // As in Python, a mark is popped too.
      if stack.count > marks.last ?? 0 { stack.removeLast() } else { _ = try popToMark() }
    case UInt8(ascii: "1"): _ = try popToMark()
    case UInt8(ascii: "2"): push(try top())
    case UInt8(ascii: "p"): try remember(at: Int(try decimal()))
    case UInt8(ascii: "q"): try remember(at: Int(try input.byte()))
    case UInt8(ascii: "r"): try remember(at: Int(try input.unsigned(4)))
    case 0x94: try remember(at: memo.count)
    case UInt8(ascii: "g"): try recall(Int(try decimal()))
    case UInt8(ascii: "h"): try recall(Int(try input.byte()))
    case UInt8(ascii: "j"): try recall(Int(try input.unsigned(4)))
    default: return false
    }
    guard marks.count <= valueLimit else { throw input.problem("there are more than \(valueLimit) marks") }
    return true
  }

  private mutating func remember(at place: Int) throws { memo[place] = try top() }

  private mutating func recall(_ place: Int) throws {
    guard let item = memo[place] else { throw input.problem("nothing was stored as number \(place)") }
    push(item)
  }

  mutating func decimal() throws -> Int {
    guard let number = Int(try input.ascii(try input.line())), number >= 0 else {
      throw input.problem("a number is malformed")
    }
    return number
  }
}

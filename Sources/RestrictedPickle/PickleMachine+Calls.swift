import Diagnostics

/// Names of classes and functions, and what Python would call.
extension PickleMachine {
  mutating func names(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "c"): push(.global(try globalOfLines()))
    case 0x93:
      let names = try pop(2)
      guard case .string(let module) = names[0], case .string(let name) = names[1] else {
        throw input.problem("a name that is no text")
      }
      push(.global(try judged(PickleGlobal(module, name))))
    case UInt8(ascii: "i"):
      let global = try globalOfLines()
      try call(.global(global), try popToMark())
    case UInt8(ascii: "o"):
      let items = try popToMark()
      try call(items.first ?? .none, Array(items.dropFirst()))
    case UInt8(ascii: "R"), 0x81:
      let arguments = try tuple(try pop())
      try call(try pop(), arguments)
    case 0x92:
      guard case .object(let keywords) = try pop(), objects[keywords].isEmptyDictionary else {
        throw input.problem("a call with keywords is not known")
      }
      let arguments = try tuple(try pop())
      try call(try pop(), arguments)
    case UInt8(ascii: "P"): try pushPersistent(.string(try input.ascii(try input.line())))
    case UInt8(ascii: "Q"): try pushPersistent(try pop())
    default: return false
    }
    return true
  }

  private mutating func globalOfLines() throws -> PickleGlobal {
    let module = try input.utf8(try input.line())
    return try judged(PickleGlobal(module, try input.utf8(try input.line())))
  }

  private func judged(_ global: PickleGlobal) throws -> PickleGlobal {
    guard isAllowed(global) || PlainConstructor(global) != nil else {
      throw input.problem(
        "it names \(quoted("\(global)")), which is not allowed here",
        remedy: "use a file that was made for this purpose; nothing in this one was executed")
    }
    return global
  }

  private mutating func pushPersistent(_ name: PickleItem) throws {
    guard allowsPersistentIDs else { throw input.problem("it names something that lies beside it") }
    push(.persistent, [name])
  }

  private func tuple(_ item: PickleItem) throws -> [PickleItem] {
    guard case .object(let number) = item, case .tuple = objects[number].kind else {
      throw input.problem("the arguments of a call are no tuple")
    }
    return objects[number].elements
  }

  /// A plain value where the name is one of Python's ways to write them, else a record.
  private mutating func call(_ item: PickleItem, _ arguments: [PickleItem]) throws {
    guard case .global(let global) = item else { throw input.problem("only a name can be called") }
    guard let constructor = PlainConstructor(global), !isAllowed(global) else {
      return push(object: PickleObject(kind: .record(global), arguments: arguments))
    }
    switch constructor.result(arguments, objects) {
    case .item(let item): push(item)
    case .object(let object): push(object: object)
    case nil: throw input.problem("\(global) is called with arguments that are not known")
    }
  }
}

/// What Python's own pickles call to make plain values that the protocol has no opcode for.
enum PlainConstructor {
  case encode, bytes, byteArray, set, reconstructor
  /// Only named, as the base of a class.
  case object

  /// What a call makes.
  enum Result {
    case item(PickleItem)
    case object(PickleObject)
  }

  /// The one of this name; nil for any other name.
  init?(_ global: PickleGlobal) {
    switch (global.module, global.name) {
    case ("_codecs", "encode"): self = .encode
    case ("builtins", "bytes"), ("__builtin__", "bytes"): self = .bytes
    case ("builtins", "bytearray"), ("__builtin__", "bytearray"): self = .byteArray
    case ("builtins", "set"), ("__builtin__", "set"): self = .set
    case ("builtins", "frozenset"), ("__builtin__", "frozenset"): self = .set
    case ("copyreg", "_reconstructor"), ("copy_reg", "_reconstructor"): self = .reconstructor
    case ("builtins", "object"), ("__builtin__", "object"): self = .object
    default: return nil
    }
  }

  /// What the call makes; nil for arguments that Python's pickles do not have.
  func result(_ arguments: [PickleItem], _ objects: PickleObjects) -> Result? {
    switch (self, arguments.count) {
    case (.bytes, 0), (.byteArray, 0): return .item(.bytes([]))
    case (.byteArray, 1):
      guard case .bytes = arguments[0] else { return nil }
      return .item(arguments[0])
    case (.encode, 2), (.byteArray, 2): return Self.latin1(arguments).map { .item(.bytes($0)) }
    case (.set, 0): return .object(PickleObject(kind: .set))
    case (.set, 1):
      guard case .object(let number) = arguments[0], case .list = objects[number].kind else { return nil }
      return .object(PickleObject(kind: .set, elements: objects[number].elements))
    case (.reconstructor, 3):
      guard case .global(let type) = arguments[0], PlainConstructor(type) == nil, case .global(let base) = arguments[1],
        PlainConstructor(base) == .object, case .none = arguments[2]
      else { return nil }
      return .object(PickleObject(kind: .record(type)))
    default: return nil
    }
  }

  /// The bytes of a text, each character being one.
  private static func latin1(_ arguments: [PickleItem]) -> [UInt8]? {
    guard case .string(let text) = arguments[0], case .string(let encoding) = arguments[1],
      ["latin1", "latin-1"].contains(encoding)
    else { return nil }
    let bytes = text.unicodeScalars.compactMap { UInt8(exactly: $0.value) }
    return bytes.count == text.unicodeScalars.count ? bytes : nil
  }
}

/// Lists and other values that hold values.
extension PickleMachine {
  mutating func makesObject(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "]"): push(.list)
    case UInt8(ascii: "l"): push(.list, try popToMark())
    case UInt8(ascii: ")"): push(.tuple)
    case UInt8(ascii: "t"): push(.tuple, try popToMark())
    case 0x85: push(.tuple, try pop(1))
    case 0x86: push(.tuple, try pop(2))
    case 0x87: push(.tuple, try pop(3))
    case UInt8(ascii: "}"): push(.dict)
    case UInt8(ascii: "d"): push(.dict, try pairs(try popToMark()))
    case 0x8f: push(.set)
    case 0x91: push(.set, try popToMark())
    default: return false
    }
    return true
  }

  private func pairs(_ items: [PickleItem]) throws -> [PickleItem] {
    guard items.count.isMultiple(of: 2) else { throw input.problem("a key without a value") }
    return items
  }

  mutating func fillsObject(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "a"): try add(try pop(1), of: "elements")
    case UInt8(ascii: "e"), 0x90: try add(try popToMark(), of: "elements")
    case UInt8(ascii: "s"): try add(try pop(2), of: "pairs")
    case UInt8(ascii: "u"): try add(try pairs(try popToMark()), of: "pairs")
    case UInt8(ascii: "b"):
      let state = try pop()
      guard case .object(let number) = try top(), case .record = objects[number].kind, objects[number].state.isEmpty
      else { throw input.problem("only an object of a class can have a state, and once") }
      objects.append([state], to: \.state, of: number)
    default: return false
    }
    return true
  }

  /// Adds items to the object that is now on top.
  private mutating func add(_ items: [PickleItem], of part: String) throws {
    guard case .object(let number) = try top() else { throw input.problem("a plain value cannot have \(part)") }
    switch (objects[number].kind, part) {
    case (.list, "elements"), (.set, "elements"), (.record, "elements"), (.dict, "pairs"):
      objects.append(items, to: \.elements, of: number)
    case (.record, "pairs"): objects.append(items, to: \.pairs, of: number)
    default: throw input.problem("this value cannot have \(part)")
    }
  }
}

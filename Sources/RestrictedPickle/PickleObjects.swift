/// A value while a pickle is read: plain, or the number of an object that may still grow.
enum PickleItem {
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  case string(String)
  case bytes([UInt8])
  case global(PickleGlobal)
  case object(Int)
}

/// Something that holds others.
struct PickleObject {
  enum Kind {
    case list, tuple, set
    /// `elements` are keys and values in turn.
    case dict
    /// `arguments` are those of the call, `elements` what was appended, `pairs` what was set.
    case record(PickleGlobal)
    /// `elements` is the name.
    case persistent
  }

  let kind: Kind
  var elements: [PickleItem] = []
  var arguments: [PickleItem] = []
  var pairs: [PickleItem] = []
  /// Empty or one.
  var state: [PickleItem] = []

  var isEmptyDictionary: Bool { if case .dict = kind { elements.isEmpty } else { false } }
}

/// All objects of a pickle, by number: a chain of any length is freed without recursion, and a cycle too.
struct PickleObjects {
  private(set) var all: [PickleObject] = []
  /// Items that objects hold.
  private(set) var heldCount = 0

  /// Adds an object and gives its item.
  mutating func add(_ object: PickleObject) -> PickleItem {
    all.append(object)
    heldCount += object.elements.count + object.arguments.count
    return .object(all.count - 1)
  }

  subscript(_ number: Int) -> PickleObject { all[number] }

  /// Puts items at the end of one of an object's lists.
  mutating func append(_ items: [PickleItem], to path: WritableKeyPath<PickleObject, [PickleItem]>, of number: Int) {
    all[number][keyPath: path] += items
    heldCount += items.count
  }
}

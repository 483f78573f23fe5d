/// A class or function that a pickle names, as `module.name`; here a name and nothing more.
public struct PickleGlobal: Hashable, Sendable, CustomStringConvertible {
  /// Dotted path of the module.
  public let module: String
  /// Name in the module, with dots where it is nested.
  public let name: String

  /// A name.
  public init(_ module: String, _ name: String) {
    self.module = module
    self.name = name
  }

  /// `module.name`.
  public var description: String { "\(module).\(name)" }
}

/// What a pickle holds: plain values, and records of what it would have Python call.
public indirect enum PickleValue: Sendable, Equatable {
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  case string(String)
  /// `bytes` and `bytearray`.
  case bytes([UInt8])
  case list([PickleValue])
  case tuple([PickleValue])
  /// In the order of the pickle; a key may come twice, and then the last one counts.
  case dict([PicklePair])
  /// `set` and `frozenset`, in the order of the pickle.
  case set([PickleValue])
  /// The class or function itself.
  case global(PickleGlobal)
  case record(PickleRecord)
  /// Something that lies beside the pickle, by the name it has there.
  case persistent(PickleValue)

  /// The value of a key of a `dict`, or nil when this is none or has no such key.
  public subscript(_ key: String) -> PickleValue? {
    guard case .dict(let pairs) = self else { return nil }
    return pairs.last { $0.key == .string(key) }?.value
  }

  /// The elements of a list or tuple.
  public var elements: [PickleValue]? {
    switch self {
    case .list(let elements), .tuple(let elements): elements
    default: nil
    }
  }

  /// The content of a string.
  public var string: String? { if case .string(let string) = self { string } else { nil } }
  /// The value of an integer.
  public var int: Int? { if case .int(let int) = self { int } else { nil } }
  /// What is recorded of an object.
  public var record: PickleRecord? { if case .record(let record) = self { record } else { nil } }
}

/// A key of a `dict` and its value.
public struct PicklePair: Sendable, Equatable {
  /// Any value.
  public let key: PickleValue
  /// Any value.
  public let value: PickleValue
}

/// An object that Python would have made by calling a class or function: what would have been called, and with what.
public struct PickleRecord: Sendable, Equatable {
  /// What would have been called; one that the reader was told of.
  public let global: PickleGlobal
  /// The arguments of the call.
  public let arguments: [PickleValue]
  /// What `__setstate__`, or the attributes, would have got.
  public let state: PickleValue?
  /// What would have been appended to the object, of a list, or added, of a set.
  public let elements: [PickleValue]
  /// What would have been set by key, of a dictionary such as `collections.OrderedDict`.
  public let pairs: [PicklePair]
}

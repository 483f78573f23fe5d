import Diagnostics
import RestrictedPickle

/// What the pickle of an archive holds: named tensors, and which classes the modules have that own them.
struct TorchContents: Sendable {
  private(set) var tensors: [String: TorchTensor] = [:]
  /// Names of classes, without their modules; only TorchScript tells of them.
  private(set) var moduleClasses: Set<String> = []

  /// Reads the pickle, of which nothing is executed; `name` is what messages call it.
  ///
  /// A state dictionary may be all of it or lie under `state_dict`, as in checkpoints of training. Throws
  /// `Failure(.badData)` where the pickle is damaged or names other things than tensors and modules, `TorchProblem` where
  /// tensors contradict themselves.
  init(pickle: [UInt8], name: String) throws {
    let root: PickleValue
    do {
      root = try Self.reader.value(of: pickle, name: name)
    } catch var failure as Failure {
      if failure.problem.contains("not allowed") {
        failure.remedy = "save the model's state_dict() instead of the model; nothing in this one was executed"
      }
      throw failure
    }
    try collect(Self.member("state_dict", of: root) ?? root, path: "")
    guard !tensors.isEmpty else {
      throw TorchProblem("it holds no tensors", remedy: "give a file with a model or its state dictionary")
    }
  }

  private static let reader = PickleReader(where: isAllowed, allowsPersistentIDs: true)

  /// Tensors, their containers, and the modules of TorchScript: names, none of which is ever called.
  private static func isAllowed(_ global: PickleGlobal) -> Bool {
    switch global.module {
    case "collections": global.name == "OrderedDict"
    case "torch._utils": ["_rebuild_tensor_v2", "_rebuild_parameter"].contains(global.name)
    case "torch": global.name.hasSuffix("Storage") || ["Size", "device"].contains(global.name)
    case "torch.jit._pickle": global.name.hasPrefix("build_") || global.name == "restore_type_tag"
    default: isModule(global)
    }
  }

  private static func isModule(_ global: PickleGlobal) -> Bool {
    global.module == "__torch__" || global.module.hasPrefix("__torch__.")
  }

  private static func members(of value: PickleValue) -> [PicklePair]? {
    switch value {
    case .dict(let pairs): pairs
    case .record(let record) where record.global.name == "OrderedDict": record.pairs
    default: nil
    }
  }

  private static func member(_ key: String, of value: PickleValue) -> PickleValue? {
    members(of: value)?.last { $0.key == .string(key) }?.value
  }

  /// Adds the tensors in a value; what is neither a tensor nor holds any is passed over.
  private mutating func collect(_ value: PickleValue, path: String) throws {
    if let members = Self.members(of: value) {
      for member in members {
        guard let key = member.key.string else { continue }
        try collect(member.value, path: path.isEmpty ? key : "\(path).\(key)")
      }
    } else if case .record(let record) = value {
      switch record.global.name {
      case "_rebuild_tensor_v2": try add(TorchTensor(arguments: record.arguments), as: path)
      case "_rebuild_parameter":
        if let tensor = record.arguments.first { try collect(tensor, path: path) }
      default:
        guard Self.isModule(record.global), let state = record.state else { return }
        moduleClasses.insert(String(record.global.name.split(separator: ".").last ?? ""))
        try collect(state, path: path)
      }
    }
  }

  private mutating func add(_ tensor: TorchTensor, as name: String) throws {
    guard tensors.updateValue(tensor, forKey: name) == nil else {
      throw TorchProblem("two tensors are called \(quoted(name))")
    }
  }
}

import Foundation

extension SettingsReader {
  /// An integer; with a nil default the configuration must give one.
  public func integer<R: SettingRange>(
    _ key: String, default value: Int?, in range: R = Bounds<Int>.any, _ documentation: String
  ) throws -> Int where R.Bound == Int {
    try read(key, Declaration(ValueRules<Int>.integer(in: range.bounds), default: value), documentation)
  }

  /// An integer that may be left out.
  public func optionalInteger<R: SettingRange>(
    _ key: String, in range: R = Bounds<Int>.any, _ documentation: String
  ) throws -> Int? where R.Bound == Int {
    try read(key, Declaration(optional: ValueRules<Int>.integer(in: range.bounds)), documentation)
  }

  /// A finite number; integers are numbers too; with a nil default the configuration must give one.
  public func number<R: SettingRange>(
    _ key: String, default value: Double?, in range: R = Bounds<Double>.any, _ documentation: String
  ) throws -> Double where R.Bound == Double {
    try read(key, Declaration(ValueRules<Double>.number(in: range.bounds), default: value), documentation)
  }

  /// A finite number that may be left out.
  public func optionalNumber<R: SettingRange>(
    _ key: String, in range: R = Bounds<Double>.any, _ documentation: String
  ) throws -> Double? where R.Bound == Double {
    try read(key, Declaration(optional: ValueRules<Double>.number(in: range.bounds)), documentation)
  }

  /// A boolean, `true` or `false`; with a nil default the configuration must give one.
  public func boolean(_ key: String, default value: Bool?, _ documentation: String) throws -> Bool {
    try read(key, Declaration(ValueRules<Bool>.boolean, default: value), documentation)
  }

  /// `true`, `false` or nothing.
  public func optionalBoolean(_ key: String, _ documentation: String) throws -> Bool? {
    try read(key, Declaration(optional: ValueRules<Bool>.boolean), documentation)
  }

  /// Text; a bare number is refused, so that a version `1.10` is not read as 1.1; with a nil default it must be given.
  ///
  /// - Parameter example: shown when the setting is missing.
  public func string(
    _ key: String, default value: String?, example: String = "name", _ documentation: String
  ) throws -> String {
    try read(key, Declaration(ValueRules<String>.text(example: example), default: value), documentation)
  }

  /// Text that may be left out.
  public func optionalString(_ key: String, example: String = "name", _ documentation: String) throws -> String? {
    try read(key, Declaration(optional: ValueRules<String>.text(example: example)), documentation)
  }

  /// A file or folder, which need not exist, made absolute: relative to the current directory, `~` being the home
  /// folder.
  public func path(_ key: String, default value: String?, _ documentation: String) throws -> URL {
    var declaration = Declaration(ValueRules<URL>.path, default: value.map(ValueRules<URL>.absolute))
    declaration.description.defaultValue = value.map(SettingValue.text)
    return try read(key, declaration, documentation)
  }

  /// A path, as `path(_:default:_:)` gives it, or a name, which is what `isName` says of texts.
  public func pathOrName(
    _ key: String, default value: String?, where isName: @escaping @Sendable (String) -> Bool, _ documentation: String
  ) throws -> String {
    var declaration = Declaration(
      ValueRules<String>.pathOrName(where: isName), default: value.map { ValueRules<URL>.absolute($0).path })
    declaration.description.defaultValue = value.map(SettingValue.text)
    return try read(key, declaration, documentation)
  }

  /// A path that may be left out.
  public func optionalPath(_ key: String, _ documentation: String) throws -> URL? {
    try read(key, Declaration(optional: ValueRules<URL>.path), documentation)
  }

  /// One of the cases of an enumeration, by raw value; with a nil default the configuration must give one.
  public func choice<E: CaseIterable & RawRepresentable<String>>(
    _ key: String, default value: E?, _ documentation: String
  ) throws -> E {
    try read(key, Declaration(ValueRules<E>.choice(), default: value), documentation)
  }

  /// One of the cases of an enumeration, or nothing.
  public func optionalChoice<E: CaseIterable & RawRepresentable<String>>(
    _ key: String, of type: E.Type = E.self, _ documentation: String
  ) throws -> E? {
    try read(key, Declaration(optional: ValueRules<E>.choice()), documentation)
  }

  // MARK: Lists

  /// A list of integers, each within `range`, `count` of them; with a nil default the configuration must give one.
  public func integers<R: SettingRange, C: SettingRange>(
    _ key: String, default value: [Int]?, in range: R = Bounds<Int>.any, count: C = Bounds<Int>.any,
    _ documentation: String
  ) throws -> [Int] where R.Bound == Int, C.Bound == Int {
    let rules = ValueRules<Int>.list(
      of: ValueRules<Int>.integer(in: range.bounds), count: count.bounds, range.bounds.words(each: "integers"))
    return try read(key, Declaration(rules, default: value), documentation)
  }

  /// A list of finite numbers, each within `range`, `count` of them; with a nil default the configuration must give
  /// one.
  public func numbers<R: SettingRange, C: SettingRange>(
    _ key: String, default value: [Double]?, in range: R = Bounds<Double>.any, count: C = Bounds<Int>.any,
    _ documentation: String
  ) throws -> [Double] where R.Bound == Double, C.Bound == Int {
    let rules = ValueRules<Double>.list(
      of: ValueRules<Double>.number(in: range.bounds), count: count.bounds, range.bounds.words(each: "numbers"))
    return try read(key, Declaration(rules, default: value), documentation)
  }

  /// A list of texts, `count` of them; with a nil default the configuration must give one.
  public func strings<C: SettingRange>(
    _ key: String, default value: [String]?, example: String = "name", count: C = Bounds<Int>.any,
    _ documentation: String
  ) throws -> [String] where C.Bound == Int {
    let rules = ValueRules<String>.list(
      of: ValueRules<String>.text(example: example), count: count.bounds, "texts")
    return try read(key, Declaration(rules, default: value), documentation)
  }

  /// A list of cases of an enumeration, `count` of them; with a nil default the configuration must give one.
  public func choices<E: CaseIterable & RawRepresentable<String>, C: SettingRange>(
    _ key: String, default value: [E]?, count: C = Bounds<Int>.any, _ documentation: String
  ) throws -> [E] where C.Bound == Int {
    let rule = ValueRules<E>.choice()
    let rules = ValueRules<E>.list(of: rule, count: count.bounds, "words, each \(rule.words)")
    return try read(key, Declaration(rules, default: value), documentation)
  }
}

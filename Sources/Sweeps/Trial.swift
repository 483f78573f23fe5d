import Files
import Foundation

/// A setting that a trial lays over what all trials share, as `--set key=value` takes it.
public struct Setting: Sendable, Hashable {
  /// Dotted path of the setting; `data` for a data set, which is a published name or a configuration file.
  public let key: String
  /// The value in YAML, on one line.
  public let value: String

  /// A setting that has been judged or will be.
  public init(key: String, value: String) { (self.key, self.value) = (key, value) }
}

/// One run of a sweep.
public struct Trial: Sendable, Hashable {
  /// From 1, in the order of the sweep file.
  public let number: Int
  /// The number and eight hexadecimal digits of a hash of the settings: `0007-3fa2c1d0`.
  public let name: String
  /// In the order of the sweep file.
  public let settings: [Setting]

  /// The trial of that number, named by its settings.
  public init(number: Int, settings: [Setting]) {
    let digits = String(number)
    self.number = number
    self.settings = settings
    name = String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "-" + Self.hash(of: settings)
  }

  /// Where a trial's settings name none, or one.
  public func value(of key: String) -> String? { settings.first { $0.key == key }?.value }

  /// Of the settings in the order of their keys: the order of a file is of no meaning to it.
  private static func hash(of settings: [Setting]) -> String {
    var hash = SHA256()
    let text = settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }.joined()
    Array(text.utf8).withUnsafeBytes { hash.append($0) }
    return String(hash.hexadecimal().prefix(8))
  }
}

/// Places where tests make writing fail, as a disk or a killed process would.
package struct FaultPoints: Sendable {
  /// Called before each change of the file system with what it is.
  package let before: @Sendable (String) throws -> Void

  /// Has `before` called; what it throws ends the writing.
  package init(before: @escaping @Sendable (String) throws -> Void) { self.before = before }

  /// Nothing fails.
  package static let none = FaultPoints { _ in }
}

import Diagnostics

/// Reads pickles of protocols 0 to 5 without ever executing what they ask for.
///
/// A pickle is a program for a stack machine, and Python's own machine calls whatever the program names. This one knows
/// plain values only. A class or function becomes a name, if the caller allows that name, and a call of it a
/// ``PickleRecord``; the caller judges what they mean. Beyond the allowed names only those are known that Python itself
/// uses to write plain values: `_codecs.encode`, `bytes`, `bytearray`, `set`, `frozenset` and `copyreg._reconstructor`.
///
/// Values that contain themselves are refused. Sizes are checked against the bytes that are there before memory is taken.
/// Sources: the documented opcodes of Python's `pickletools`.
public struct PickleReader: Sendable {
  /// Bounds on what a pickle may make of itself.
  public struct Limits: Sendable {
    /// Values on the stack, in the memo and in lists, each; and values in all when shared ones count each time.
    public var values: Int
    /// Lists, tuples and so on around a value.
    public var depth: Int

    /// Enough for hundreds of thousands of images.
    public init(values: Int = 2_000_000, depth: Int = 100) {
      self.values = values
      self.depth = depth
    }
  }

  private let isAllowed: @Sendable (PickleGlobal) -> Bool
  private let allowsPersistentIDs: Bool
  private let limits: Limits

  /// A reader for pickles that name classes and functions of `allowed` only.
  ///
  /// `allowsPersistentIDs`: whether a pickle may name what lies beside it, as those of PyTorch do.
  public init(allowing allowed: Set<PickleGlobal>, allowsPersistentIDs: Bool = false, limits: Limits = Limits()) {
    self.init(where: { allowed.contains($0) }, allowsPersistentIDs: allowsPersistentIDs, limits: limits)
  }

  /// The same for names by a rule, such as all of one module.
  public init(
    where isAllowed: @escaping @Sendable (PickleGlobal) -> Bool, allowsPersistentIDs: Bool = false,
    limits: Limits = Limits()
  ) {
    self.isAllowed = isAllowed
    self.allowsPersistentIDs = allowsPersistentIDs
    self.limits = limits
  }

  /// The value of the first pickle in `bytes`; `name` is what messages call them.
  ///
  /// Throws `Failure(.badData)` with the offset of what is damaged, not allowed or too large.
  public func value(of bytes: [UInt8], name: String) throws -> PickleValue {
    do {
      var machine = PickleMachine(
        bytes, isAllowed: isAllowed, allowsPersistentIDs: allowsPersistentIDs, valueLimit: limits.values)
      let result = try machine.run()
      var tree = PickleTree(machine.objects, limits, offset: machine.input.opcodeOffset)
      return try tree.value(of: result)
    } catch let problem as PickleProblem {
      throw Failure(
        .badData, at: name, "the pickle cannot be read: \(problem.what) (at byte \(problem.offset))",
        remedy: problem.remedy ?? "check that it is the right file")
    }
  }
}

/// Why a pickle is refused.
struct PickleProblem: Error {
  /// Of the opcode that is at fault.
  let offset: Int
  let what: String
  var remedy: String?
}

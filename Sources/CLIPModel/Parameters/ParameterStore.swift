import Tensors

/// Values for some or all parameters of a layout: weights, gradients or momentum.
///
/// The stored ranges of the flat order lie one after the other in one tensor, so that a gradient store is what a
/// collective sends and what the optimiser walks over, without copies.
public struct ParameterStore: Sendable {
  /// Names and places of all parameters of the model.
  public let layout: ParameterLayout
  /// The parts of the flat order that are stored, ascending.
  public let windows: [Range<Int>]
  /// All stored values, window after window; or memory that the windows take turns in.
  public let values: Tensor
  /// Where each window begins in `values`.
  private let starts: [Int]

  /// Zeros for the given parts of the flat order (all of it if none are given).
  public init(_ layout: ParameterLayout, windows: [Range<Int>]? = nil) {
    let windows = windows ?? [0..<layout.count]
    self.init(layout, windows: windows, values: Tensor(zeros: [windows.reduce(0) { $0 + $1.count }]))
  }

  /// Values that lie in memory of the caller's, window after window; traps where they are not as many.
  public init(_ layout: ParameterLayout, windows: [Range<Int>], values: Tensor) {
    precondition(values.count == windows.reduce(0) { $0 + $1.count }, "\(values.count) values do not fill \(windows)")
    var end = 0
    let starts = windows.map { window in
      defer { end += window.count }
      return end
    }
    self.init(layout, windows, values, starts)
  }

  /// Room for one of the windows at a time: what is written to one is lost when another is written to.
  public init(_ layout: ParameterLayout, takingTurns windows: [Range<Int>]) {
    let values = Tensor(zeros: [windows.map(\.count).max() ?? 0])
    self.init(layout, windows, values, windows.map { _ in 0 })
  }

  private init(_ layout: ParameterLayout, _ windows: [Range<Int>], _ values: Tensor, _ starts: [Int]) {
    self.layout = layout
    self.windows = windows
    self.values = values
    self.starts = starts
  }

  /// Parameters that are stored whole, in flat order.
  public var slots: [ParameterLayout.Slot] { layout.slots.filter { position(of: $0.range) != nil } }

  /// The stored values of a parameter, shared; nil where it is unknown or not stored.
  public subscript(name: String) -> Tensor? {
    guard let slot = layout[name], let position = position(of: slot.range) else { return nil }
    return Tensor(values.storage, offset: values.offset + position, shape: slot.shape)
  }

  /// The stored values of a range of the flat order, shared; traps where it is not stored.
  public func values(in range: Range<Int>) -> Tensor {
    guard let position = position(of: range) else { preconditionFailure("elements \(range) are not stored") }
    return values.slice(position..<position + range.count)
  }

  /// New memory with the same values.
  public func copied() -> ParameterStore {
    let copy = Tensor(uninitialized: [values.count])
    copy.copy(from: values)
    return ParameterStore(layout, windows, copy, starts)
  }

  /// Where a range of the flat order begins in `values`.
  private func position(of range: Range<Int>) -> Int? {
    for (window, start) in zip(windows, starts)
    where window.lowerBound <= range.lowerBound && range.upperBound <= window.upperBound {
      return start + range.lowerBound - window.lowerBound
    }
    return nil
  }
}

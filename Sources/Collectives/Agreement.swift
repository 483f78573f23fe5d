import Diagnostics

extension Collectives {
  /// Runs `body` on every rank and lets all ranks end alike: each gets its own result, or all throw the same failure.
  ///
  /// If any rank throws, every rank throws the failure of the lowest failing rank, so that bad input ends the run with one
  /// message and one exit status. Unless all ranks failed alike, the message says whose it is: `(rank 2 of 4)`. Errors other
  /// than `Failure` become `.internalError`.
  ///
  /// Collective: all ranks call this in the same order. `body` must not call collectives itself: a rank that throws would
  /// leave the others waiting in them. All ranks are in step afterwards, whether it throws or not.
  public func agree<Result>(_ body: () throws -> Result) throws -> Result {
    let outcome = Swift.Result { try body() }.mapError { Failure(describing: $0) }
    var encoded: [UInt8] = []
    if case .failure(let failure) = outcome { encoded = failure.encoded() }
    let outcomes = try allGather(encoded)
    guard let culprit = outcomes.firstIndex(where: { !$0.isEmpty }) else { return try outcome.get() }
    guard var failure = Failure(encoded: outcomes[culprit]) else {
      throw Failure(.internalError, "the failure that rank \(culprit) of \(worldSize) reported cannot be read")
    }
    if Set(outcomes).count > 1 { failure.problem += " (rank \(culprit) of \(worldSize))" }
    throw failure
  }
}

extension Failure {
  /// The error itself if it is a failure, otherwise its text as a defect.
  package init(describing error: any Error) {
    self = error as? Failure ?? Failure(.internalError, "\(error)")
  }

  /// Never empty: the status, then place, problem and remedy, each as a byte that says whether it is there and the text
  /// after its length.
  package func encoded() -> [UInt8] {
    var bytes = withUnsafeBytes(of: status.rawValue.littleEndian, Array.init)
    for part in [place, problem, remedy] {
      let text = Array((part ?? "").utf8)
      bytes.append(part == nil ? 0 : 1)
      bytes += withUnsafeBytes(of: Int64(text.count).littleEndian, Array.init)
      bytes += text
    }
    return bytes
  }

  /// Reads what `encoded` wrote; nil if the bytes are anything else.
  package init?(encoded bytes: [UInt8]) {
    var rest = bytes[...]
    func integer<Number: FixedWidthInteger>(_: Number.Type) -> Number? {
      let width = MemoryLayout<Number>.size
      guard rest.count >= width else { return nil }
      defer { rest = rest.dropFirst(width) }
      return rest.prefix(width).reversed().reduce(0) { $0 << 8 | Number($1) }
    }
    func text() -> String?? {
      guard let isThere = integer(UInt8.self), let count = integer(Int64.self), (0...Int64(rest.count)).contains(count)
      else { return .none }
      defer { rest = rest.dropFirst(Int(count)) }
      return .some(isThere == 0 ? nil : String(decoding: rest.prefix(Int(count)), as: UTF8.self))
    }
    guard let status = integer(Int32.self).flatMap(ExitStatus.init(rawValue:)),
      let place = text(), let problem = text(), let problem, let remedy = text(), rest.isEmpty
    else { return nil }
    self.init(status, at: place, problem, remedy: remedy)
  }
}

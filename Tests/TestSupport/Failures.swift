import Diagnostics

/// The failure that `body` throws; another error counts as none.
public func failure(of body: () throws -> Void) -> Failure? {
  do {
    try body()
    return nil
  } catch {
    return error as? Failure
  }
}

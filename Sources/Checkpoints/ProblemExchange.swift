import Collectives
import Diagnostics
import StrictJSON

extension Collectives {
  /// The result of `body`, or the problem of the lowest rank that has one: the same on all ranks.
  ///
  /// Unlike with `agree`, a problem that a rank found and the loss of a rank stay apart: only the latter is thrown. `body`
  /// must not call collectives. Collective: all ranks call this in the same order.
  func findProblem<Value>(_ body: () throws -> Value) throws -> Result<Value, Failure> {
    let outcome = Result { try body() }.mapError { $0 as? Failure ?? Failure(.internalError, "\($0)") }
    var own: [UInt8] = []
    if case .failure(let failure) = outcome { own = Array(ManifestText.text(failure.json).utf8) }
    let problems = try allGather(own)
    if let first = problems.first(where: { !$0.isEmpty }) {
      return .failure(try Failure(JSONValue(parsing: first)))
    }
    return outcome
  }
}

extension Failure {
  fileprivate var json: JSONValue {
    let parts = [place, problem, remedy].map { part in part.map { JSONValue.string($0) } ?? .null }
    return .array([.integer(Int(status.rawValue))] + parts)
  }

  fileprivate init(_ json: JSONValue) throws {
    guard let parts = json.elements, parts.count == 4, let status = parts[0].integer,
      let status = ExitStatus(rawValue: Int32(truncatingIfNeeded: status)), let problem = parts[2].string
    else { throw Failure(.internalError, "the failure that another rank reported cannot be read") }
    self.init(status, at: parts[1].string, problem, remedy: parts[3].string)
  }
}

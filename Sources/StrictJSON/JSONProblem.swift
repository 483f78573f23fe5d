import Diagnostics

/// Why a text is not the JSON that its reader expects.
package struct JSONProblem: Error, Equatable {
  /// Counts from 1.
  package var line: Int
  /// Counts bytes of the line, from 1.
  package var column: Int
  /// What is wrong and which rule it breaks.
  package var problem: String
  /// What the user can do about it.
  package var remedy: String?

  /// A problem at a place of a text.
  package init(line: Int, column: Int, problem: String, remedy: String? = nil) {
    self.line = line
    self.column = column
    self.problem = problem
    self.remedy = remedy
  }

  /// The failure of reading the file whose text this is, at `file:line:column`.
  package func failure(in file: String) -> Failure {
    Failure(.badData, at: "\(file):\(line):\(column)", problem, remedy: remedy)
  }
}

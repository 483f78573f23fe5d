import Foundation

/// The definitions of the layers, one number after the other in double precision, and derivatives by finite differences.
enum SlowTwin {
  typealias Matrix = [[Double]]

  static func layerNorm(_ x: [Double], _ gamma: [Double], _ beta: [Double], epsilon: Double) -> [Double] {
    let mean = x.reduce(0, +) / Double(x.count)
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
    return x.indices.map { (x[$0] - mean) / (variance + epsilon).squareRoot() * gamma[$0] + beta[$0] }
  }

  static func softmax(_ x: [Double]) -> [Double] {
    let top = x.max()!
    let exponentials = x.map { exp($0 - top) }
    let sum = exponentials.reduce(0, +)
    return exponentials.map { $0 / sum }
  }

  static func quickGELU(_ x: Double) -> Double { x / (1 + exp(-1.702 * x)) }
  static func gelu(_ x: Double) -> Double { 0.5 * x * erfc(-x / 2.0.squareRoot()) }

  static func normalize(_ x: [Double]) -> [Double] {
    let length = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return x.map { $0 / length }
  }

  /// One head: `softmax(q kᵀ / sqrt(d)) v`.
  static func attention(_ q: Matrix, _ k: Matrix, _ v: Matrix, isCausal: Bool) -> Matrix {
    q.indices.map { row in
      let seen = isCausal ? row + 1 : k.count
      let scores = (0..<seen).map { column in
        zip(q[row], k[column]).reduce(0) { $0 + $1.0 * $1.1 } / Double(q[row].count).squareRoot()
      }
      let weights = softmax(scores)
      return v[0].indices.map { c in (0..<seen).reduce(0) { $0 + weights[$1] * v[$1][c] } }
    }
  }

  /// `<dy, df/dx>` for each x by central differences: error about h².
  static func gradient(at x: [Double], _ dy: [Double], _ function: ([Double]) -> [Double]) -> [Double] {
    let h = 1e-5
    return x.indices.map { index in
      var (above, below) = (x, x)
      above[index] += h
      below[index] -= h
      let slope = zip(function(above), function(below)).map { ($0 - $1) / (2 * h) }
      return zip(slope, dy).reduce(0) { $0 + $1.0 * $1.1 }
    }
  }
}

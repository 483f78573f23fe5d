import Foundation
import Kernels
import Tensors
import TestSupport
import Testing

/// Fast kernels against their slow twins.
///
/// Float rounding over a few hundred terms leaves about 1e-7 to 1e-6; `tolerance` allows ten times that, a wrong
/// formula misses it by orders.
@Suite struct LayerTests {
  static let tolerance = 3e-6
  /// Widths around the vector lengths, and real ones.
  static let widths = [1, 3, 8, 15, 16, 17, 64, 100, 768]

  func doubles(_ tensor: Tensor) -> [Double] { tensor.buffer.map(Double.init) }

  @Test(arguments: widths) func layerNorm(width: Int) {
    let x = normalTensor([3, width], seed: 1)
    for index in 0..<x.count { x[index] += 5 }
    let (gamma, beta) = (normalTensor([width], seed: 2), normalTensor([width], seed: 3))
    let y = Tensor(uninitialized: [3, width])
    let dy = normalTensor([3, width], seed: 4)
    let (dx, dGamma, dBeta) = (
      Tensor(repeating: 1, shape: [3, width]), Tensor(zeros: [width]), Tensor(zeros: [width])
    )
    let statistics = LayerNorm.Statistics(rows: 3, in: Arena())
    LayerNorm.forward(x, weight: gamma, bias: beta, epsilon: 1e-5, into: y, statistics)
    LayerNorm.backward(
      dy, x: x, weight: gamma, statistics, addingTo: dx, dWeight: dGamma, dBias: dBeta)
    // The variance of one element is rounding alone.
    guard width > 1 else { return }

    func twin(_ x: [Double], _ gamma: [Double], _ beta: [Double]) -> [Double] {
      (0..<3).flatMap {
        SlowTwin.layerNorm(Array(x[$0 * width..<($0 + 1) * width]), gamma, beta, epsilon: 1e-5)
      }
    }
    let (x64, gamma64, beta64) = (doubles(x), doubles(gamma), doubles(beta))
    #expect(relativeError(doubles(y), twin(x64, gamma64, beta64)) < Self.tolerance)
    guard width <= 100 else { return }  // Finite differences take width² work.
    let slope = SlowTwin.gradient(at: x64, doubles(dy)) { twin($0, gamma64, beta64) }
    #expect(relativeError(doubles(dx), slope.map { $0 + 1 }) < 1e-5)
    let gammaSlope = SlowTwin.gradient(at: gamma64, doubles(dy)) { twin(x64, $0, beta64) }
    #expect(relativeError(doubles(dGamma), gammaSlope) < 1e-5)
    let betaSlope = SlowTwin.gradient(at: beta64, doubles(dy)) { twin(x64, gamma64, $0) }
    #expect(relativeError(doubles(dBeta), betaSlope) < 1e-5)
  }

  @Test(arguments: Activation.allCases) func activation(_ activation: Activation) {
    let x = Tensor((-1200...1200).map { Float($0) / 100 })
    let y = Tensor(uninitialized: x.shape)
    activation.forward(x, into: y)
    let dy = normalTensor(x.shape, seed: 5)
    let dx = dy.copied()
    activation.backward(dx, x: x)
    let function = activation == .gelu ? SlowTwin.gelu : SlowTwin.quickGELU
    for index in 0..<x.count {
      let truth = function(Double(x[index]))
      #expect(abs(Double(y[index]) - truth) < 1e-6 * max(1, abs(Double(x[index]))), "at \(x[index])")
      let slope = SlowTwin.gradient(at: [Double(x[index])], [Double(dy[index])]) { $0.map(function) }[0]
      #expect(abs(Double(dx[index]) - slope) < 3e-6 * max(1, abs(Double(dy[index]))), "at \(x[index])")
    }
  }

  /// As a run that has gone wrong must show; and nothing undefined on the way, which `launch/sanitize undefined` watches.
  @Test(arguments: Activation.allCases) func whatIsNoNumberStaysNone(_ activation: Activation) {
    let x = Tensor(repeating: .nan, shape: [37])
    let (y, dx) = (Tensor(zeros: [37]), Tensor(repeating: 1, shape: [37]))
    activation.forward(x, into: y)
    activation.backward(dx, x: x)
    #expect((y.buffer.count { $0.isNaN }, dx.buffer.count { $0.isNaN }) == (37, 37))
  }

  @Test(arguments: widths) func normalization(width: Int) {
    let x = normalTensor([2, width], seed: 6)
    let y = Tensor(uninitialized: x.shape)
    let norm = Tensor(uninitialized: [2])
    Normalization.forward(x, into: y, norm: norm)
    let dy = normalTensor(x.shape, seed: 7)
    let dx = dy.copied()
    Normalization.backward(dx, y: y, norm: norm)
    for row in 0..<2 {
      let row64 = doubles(x.row(row))
      #expect(relativeError(doubles(y.row(row)), SlowTwin.normalize(row64)) < Self.tolerance)
      guard width > 1 && width <= 100 else { continue }  // The slope of a lone element is zero.
      let slope = SlowTwin.gradient(at: row64, doubles(dy.row(row)), SlowTwin.normalize)
      #expect(relativeError(doubles(dx.row(row)), slope) < 1e-5)
    }
  }

  @Test func crossEntropy() {
    let logits = normalTensor([3, 7], seed: 8, deviation: 20)
    let labels = [0, 6, 3]
    let gradient = logits.copied()
    let losses = CrossEntropy.lossesAndGradient(gradient, labels: labels, scale: 0.25)
    for row in 0..<3 {
      let probabilities = SlowTwin.softmax(doubles(logits.row(row)))
      #expect(abs(losses[row] + log(probabilities[labels[row]])) < 1e-9 * max(1, losses[row]))
      let slope = probabilities.indices.map { 0.25 * (probabilities[$0] - ($0 == labels[row] ? 1 : 0)) }
      #expect(relativeError(doubles(gradient.row(row)), slope) < Self.tolerance)
    }
  }

  @Test func stochasticGradientFollowsItsDefinition() {
    let (p, g) = (normalTensor([100], seed: 9), normalTensor([100], seed: 10))
    let m = Tensor(zeros: [100])
    var (p64, m64) = (doubles(p), [Double](repeating: 0, count: 100))
    for _ in 0..<3 {
      StochasticGradient.update(
        parameters: p, momentumBuffer: m, gradient: g, rate: 0.1, momentum: 0.9, weightDecay: 0.01)
      for index in 0..<100 {
        m64[index] = 0.9 * m64[index] + Double(g[index]) + 0.01 * p64[index]
        p64[index] -= 0.1 * m64[index]
      }
    }
    #expect(relativeError(doubles(p), p64) < Self.tolerance)
    #expect(relativeError(doubles(m), m64) < Self.tolerance)
  }

  @Test(arguments: [Float.infinity, -.infinity, .nan]) func nonFiniteNumbersAreSeen(_ value: Float) {
    let x = normalTensor([1000], seed: 11)
    #expect(ElementWise.isFinite(x))
    x[997] = value
    #expect(!ElementWise.isFinite(x))
  }
}

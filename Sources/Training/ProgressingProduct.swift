import Kernels

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A product that lets communication move on after each product: MPI moves messages only inside calls.
struct ProgressingProduct<Base: MatrixProduct>: MatrixProduct {
  private let base: Base
  private let hook: ProgressHook

  init(_ base: Base, _ hook: ProgressHook) {
    self.base = base
    self.hook = hook
  }

  var operandFormat: ElementFormat { base.operandFormat }
  var rowMultiple: Int { base.rowMultiple }

  func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ epilogue: Epilogue) {
    base.multiply(a, b, into: c, epilogue)
    hook.callIfDue()
  }

  func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView) {
    base.multiplyInTask(a, b, into: c)
    hook.callIfDue()
  }
}

/// What is called from inside the computation, at most every `interval`, on the thread that made it.
final class ProgressHook: @unchecked Sendable {  // Does nothing on other threads.
  private let action: () -> Void
  private let thread = pthread_self()
  private var last = ContinuousClock.now

  /// Between calls: long beside the call's own time, short beside what a link moves through the kernel's buffers.
  private static let interval = Duration.microseconds(500)

  init(_ action: @escaping () -> Void) { self.action = action }

  func callIfDue() {
    guard pthread_equal(thread, pthread_self()) != 0 else { return }
    let now = ContinuousClock.now
    guard last.duration(to: now) >= Self.interval else { return }
    action()
    last = now
  }
}

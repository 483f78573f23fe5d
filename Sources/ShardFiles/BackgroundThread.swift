import Foundation

/// Threads that work beside the program's own without taking their place.
package enum BackgroundThread {
  /// Runs `body` on a new thread that has the time which the threads of all programs leave.
  package static func start(_ body: @escaping @Sendable () -> Void) {
    Thread.detachNewThread {
      yieldToOthers()
      body()
    }
  }

  /// Makes the calling thread one that runs where a processor has nothing else to do.
  ///
  /// For ever: it cannot be given more time later. Whoever waits for such a thread should take over what it has not begun;
  /// then the waiting thread's processor is free for it at least.
  package static func yieldToOthers() {
    #if os(Linux)
    // Thread 0 is the calling one. A lower priority alone is not enough: beside a thread that waits for work in a loop of
    // sched_yield, as a mathematical library's do, it would have whole time slices, and hold up that work.
    var parameters = sched_param(sched_priority: 0)
    if sched_setscheduler(0, idlePolicy, &parameters) != 0 {
      // Not allowed here, perhaps by a container's filter of system calls. A refusal of this too costs speed alone.
      _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
    }
    #endif
  }

  /// SCHED_IDLE, which the headers give to GNU programs only.
  private static let idlePolicy: Int32 = 5
}

/// What `body` finds, on a thread of its own.
package final class BackgroundTask<Value: Sendable>: @unchecked Sendable {  // `value` is guarded by `condition`.
  private let condition = NSCondition()
  private var value: Value?

  /// Starts at once.
  package init(_ body: @escaping @Sendable () -> Value) {
    Thread.detachNewThread { [self] in
      let found = body()
      condition.withLock {
        value = found
        condition.broadcast()
      }
    }
  }

  /// Whether `wait` returns at once.
  package var isDone: Bool { condition.withLock { value != nil } }

  /// Blocks until there is a result; `stillWaiting` is called every so many seconds meanwhile.
  package func wait(everySeconds interval: Double = 60, stillWaiting: () -> Void = {}) -> Value {
    condition.withLock {
      while true {
        if let value { return value }
        if !condition.wait(until: Date(timeIntervalSinceNow: interval)) { stillWaiting() }
      }
    }
  }
}

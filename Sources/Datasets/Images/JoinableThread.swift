#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A thread that can be waited for, and whose creation may fail in a way the caller sees (Foundation's can do neither).
package struct JoinableThread: @unchecked Sendable {
  private let handle: pthread_t

  private final class Body: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts a thread that calls `body` once; nil when the system grants no more threads.
  package init?(_ body: @escaping @Sendable () -> Void) {
    let context = Unmanaged.passRetained(Body(body))
    #if canImport(Glibc)
    var handle = pthread_t()
    let status = pthread_create(&handle, nil, { Self.main($0!) }, context.toOpaque())
    self.handle = handle
    #else
    var handle: pthread_t?
    let status = pthread_create(&handle, nil, { Self.main($0) }, context.toOpaque())
    guard let handle else { return nil }
    self.handle = handle
    #endif
    if status != 0 {
      context.release()
      return nil
    }
  }

  private static func main(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
    return nil
  }

  /// Waits for the end of `body`; to be called exactly once.
  package func join() { pthread_join(handle, nil) }
}

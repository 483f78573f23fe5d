// Tells the thread sanitizer of Swift's `Mutex` where threads contend for one. The fast path is compiled into the program,
// where the sanitizer sees its atomic operations; the slow one lies in the standard library and waits in the kernel, where
// it sees nothing. `launch/sanitize thread` links this before that library; each function calls the one it stands for.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define SWIFT_CALL __attribute__((swiftcall))
#define SWIFT_SELF __attribute__((swift_context))

// Synchronization._MutexHandle._lockSlow(UInt32) -> (), _tryLockSlow() -> Bool and _unlockSlow() -> ()
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT_CALL void lock_slow(uint32_t thread, SWIFT_SELF void *mutex) __asm__(LOCK);
SWIFT_CALL bool try_lock_slow(SWIFT_SELF void *mutex) __asm__(TRY_LOCK);
SWIFT_CALL void unlock_slow(SWIFT_SELF void *mutex) __asm__(UNLOCK);

static void *original(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (function != NULL) return function;
  fprintf(stderr, "Tests/Sanitizers/mutex.c: this version of Swift has no %s\n", name);
  abort();
}

SWIFT_CALL void lock_slow(uint32_t thread, SWIFT_SELF void *mutex) {
  SWIFT_CALL void (*function)(uint32_t, SWIFT_SELF void *) = original(LOCK);
  function(thread, mutex);
  __tsan_acquire(mutex);
}

SWIFT_CALL bool try_lock_slow(SWIFT_SELF void *mutex) {
  SWIFT_CALL bool (*function)(SWIFT_SELF void *) = original(TRY_LOCK);
  const bool is_locked = function(mutex);
  if (is_locked) __tsan_acquire(mutex);
  return is_locked;
}

SWIFT_CALL void unlock_slow(SWIFT_SELF void *mutex) {
  SWIFT_CALL void (*function)(SWIFT_SELF void *) = original(UNLOCK);
  __tsan_release(mutex);
  function(mutex);
}

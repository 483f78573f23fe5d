#include "AllocationCounter.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Atomic size_t limit = SIZE_MAX, count, total;

static void note(size_t size) {
  if (size < atomic_load_explicit(&limit, memory_order_relaxed)) return;
  atomic_fetch_add(&count, 1);
  atomic_fetch_add(&total, size);
}

void *malloc(size_t size) {
  note(size);
  return __libc_malloc(size);
}

void *calloc(size_t elements, size_t size) {
  note(elements * size);
  return __libc_calloc(elements, size);
}

void *realloc(void *memory, size_t size) {
  note(size);
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  note(size);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
  *memory = memalign(alignment, size);
  return *memory ? 0 : ENOMEM;
}

void allocation_counter_start(size_t least) {
  atomic_store(&count, 0);
  atomic_store(&total, 0);
  atomic_store(&limit, least);
}

size_t allocation_counter_stop(size_t *bytes) {
  atomic_store(&limit, SIZE_MAX);
  *bytes = atomic_load(&total);
  return atomic_load(&count);
}

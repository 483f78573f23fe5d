#pragma once
#include <stddef.h>

// Threads that share loops with the thread that asks for it.

#ifdef __cplusplus
extern "C" {
#endif

typedef struct skt_pool skt_pool;

/// Starts a pool that computes on `threads` threads, the caller's included; on fewer where the system grants no more.
/// NULL when there is no memory.
skt_pool *skt_pool_create(size_t threads);
/// Ends the pool's threads. No loop may be running.
void skt_pool_destroy(skt_pool *pool);
/// Threads, the caller's included.
size_t skt_pool_threads(const skt_pool *pool);
/// Calls body(context, index, slot) once for each index below `count`, on the pool's threads and the caller's, and
/// returns when all calls have. Calls that run at the same time have different slots below skt_pool_threads. Where the
/// pool is taken, by another thread or by a loop that this call is part of, the caller does everything itself, as slot 0.
void skt_pool_run(skt_pool *pool, size_t count, void (*body)(void *context, size_t index, size_t slot), void *context);

#ifdef __cplusplus
}
#endif

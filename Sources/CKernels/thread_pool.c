#include "ThreadPool.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// A loop is published as a ticket: its number in the upper half, the next index in the lower. A thread claims an index by
// moving the ticket on, which fails if the loop is over by then. So a loop ends when its calls have, and never waits for a
// thread that the system has not let run.

/// Looks at a word before a thread goes to sleep: about 20 us, the time that waking one up takes.
enum { kSpins = 1000 };

struct worker {
  skt_pool *pool;
  size_t slot;
  pthread_t thread;
};

struct skt_pool {
  _Alignas(64) _Atomic uint64_t ticket;
  _Alignas(64) _Atomic uint32_t done;
  _Alignas(64) _Atomic(void (*)(void *, size_t, size_t)) body;
  _Atomic(void *) context;
  _Atomic uint32_t count;
  /// Who waits for a loop to begin, and whether anyone does for one to end.
  _Alignas(64) _Atomic uint32_t sleepers;
  _Atomic int owner_sleeps;
  _Atomic int stops;
  /// Held by the thread whose loop runs.
  pthread_mutex_t owner;
  pthread_mutex_t lock;
  pthread_cond_t begun, ended;
  size_t worker_count;
  struct worker *workers;
};

static const uint64_t kIndices = 0xFFFFFFFFu;

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Claims and does calls of the loop `number` until none is left.
static void take_part(skt_pool *pool, uint64_t number, size_t slot) {
  for (;;) {
    uint64_t ticket = atomic_load(&pool->ticket);
    const uint32_t count = atomic_load_explicit(&pool->count, memory_order_relaxed);
    void (*body)(void *, size_t, size_t) = atomic_load_explicit(&pool->body, memory_order_relaxed);
    void *context = atomic_load_explicit(&pool->context, memory_order_relaxed);
    const uint64_t index = ticket & kIndices;
    if (ticket >> 32 != number || index >= count) return;
    // What was read above belongs to this loop if the ticket still does.
    if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket + 1)) continue;
    body(context, index, slot);
    if (atomic_fetch_add(&pool->done, 1) + 1 == count && atomic_load(&pool->owner_sleeps)) {
      pthread_mutex_lock(&pool->lock);
      pthread_cond_signal(&pool->ended);
      pthread_mutex_unlock(&pool->lock);
    }
  }
}

/// Waits for a loop after `last`; returns its number.
static uint64_t await_loop(skt_pool *pool, uint64_t last) {
  for (int spin = 0; spin < kSpins; spin++) {
    if (atomic_load(&pool->ticket) >> 32 != last) return atomic_load(&pool->ticket) >> 32;
    pause_briefly();
  }
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->sleepers, 1);
  while (atomic_load(&pool->ticket) >> 32 == last && !atomic_load(&pool->stops))
    pthread_cond_wait(&pool->begun, &pool->lock);
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->lock);
  return atomic_load(&pool->ticket) >> 32;
}

static void *work(void *argument) {
  struct worker *worker = argument;
  uint64_t number = 0;
  while (!atomic_load(&worker->pool->stops)) {
    number = await_loop(worker->pool, number);
    take_part(worker->pool, number, worker->slot);
  }
  return NULL;
}

/// Starts threads until there are enough, or no more are to be had. Signals are for the program's own threads.
static void start_workers(skt_pool *pool, size_t count) {
  sigset_t all, former;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  for (; pool->worker_count < count; pool->worker_count++) {
    struct worker *worker = &pool->workers[pool->worker_count];
    *worker = (struct worker){.pool = pool, .slot = pool->worker_count + 1};
    if (pthread_create(&worker->thread, NULL, work, worker) != 0) break;
  }
  pthread_sigmask(SIG_SETMASK, &former, NULL);
}

skt_pool *skt_pool_create(size_t threads) {
  skt_pool *pool = aligned_alloc(64, sizeof *pool);
  if (pool == NULL) return NULL;
  memset(pool, 0, sizeof *pool);
  atomic_init(&pool->ticket, kIndices);
  pool->workers = calloc(threads, sizeof *pool->workers);
  if (pool->workers == NULL) {
    free(pool);
    return NULL;
  }
  pthread_mutex_init(&pool->owner, NULL);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->begun, NULL);
  pthread_cond_init(&pool->ended, NULL);
  start_workers(pool, threads - 1);
  return pool;
}

void skt_pool_destroy(skt_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->stops, 1);
  pthread_cond_broadcast(&pool->begun);
  pthread_mutex_unlock(&pool->lock);
  for (size_t i = 0; i < pool->worker_count; i++) pthread_join(pool->workers[i].thread, NULL);
  pthread_mutex_destroy(&pool->owner);
  pthread_mutex_destroy(&pool->lock);
  pthread_cond_destroy(&pool->begun);
  pthread_cond_destroy(&pool->ended);
  free(pool->workers);
  free(pool);
}

size_t skt_pool_threads(const skt_pool *pool) { return pool->worker_count + 1; }

static void publish(skt_pool *pool, size_t count, void (*body)(void *, size_t, size_t), void *context) {
  const uint64_t last = atomic_load(&pool->ticket) >> 32;
  // No index can be claimed while the loop is described. The number stays: a thread that saw a new one too early would find
  // nothing to do, and wait for the loop after this.
  atomic_store(&pool->ticket, last << 32 | kIndices);
  atomic_store_explicit(&pool->body, body, memory_order_relaxed);
  atomic_store_explicit(&pool->context, context, memory_order_relaxed);
  atomic_store_explicit(&pool->count, (uint32_t)count, memory_order_relaxed);
  atomic_store(&pool->done, 0);
  atomic_store(&pool->ticket, (last + 1) << 32);
  if (atomic_load(&pool->sleepers) > 0) {
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->begun);
    pthread_mutex_unlock(&pool->lock);
  }
}

static void await_end(skt_pool *pool, size_t count) {
  for (int spin = 0; spin < kSpins; spin++) {
    if (atomic_load(&pool->done) == count) return;
    pause_briefly();
  }
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->owner_sleeps, 1);
  while (atomic_load(&pool->done) != count) pthread_cond_wait(&pool->ended, &pool->lock);
  atomic_store(&pool->owner_sleeps, 0);
  pthread_mutex_unlock(&pool->lock);
}

void skt_pool_run(skt_pool *pool, size_t count, void (*body)(void *, size_t, size_t), void *context) {
  if (count <= 1 || count >= kIndices || pool->worker_count == 0 || pthread_mutex_trylock(&pool->owner) != 0) {
    for (size_t index = 0; index < count; index++) body(context, index, 0);
    return;
  }
  publish(pool, count, body, context);
  take_part(pool, atomic_load(&pool->ticket) >> 32, 0);
  await_end(pool, count);
  pthread_mutex_unlock(&pool->owner);
}

#pragma once

// Open MPI and the scheduler's CPU sets as plain functions: in mpi.h and sched.h they are macros, which Swift cannot see.
// Communication functions return MPI error codes (0 is success) and work on all ranks unless they say otherwise. Counts
// are elements. One thread at a time may be in any of them.

#include <stddef.h>
#include <stdint.h>

enum mpi_shim_element { MPI_SHIM_FLOAT32 = 0, MPI_SHIM_FLOAT64 = 1, MPI_SHIM_INT64 = 2 };
enum mpi_shim_reduction { MPI_SHIM_SUM = 0, MPI_SHIM_MAX = 1, MPI_SHIM_MIN = 2 };

/// Starts MPI so that one thread at a time may call it; `serialized` tells whether the library grants that. Errors are
/// returned from then on instead of ending the process.
int mpi_shim_init(int *serialized);

int mpi_shim_finalize(void);

/// Ends all processes of the run with an exit status. Does not return.
void mpi_shim_abort(int status);

/// Rank and size in the world and among the processes that share this host's memory.
int mpi_shim_identity(int *rank, int *size, int *node_rank, int *node_size);

/// The host's name, cut to `capacity` bytes with the closing zero.
int mpi_shim_host_name(char *name, size_t capacity);

/// What the library says of itself, on one line or more, cut to `capacity` bytes with the closing zero.
int mpi_shim_library_version(char *text, size_t capacity);

/// The library's words for an error code, cut to `capacity` bytes with the closing zero.
void mpi_shim_error_text(int code, char *text, size_t capacity);

/// World rank of the lowest rank that shares this host's memory.
int mpi_shim_node_leader(int *leader);

/// Fills `values` with one number of each rank.
int mpi_shim_allgather_int64(int64_t value, int64_t *values);

// What follows does not block. A request is a number to ask for with mpi_shim_test; memory belongs to the library until
// the request is done.

/// Messages of one channel are never taken for those of another.
enum mpi_shim_channel { MPI_SHIM_MESSAGES = 0, MPI_SHIM_EXCHANGES = 1, MPI_SHIM_ROLL_CALLS = 2 };

/// Starts to send, or to receive a message of at most `count` bytes.
int mpi_shim_send(enum mpi_shim_channel channel, const void *bytes, int count, int rank, int tag, uintptr_t *request);
int mpi_shim_receive(enum mpi_shim_channel channel, void *bytes, int count, int rank, int tag, uintptr_t *request);

/// A barrier of ranks that are about to end, while others may be inside an operation.
int mpi_shim_start_last_barrier(uintptr_t *request);

/// Moves communication on; if the request is done, frees it and tells the bytes received (of other requests 0).
int mpi_shim_test(uintptr_t request, int *done, int *received);

/// Moves communication on.
int mpi_shim_progress(void);

/// Moves communication on and tells whether a message has come in, from whom, with which tag and how long.
int mpi_shim_probe(enum mpi_shim_channel channel, int *found, int *rank, int *tag, int *count);

/// Takes a message that has come in.
int mpi_shim_take(enum mpi_shim_channel channel, void *bytes, int count, int rank, int tag);

/// Whether an error code says that a message was longer than its receiver expected.
int mpi_shim_is_truncation(int code);

/// Reduces `values` into `totals`. Of floating-point numbers of which one is not a number, maximum and minimum are not a
/// number.
int mpi_shim_reduce(
    const void *values, void *totals, int count, enum mpi_shim_element element, enum mpi_shim_reduction reduction);

/// Writes the CPUs on which a process (0: the calling thread) may run, one bit each, least significant first. Returns 0,
/// or an errno.
int cpu_shim_read_affinity(int process, uint8_t *bits, size_t bytes);

/// Lets all threads of this process run on the CPUs of a mask. Returns 0, or an errno.
int cpu_shim_write_affinity(const uint8_t *bits, size_t bytes);

/// Whether the kernel lets this process read another's memory directly, as Open MPI's shared-memory transport does.
int cpu_shim_can_read_peers(void);

/// A new empty file that is memory only and has no name. Returns its descriptor, or -1 and sets errno.
int memory_shim_create_file(void);

/// Starts a shell with a script in a session of its own and without input or output, so that it outlives this process
/// and whoever ends it. Returns 0, or an errno.
int process_shim_run_detached(const char *script);

#pragma once

// Open MPI and the scheduler's CPU sets as plain functions: in mpi.h and sched.h they are macros, which Swift cannot see.
// Communication functions return MPI error codes (0 is success) and work on the world communicator unless they say
// otherwise. Counts are elements.

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

/// Whether all ranks call this within a time; for ranks that are about to end.
int mpi_shim_meet_at_end(int milliseconds);

/// Rank and size in the world and among the processes that share this host's memory.
int mpi_shim_identity(int *rank, int *size, int *node_rank, int *node_size);

/// The host's name, cut to `capacity` bytes with the closing zero.
int mpi_shim_host_name(char *name, size_t capacity);

/// The library's words for an error code, cut to `capacity` bytes with the closing zero.
void mpi_shim_error_text(int code, char *text, size_t capacity);

int mpi_shim_barrier(void);

/// In place. Of floating-point numbers of which one is not a number, maximum and minimum are not a number.
int mpi_shim_allreduce(void *buffer, int count, enum mpi_shim_element element, enum mpi_shim_reduction reduction);

int mpi_shim_broadcast_bytes(void *bytes, int count, int root);

/// Fills `values` with one number of each rank.
int mpi_shim_allgather_int64(int64_t value, int64_t *values);

/// Completes `buffer`, of which this rank has filled its own part of `counts[rank]` bytes at `offsets[rank]`.
int mpi_shim_allgatherv_bytes(void *buffer, const int *counts, const int *offsets);

/// The same in units of 32-bit floats.
int mpi_shim_allgatherv_float32(void *buffer, const int *counts, const int *offsets);

/// World rank of the lowest rank that shares this host's memory.
int mpi_shim_node_leader(int *leader);

/// Starts to send, or to receive a message of at most `count` bytes. `request` is what to ask for afterwards.
int mpi_shim_send(const void *bytes, int count, int rank, int tag, uintptr_t *request);
int mpi_shim_receive(void *bytes, int count, int rank, int tag, uintptr_t *request);

/// Moves communication on; if the request is done, frees it and tells the bytes received (of a send 0).
int mpi_shim_test(uintptr_t request, int *done, int *received);

/// Writes the CPUs on which a process (0: the calling thread) may run, one bit each, least significant first. Returns 0,
/// or an errno.
int cpu_shim_read_affinity(int process, uint8_t *bits, size_t bytes);

/// Lets all threads of this process run on the CPUs of a mask. Returns 0, or an errno.
int cpu_shim_write_affinity(const uint8_t *bits, size_t bytes);

/// Whether the kernel lets this process read another's memory directly, as Open MPI's shared-memory transport does.
int cpu_shim_can_read_peers(void);

/// A new empty file that is memory only and has no name. Returns its descriptor, or -1 and sets errno.
int memory_shim_create_file(void);

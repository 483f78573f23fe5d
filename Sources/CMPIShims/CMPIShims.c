#include "CMPIShims.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>

static MPI_Comm node = MPI_COMM_NULL;
static MPI_Comm end = MPI_COMM_NULL;  // Its own, as other ranks may be inside an operation of the world.
static MPI_Comm channels[3] = {MPI_COMM_NULL, MPI_COMM_NULL, MPI_COMM_NULL};
static MPI_Op nan_max = MPI_OP_NULL;
static MPI_Op nan_min = MPI_OP_NULL;

// MPI leaves open what the maximum of a number and NaN is, and Open MPI's answer depends on the order of ranks. These keep
// the NaN: a comparison with NaN is false, so `!(a <= b)` also holds if either is NaN, and then a + b is NaN.
#define KEEP_NAN(type, a, b, keeps_b) ((keeps_b) ? (b) : ((a) != (a) || (b) != (b)) ? (type)((a) + (b)) : (a))

#define DEFINE_NAN_REDUCTION(name, order)                                              \
  static void name(void *in, void *inout, int *count, MPI_Datatype *type) {            \
    if (*type == MPI_FLOAT) {                                                          \
      const float *a = in;                                                             \
      float *b = inout;                                                                \
      for (int i = 0; i < *count; i++) b[i] = KEEP_NAN(float, a[i], b[i], b[i] order a[i]); \
    } else {                                                                           \
      const double *a = in;                                                            \
      double *b = inout;                                                               \
      for (int i = 0; i < *count; i++) b[i] = KEEP_NAN(double, a[i], b[i], b[i] order a[i]); \
    }                                                                                  \
  }

DEFINE_NAN_REDUCTION(reduce_nan_max, >=)
DEFINE_NAN_REDUCTION(reduce_nan_min, <=)

int mpi_shim_init(int *serialized) {
  int provided = MPI_THREAD_SINGLE;
  int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
  *serialized = provided >= MPI_THREAD_SERIALIZED;
  if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  int rank = 0;
  if (code == MPI_SUCCESS) code = MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (code == MPI_SUCCESS) {
    code = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
  }
  if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(node, MPI_ERRORS_RETURN);
  if (code == MPI_SUCCESS) code = MPI_Comm_dup(MPI_COMM_WORLD, &end);
  for (int channel = 0; channel < 3; channel++) {  // Copies handle errors as the original does.
    if (code == MPI_SUCCESS) code = MPI_Comm_dup(MPI_COMM_WORLD, &channels[channel]);
  }
  if (code == MPI_SUCCESS) code = MPI_Op_create(reduce_nan_max, 1, &nan_max);
  if (code == MPI_SUCCESS) code = MPI_Op_create(reduce_nan_min, 1, &nan_min);
  return code;
}

int mpi_shim_finalize(void) {
  MPI_Op_free(&nan_max);
  MPI_Op_free(&nan_min);
  MPI_Comm_free(&node);
  MPI_Comm_free(&end);
  for (int channel = 0; channel < 3; channel++) MPI_Comm_free(&channels[channel]);
  return MPI_Finalize();
}

void mpi_shim_abort(int status) { MPI_Abort(MPI_COMM_WORLD, status); }

int mpi_shim_identity(int *rank, int *size, int *node_rank, int *node_size) {
  int code = MPI_Comm_rank(MPI_COMM_WORLD, rank);
  if (code == MPI_SUCCESS) code = MPI_Comm_size(MPI_COMM_WORLD, size);
  if (code == MPI_SUCCESS) code = MPI_Comm_rank(node, node_rank);
  if (code == MPI_SUCCESS) code = MPI_Comm_size(node, node_size);
  return code;
}

int mpi_shim_host_name(char *name, size_t capacity) {
  char buffer[MPI_MAX_PROCESSOR_NAME] = "";
  int length = 0;
  int code = MPI_Get_processor_name(buffer, &length);
  snprintf(name, capacity, "%s", buffer);
  return code;
}

int mpi_shim_library_version(char *text, size_t capacity) {
  char buffer[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  int code = MPI_Get_library_version(buffer, &length);
  snprintf(text, capacity, "%s", buffer);
  return code;
}

void mpi_shim_error_text(int code, char *text, size_t capacity) {
  char buffer[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  if (MPI_Error_string(code, buffer, &length) != MPI_SUCCESS) snprintf(buffer, sizeof buffer, "error %d", code);
  snprintf(text, capacity, "%s", buffer);
}

// A request travels through Swift as a number; in Open MPI it is a pointer.
_Static_assert(sizeof(MPI_Request) <= sizeof(uintptr_t), "requests do not fit into an integer");

static uintptr_t number_of(MPI_Request request) {
  uintptr_t number = 0;
  memcpy(&number, &request, sizeof request);
  return number;
}

int mpi_shim_node_leader(int *leader) {
  int code = MPI_Comm_rank(MPI_COMM_WORLD, leader);
  return code == MPI_SUCCESS ? MPI_Bcast(leader, 1, MPI_INT, 0, node) : code;
}

int mpi_shim_allgather_int64(int64_t value, int64_t *values) {
  return MPI_Allgather(&value, 1, MPI_INT64_T, values, 1, MPI_INT64_T, MPI_COMM_WORLD);
}

int mpi_shim_send(enum mpi_shim_channel channel, const void *bytes, int count, int rank, int tag, uintptr_t *request) {
  MPI_Request started = MPI_REQUEST_NULL;
  int code = MPI_Isend(bytes, count, MPI_BYTE, rank, tag, channels[channel], &started);
  *request = number_of(started);
  return code;
}

int mpi_shim_receive(enum mpi_shim_channel channel, void *bytes, int count, int rank, int tag, uintptr_t *request) {
  MPI_Request started = MPI_REQUEST_NULL;
  int code = MPI_Irecv(bytes, count, MPI_BYTE, rank, tag, channels[channel], &started);
  *request = number_of(started);
  return code;
}

int mpi_shim_start_last_barrier(uintptr_t *request) {
  MPI_Request started = MPI_REQUEST_NULL;
  int code = MPI_Ibarrier(end, &started);
  *request = number_of(started);
  return code;
}

static MPI_Datatype type_of(enum mpi_shim_element element) {
  const MPI_Datatype types[] = {MPI_FLOAT, MPI_DOUBLE, MPI_INT64_T};
  return types[element];
}

static MPI_Op operation_of(enum mpi_shim_element element, enum mpi_shim_reduction reduction) {
  const MPI_Op float_operations[] = {MPI_SUM, nan_max, nan_min};
  const MPI_Op integer_operations[] = {MPI_SUM, MPI_MAX, MPI_MIN};
  return element == MPI_SHIM_INT64 ? integer_operations[reduction] : float_operations[reduction];
}

int mpi_shim_test(uintptr_t request, int *done, int *received) {
  MPI_Request asked;
  memcpy(&asked, &request, sizeof asked);
  MPI_Status status = {0};
  *received = 0;
  int code = MPI_Test(&asked, done, &status);
  if (code == MPI_SUCCESS && *done) code = MPI_Get_count(&status, MPI_BYTE, received);
  return code;
}

int mpi_shim_probe(enum mpi_shim_channel channel, int *found, int *rank, int *tag, int *count) {
  MPI_Status status = {0};
  int code = MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, channels[channel], found, &status);
  if (code != MPI_SUCCESS || !*found) return code;
  *rank = status.MPI_SOURCE;
  *tag = status.MPI_TAG;
  return MPI_Get_count(&status, MPI_BYTE, count);
}

int mpi_shim_progress(void) {
  int found = 0;
  return MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, channels[MPI_SHIM_ROLL_CALLS], &found, MPI_STATUS_IGNORE);
}

int mpi_shim_take(enum mpi_shim_channel channel, void *bytes, int count, int rank, int tag) {
  return MPI_Recv(bytes, count, MPI_BYTE, rank, tag, channels[channel], MPI_STATUS_IGNORE);
}

int mpi_shim_is_truncation(int code) {
  int class = MPI_SUCCESS;
  return MPI_Error_class(code, &class) == MPI_SUCCESS && class == MPI_ERR_TRUNCATE;
}

int mpi_shim_reduce(
    const void *values, void *totals, int count, enum mpi_shim_element element, enum mpi_shim_reduction reduction) {
  return MPI_Reduce_local(values, totals, count, type_of(element), operation_of(element, reduction));
}

#define _GNU_SOURCE
#include "CDNNLShims.h"
#include "Descriptors.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { kArguments = 5 };

/// What one thread computes with: the library's handles of the matrices, and scratch memory.
struct context {
  struct context *next;
  dnnl_stream_t stream;
  dnnl_exec_arg_t arguments[kArguments];
  int count;
};

struct dnn_shim_product {
  struct descriptors descriptors;
  dnnl_primitive_desc_t description;
  dnnl_primitive_t primitive;
  /// Contexts that no thread uses at the moment, as many as ever ran at a time.
  pthread_mutex_t lock;
  struct context *idle;
};

// MARK: - The library

static dnnl_engine_t engine;
static dnnl_status_t engine_status;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

static void make_engine(void) { engine_status = dnnl_engine_create(&engine, dnnl_cpu, 0); }

/// The library's OpenMP would divide each product among threads of its own. How many is a setting of the thread that
/// asks; found by name, since a library that was built for other threads brings no OpenMP.
static void compute_alone(void) {
  static _Thread_local int is_set;
  if (is_set) return;
  is_set = 1;
  void (*set_threads)(int) = NULL;
  *(void **)&set_threads = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  if (set_threads != NULL) set_threads(1);
}

int dnn_shim_version(void) {
  const dnnl_version_t *version = dnnl_version();
  return version->major * 10000 + version->minor * 100 + version->patch;
}

void dnn_shim_capabilities(int *wide_vectors, int *bfloat16) {
  const int isa = (int)dnnl_get_effective_cpu_isa();
  // Instruction sets are sets of bits, each containing those it builds on.
  *wide_vectors = (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
  *bfloat16 = (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

const char *dnn_shim_status(int status) {
  switch (status) {
  case dnnl_success: return "success";
  case dnnl_out_of_memory: return "out of memory";
  case dnnl_invalid_arguments: return "invalid arguments";
  case dnnl_unimplemented: return "not implemented";
  case dnnl_runtime_error: return "run-time error";
  default: return "unknown status";
  }
}

// MARK: - Contexts

static void free_context(struct context *context) {
  if (context == NULL) return;
  for (int i = 0; i < context->count; i++) dnnl_memory_destroy(context->arguments[i].memory);
  if (context->stream) dnnl_stream_destroy(context->stream);
  free(context);
}

static dnnl_status_t add_argument(struct context *context, int name, memory_desc_ref descriptor, void *handle) {
  dnnl_exec_arg_t *argument = &context->arguments[context->count];
  argument->arg = name;
  const dnnl_status_t status = dnnl_memory_create(&argument->memory, descriptor, engine, handle);
  if (status == dnnl_success) context->count++;
  return status;
}

static dnnl_status_t make_context(struct context **result, const dnn_shim_product *product) {
  struct context *context = calloc(1, sizeof *context);
  if (context == NULL) return dnnl_out_of_memory;
  const struct descriptors *d = &product->descriptors;
  dnnl_status_t status = dnnl_stream_create(&context->stream, engine, dnnl_stream_default_flags);
  if (status == dnnl_success) status = add_argument(context, DNNL_ARG_SRC, reference(&d->a), DNNL_MEMORY_NONE);
  if (status == dnnl_success) status = add_argument(context, DNNL_ARG_WEIGHTS, reference(&d->b), DNNL_MEMORY_NONE);
  if (status == dnnl_success) status = add_argument(context, DNNL_ARG_DST, reference(&d->c), DNNL_MEMORY_NONE);
  if (status == dnnl_success)
    status = add_argument(context, DNNL_ARG_SCRATCHPAD,
                          dnnl_primitive_desc_query_md(product->description, dnnl_query_scratchpad_md, 0),
                          DNNL_MEMORY_ALLOCATE);
  if (status == dnnl_success && d->has_bias)
    status = add_argument(context, DNNL_ARG_BIAS, reference(&d->bias), DNNL_MEMORY_NONE);
  if (status != dnnl_success) {
    free_context(context);
    return status;
  }
  *result = context;
  return dnnl_success;
}

static dnnl_status_t take_context(struct context **context, dnn_shim_product *product) {
  pthread_mutex_lock(&product->lock);
  *context = product->idle;
  if (*context) product->idle = (*context)->next;
  pthread_mutex_unlock(&product->lock);
  return *context ? dnnl_success : make_context(context, product);
}

static void give_back(struct context *context, dnn_shim_product *product) {
  pthread_mutex_lock(&product->lock);
  context->next = product->idle;
  product->idle = context;
  pthread_mutex_unlock(&product->lock);
}

// MARK: - Products

static dnnl_status_t make_attributes(dnnl_primitive_attr_t *attributes, const struct dnn_shim_shape *shape) {
  dnnl_status_t status = dnnl_primitive_attr_create(attributes);
  if (status != dnnl_success) return status;
  // The library's own scratch memory is tied to the thread that prepares a product.
  status = dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user);
  if (status != dnnl_success || (!shape->adds && shape->activation == DNN_SHIM_NONE)) return status;
  dnnl_post_ops_t operations;
  status = dnnl_post_ops_create(&operations);
  if (status != dnnl_success) return status;
  status = append_post_op(operations, shape);
  if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*attributes, operations);
  dnnl_post_ops_destroy(operations);
  return status;
}

int dnn_shim_product_create(dnn_shim_product **result, const struct dnn_shim_shape *shape) {
  compute_alone();
  pthread_once(&engine_once, make_engine);
  if (engine_status != dnnl_success) return engine_status;
  dnn_shim_product *product = calloc(1, sizeof *product);
  if (product == NULL) return dnnl_out_of_memory;
  pthread_mutex_init(&product->lock, NULL);
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_status_t status = make_descriptors(&product->descriptors, shape);
  if (status == dnnl_success) status = make_attributes(&attributes, shape);
  if (status == dnnl_success)
    status = describe_product(&product->description, engine, &product->descriptors, attributes);
  if (status == dnnl_success) status = dnnl_primitive_create(&product->primitive, product->description);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  if (status != dnnl_success) {
    dnn_shim_product_destroy(product);
    return status;
  }
  *result = product;
  return dnnl_success;
}

void dnn_shim_product_destroy(dnn_shim_product *product) {
  while (product->idle) {
    struct context *context = product->idle;
    product->idle = context->next;
    free_context(context);
  }
  if (product->primitive) dnnl_primitive_destroy(product->primitive);
  if (product->description) dnnl_primitive_desc_destroy(product->description);
  free_descriptors(&product->descriptors);
  pthread_mutex_destroy(&product->lock);
  free(product);
}

static dnnl_status_t point_to(struct context *context, const void *a, const void *b, const float *bias, void *c) {
  dnnl_status_t status = dnnl_success;
  for (int i = 0; i < context->count && status == dnnl_success; i++) {
    const int name = context->arguments[i].arg;
    if (name == DNNL_ARG_SCRATCHPAD) continue;
    const void *handle = name == DNNL_ARG_SRC ? a : name == DNNL_ARG_WEIGHTS ? b : name == DNNL_ARG_DST ? c : bias;
    // The library takes all matrices as writable; it writes to the result alone.
    status = dnnl_memory_set_data_handle(context->arguments[i].memory, (void *)(uintptr_t)handle);
  }
  return status;
}

int dnn_shim_product_run(dnn_shim_product *product, const void *a, const void *b, const float *bias, void *c) {
  compute_alone();
  struct context *context;
  dnnl_status_t status = take_context(&context, product);
  if (status != dnnl_success) return status;
  status = point_to(context, a, b, bias, c);
  if (status == dnnl_success)
    status = dnnl_primitive_execute(product->primitive, context->stream, context->count, context->arguments);
  if (status == dnnl_success) status = dnnl_stream_wait(context->stream);
  give_back(context, product);
  return status;
}

const char *dnn_shim_product_implementation(const dnn_shim_product *product) {
  const char *name = NULL;
  dnnl_primitive_desc_query(product->description, dnnl_query_impl_info_str, 0, (void *)&name);
  return name ? name : "unknown";
}

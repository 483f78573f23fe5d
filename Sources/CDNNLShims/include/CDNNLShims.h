#pragma once

// Matrix products of oneDNN as plain C functions, the same over versions 2 and 3 of the library, whose C interfaces
// differ. A product is prepared once for a shape and then computed many times, on the thread that calls. Functions return
// 0, or a status that dnn_shim_status names.

#include <stddef.h>
#include <stdint.h>

enum dnn_shim_format { DNN_SHIM_FLOAT32 = 0, DNN_SHIM_BFLOAT16 = 1 };
enum dnn_shim_activation { DNN_SHIM_NONE = 0, DNN_SHIM_QUICK_GELU = 1, DNN_SHIM_GELU = 2 };

/// c [rows, columns] = activation(a [rows, depth] b [depth, columns] + bias [columns]), or += without an activation.
/// Rows as stored lie `stride` elements apart.
struct dnn_shim_shape {
  int64_t rows, columns, depth;
  int64_t a_stride, b_stride, c_stride;
  /// Whether a is stored as [depth, rows], b as [columns, depth].
  int a_transposed, b_transposed;
  enum dnn_shim_format factors, result;
  int has_bias;
  int adds;
  enum dnn_shim_activation activation;
};

typedef struct dnn_shim_product dnn_shim_product;

/// Version of the library that runs, as major * 10000 + minor * 100 + patch.
int dnn_shim_version(void);
/// Whether the library uses 512-bit vectors here, and whether the CPU multiplies bfloat16 numbers.
void dnn_shim_capabilities(int *wide_vectors, int *bfloat16);
/// What a status means.
const char *dnn_shim_status(int status);

/// Prepares products of a shape.
int dnn_shim_product_create(dnn_shim_product **product, const struct dnn_shim_shape *shape);
void dnn_shim_product_destroy(dnn_shim_product *product);
/// Computes one, on the calling thread; several threads may compute the same product with other matrices. `bias` is
/// ignored where the shape has none.
int dnn_shim_product_run(dnn_shim_product *product, const void *a, const void *b, const float *bias, void *c);
/// What the library calls the code that it chose.
const char *dnn_shim_product_implementation(const dnn_shim_product *product);

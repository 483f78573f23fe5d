#pragma once
#include "CDNNLShims.h"
#include <oneapi/dnnl/dnnl.h>

// Where versions 2 and 3 differ: memory descriptors are values in one and handles in the other, and products are
// described in two steps or in one.

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t memory_desc_ref;
#else
typedef const dnnl_memory_desc_t *memory_desc_ref;
#endif

/// The matrices of a product.
struct descriptors {
  dnnl_memory_desc_t a, b, bias, c;
  int has_bias;
};

dnnl_status_t make_descriptors(struct descriptors *descriptors, const struct dnn_shim_shape *shape);
void free_descriptors(struct descriptors *descriptors);
/// Describes the product; `attributes` say what is done to its result.
dnnl_status_t describe_product(dnnl_primitive_desc_t *product, dnnl_engine_t engine,
                               const struct descriptors *descriptors, const_dnnl_primitive_attr_t attributes);
/// `result += `, where there is no activation, or the activation.
dnnl_status_t append_post_op(dnnl_post_ops_t operations, const struct dnn_shim_shape *shape);
/// A reference to a descriptor, as functions of the library take it.
memory_desc_ref reference(const dnnl_memory_desc_t *descriptor);

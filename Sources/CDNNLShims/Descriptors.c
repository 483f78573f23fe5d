#include "Descriptors.h"
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3
#define MAKE_STRIDED dnnl_memory_desc_create_with_strides
memory_desc_ref reference(const dnnl_memory_desc_t *descriptor) { return *descriptor; }
static dnnl_status_t append_activation(dnnl_post_ops_t operations, dnnl_alg_kind_t kind, float alpha) {
  return dnnl_post_ops_append_eltwise(operations, kind, alpha, 0.0f);
}
static dnnl_status_t append_sum(dnnl_post_ops_t operations) {
  return dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef);
}
#else
#define MAKE_STRIDED dnnl_memory_desc_init_by_strides
memory_desc_ref reference(const dnnl_memory_desc_t *descriptor) { return descriptor; }
static dnnl_status_t append_activation(dnnl_post_ops_t operations, dnnl_alg_kind_t kind, float alpha) {
  return dnnl_post_ops_append_eltwise(operations, 1.0f, kind, alpha, 0.0f);
}
static dnnl_status_t append_sum(dnnl_post_ops_t operations) { return dnnl_post_ops_append_sum(operations, 1.0f); }
#endif

static dnnl_status_t make_matrix(dnnl_memory_desc_t *descriptor, int64_t rows, int64_t columns, int64_t stride,
                                 int transposed, enum dnn_shim_format format) {
  const dnnl_dims_t extents = {rows, columns};
  const dnnl_dims_t strides = {transposed ? 1 : stride, transposed ? stride : 1};
  return MAKE_STRIDED(descriptor, 2, extents, format == DNN_SHIM_BFLOAT16 ? dnnl_bf16 : dnnl_f32, strides);
}

dnnl_status_t make_descriptors(struct descriptors *d, const struct dnn_shim_shape *s) {
  memset(d, 0, sizeof *d);
  d->has_bias = s->has_bias;
  dnnl_status_t status = make_matrix(&d->a, s->rows, s->depth, s->a_stride, s->a_transposed, s->factors);
  if (status == dnnl_success)
    status = make_matrix(&d->b, s->depth, s->columns, s->b_stride, s->b_transposed, s->factors);
  if (status == dnnl_success) status = make_matrix(&d->c, s->rows, s->columns, s->c_stride, 0, s->result);
  if (status == dnnl_success && s->has_bias)
    status = make_matrix(&d->bias, 1, s->columns, s->columns, 0, DNN_SHIM_FLOAT32);
  return status;
}

void free_descriptors(struct descriptors *d) {
#if DNNL_VERSION_MAJOR >= 3
  if (d->a) dnnl_memory_desc_destroy(d->a);
  if (d->b) dnnl_memory_desc_destroy(d->b);
  if (d->c) dnnl_memory_desc_destroy(d->c);
  if (d->bias) dnnl_memory_desc_destroy(d->bias);
#endif
  memset(d, 0, sizeof *d);
}

dnnl_status_t describe_product(dnnl_primitive_desc_t *product, dnnl_engine_t engine, const struct descriptors *d,
                               const_dnnl_primitive_attr_t attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_matmul_primitive_desc_create(product, engine, d->a, d->b, d->has_bias ? d->bias : NULL, d->c,
                                           attributes);
#else
  dnnl_matmul_desc_t operation;
  const dnnl_status_t status =
      dnnl_matmul_desc_init(&operation, &d->a, &d->b, d->has_bias ? &d->bias : NULL, &d->c);
  if (status != dnnl_success) return status;
  return dnnl_primitive_desc_create(product, &operation, attributes, engine, NULL);
#endif
}

dnnl_status_t append_post_op(dnnl_post_ops_t operations, const struct dnn_shim_shape *shape) {
  if (shape->adds) return append_sum(operations);
  // Swish with 1.702 is what CLIP calls quick GELU.
  return shape->activation == DNN_SHIM_QUICK_GELU ? append_activation(operations, dnnl_eltwise_swish, 1.702f)
                                                  : append_activation(operations, dnnl_eltwise_gelu_erf, 0.0f);
}

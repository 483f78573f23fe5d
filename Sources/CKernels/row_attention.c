#include "CKernels.h"
#include "row_sums.h"

/// y += factor * x
SKT_INLINE void add_scaled(float *restrict y, float factor, const float *restrict x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] += factor * x[i];
}

SKT_INLINE void clear(float *x, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = 0;
}

SKT_CLONES void skt_row_attention(float *context, size_t context_stride, float *p, const float *q, size_t q_stride,
                                  const float *k, const float *v, size_t stride, const int32_t *rows,
                                  const int32_t *starts, size_t queries, size_t width, float scale) {
  for (size_t i = 0; i < queries; i++, q += q_stride, context += context_stride) {
    const int32_t *seen = rows + starts[i];
    const size_t count = (size_t)(starts[i + 1] - starts[i]);
    float *weights = p + starts[i];
    for (size_t j = 0; j < count; j++) weights[j] = dot(q, k + (size_t)seen[j] * stride, width);
    softmax(weights, count, scale);
    clear(context, width);
    for (size_t j = 0; j < count; j++) add_scaled(context, weights[j], v + (size_t)seen[j] * stride, width);
  }
}

SKT_CLONES void skt_row_attention_backward(float *dq, size_t dq_stride, float *dk, float *dv, size_t d_stride,
                                           float *scratch, const float *dcontext, size_t context_stride,
                                           const float *p, const float *q, size_t q_stride, const float *k,
                                           const float *v, size_t stride, const int32_t *rows, const int32_t *starts,
                                           size_t queries, size_t width, float scale) {
  for (size_t i = 0; i < queries; i++, q += q_stride, dq += dq_stride, dcontext += context_stride) {
    const int32_t *seen = rows + starts[i];
    const size_t count = (size_t)(starts[i + 1] - starts[i]);
    const float *weights = p + starts[i];
    for (size_t j = 0; j < count; j++) scratch[j] = dot(dcontext, v + (size_t)seen[j] * stride, width);
    const float mean = dot(scratch, weights, count);
    clear(dq, width);
    for (size_t j = 0; j < count; j++) {
      const size_t row = (size_t)seen[j];
      const float ds = scale * weights[j] * (scratch[j] - mean);
      add_scaled(dq, ds, k + row * stride, width);
      add_scaled(dk + row * d_stride, ds, q, width);
      add_scaled(dv + row * d_stride, weights[j], dcontext, width);
    }
  }
}

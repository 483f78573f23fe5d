#include "CKernels.h"
#include "activations.h"

SKT_CLONES void skt_add(float *restrict y, const float *restrict x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] += x[i];
}

SKT_CLONES void skt_add_column_sums(float *restrict sums, const float *restrict x, size_t stride, size_t rows,
                                    size_t columns) {
  for (size_t r = 0; r < rows; r++, x += stride)
    for (size_t c = 0; c < columns; c++) sums[c] += x[c];
}

SKT_CLONES void skt_quick_gelu(float *y, const float *x, size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) y[i] = quick_gelu(x[i]);
}

SKT_CLONES void skt_quick_gelu_backward(float *dx, const float *dy, const float *restrict x, size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) dx[i] = dy[i] * quick_gelu_slope(x[i]);
}

SKT_CLONES void skt_gelu(float *y, const float *x, size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) y[i] = gelu(x[i]);
}

SKT_CLONES void skt_gelu_backward(float *dx, const float *dy, const float *restrict x, size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) dx[i] = dy[i] * gelu_slope(x[i]);
}

// An exponent of all ones is infinity or NaN. Asking without a branch vectorises.
static inline uint32_t is_not_finite(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (bits & 0x7F800000u) == 0x7F800000u;
}

SKT_CLONES int skt_sgd(float *restrict p, float *restrict m, const float *restrict g, size_t count, float rate,
                       float momentum, float decay) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    bad |= is_not_finite(g[i]);
    m[i] = momentum * m[i] + (g[i] + decay * p[i]);
    p[i] -= rate * m[i];
  }
  return bad == 0;
}

SKT_CLONES void skt_nesterov(float *restrict p, float *restrict m, const float *restrict g, size_t count, float rate,
                             float momentum) {
  for (size_t i = 0; i < count; i++) {
    m[i] = momentum * m[i] + g[i];
    p[i] -= rate * (g[i] + momentum * m[i]);
  }
}

SKT_CLONES void skt_take_back(float *restrict x, float *restrict change, const float *restrict former, size_t count,
                              float scale) {
  for (size_t i = 0; i < count; i++) {
    change[i] = scale * (former[i] - x[i]);
    x[i] = former[i];
  }
}

SKT_CLONES int skt_all_finite(const float *x, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) bad |= is_not_finite(x[i]);
  return bad == 0;
}

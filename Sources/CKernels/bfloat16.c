#include "CKernels.h"
#include "activations.h"
#include "bfloat16.h"
#include "row_sums.h"
#include <math.h>

// Loops that read or write bfloat16 numbers; in between they compute with floats.

SKT_CLONES void skt_bf16_round(uint16_t *restrict y, const float *restrict x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = skt_bf16(x[i]);
}

SKT_CLONES void skt_bf16_add_column_sums(float *restrict sums, const uint16_t *restrict x, size_t stride, size_t rows,
                                         size_t columns) {
  for (size_t r = 0; r < rows; r++, x += stride)
    for (size_t c = 0; c < columns; c++) sums[c] += skt_float(x[c]);
}

SKT_CLONES void skt_bf16_quick_gelu(uint16_t *y, const uint16_t *x, size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) y[i] = skt_bf16(quick_gelu(skt_float(x[i])));
}

SKT_CLONES void skt_bf16_quick_gelu_backward(uint16_t *dx, const uint16_t *dy, const uint16_t *restrict x,
                                             size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) dx[i] = skt_bf16(skt_float(dy[i]) * quick_gelu_slope(skt_float(x[i])));
}

SKT_CLONES void skt_bf16_gelu(uint16_t *y, const uint16_t *x, size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) y[i] = skt_bf16(gelu(skt_float(x[i])));
}

SKT_CLONES void skt_bf16_gelu_backward(uint16_t *dx, const uint16_t *dy, const uint16_t *restrict x, size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) dx[i] = skt_bf16(skt_float(dy[i]) * gelu_slope(skt_float(x[i])));
}

SKT_CLONES void skt_bf16_layer_norm(uint16_t *restrict y, float *mean, float *rstd, const float *restrict x,
                                    const float *restrict gamma, const float *restrict beta, size_t rows,
                                    size_t columns, float epsilon) {
  for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
    moments(&mean[r], &rstd[r], x, columns, epsilon);
    const float centre = mean[r], scale = rstd[r];
    for (size_t c = 0; c < columns; c++) y[c] = skt_bf16((x[c] - centre) * scale * gamma[c] + beta[c]);
  }
}

SKT_CLONES void skt_bf16_softmax(uint16_t *restrict y, float *restrict x, size_t rows, size_t columns, float scale) {
  for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
    softmax(x, columns, scale);
    for (size_t c = 0; c < columns; c++) y[c] = skt_bf16(x[c]);
  }
}

SKT_INLINE float dot_narrow(const float *restrict x, const uint16_t *restrict y, size_t count) {
  SKT_REASSOCIATE
  float total = 0;
  for (size_t i = 0; i < count; i++) total += x[i] * skt_float(y[i]);
  return total;
}

SKT_CLONES void skt_bf16_softmax_backward(uint16_t *restrict ds, const float *restrict dp, const uint16_t *restrict p,
                                          size_t rows, size_t columns, float scale) {
  for (size_t r = 0; r < rows; r++, ds += columns, dp += columns, p += columns) {
    const float mean = dot_narrow(dp, p, columns);
    for (size_t c = 0; c < columns; c++) ds[c] = skt_bf16(scale * skt_float(p[c]) * (dp[c] - mean));
  }
}

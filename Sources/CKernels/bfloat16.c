#include "CKernels.h"
#include "activations.h"
#include "row_sums.h"
#include <math.h>

// Loops that read or write bfloat16 numbers; in between they compute with floats.

SKT_INLINE float widen(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

/// To the nearest, of equally near ones to the even. NaN stays NaN: the carry would make some of them zeros.
SKT_INLINE uint16_t narrow(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
  return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? bits >> 16 | 0x40u : rounded >> 16);
}

SKT_CLONES void skt_bf16_round(uint16_t *restrict y, const float *restrict x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = narrow(x[i]);
}

SKT_CLONES void skt_bf16_add_column_sums(float *restrict sums, const uint16_t *restrict x, size_t stride, size_t rows,
                                         size_t columns) {
  for (size_t r = 0; r < rows; r++, x += stride)
    for (size_t c = 0; c < columns; c++) sums[c] += widen(x[c]);
}

SKT_CLONES void skt_bf16_quick_gelu(uint16_t *y, const uint16_t *x, size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) y[i] = narrow(quick_gelu(widen(x[i])));
}

SKT_CLONES void skt_bf16_quick_gelu_backward(uint16_t *dx, const uint16_t *dy, const uint16_t *restrict x,
                                             size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) dx[i] = narrow(widen(dy[i]) * quick_gelu_slope(widen(x[i])));
}

SKT_CLONES void skt_bf16_gelu(uint16_t *y, const uint16_t *x, size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) y[i] = narrow(gelu(widen(x[i])));
}

SKT_CLONES void skt_bf16_gelu_backward(uint16_t *dx, const uint16_t *dy, const uint16_t *restrict x, size_t count) {
  SKT_ELEMENT_WISE
  for (size_t i = 0; i < count; i++) dx[i] = narrow(widen(dy[i]) * gelu_slope(widen(x[i])));
}

SKT_CLONES void skt_bf16_layer_norm(uint16_t *restrict y, float *mean, float *rstd, const float *restrict x,
                                    const float *restrict gamma, const float *restrict beta, size_t rows,
                                    size_t columns, float epsilon) {
  for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
    moments(&mean[r], &rstd[r], x, columns, epsilon);
    const float centre = mean[r], scale = rstd[r];
    for (size_t c = 0; c < columns; c++) y[c] = narrow((x[c] - centre) * scale * gamma[c] + beta[c]);
  }
}

SKT_CLONES void skt_bf16_softmax(uint16_t *restrict y, float *restrict x, size_t rows, size_t columns, float scale) {
  for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
    softmax(x, columns, scale);
    for (size_t c = 0; c < columns; c++) y[c] = narrow(x[c]);
  }
}

SKT_INLINE float dot_narrow(const float *restrict x, const uint16_t *restrict y, size_t count) {
  SKT_REASSOCIATE
  float total = 0;
  for (size_t i = 0; i < count; i++) total += x[i] * widen(y[i]);
  return total;
}

SKT_CLONES void skt_bf16_softmax_backward(uint16_t *restrict ds, const float *restrict dp, const uint16_t *restrict p,
                                          size_t rows, size_t columns, float scale) {
  for (size_t r = 0; r < rows; r++, ds += columns, dp += columns, p += columns) {
    const float mean = dot_narrow(dp, p, columns);
    for (size_t c = 0; c < columns; c++) ds[c] = narrow(scale * widen(p[c]) * (dp[c] - mean));
  }
}

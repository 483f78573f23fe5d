#include "CKernels.h"
#include "bfloat16.h"

/// What rounding took away; nothing where it cannot be said, so that one infinity does not stay for ever.
SKT_INLINE float skt_rounding_error(float x, uint16_t q) {
  const float error = x - skt_float(q);
  return error - error == 0 ? error : 0;
}

SKT_CLONES void skt_quantize_bf16(uint16_t *restrict q, float *restrict residual, const float *restrict x,
                                  size_t count) {
  for (size_t i = 0; i < count; i++) {
    const float v = x[i] + residual[i];
    q[i] = skt_bf16(v);
    residual[i] = skt_rounding_error(v, q[i]);
  }
}

SKT_CLONES void skt_quantize_update_bf16(uint16_t *restrict q, float *restrict residual, float *restrict p,
                                         const float *restrict former, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const float v = p[i] - former[i] + residual[i];
    q[i] = skt_bf16(v);
    residual[i] = skt_rounding_error(v, q[i]);
    p[i] = former[i] + skt_float(q[i]);
  }
}

SKT_CLONES void skt_add_bf16(float *restrict y, const uint16_t *restrict q, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] += skt_float(q[i]);
}

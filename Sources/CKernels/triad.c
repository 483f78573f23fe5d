#include "CKernels.h"
#include "vector_code.h"

SKT_CLONES void skt_triad(float *restrict a, const float *restrict b, const float *restrict c, float scale,
                          size_t count) {
  for (size_t i = 0; i < count; i++) a[i] = b[i] + scale * c[i];
}

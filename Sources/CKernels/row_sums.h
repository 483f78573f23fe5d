#pragma once
#include "vector_code.h"
#include <float.h>

// What loops over rows have in common; inlined, so that each clone of a kernel gets its own vector code.

SKT_INLINE float sum(const float *x, size_t count) {
  SKT_REASSOCIATE
  float total = 0;
  for (size_t i = 0; i < count; i++) total += x[i];
  return total;
}

SKT_INLINE float dot(const float *x, const float *y, size_t count) {
  SKT_REASSOCIATE
  float total = 0;
  for (size_t i = 0; i < count; i++) total += x[i] * y[i];
  return total;
}

SKT_INLINE float sum_of_squared_distances(const float *x, float centre, size_t count) {
  SKT_REASSOCIATE
  float total = 0;
  for (size_t i = 0; i < count; i++) total += (x[i] - centre) * (x[i] - centre);
  return total;
}

SKT_INLINE float maximum(const float *x, size_t count) {
  float best = -FLT_MAX;
  for (size_t i = 0; i < count; i++) best = x[i] > best ? x[i] : best;
  return best;
}

/// x = softmax(scale * x)
SKT_INLINE void softmax(float *x, size_t count, float scale) {
  const float top = maximum(x, count);
  for (size_t i = 0; i < count; i++) x[i] = skt_exp(scale * (x[i] - top));
  const float inverse = 1.0f / sum(x, count);
  for (size_t i = 0; i < count; i++) x[i] *= inverse;
}

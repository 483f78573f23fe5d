#pragma once
#include "vector_code.h"
#include <float.h>
#include <math.h>

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

SKT_INLINE float larger(float a, float b) { return a > b ? a : b; }

SKT_INLINE float maximum(const float *x, size_t count) {
  // One maximum a lane: a single one does not become vector code, since the order matters to NaN.
  enum { kLanes = 16 };
  float lanes[kLanes];
  for (size_t lane = 0; lane < kLanes; lane++) lanes[lane] = -FLT_MAX;
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (size_t lane = 0; lane < kLanes; lane++) lanes[lane] = larger(x[i + lane], lanes[lane]);
  float best = -FLT_MAX;
  for (; i < count; i++) best = larger(x[i], best);
  for (size_t lane = 0; lane < kLanes; lane++) best = larger(lanes[lane], best);
  return best;
}

/// Mean and reciprocal deviation. The variance is taken about the mean in a second pass: the one-pass form loses digits
/// when |mean| is large.
SKT_INLINE void moments(float *mean, float *rstd, const float *x, size_t count, float epsilon) {
  const float centre = sum(x, count) / (float)count;
  const float variance = sum_of_squared_distances(x, centre, count) / (float)count;
  *mean = centre;
  *rstd = 1.0f / sqrtf(variance + epsilon);
}

/// x = softmax(scale * x)
SKT_INLINE void softmax(float *x, size_t count, float scale) {
  const float top = maximum(x, count);
  for (size_t i = 0; i < count; i++) x[i] = skt_exp(scale * (x[i] - top));
  const float inverse = 1.0f / sum(x, count);
  for (size_t i = 0; i < count; i++) x[i] *= inverse;
}

#pragma once
#include "vector_code.h"

// Values and slopes of the activations at one point; inlined, so that each clone of a loop gets its own vector code.

SKT_INLINE float quick_gelu(float x) { return x * skt_sigmoid(1.702f * x); }

SKT_INLINE float quick_gelu_slope(float x) {
  const float s = skt_sigmoid(1.702f * x);
  return s + 1.702f * x * s * (1.0f - s);
}

SKT_INLINE float gelu(float x) { return x * skt_normal_cdf(x); }

SKT_INLINE float gelu_slope(float x) {
  const float density = 0.398942280f * skt_exp(-0.5f * x * x);
  return skt_normal_cdf(x) + x * density;
}

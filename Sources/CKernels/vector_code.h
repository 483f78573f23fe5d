#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__has_feature)
#define __has_feature(feature) 0
#endif

#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer)
/// Compiled three times; the loader picks the widest that the CPU has. Not under the thread sanitizer, whose run-time is not
/// there yet when the loader picks.
#define SKT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SKT_CLONES
#endif

/// Lets a loop's sums be split over vector lanes; stands first in a block.
#define SKT_REASSOCIATE _Pragma("clang fp reassociate(on) contract(fast)")

/// Before a loop whose result may be written in place: element i depends on elements i alone, so arrays that are the same
/// are as good as arrays apart.
#define SKT_ELEMENT_WISE _Pragma("clang loop vectorize(assume_safety)")

#define SKT_INLINE static inline __attribute__((always_inline))

/// e^x with a relative error of about 1e-7, free of branches so that loops over it become vector code. Outside
/// [-87, 88] it saturates; NaN stays NaN.
SKT_INLINE float skt_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  // Adding 1.5 * 2^23 rounds to the nearest integer, whose bits are the sum's last ones then.
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  // ln 2 in two parts, the first exact in few bits, keeps the reduced argument exact.
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  // Converting n instead would be undefined for NaN. All that is above the exponent's bits is shifted out.
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return p * power;
}

SKT_INLINE float skt_sigmoid(float x) { return 1.0f / (1.0f + skt_exp(-x)); }

/// The normal distribution function, absolute error below 5e-7.
///
/// erfc(z) = t exp(-z^2 + q(t)) with t = 1 / (1 + z/2); q is our own Chebyshev fit of degree 9, whose error of
/// 4e-8 is below float rounding. It is relative to erfc, so the lower tail keeps its digits.
SKT_INLINE float skt_normal_cdf(float x) {
  float z = (x < 0 ? -x : x) * 0.70710678f;
  z = z > 9.0f ? 9.0f : z;
  const float t = 1.0f / (1.0f + 0.5f * z);
  float q = 1.354247149e-01f;
  q = q * t - 6.286316612e-01f;
  q = q * t + 1.032769872e+00f;
  q = q * t - 5.295531960e-01f;
  q = q * t - 2.197605030e-01f;
  q = q * t + 7.634555180e-02f;
  q = q * t + 8.687073254e-03f;
  q = q * t + 3.921549522e-01f;
  q = q * t + 9.979783021e-01f;
  q = q * t - 1.265415065e+00f;
  const float half_tail = 0.5f * t * skt_exp(q - z * z);
  return x < 0 ? half_tail : 1.0f - half_tail;
}

#pragma once
#include "vector_code.h"

// bfloat16: the upper half of a float.

/// Rounded to nearest, ties to even. NaN stays NaN: the carry would make some of them zeros.
SKT_INLINE uint16_t skt_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t quiet = (bits >> 16) | 0x40u;
  return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
}

SKT_INLINE float skt_float(uint16_t q) {
  const uint32_t bits = (uint32_t)q << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

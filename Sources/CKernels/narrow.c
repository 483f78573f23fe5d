#include "CKernels.h"
#include "bfloat16.h"

// 16-bit floats for what is kept, not computed with. Integer arithmetic without branches, so that the loops become vector code
// on every CPU.

SKT_INLINE uint32_t skt_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

SKT_INLINE float skt_from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/// The magnitude of a binary16, rounded to nearest, ties to even.
SKT_INLINE uint32_t skt_half_magnitude(uint32_t magnitude) {
  const uint32_t normal = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
  // Subnormals count units of 2^-24, which is the last place of floats from 0.5 on: the sum rounds to such units.
  const uint32_t small = skt_bits(skt_from_bits(magnitude) + 0.5f) - 0x3F000000u;
  const uint32_t large = magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u;
  const uint32_t finite = magnitude < 0x38800000u ? small : normal;
  return magnitude >= 0x47800000u ? large : finite;
}

SKT_CLONES int skt_to_fp16(uint16_t *restrict q, const float *restrict x, size_t count) {
  uint32_t lost = 0;
  for (size_t i = 0; i < count; i++) {
    const uint32_t bits = skt_bits(x[i]);
    const uint32_t magnitude = bits & 0x7FFFFFFFu;
    const uint32_t half = skt_half_magnitude(magnitude);
    lost |= (uint32_t)(half >= 0x7C00u) & (uint32_t)(magnitude < 0x7F800000u);
    q[i] = (uint16_t)(((bits >> 16) & 0x8000u) | half);
  }
  return lost == 0;
}

SKT_CLONES void skt_from_fp16(float *restrict x, const uint16_t *restrict q, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t magnitude = q[i] & 0x7FFFu;
    const uint32_t small = skt_bits((float)(int32_t)magnitude * 0x1p-24f);
    const uint32_t normal = (magnitude << 13) + 0x38000000u;
    const uint32_t large = (magnitude << 13) | 0x7F800000u;
    const uint32_t finite = magnitude < 0x400u ? small : normal;
    const uint32_t bits = magnitude >= 0x7C00u ? large : finite;
    x[i] = skt_from_bits(bits | (uint32_t)(q[i] & 0x8000u) << 16);
  }
}

SKT_CLONES int skt_to_bf16(uint16_t *restrict q, const float *restrict x, size_t count) {
  uint32_t lost = 0;
  for (size_t i = 0; i < count; i++) {
    q[i] = skt_bf16(x[i]);
    lost |= (uint32_t)((q[i] & 0x7FFFu) >= 0x7F80u) & (uint32_t)((skt_bits(x[i]) & 0x7FFFFFFFu) < 0x7F800000u);
  }
  return lost == 0;
}

SKT_CLONES void skt_from_bf16(float *restrict x, const uint16_t *restrict q, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = skt_float(q[i]);
}

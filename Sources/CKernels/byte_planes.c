#include "CKernels.h"
#include "vector_code.h"

/// Words that stay in the first-level cache while their four planes are made, as each is a walk of its own: stores to
/// four places in one loop do not become vector code.
enum { kBlock = 2048 };

SKT_INLINE size_t skt_block(size_t left) { return left < kBlock ? left : kBlock; }

SKT_CLONES void skt_split_planes(uint8_t *restrict planes, const uint32_t *restrict words, size_t count) {
  for (size_t start = 0; start < count; start += kBlock) {
    const uint32_t *in = words + start;
    const size_t size = skt_block(count - start);
    for (size_t plane = 0; plane < 4; plane++) {
      uint8_t *out = planes + plane * count + start;
      const uint32_t shift = (uint32_t)(8 * plane);
      for (size_t i = 0; i < size; i++) out[i] = (uint8_t)(in[i] >> shift);
    }
  }
}

SKT_CLONES void skt_join_planes(uint32_t *restrict words, const uint8_t *restrict planes, size_t stride, size_t count) {
  const uint8_t *p0 = planes, *p1 = planes + stride, *p2 = p1 + stride, *p3 = p2 + stride;
  for (size_t i = 0; i < count; i++)
    words[i] = (uint32_t)p0[i] | (uint32_t)p1[i] << 8 | (uint32_t)p2[i] << 16 | (uint32_t)p3[i] << 24;
}

/// Maps the bits of a float to an integer that grows with it: negative numbers, whose bits grow the other way, are
/// inverted, and positive ones go above them. One to one for all bit patterns.
SKT_INLINE uint32_t skt_ordered(uint32_t bits) { return bits ^ ((0u - (bits >> 31)) | 0x80000000u); }

SKT_INLINE uint32_t skt_unordered(uint32_t ordered) { return ordered ^ (((ordered >> 31) - 1u) | 0x80000000u); }

SKT_CLONES void skt_difference(uint32_t *restrict differences, const uint32_t *restrict words,
                               const uint32_t *restrict base, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t d = skt_ordered(words[i]) - skt_ordered(base[i]);
    differences[i] = d << 1 ^ (0u - (d >> 31));
  }
}

SKT_CLONES void skt_undo_difference(uint32_t *restrict words, const uint32_t *restrict base, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t d = words[i] >> 1 ^ (0u - (words[i] & 1u));
    words[i] = skt_unordered(skt_ordered(base[i]) + d);
  }
}

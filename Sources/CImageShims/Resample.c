#include "Resample.h"

#include <string.h>

// One build for each x86-64 level, chosen when the program is loaded; elsewhere the compiler's target decides. The
// choice is made before a thread sanitizer is ready to watch it, so under that there is one build.
#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer)
#define CLONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONED
#endif
#define INLINED static inline __attribute__((always_inline))

// Sixteen lanes: the compiler cuts them into whatever the target's registers hold.
enum { LANES = 16 };
typedef uint8_t Bytes __attribute__((vector_size(LANES)));
typedef int32_t Sums __attribute__((vector_size(4 * LANES)));

INLINED void load_bytes(Bytes *bytes, const uint8_t *source) { memcpy(bytes, source, sizeof *bytes); }

INLINED void add_scaled(Sums *sums, const uint8_t *source, int32_t weight) {
  Bytes bytes;
  load_bytes(&bytes, source);
  *sums += __builtin_convertvector(bytes, Sums) * weight;
}

/// Rounds, clips to 0...255 and stores. The sums start at one half, so the shift rounds to nearest.
INLINED void store_clipped(const Sums *sums, uint8_t *target) {
  Sums value = __builtin_elementwise_max(*sums >> IMAGE_WEIGHT_BITS, (Sums){0});
  value = __builtin_elementwise_min(value, (Sums){0} + 255);
  const Bytes bytes = __builtin_convertvector(value, Bytes);
  memcpy(target, &bytes, sizeof bytes);
}

static const int32_t half = 1 << (IMAGE_WEIGHT_BITS - 1);

// MARK: - Transposition

INLINED void interleave(const Bytes *low, const Bytes *high, Bytes *first, Bytes *second) {
  *first = __builtin_shufflevector(*low, *high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  *second = __builtin_shufflevector(*low, *high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/// Four rounds of interleaving row i with row i + 8 transpose a 16 x 16 block.
INLINED void transpose(Bytes block[LANES]) {
  Bytes other[LANES];
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 8; i++) interleave(&block[i], &block[i + 8], &other[2 * i], &other[2 * i + 1]);
    for (int i = 0; i < 8; i++) interleave(&other[i], &other[i + 8], &block[2 * i], &block[2 * i + 1]);
  }
}

/// Sixteen rows of `width` bytes to [width rounded up to 16][16].
INLINED void transpose_rows(const uint8_t *const rows[LANES], ptrdiff_t width, uint8_t *result) {
  Bytes block[LANES];
  ptrdiff_t x = 0;
  for (; x + LANES <= width; x += LANES) {
    for (int r = 0; r < LANES; r++) load_bytes(&block[r], rows[r] + x);
    transpose(block);
    memcpy(result + x * LANES, block, sizeof block);
  }
  if (x == width) return;
  for (int r = 0; r < LANES; r++) {
    block[r] = (Bytes){0};
    memcpy(&block[r], rows[r] + x, (size_t)(width - x));
  }
  transpose(block);
  memcpy(result + x * LANES, block, sizeof block);
}

// MARK: - Passes

size_t image_resample_scratch_size(ptrdiff_t columns) { return ((size_t)columns * 3 + LANES) * LANES; }

/// Filters up to sixteen pixels of sixteen transposed rows and lays each channel out as rows again.
INLINED void filter_columns(
    const uint8_t *transposed, ImageTaps taps, ptrdiff_t begin, ptrdiff_t end, Bytes red[LANES], Bytes green[LANES],
    Bytes blue[LANES]) {
  for (ptrdiff_t i = begin; i < end; i++) {
    const uint8_t *source = transposed + (ptrdiff_t)taps.first[i] * 3 * LANES;
    const int32_t *weights = taps.weights + i * taps.weight_stride;
    Sums sums[3] = {(Sums){0} + half, (Sums){0} + half, (Sums){0} + half};
    for (int32_t t = 0; t < taps.count[i]; t++) {
      for (int c = 0; c < 3; c++) add_scaled(&sums[c], source + (3 * t + c) * LANES, weights[t]);
    }
    store_clipped(&sums[0], (uint8_t *)&red[i - begin]);
    store_clipped(&sums[1], (uint8_t *)&green[i - begin]);
    store_clipped(&sums[2], (uint8_t *)&blue[i - begin]);
  }
  transpose(red);
  transpose(green);
  transpose(blue);
}

CLONED void image_resample_columns(
    const uint8_t *rgb, ptrdiff_t rgb_stride, ptrdiff_t columns, ptrdiff_t rows, ImageTaps taps, uint8_t *planes,
    ptrdiff_t plane_stride, uint8_t *scratch) {
  for (ptrdiff_t y = 0; y < rows; y += LANES) {
    const int height = rows - y < LANES ? (int)(rows - y) : LANES;
    const uint8_t *sources[LANES];
    for (int r = 0; r < LANES; r++) sources[r] = rgb + (y + (r < height ? r : height - 1)) * rgb_stride;
    transpose_rows(sources, 3 * columns, scratch);
    for (ptrdiff_t x = 0; x < taps.outputs; x += LANES) {
      Bytes channels[3][LANES] = {0};
      const ptrdiff_t end = x + LANES < taps.outputs ? x + LANES : taps.outputs;
      filter_columns(scratch, taps, x, end, channels[0], channels[1], channels[2]);
      for (int c = 0; c < 3; c++) {
        uint8_t *target = planes + (c * rows + y) * plane_stride + x;
        for (int r = 0; r < height; r++) memcpy(target + r * plane_stride, &channels[c][r], LANES);
      }
    }
  }
}

CLONED void image_resample_rows(const uint8_t *plane, ptrdiff_t plane_stride, ImageTaps taps, uint8_t *result) {
  for (ptrdiff_t y = 0; y < taps.outputs; y++) {
    const int32_t *weights = taps.weights + y * taps.weight_stride;
    const uint8_t *source = plane + taps.first[y] * plane_stride;
    for (ptrdiff_t x = 0; x < plane_stride; x += 2 * LANES) {
      Sums left = (Sums){0} + half, right = (Sums){0} + half;
      for (int32_t t = 0; t < taps.count[y]; t++) {
        add_scaled(&left, source + t * plane_stride + x, weights[t]);
        add_scaled(&right, source + t * plane_stride + x + LANES, weights[t]);
      }
      store_clipped(&left, result + y * plane_stride + x);
      store_clipped(&right, result + y * plane_stride + x + LANES);
    }
  }
}

// MARK: - Model input

CLONED void image_normalize(
    const uint8_t *plane, ptrdiff_t plane_stride, ptrdiff_t rows, ptrdiff_t columns, float mean, float deviation,
    int mirrored, float *result, ptrdiff_t row_stride) {
  for (ptrdiff_t y = 0; y < rows; y++) {
    const uint8_t *source = plane + y * plane_stride;
    float *target = result + y * row_stride;
    if (mirrored) {
      for (ptrdiff_t x = 0; x < columns; x++) target[x] = (source[columns - 1 - x] / 255.0f - mean) / deviation;
    } else {
      for (ptrdiff_t x = 0; x < columns; x++) target[x] = (source[x] / 255.0f - mean) / deviation;
    }
  }
}

#pragma once

#include <stddef.h>
#include <stdint.h>

// The two passes of a separable 8-bit image filter, and what turns its result into a model's input.
//
// Weights are integers scaled by 2^IMAGE_WEIGHT_BITS. Every pass sums in 32 bits, rounds, and clips to a byte, so the
// result does not depend on the vector unit that computed it.

enum { IMAGE_WEIGHT_BITS = 22 };

/// Samples of a plane's row are padded to a multiple of this, so that kernels need no remainder loop.
enum { IMAGE_PLANE_ALIGNMENT = 32 };

/// Which inputs make each of `outputs` outputs: output i is the sum over t < count[i] of
/// weights[i x weight_stride + t] x input[first[i] + t].
typedef struct {
  const int32_t *first;
  const int32_t *count;
  const int32_t *weights;
  ptrdiff_t weight_stride;
  ptrdiff_t outputs;
} ImageTaps;

/// Bytes of scratch that `image_resample_columns` needs for `columns` input columns.
size_t image_resample_scratch_size(ptrdiff_t columns);

/// Filters along rows: interleaved RGB in, three planes out.
///
/// `rgb` points at the first of `rows` rows of `columns` pixels, `rgb_stride` bytes apart. `planes` is
/// [3][rows][plane_stride] bytes, `plane_stride` a multiple of IMAGE_PLANE_ALIGNMENT not below taps.outputs.
void image_resample_columns(
    const uint8_t *rgb, ptrdiff_t rgb_stride, ptrdiff_t columns, ptrdiff_t rows, ImageTaps taps, uint8_t *planes,
    ptrdiff_t plane_stride, uint8_t *scratch);

/// Filters along columns: one plane [input rows][plane_stride] in, one plane [taps.outputs][plane_stride] out.
void image_resample_rows(const uint8_t *plane, ptrdiff_t plane_stride, ImageTaps taps, uint8_t *result);

/// One plane of bytes [rows][plane_stride] as floats [rows][row_stride]: (byte / 255 - mean) / deviation, each row
/// mirrored if asked.
void image_normalize(
    const uint8_t *plane, ptrdiff_t plane_stride, ptrdiff_t rows, ptrdiff_t columns, float mean, float deviation,
    int mirrored, float *result, ptrdiff_t row_stride);

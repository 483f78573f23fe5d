#pragma once

#include <stddef.h>
#include <stdint.h>

/// A PNG of interleaved RGB rows, 3 x width x height bytes. The result is to be freed; NULL where there is no memory.
uint8_t *image_png_write(const uint8_t *pixels, int32_t width, int32_t height, size_t *count);

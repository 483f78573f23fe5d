#include "ImageReaderInternal.h"

#include <string.h>

// MARK: - Callbacks

static void png_fail(png_structp png, png_const_charp text) {
  ImageReader *reader = png_get_error_ptr(png);
  // The read callback has said already that the file is cut off.
  if (reader->status == IMAGE_OK) image_reader_fail(reader, IMAGE_DAMAGED, text);
  longjmp(reader->on_error, 1);
}

static void png_ignore_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void png_read_bytes(png_structp png, png_bytep target, size_t count) {
  ImageReader *reader = png_get_io_ptr(png);
  if (count > reader->count - reader->position) {
    image_reader_fail(reader, IMAGE_TRUNCATED, "the file ends before the image does");
    png_error(png, "truncated");
  }
  memcpy(target, reader->bytes + reader->position, count);
  reader->position += count;
}

// MARK: - Decoding

/// Asks libpng for one byte a sample and RGB, or for plain indices of a palette.
///
/// Alpha is dropped, not composited; 16 bits become their high byte; there is no gamma correction.
static void png_choose_conversion(ImageReader *reader) {
  png_structp png = reader->png;
  const int color = png_get_color_type(png, reader->png_info);
  reader->png_is_indexed = color == PNG_COLOR_TYPE_PALETTE;
  png_set_strip_16(png);
  if (reader->png_is_indexed) {
    png_set_packing(png);
  } else {
    if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    if (color & PNG_COLOR_MASK_ALPHA) png_set_strip_alpha(png);
    if (!(color & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
  }
}

ImageStatus image_png_open(ImageReader *reader) {
  if (setjmp(reader->on_error)) return reader->status;
  reader->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, png_fail, png_ignore_warning);
  if (reader->png) reader->png_info = png_create_info_struct(reader->png);
  if (!reader->png_info) return image_reader_fail(reader, IMAGE_OUT_OF_MEMORY, "out of memory");
  png_structp png = reader->png;
  png_set_read_fn(png, reader, png_read_bytes);
  // The limits are checked below, with a message that states them.
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // Texts, profiles and the like say nothing about the pixels and are not worth failing over.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info(png, reader->png_info);
  return image_reader_set_size(
      reader, png_get_image_width(png, reader->png_info), png_get_image_height(png, reader->png_info));
}

/// Turns a row of palette indices into RGB in place, last pixel first. Indices without an entry are black.
static void expand_indices(uint8_t *row, int32_t width, const png_color *palette, int entries) {
  static const png_color black = {0, 0, 0};
  for (int32_t x = width - 1; x >= 0; x--) {
    const png_color color = row[x] < entries ? palette[row[x]] : black;
    row[3 * (size_t)x] = color.red;
    row[3 * (size_t)x + 1] = color.green;
    row[3 * (size_t)x + 2] = color.blue;
  }
}

ImageStatus image_png_read(ImageReader *reader, uint8_t *pixels) {
  if (setjmp(reader->on_error)) return reader->status;
  png_structp png = reader->png;
  png_choose_conversion(reader);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader->png_info);
  const size_t width = (size_t)reader->width, stride = 3 * width;
  if (png_get_rowbytes(png, reader->png_info) != (reader->png_is_indexed ? width : stride)) {
    return image_reader_fail(reader, IMAGE_UNSUPPORTED, "the PNG has a pixel layout that libpng cannot convert to RGB");
  }
  for (int pass = 0; pass < passes; pass++) {
    for (int32_t y = 0; y < reader->height; y++) png_read_row(png, pixels + (size_t)y * stride, NULL);
  }
  if (!reader->png_is_indexed) return IMAGE_OK;
  png_colorp palette = NULL;
  int entries = 0;
  if (!png_get_PLTE(png, reader->png_info, &palette, &entries)) {
    return image_reader_fail(reader, IMAGE_DAMAGED, "the PNG has no palette");
  }
  for (int32_t y = 0; y < reader->height; y++) {
    expand_indices(pixels + (size_t)y * stride, reader->width, palette, entries);
  }
  return IMAGE_OK;
}

void image_png_close(ImageReader *reader) {
  if (reader->png) png_destroy_read_struct(&reader->png, &reader->png_info, NULL);
}

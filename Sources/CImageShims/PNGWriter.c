#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "ImageWriter.h"

// One encoder's state. It lives on the heap so that nothing a jump could clobber is a local variable.
typedef struct {
  uint8_t *bytes;
  size_t count;
  size_t capacity;
  jmp_buf on_error;
  png_structp png;
  png_infop info;
} PNGWriter;

static void png_writer_fail(png_structp png, png_const_charp text) {
  (void)text;
  PNGWriter *writer = png_get_error_ptr(png);
  longjmp(writer->on_error, 1);
}

static void png_writer_ignore_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void png_writer_append(png_structp png, png_bytep source, size_t count) {
  PNGWriter *writer = png_get_io_ptr(png);
  if (count > writer->capacity - writer->count) {
    const size_t capacity = 2 * (writer->capacity + count);
    uint8_t *bytes = realloc(writer->bytes, capacity);
    if (!bytes) png_error(png, "out of memory");
    writer->bytes = bytes;
    writer->capacity = capacity;
  }
  memcpy(writer->bytes + writer->count, source, count);
  writer->count += count;
}

static void png_writer_flush(png_structp png) { (void)png; }

static int png_writer_run(PNGWriter *writer, const uint8_t *pixels, int32_t width, int32_t height) {
  if (setjmp(writer->on_error)) return 0;
  writer->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, writer, png_writer_fail, png_writer_ignore_warning);
  if (writer->png) writer->info = png_create_info_struct(writer->png);
  if (!writer->info) return 0;
  png_set_write_fn(writer->png, writer, png_writer_append, png_writer_flush);
  png_set_IHDR(
      writer->png, writer->info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
      PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer->png, writer->info);
  for (int32_t y = 0; y < height; y++) png_write_row(writer->png, pixels + (size_t)y * 3 * (size_t)width);
  png_write_end(writer->png, NULL);
  return 1;
}

uint8_t *image_png_write(const uint8_t *pixels, int32_t width, int32_t height, size_t *count) {
  PNGWriter *writer = calloc(1, sizeof *writer);
  if (!writer) return NULL;
  const int succeeded = png_writer_run(writer, pixels, width, height);
  if (writer->png) png_destroy_write_struct(&writer->png, &writer->info);
  uint8_t *bytes = writer->bytes;
  *count = writer->count;
  free(writer);
  if (succeeded) return bytes;
  free(bytes);
  return NULL;
}

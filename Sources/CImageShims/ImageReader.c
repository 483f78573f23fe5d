#include "ImageReaderInternal.h"

#include <stdlib.h>

ImageStatus image_reader_fail(ImageReader *reader, ImageStatus status, const char *message) {
  reader->status = status;
  if (reader->message_capacity > 0) snprintf(reader->message, reader->message_capacity, "%s", message);
  return status;
}

ImageStatus image_reader_set_size(ImageReader *reader, uint64_t width, uint64_t height) {
  const uint64_t side = (uint64_t)reader->limits.side, pixels = (uint64_t)reader->limits.pixels;
  if (width == 0 || height == 0) return image_reader_fail(reader, IMAGE_DAMAGED, "the image has no pixels");
  // Dividing instead of multiplying: no overflow whatever the header says.
  if (width > side || height > side || height > pixels / width || width > INT32_MAX || height > INT32_MAX) {
    char text[160];
    snprintf(
        text, sizeof text, "the image has %llu x %llu pixels, above the limit of %llu pixels and %llu a side",
        (unsigned long long)width, (unsigned long long)height, (unsigned long long)pixels, (unsigned long long)side);
    return image_reader_fail(reader, IMAGE_TOO_LARGE, text);
  }
  reader->width = (int32_t)width;
  reader->height = (int32_t)height;
  return IMAGE_OK;
}

ImageStatus image_reader_open(
    const uint8_t *bytes, size_t count, ImageFormat format, ImageLimits limits, char *message, size_t message_capacity,
    ImageReader **result) {
  *result = NULL;
  ImageReader *reader = calloc(1, sizeof *reader);
  if (!reader) {
    if (message_capacity > 0) snprintf(message, message_capacity, "out of memory");
    return IMAGE_OUT_OF_MEMORY;
  }
  reader->format = format;
  reader->bytes = bytes;
  reader->count = count;
  reader->limits = limits;
  reader->message = message;
  reader->message_capacity = message_capacity;
  const ImageStatus status = format == IMAGE_FORMAT_JPEG ? image_jpeg_open(reader) : image_png_open(reader);
  if (status != IMAGE_OK) {
    image_reader_close(reader);
    return status;
  }
  *result = reader;
  return IMAGE_OK;
}

int32_t image_reader_width(const ImageReader *reader) { return reader->width; }

int32_t image_reader_height(const ImageReader *reader) { return reader->height; }

ImageStatus image_reader_read(ImageReader *reader, uint8_t *pixels) {
  return reader->format == IMAGE_FORMAT_JPEG ? image_jpeg_read(reader, pixels) : image_png_read(reader, pixels);
}

void image_reader_close(ImageReader *reader) {
  if (!reader) return;
  if (reader->format == IMAGE_FORMAT_JPEG) {
    image_jpeg_close(reader);
  } else {
    image_png_close(reader);
  }
  free(reader);
}

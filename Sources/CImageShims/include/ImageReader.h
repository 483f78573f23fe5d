#pragma once

#include <stddef.h>
#include <stdint.h>

// JPEG and PNG files in memory, read as rows of interleaved RGB bytes; ImageWriter.h writes them.
//
// The file is untrusted. Nothing here exits, aborts, prints, or jumps out of a call: every call returns a status and
// leaves a message in the buffer given to `image_reader_open`.

typedef enum { IMAGE_FORMAT_JPEG, IMAGE_FORMAT_PNG } ImageFormat;

typedef enum {
  IMAGE_OK,
  IMAGE_DAMAGED,
  IMAGE_TRUNCATED,
  IMAGE_TOO_LARGE,
  IMAGE_UNSUPPORTED,
  IMAGE_OUT_OF_MEMORY,
} ImageStatus;

/// The largest image that is read; checked before any memory for pixels is taken.
typedef struct {
  int64_t pixels;
  int64_t side;
} ImageLimits;

typedef struct ImageReader ImageReader;

/// Reads the header. `bytes` and `message` must outlive the reader. On any status but IMAGE_OK no reader is made.
ImageStatus image_reader_open(
    const uint8_t *bytes, size_t count, ImageFormat format, ImageLimits limits, char *message, size_t message_capacity,
    ImageReader **result);

int32_t image_reader_width(const ImageReader *reader);
int32_t image_reader_height(const ImageReader *reader);

/// Decodes all rows into `pixels`, 3 x width x height bytes. May be called once; on failure the content is undefined.
ImageStatus image_reader_read(ImageReader *reader, uint8_t *pixels);

void image_reader_close(ImageReader *reader);

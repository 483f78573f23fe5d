#pragma once

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <png.h>

#include "ImageReader.h"

// One decoder's state. It lives on the heap so that nothing a jump could clobber is a local variable.
struct ImageReader {
  ImageFormat format;
  const uint8_t *bytes;
  size_t count;
  size_t position;
  ImageLimits limits;
  int32_t width;
  int32_t height;

  // What went wrong; set before jumping to `on_error`.
  ImageStatus status;
  char *message;
  size_t message_capacity;
  jmp_buf on_error;

  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr jpeg_errors;
  struct jpeg_source_mgr jpeg_source;
  struct jpeg_progress_mgr jpeg_progress;

  png_structp png;
  png_infop png_info;
  int png_is_indexed;
};

/// Records a failure and returns its status.
ImageStatus image_reader_fail(ImageReader *reader, ImageStatus status, const char *message);

/// Takes the size from the header, or fails when it is beyond the limits.
ImageStatus image_reader_set_size(ImageReader *reader, uint64_t width, uint64_t height);

ImageStatus image_jpeg_open(ImageReader *reader);
ImageStatus image_jpeg_read(ImageReader *reader, uint8_t *pixels);
void image_jpeg_close(ImageReader *reader);

ImageStatus image_png_open(ImageReader *reader);
ImageStatus image_png_read(ImageReader *reader, uint8_t *pixels);
void image_png_close(ImageReader *reader);

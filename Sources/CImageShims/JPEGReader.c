#include "ImageReaderInternal.h"

#include <jerror.h>

// Real progressive files hold about ten scans; each scan costs time over the whole image however small it is.
static const int scan_limit = 500;

// MARK: - Callbacks

static void jpeg_fail(j_common_ptr codec) {
  ImageReader *reader = codec->client_data;
  char text[JMSG_LENGTH_MAX];
  codec->err->format_message(codec, text);
  const int no_memory = codec->err->msg_code == JERR_OUT_OF_MEMORY;
  image_reader_fail(reader, no_memory ? IMAGE_OUT_OF_MEMORY : IMAGE_DAMAGED, text);
  longjmp(reader->on_error, 1);
}

// Warnings (corrupt entropy-coded data, say) are decoded through, as Pillow does.
static void jpeg_ignore_message(j_common_ptr codec, int level) {
  (void)codec;
  (void)level;
}

static void jpeg_print_nothing(j_common_ptr codec) { (void)codec; }

static void jpeg_count_scans(j_common_ptr codec) {
  if (((j_decompress_ptr)codec)->input_scan_number <= scan_limit) return;
  ImageReader *reader = codec->client_data;
  image_reader_fail(reader, IMAGE_DAMAGED, "the image has more than 500 scans");
  longjmp(reader->on_error, 1);
}

static void jpeg_source_nothing(j_decompress_ptr codec) { (void)codec; }

// All bytes are there from the start, so wanting more means that the file is cut off: suspend, and the caller sees it.
static boolean jpeg_source_end(j_decompress_ptr codec) {
  (void)codec;
  return FALSE;
}

static void jpeg_source_skip(j_decompress_ptr codec, long count) {
  if (count <= 0) return;
  struct jpeg_source_mgr *source = codec->src;
  const size_t step = (size_t)count < source->bytes_in_buffer ? (size_t)count : source->bytes_in_buffer;
  source->next_input_byte += step;
  source->bytes_in_buffer -= step;
}

static ImageStatus jpeg_truncated(ImageReader *reader) {
  return image_reader_fail(reader, IMAGE_TRUNCATED, "the file ends before the image does");
}

// MARK: - Decoding

static void jpeg_prepare(ImageReader *reader) {
  struct jpeg_decompress_struct *jpeg = &reader->jpeg;
  jpeg->err = jpeg_std_error(&reader->jpeg_errors);
  reader->jpeg_errors.error_exit = jpeg_fail;
  reader->jpeg_errors.emit_message = jpeg_ignore_message;
  reader->jpeg_errors.output_message = jpeg_print_nothing;
  jpeg->client_data = reader;
  jpeg_create_decompress(jpeg);
  reader->jpeg_source = (struct jpeg_source_mgr){
      .next_input_byte = reader->bytes,
      .bytes_in_buffer = reader->count,
      .init_source = jpeg_source_nothing,
      .fill_input_buffer = jpeg_source_end,
      .skip_input_data = jpeg_source_skip,
      .resync_to_restart = jpeg_resync_to_restart,
      .term_source = jpeg_source_nothing,
  };
  jpeg->src = &reader->jpeg_source;
  reader->jpeg_progress.progress_monitor = jpeg_count_scans;
  jpeg->progress = &reader->jpeg_progress;
}

ImageStatus image_jpeg_open(ImageReader *reader) {
  if (setjmp(reader->on_error)) return reader->status;
  jpeg_prepare(reader);
  struct jpeg_decompress_struct *jpeg = &reader->jpeg;
  if (jpeg_read_header(jpeg, TRUE) == JPEG_SUSPENDED) return jpeg_truncated(reader);
  switch (jpeg->num_components) {
    case 1:
    case 3:
      jpeg->out_color_space = JCS_RGB;
      break;
    case 4:
      jpeg->out_color_space = JCS_CMYK;
      break;
    default:
      return image_reader_fail(reader, IMAGE_UNSUPPORTED, "the JPEG has neither 1, 3 nor 4 colour components");
  }
  return image_reader_set_size(reader, jpeg->image_width, jpeg->image_height);
}

/// a x b / 255, rounded to nearest.
static inline uint8_t scaled(uint8_t a, uint8_t b) {
  const unsigned product = (unsigned)a * b + 128;
  return (uint8_t)(((product >> 8) + product) >> 8);
}

// Four-component JPEGs hold inverted inks (Adobe's convention, which Pillow assumes of all of them), so that a stored
// byte is the light that its ink lets through and red is C x K.
static void rgb_from_inverted_cmyk(const uint8_t *cmyk, uint8_t *rgb, int32_t width) {
  for (int32_t x = 0; x < width; x++) {
    const uint8_t black = cmyk[4 * x + 3];
    for (int c = 0; c < 3; c++) rgb[3 * x + c] = scaled(cmyk[4 * x + c], black);
  }
}

static JDIMENSION jpeg_read_cmyk_row(ImageReader *reader, uint8_t *row, JSAMPARRAY scratch) {
  const JDIMENSION rows = jpeg_read_scanlines(&reader->jpeg, scratch, 1);
  if (rows == 1) rgb_from_inverted_cmyk(scratch[0], row, reader->width);
  return rows;
}

ImageStatus image_jpeg_read(ImageReader *reader, uint8_t *pixels) {
  if (setjmp(reader->on_error)) return reader->status;
  struct jpeg_decompress_struct *jpeg = &reader->jpeg;
  if (!jpeg_start_decompress(jpeg)) return jpeg_truncated(reader);
  const size_t stride = 3 * (size_t)reader->width;
  const int is_cmyk = jpeg->out_color_space == JCS_CMYK;
  JSAMPARRAY scratch = NULL;
  if (is_cmyk) {
    scratch = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, 4 * (JDIMENSION)reader->width, 1);
  }
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW row = pixels + jpeg->output_scanline * stride;
    const JDIMENSION rows = is_cmyk ? jpeg_read_cmyk_row(reader, row, scratch) : jpeg_read_scanlines(jpeg, &row, 1);
    if (rows == 0) return jpeg_truncated(reader);
  }
  return jpeg_finish_decompress(jpeg) ? IMAGE_OK : jpeg_truncated(reader);
}

void image_jpeg_close(ImageReader *reader) { jpeg_destroy_decompress(&reader->jpeg); }

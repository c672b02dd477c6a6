/* Pictures as JPEG and PNG files. Both libraries report failures by longjmp(), which never leaves
 * the functions here. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>

#include "web/rendered_picture.h"

/* ---- JPEG ------------------------------------------------------------------------------------ */

struct jpeg {
    struct jpeg_compress_struct library;
    struct jpeg_error_mgr manager;
    jmp_buf failed;
    char message[JMSG_LENGTH_MAX];
    unsigned char *bytes; /* malloc'ed by the library */
    unsigned long length;
};

static void jpeg_failed(j_common_ptr library)
{
    struct jpeg *jpeg = library->client_data;
    library->err->format_message(library, jpeg->message);
    longjmp(jpeg->failed, 1);
}

static void compress_jpeg(struct jpeg *jpeg, const struct mur_picture *picture, unsigned quality)
{
    jpeg_create_compress(&jpeg->library);
    jpeg_mem_dest(&jpeg->library, &jpeg->bytes, &jpeg->length);
    jpeg->library.image_width = picture->width;
    jpeg->library.image_height = picture->height;
    jpeg->library.input_components = (int)picture->channels;
    jpeg->library.in_color_space = picture->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&jpeg->library);
    jpeg_set_quality(&jpeg->library, (int)quality, TRUE);
    jpeg_start_compress(&jpeg->library, TRUE);
    while (jpeg->library.next_scanline < picture->height) {
        size_t at = (size_t)jpeg->library.next_scanline * picture->width * picture->channels;
        JSAMPROW row = (JSAMPROW)(uintptr_t)(picture->bytes.data + at);
        (void)jpeg_write_scanlines(&jpeg->library, &row, 1);
    }
    jpeg_finish_compress(&jpeg->library);
}

enum mur_status mur_picture_write_jpeg(struct mur_buffer *out, const struct mur_picture *picture,
                                       unsigned quality, struct mur_error *error)
{
    struct jpeg *jpeg = calloc(1, sizeof *jpeg);
    if (jpeg == NULL)
        return mur_error_no_memory(error);
    jpeg->library.err = jpeg_std_error(&jpeg->manager);
    jpeg->manager.error_exit = jpeg_failed;
    jpeg->library.client_data = jpeg;
    enum mur_status status = MUR_OK;
    if (setjmp(jpeg->failed) == 0) {
        compress_jpeg(jpeg, picture, quality);
        status = mur_buffer_append(out, jpeg->bytes, jpeg->length, error);
    } else {
        status = mur_error_set(error, MUR_UNSUPPORTED, "a picture of %u x %u cannot be a JPEG: %s",
                               picture->width, picture->height, jpeg->message);
    }
    jpeg_destroy_compress(&jpeg->library);
    free(jpeg->bytes);
    free(jpeg);
    return status;
}

/* ---- PNG ------------------------------------------------------------------------------------- */

struct png {
    png_structp library;
    png_infop info;
    struct mur_buffer *out;
    struct mur_error error;
};

static void png_failed(png_structp library, png_const_charp message)
{
    struct png *png = png_get_error_ptr(library);
    if (png->error.status == MUR_OK)
        (void)mur_error_set(&png->error, MUR_INTERNAL, "PNG: %s", message);
    png_longjmp(library, 1);
}

static void png_warned(png_structp library, png_const_charp message)
{
    (void)library;
    (void)message;
}

static void png_take(png_structp library, png_bytep bytes, size_t length)
{
    struct png *png = png_get_io_ptr(library);
    if (mur_buffer_append(png->out, bytes, length, &png->error) != MUR_OK)
        png_error(library, "no memory");
}

static void png_flush_nothing(png_structp library)
{
    (void)library;
}

static void compress_png(struct png *png, const struct mur_picture *picture)
{
    png_set_write_fn(png->library, png, png_take, png_flush_nothing);
    png_set_compression_level(png->library, 3);
    png_set_IHDR(png->library, png->info, picture->width, picture->height, 8,
                 picture->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png->library, png->info);
    for (unsigned row = 0; row < picture->height; row++) {
        size_t at = (size_t)row * picture->width * picture->channels;
        png_write_row(png->library, (png_const_bytep)picture->bytes.data + at);
    }
    png_write_end(png->library, png->info);
}

enum mur_status mur_picture_write_png(struct mur_buffer *out, const struct mur_picture *picture,
                                      struct mur_error *error)
{
    struct png *png = calloc(1, sizeof *png);
    if (png == NULL)
        return mur_error_no_memory(error);
    png->out = out;
    png->library = png_create_write_struct(PNG_LIBPNG_VER_STRING, png, png_failed, png_warned);
    if (png->library != NULL)
        png->info = png_create_info_struct(png->library);
    if (png->info == NULL)
        (void)mur_error_no_memory(&png->error);
    else if (setjmp(png_jmpbuf(png->library)) == 0)
        compress_png(png, picture);
    enum mur_status status = png->error.status == MUR_OK ? MUR_OK
                                                         : mur_error_set(error, png->error.status,
                                                                         "%s", png->error.message);
    if (png->library != NULL)
        png_destroy_write_struct(&png->library, &png->info);
    free(png);
    return status;
}

/* JPEG 2000 frames that OpenJPEG's own encoder made: sizes, signs, colours, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openjpeg.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/own.h"
#include "dicom/data_set.h"
#include "dicom/jpeg2000.h"
#include "dicom/transfer_syntax.h"

enum { ROWS = 40, COLUMNS = 33, CAPACITY = 1 << 20 };

struct frame {
    uint8_t bytes[CAPACITY];
    size_t length, at;
};

static OPJ_SIZE_T write_frame(void *buffer, OPJ_SIZE_T size, void *user)
{
    struct frame *frame = user;
    if (size > CAPACITY - frame->at)
        return (OPJ_SIZE_T)-1;
    memcpy(frame->bytes + frame->at, buffer, size);
    frame->at += size;
    if (frame->at > frame->length)
        frame->length = frame->at;
    return size;
}

static OPJ_OFF_T skip_frame(OPJ_OFF_T size, void *user)
{
    ((struct frame *)user)->at += (size_t)size;
    return size;
}

static OPJ_BOOL seek_frame(OPJ_OFF_T to, void *user)
{
    ((struct frame *)user)->at = (size_t)to;
    return OPJ_TRUE;
}

static int32_t value_at(size_t i, unsigned component, unsigned precision, bool is_signed)
{
    int32_t value = (int32_t)((i * 7 + component * 101) % (1u << precision));
    return is_signed ? value - (1 << (precision - 1)) : value;
}

/* Lossless, with the colour transform when there are three components. */
static struct frame *encode(unsigned components, unsigned precision, bool is_signed)
{
    opj_image_cmptparm_t parameters[3] = {{0}};
    for (unsigned i = 0; i < components; i++)
        parameters[i] = (opj_image_cmptparm_t){.dx = 1,
                                               .dy = 1,
                                               .w = COLUMNS,
                                               .h = ROWS,
                                               .prec = precision,
                                               .bpp = precision,
                                               .sgnd = is_signed};
    opj_image_t *image = opj_image_create(components, parameters,
                                          components == 3 ? OPJ_CLRSPC_SRGB : OPJ_CLRSPC_GRAY);
    assert_non_null(image);
    image->x1 = COLUMNS;
    image->y1 = ROWS;
    for (unsigned c = 0; c < components; c++)
        for (size_t i = 0; i < ROWS * COLUMNS; i++)
            image->comps[c].data[i] = value_at(i, c, precision, is_signed);
    opj_cparameters_t options;
    opj_set_default_encoder_parameters(&options);
    options.tcp_mct = components == 3;
    options.tcp_numlayers = 1;
    options.cp_disto_alloc = 1;
    struct frame *frame = calloc(1, sizeof(*frame));
    assert_non_null(frame);
    opj_codec_t *codec = opj_create_compress(OPJ_CODEC_J2K);
    opj_stream_t *stream = opj_stream_default_create(OPJ_FALSE);
    opj_stream_set_user_data(stream, frame, NULL);
    opj_stream_set_write_function(stream, write_frame);
    opj_stream_set_skip_function(stream, skip_frame);
    opj_stream_set_seek_function(stream, seek_frame);
    assert_true(opj_setup_encoder(codec, &options, image));
    assert_true(opj_start_compress(codec, image, stream));
    assert_true(opj_encode(codec, stream));
    assert_true(opj_end_compress(codec, stream));
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
    return frame;
}

static int64_t cell_at(const void *cells, size_t index, unsigned bits, bool is_signed)
{
    switch (bits) {
    case 8:
        return is_signed ? ((const int8_t *)cells)[index] : ((const uint8_t *)cells)[index];
    case 16:
        return is_signed ? ((const int16_t *)cells)[index] : ((const uint16_t *)cells)[index];
    default:
        if (is_signed)
            return ((const int32_t *)cells)[index];
        return ((const uint32_t *)cells)[index];
    }
}

static void pixels_come_back_as_they_were(void **state)
{
    (void)state;
    static const struct {
        unsigned components, precision, bits_allocated;
        bool is_signed;
    } cases[] = {{1, 8, 8, false},   {1, 12, 16, false}, {1, 12, 16, true}, {1, 16, 16, true},
                 {1, 16, 16, false}, {1, 20, 32, true},  {3, 8, 8, false}};
    for (size_t n = 0; n < MUR_COUNT(cases); n++) {
        MUR_AUTO_FREE struct frame *frame =
            encode(cases[n].components, cases[n].precision, cases[n].is_signed);
        struct mur_pixel_layout layout = {.rows = ROWS,
                                          .columns = COLUMNS,
                                          .samples = cases[n].components,
                                          .bits_allocated = cases[n].bits_allocated};
        MUR_AUTO_FREE void *cells = malloc(mur_pixel_frame_size(&layout));
        bool transformed = false;
        struct mur_error error = MUR_ERROR_INIT;
        if (mur_jpeg2000_decode(cells, &transformed, &layout, frame->bytes, frame->length,
                                &error) != MUR_OK)
            fail_msg("%s", error.message);
        assert_int_equal(transformed, cases[n].components == 3);
        for (size_t i = 0; i < ROWS * COLUMNS * cases[n].components; i++)
            assert_int_equal(cell_at(cells, i, cases[n].bits_allocated, cases[n].is_signed),
                             value_at(i / cases[n].components, (unsigned)(i % cases[n].components),
                                      cases[n].precision, cases[n].is_signed));
    }
}

static void a_codestream_that_contradicts_the_data_set_is_refused(void **state)
{
    (void)state;
    MUR_AUTO_FREE struct frame *frame = encode(1, 12, false);
    static const struct {
        struct mur_pixel_layout layout;
        enum mur_status status;
    } cases[] = {{{ROWS + 1, COLUMNS, 1, 16}, MUR_MISMATCH},
                 {{ROWS, COLUMNS - 1, 1, 16}, MUR_MISMATCH},
                 {{ROWS, COLUMNS, 3, 16}, MUR_MISMATCH},
                 {{ROWS, COLUMNS, 1, 8}, MUR_MISMATCH}, /* 12 bits do not fit */
                 {{ROWS, COLUMNS, 1, 12}, MUR_UNSUPPORTED},
                 {{0, COLUMNS, 1, 16}, MUR_UNSUPPORTED},
                 {{ROWS, COLUMNS, 0, 16}, MUR_UNSUPPORTED}};
    uint8_t cells[4];
    for (size_t n = 0; n < MUR_COUNT(cases); n++)
        assert_int_equal(
            mur_jpeg2000_decode(cells, NULL, &cases[n].layout, frame->bytes, frame->length, NULL),
            cases[n].status);
}

static void damage_is_reported(void **state)
{
    (void)state;
    MUR_AUTO_FREE struct frame *frame = encode(1, 12, false);
    const struct mur_pixel_layout layout = {ROWS, COLUMNS, 1, 16};
    MUR_AUTO_FREE void *cells = malloc(mur_pixel_frame_size(&layout));
    static const size_t cuts[] = {0, 1, 20, 60, 90};
    for (size_t n = 0; n < MUR_COUNT(cuts); n++)
        assert_int_equal(mur_jpeg2000_decode(cells, NULL, &layout, frame->bytes, cuts[n], NULL),
                         MUR_PARSE);
    memset(frame->bytes, 0x55, 64);
    assert_int_equal(mur_jpeg2000_decode(cells, NULL, &layout, frame->bytes, frame->length, NULL),
                     MUR_PARSE);
}

/* ---- fragments: PS3.5 A.4 ---- */

static void put(struct mur_buffer *out, const void *bytes, size_t length)
{
    assert_int_equal(mur_buffer_append(out, bytes, length, NULL), MUR_OK);
}

static void put_item(struct mur_buffer *out, const void *bytes, size_t length)
{
    const uint8_t head[8] = {
        0xFE, 0xFF, 0, 0xE0, (uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16), 0};
    put(out, head, sizeof head);
    put(out, bytes, length);
}

static void put_short(struct mur_buffer *out, uint8_t element, uint8_t high, uint8_t value)
{
    const uint8_t bytes[10] = {0x28, 0, element, high, 'U', 'S', 2, 0, value, 0};
    put(out, bytes, sizeof bytes);
}

/* Frames of @p piece bytes a fragment; @p shift spoils where the offset table says they begin. */
static void make_data_set(struct mur_buffer *out, const struct frame *frame, unsigned frames,
                          size_t piece, uint8_t shift)
{
    static const uint8_t sequence[12] = {0xE0, 0x7F, 0x10, 0,    'O',  'B',
                                         0,    0,    0xFF, 0xFF, 0xFF, 0xFF};
    static const uint8_t end[8] = {0xFE, 0xFF, 0xDD, 0xE0};
    uint8_t offsets[16] = {0};
    size_t pieces = (frame->length + piece - 1) / piece;
    size_t step = frame->length + 8 * pieces;
    for (unsigned i = 1; i < frames; i++)
        for (unsigned byte = 0; byte < 4; byte++)
            offsets[4 * i + byte] = (uint8_t)((i * step + shift) >> 8 * byte);
    const uint8_t count[10] = {0x28, 0, 8, 0, 'I', 'S', 2, 0, (uint8_t)('0' + frames), ' '};
    put_short(out, 2, 0, 1);
    put(out, count, sizeof count);
    put_short(out, 0x10, 0, ROWS);
    put_short(out, 0x11, 0, COLUMNS);
    put_short(out, 0, 1, 16);
    put(out, sequence, sizeof sequence);
    put_item(out, offsets, frames > 1 ? (size_t)4 * frames : 0);
    for (unsigned i = 0; i < frames; i++)
        for (size_t at = 0; at < frame->length; at += piece)
            put_item(out, frame->bytes + at,
                     frame->length - at < piece ? frame->length - at : piece);
    put(out, end, sizeof end);
}

static enum mur_status forget(void *user, const void *bytes, size_t length, struct mur_error *error)
{
    (void)user;
    (void)bytes;
    (void)length;
    (void)error;
    return MUR_OK;
}

static enum mur_status decode_fragments(const struct frame *frame, unsigned frames, size_t piece,
                                        uint8_t shift, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    const uint16_t *words = NULL;
    size_t count = 0;
    make_data_set(&bytes, frame, frames, piece, shift);
    assert_int_equal(
        mur_dataset_read(&dataset, bytes.data, bytes.length, mur_uid_JPEG2000Lossless, NULL),
        MUR_OK);
    enum mur_status status = mur_dataset_write(dataset, mur_uid_ExplicitVRLittleEndian,
                                               (struct mur_sink){.write = forget}, error);
    if (status != MUR_OK)
        return status;
    assert_int_equal(mur_dataset_get_words(&words, &count, dataset, MUR_TAG_PixelData, NULL),
                     MUR_OK);
    assert_int_equal(count, (size_t)frames * ROWS * COLUMNS);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(words[i], value_at(i % (ROWS * COLUMNS), 0, 12, false));
    return MUR_OK;
}

static void frames_are_put_together_from_their_fragments(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_FREE struct frame *frame = encode(1, 12, false);
    frame->length += frame->length % 2;
    for (unsigned frames = 1; frames <= 4; frames++)
        for (size_t piece = 64; piece <= 65536; piece *= 1024)
            if (decode_fragments(frame, frames, piece, 0, &error) != MUR_OK)
                fail_msg("%u frames in pieces of %zu: %s", frames, piece, error.message);
    assert_int_not_equal(decode_fragments(frame, 3, 64, 2, NULL), MUR_OK);
    assert_int_not_equal(decode_fragments(frame, 3, 64, 72, NULL), MUR_OK);
}

/* What stands here in one piece is 400,000 bytes: a walk from the first fragment to each of them
 * would take minutes. */
static void very_many_fragments_are_walked_once(void **state)
{
    (void)state;
    MUR_AUTO_FREE struct frame *frame = encode(1, 12, false);
    frame->length = 400000; /* zeros behind the codestream */
    assert_int_equal(decode_fragments(frame, 1, 2, 0, NULL), MUR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_come_back_as_they_were),
        cmocka_unit_test(a_codestream_that_contradicts_the_data_set_is_refused),
        cmocka_unit_test(damage_is_reported),
        cmocka_unit_test(frames_are_put_together_from_their_fragments),
        cmocka_unit_test(very_many_fragments_are_walked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

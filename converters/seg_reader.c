#include "converters/seg_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/seg_reader_internal.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/part10.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum {
    MOST_OF_RLE = 64,       /* bytes that one of the stream can become: PS3.5 G.3.1 */
    MOST_OF_DEFLATE = 1032, /* RFC 1951: 258 of two bits */
};

void mur_seg_reader_free(struct mur_seg_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->descriptor >= 0)
        (void)close(reader->descriptor);
    for (size_t index = 0; index < reader->text_count; index++)
        free(reader->texts[index]);
    free(reader->texts);
    free(reader->numbers);
    free(reader->info.segments);
    free(reader->info.frames);
    mur_dataset_free(reader->info.head);
    mur_seg_pixels_free(&reader->pixels);
    mur_buffer_free(&reader->memory);
    free(reader->path);
    free(reader);
}

const struct mur_seg_info *mur_seg_reader_info(const struct mur_seg_reader *reader)
{
    return &reader->info;
}

const char *mur_seg_reader_path(const struct mur_seg_reader *reader)
{
    return reader->path;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static enum mur_status hold_decoded(struct mur_seg_reader *reader, const char *syntax,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *dataset = NULL;
    enum mur_status status = mur_dataset_load(&dataset, reader->path, MUR_WHOLE, error);
    if (status != MUR_OK)
        return status;
    if (!mur_dataset_can_write(dataset, mur_uid_ExplicitVRLittleEndian))
        return mur_error_set(error, MUR_UNSUPPORTED, "%s: its pixels are in %s, not decoded here",
                             reader->path, mur_transfer_syntax_name(syntax));
    reader->memory.limit = MUR_SEG_HELD_LIMIT;
    if (mur_dataset_encode(&reader->memory, dataset, mur_uid_ExplicitVRLittleEndian, error) !=
        MUR_OK)
        return mur_error_prefix(error, "%s", reader->path);
    reader->syntax = mur_uid_ExplicitVRLittleEndian;
    return MUR_OK;
}

static enum mur_status open_bytes(struct mur_seg_reader *reader, struct mur_error *error)
{
    struct mur_part10 head;
    reader->descriptor = open(reader->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (reader->descriptor < 0)
        return mur_error_set_errno(error, errno, "%s", reader->path);
    enum mur_status status = mur_part10_read(&head, reader->descriptor, reader->path, error);
    if (status != MUR_OK)
        return status;
    const struct mur_transfer_syntax *known = mur_transfer_syntax_find(head.transfer_syntax);
    unsigned flags = mur_transfer_syntax_flags(head.transfer_syntax);
    reader->data_set = head.offset;
    reader->syntax = known != NULL ? known->uid : mur_uid_ExplicitVRLittleEndian;
    if (strcmp(reader->syntax, mur_uid_RLELossless) == 0)
        reader->pixels.packing = MUR_PIXELS_RLE;
    else if (strcmp(reader->syntax, mur_uid_DeflatedImageFrameCompression) == 0)
        reader->pixels.packing = MUR_PIXELS_DEFLATED;
    else if ((flags & MUR_TS_DEFLATED) != 0)
        status = mur_seg_hold_inflated(reader, head.offset, error);
    else if ((flags & ~(unsigned)MUR_TS_IMPLICIT) != 0)
        status = hold_decoded(reader, head.transfer_syntax, error);
    if (status == MUR_OK && reader->memory.data != NULL)
        reader->data_set = 0;
    reader->pixels.path = reader->path;
    reader->pixels.descriptor = reader->descriptor;
    reader->pixels.memory = (const uint8_t *)reader->memory.data;
    return status;
}

/* What stands before frames and pixels, as a Data Set. */
static enum mur_status read_head(struct mur_seg_reader *reader, struct mur_error *error)
{
    if (reader->head_length > MUR_SEG_HEAD_LIMIT)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: %" PRIu64 " bytes before the frames; %d are the limit",
                             reader->path, reader->head_length, MUR_SEG_HEAD_LIMIT);
    MUR_AUTO_FREE uint8_t *bytes = malloc((size_t)reader->head_length + 1);
    if (bytes == NULL)
        return mur_error_no_memory(error);
    bool implicit = (mur_transfer_syntax_flags(reader->syntax) & MUR_TS_IMPLICIT) != 0;
    enum mur_status status = mur_seg_pixels_read(bytes, &reader->pixels, reader->data_set,
                                                 (size_t)reader->head_length, error);
    if (status == MUR_OK &&
        mur_dataset_read(&reader->info.head, bytes, (size_t)reader->head_length,
                         implicit ? mur_uid_ImplicitVRLittleEndian : mur_uid_ExplicitVRLittleEndian,
                         error) != MUR_OK)
        return mur_error_prefix(error, "%s", reader->path);
    return status;
}

/* ---- the object ------------------------------------------------------------------------------ */

static enum mur_status get_needed(int64_t *out, const struct mur_seg_reader *reader, uint32_t tag,
                                  const char *name, int64_t low, int64_t high,
                                  struct mur_error *error)
{
    int64_t value = 0;
    if (mur_dataset_get_int(&value, reader->info.head, tag, 0, NULL) != MUR_OK)
        return mur_error_set(error, MUR_PARSE, "%s: no %s (%04X,%04X)", reader->path, name,
                             MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag));
    if (value < low || value > high)
        return mur_error_set(
            error, MUR_PARSE,
            "%s: %s (%04X,%04X) is %" PRId64 "; %" PRId64 " to %" PRId64 " are possible",
            reader->path, name, MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag), value, low, high);
    *out = value;
    return MUR_OK;
}

static void copy_uid(char out[MUR_UID_TEXT_SIZE], struct mur_dataset *dataset, uint32_t tag)
{
    const char *text = NULL;
    out[0] = '\0';
    if (!mur_dataset_has_value(dataset, tag) ||
        mur_dataset_get_string(&text, dataset, tag, NULL) != MUR_OK)
        return;
    struct mur_slice uid = mur_uid_trim(mur_slice_of(text));
    if (!mur_uid_acceptable(uid))
        return;
    memcpy(out, uid.data, uid.length);
    out[uid.length] = '\0';
}

const char *mur_seg_string(struct mur_dataset *dataset, uint32_t tag)
{
    const char *text = NULL;
    if (!mur_dataset_has_value(dataset, tag) ||
        mur_dataset_get_string(&text, dataset, tag, NULL) != MUR_OK)
        return "";
    return text;
}

static enum mur_status read_kind(struct mur_seg_reader *reader, struct mur_error *error)
{
    struct mur_seg_info *info = &reader->info;
    const char *type = mur_seg_string(info->head, MUR_TAG_SegmentationType);
    copy_uid(info->sop_class, info->head, MUR_TAG_SOPClassUID);
    bool label_map = strcmp(info->sop_class, mur_uid_LabelMapSegmentationStorage) == 0;
    if (!label_map && strcmp(info->sop_class, mur_uid_SegmentationStorage) != 0)
        return mur_error_set(
            error, MUR_MISMATCH, "%s: not a segmentation: its SOP Class is %s", reader->path,
            info->sop_class[0] != '\0' ? mur_sop_class_name(info->sop_class) : "not stated");
    if (label_map || strcmp(type, "LABELMAP") == 0)
        info->kind = MUR_SEG_LABELMAP;
    else if (strcmp(type, "BINARY") == 0)
        info->kind = MUR_SEG_BINARY;
    else if (strcmp(type, "FRACTIONAL") == 0)
        info->kind = MUR_SEG_FRACTIONAL;
    else
        return mur_error_set(error, MUR_PARSE,
                             "%s: Segmentation Type (0062,0001) is \"%.32s\", none that is known",
                             reader->path, type);
    return MUR_OK;
}

static enum mur_status read_layout(struct mur_seg_reader *reader, struct mur_error *error)
{
    struct mur_seg_info *info = &reader->info;
    int64_t rows = 0, columns = 0, bits = 0, samples = 1, maximum = 0, padding = 0;
    enum mur_status status = get_needed(&rows, reader, MUR_TAG_Rows, "Rows", 1, UINT16_MAX, error);
    if (status == MUR_OK)
        status = get_needed(&columns, reader, MUR_TAG_Columns, "Columns", 1, UINT16_MAX, error);
    if (status == MUR_OK)
        status = get_needed(&bits, reader, MUR_TAG_BitsAllocated, "Bits Allocated", 1, 16, error);
    if (status == MUR_OK && mur_dataset_has_value(info->head, MUR_TAG_SamplesPerPixel))
        status =
            get_needed(&samples, reader, MUR_TAG_SamplesPerPixel, "Samples per Pixel", 1, 1, error);
    if (status != MUR_OK)
        return status;
    static const char *const names[] = {"BINARY", "FRACTIONAL", "LABELMAP"};
    bool fits = (info->kind == MUR_SEG_BINARY && bits == 1) ||
                (info->kind == MUR_SEG_FRACTIONAL && bits == 8) ||
                (info->kind == MUR_SEG_LABELMAP && (bits == 8 || bits == 16));
    if (!fits)
        return mur_error_set(error, MUR_MISMATCH,
                             "%s: Bits Allocated (0028,0100) is %" PRId64
                             ", which Segmentation Type %s does not have",
                             reader->path, bits, names[info->kind]);
    info->rows = (uint32_t)rows;
    info->columns = (uint32_t)columns;
    info->bits_allocated = (unsigned)bits;
    info->maximum = UINT8_MAX;
    if (mur_dataset_get_int(&maximum, info->head, MUR_TAG_MaximumFractionalValue, 0, NULL) ==
            MUR_OK &&
        maximum > 0 && maximum <= UINT8_MAX)
        info->maximum = (unsigned)maximum;
    if (info->kind == MUR_SEG_LABELMAP &&
        mur_dataset_get_int(&padding, info->head, MUR_TAG_PixelPaddingValue, 0, NULL) == MUR_OK)
        info->background = (uint16_t)padding;
    return MUR_OK;
}

/* A header that claims frames which so few bytes cannot hold shall cost no memory. */
static enum mur_status check_fragments(const struct mur_seg_reader *reader, struct mur_error *error)
{
    const struct mur_seg_pixels *pixels = &reader->pixels;
    uint64_t most = pixels->packing == MUR_PIXELS_RLE ? MOST_OF_RLE : MOST_OF_DEFLATE;
    uint64_t needed = (uint64_t)pixels->frame_pixels * (pixels->bits / 8);
    for (size_t index = 0; index < pixels->fragment_count; index++)
        if (pixels->fragments[index].length * most < needed)
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s: Pixel Data (7FE0,0010) of frame %zu has %" PRIu32
                                 " bytes, which cannot hold %" PRIu32 " x %" PRIu32 " pixels",
                                 reader->path, index + 1, pixels->fragments[index].length,
                                 reader->info.columns, reader->info.rows);
    return MUR_OK;
}

static enum mur_status check_pixels(struct mur_seg_reader *reader, struct mur_error *error)
{
    struct mur_seg_info *info = &reader->info;
    struct mur_seg_pixels *pixels = &reader->pixels;
    pixels->bits = info->bits_allocated;
    pixels->frame_pixels = (size_t)info->rows * info->columns;
    if (reader->encapsulated != (pixels->packing != MUR_PIXELS_NATIVE))
        return mur_error_set(error, MUR_MISMATCH,
                             "%s: Pixel Data (7FE0,0010) is not encoded as %s says", reader->path,
                             mur_transfer_syntax_name(reader->syntax));
    if (reader->encapsulated) {
        if (info->kind == MUR_SEG_BINARY)
            return mur_error_set(error, MUR_UNSUPPORTED,
                                 "%s: frames of single bits in %s are not defined", reader->path,
                                 mur_transfer_syntax_name(reader->syntax));
        if (pixels->fragment_count != info->frame_count)
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s: Pixel Data (7FE0,0010) has %zu fragments for %zu frames",
                                 reader->path, pixels->fragment_count, info->frame_count);
        return check_fragments(reader, error);
    }
    uint64_t needed = ((uint64_t)pixels->frame_pixels * pixels->bits * info->frame_count + 7) / 8;
    if (pixels->length < needed)
        return mur_error_set(error, MUR_MISMATCH,
                             "%s: Pixel Data (7FE0,0010) holds %" PRIu64 " bytes where %zu frames "
                             "of %" PRIu32 " x %" PRIu32 " pixels need %" PRIu64,
                             reader->path, pixels->length, info->frame_count, info->columns,
                             info->rows, needed);
    if (pixels->length > needed + 1)
        return mur_warn(reader->warnings, error,
                        "%s: Pixel Data (7FE0,0010) holds %" PRIu64 " bytes more than its frames "
                        "need",
                        reader->path, pixels->length - needed);
    return MUR_OK;
}

/* ---- all together ---------------------------------------------------------------------------- */

static enum mur_status check_frames(struct mur_seg_reader *reader, struct mur_error *error)
{
    struct mur_seg_info *info = &reader->info;
    int64_t stated = 0;
    enum mur_status status = get_needed(&stated, reader, MUR_TAG_NumberOfFrames, "Number of Frames",
                                        1, INT32_MAX, error);
    if (status != MUR_OK)
        return status;
    if (stated == 1 && info->frame_count == 0) /* one frame may be all in the shared groups */
        return mur_seg_add_shared_frame(reader, error);
    if ((uint64_t)stated != info->frame_count)
        return mur_error_set(error, MUR_MISMATCH,
                             "%s: Number of Frames (0028,0008) is %" PRId64
                             ", but Per-Frame Functional Groups Sequence has %zu items",
                             reader->path, stated, info->frame_count);
    return MUR_OK;
}

static void read_identity(struct mur_seg_info *info)
{
    struct mur_dataset *series = NULL;
    copy_uid(info->sop_instance, info->head, MUR_TAG_SOPInstanceUID);
    copy_uid(info->study_instance, info->head, MUR_TAG_StudyInstanceUID);
    copy_uid(info->series_instance, info->head, MUR_TAG_SeriesInstanceUID);
    copy_uid(info->frame_of_reference, info->head, MUR_TAG_FrameOfReferenceUID);
    if (mur_dataset_has_value(info->head, MUR_TAG_ReferencedSeriesSequence) &&
        mur_dataset_get_item(&series, info->head, MUR_TAG_ReferencedSeriesSequence, 0, NULL) ==
            MUR_OK)
        copy_uid(info->referenced_series, series, MUR_TAG_SeriesInstanceUID);
}

static enum mur_status read_all(struct mur_seg_reader *reader, struct mur_error *error)
{
    enum mur_status status = open_bytes(reader, error);
    if (status == MUR_OK)
        status = mur_seg_scan(reader, error);
    if (status != MUR_OK)
        return status;
    if (!reader->pixels_seen)
        return mur_error_set(error, MUR_MISMATCH, "%s: not a segmentation: no Pixel Data",
                             reader->path);
    status = read_head(reader, error);
    if (status == MUR_OK)
        status = read_kind(reader, error);
    if (status == MUR_OK)
        status = read_layout(reader, error);
    if (status == MUR_OK)
        status = check_frames(reader, error);
    if (status == MUR_OK)
        status = check_pixels(reader, error);
    if (status != MUR_OK)
        return status;
    status = mur_seg_read_segments(reader, error);
    if (status == MUR_OK &&
        mur_dataset_has_value(reader->info.head, MUR_TAG_SOPInstanceUIDOfConcatenationSource))
        status = mur_warn(reader->warnings, error,
                          "%s: is one part of a concatenation; the other parts are not looked at",
                          reader->path);
    read_identity(&reader->info);
    return status;
}

enum mur_status mur_seg_reader_open(struct mur_seg_reader **out, const char *path,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    MUR_AUTO(mur_seg_reader) *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return mur_error_no_memory(error);
    reader->descriptor = -1;
    reader->warnings = warnings;
    reader->shared.segment = MUR_SEG_NO_SEGMENT;
    enum mur_status status = mur_text_copy(&reader->path, mur_slice_of(path), error);
    if (status == MUR_OK)
        status = read_all(reader, error);
    reader->warnings = NULL;
    if (status == MUR_OK)
        *out = MUR_STEAL(reader);
    return status;
}

/* ---- pixels ---------------------------------------------------------------------------------- */

size_t mur_seg_mask_size(const struct mur_seg_reader *reader)
{
    return mur_seg_pixels_words(&reader->pixels) * sizeof(uint64_t);
}

static void threshold_bits(uint64_t *out, const uint8_t *values, size_t count, unsigned least)
{
    memset(out, 0, (count + 63) / 64 * sizeof *out);
    for (size_t index = 0; index < count; index++)
        out[index / 64] |= (uint64_t)(values[index] >= least) << index % 64;
}

enum mur_status mur_seg_read_mask(uint64_t *out, struct mur_seg_reader *reader, size_t frame,
                                  double threshold, struct mur_error *error)
{
    const struct mur_seg_info *info = &reader->info;
    if (info->kind == MUR_SEG_LABELMAP || frame >= info->frame_count)
        return mur_error_set(error, MUR_INVALID, "%s: frame %zu has no mask", reader->path,
                             frame + 1);
    if (info->kind == MUR_SEG_BINARY)
        return mur_seg_pixels_bits(out, &reader->pixels, frame, error);
    const uint8_t *values = NULL;
    enum mur_status status = mur_seg_pixels_bytes(&values, &reader->pixels, frame, error);
    if (status != MUR_OK)
        return status;
    double least = ceil(threshold * info->maximum - 1e-9);
    threshold_bits(out, values, reader->pixels.frame_pixels,
                   least < 1 ? 1 : (unsigned)fmin(least, UINT16_MAX));
    return MUR_OK;
}

enum mur_status mur_seg_read_values(uint16_t *out, struct mur_seg_reader *reader, size_t frame,
                                    struct mur_error *error)
{
    const struct mur_seg_info *info = &reader->info;
    if (info->kind == MUR_SEG_BINARY || frame >= info->frame_count)
        return mur_error_set(error, MUR_INVALID, "%s: frame %zu has no values", reader->path,
                             frame + 1);
    const uint8_t *bytes = NULL;
    enum mur_status status = mur_seg_pixels_bytes(&bytes, &reader->pixels, frame, error);
    if (status != MUR_OK)
        return status;
    size_t count = reader->pixels.frame_pixels;
    if (info->bits_allocated == 8)
        for (size_t index = 0; index < count; index++)
            out[index] = bytes[index];
    else
        for (size_t index = 0; index < count; index++)
            out[index] = (uint16_t)(bytes[2 * index] | bytes[2 * index + 1] << 8);
    return MUR_OK;
}

#include "converters/seg_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/seg_pixels.h"
#include "core/buffer.h"
#include "core/compress.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum {
    SEGMENT_NUMBERS = 65536,
    INFLATE_PIECE = 1024 * 1024,
    GROUP_NUMBERS = 6, /* the longest value of a functional group: orientation */
    NO_SEGMENT = -1,
    MOST_OF_RLE = 64,       /* bytes that one of the stream can become: PS3.5 G.3.1 */
    MOST_OF_DEFLATE = 1032, /* RFC 1951: 258 of two bits */
};
static const double SAME_DIRECTION = 1e-4;
static const double SAME_SPACING = 1e-4; /* of it */

/* What functional groups say, the shared ones or those of one frame. */
struct groups {
    bool has_orientation, has_spacing, has_position;
    double orientation[6], spacing[2], position[3];
    double slice_spacing, slice_thickness;
    int32_t segment; /* Referenced Segment Number, or NO_SEGMENT */
};

struct mur_seg_reader {
    char *path;
    int descriptor;
    struct mur_buffer memory; /* the Data Set, where it must be held */
    const char *syntax;       /* of the Data Set as it is scanned */
    uint64_t data_set;        /* where it begins in the file */
    struct mur_seg_pixels pixels;
    struct mur_seg_info info;
    char **texts; /* of the segments */
    size_t text_count, text_capacity;
    struct mur_warnings *warnings;

    /* while the file is scanned */
    unsigned depth;
    bool in_frames; /* within Per-Frame Functional Groups */
    struct groups shared, frame;
    bool plane_known; /* the first frame said how all lie */
    int32_t *numbers; /* Referenced Segment Number of each frame */
    size_t frame_capacity;
    uint64_t head_length;
    bool pixels_seen, encapsulated;
    size_t fragment_capacity;
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

/* ---- functional groups ----------------------------------------------------------------------- */

static bool read_numbers(double *out, const struct mur_scan_element *element, unsigned count)
{
    double values[GROUP_NUMBERS];
    struct mur_slice text = mur_scan_text(element);
    for (unsigned index = 0; index < count; index++) {
        const char *mark = memchr(text.data, '\\', text.length);
        size_t length = mark == NULL ? text.length : (size_t)(mark - text.data);
        if ((mark == NULL) != (index + 1 == count) ||
            mur_parse_double(&values[index],
                             (struct mur_slice){.data = text.data, .length = length},
                             NULL) != MUR_OK)
            return false;
        if (mark != NULL)
            text = (struct mur_slice){.data = mark + 1, .length = text.length - length - 1};
    }
    memcpy(out, values, count * sizeof *out);
    return true;
}

static enum mur_status wrong_numbers(const struct mur_seg_reader *reader, const char *name,
                                     const struct mur_scan_element *element,
                                     struct mur_error *error)
{
    struct mur_slice text = mur_scan_text(element);
    if (!reader->in_frames)
        return mur_error_set(error, MUR_PARSE, "%s: %s \"%.*s\" is not what it should be",
                             reader->path, name, (int)(text.length < 100 ? text.length : 100),
                             text.data);
    return mur_error_set(error, MUR_PARSE, "%s: frame %zu: %s \"%.*s\" is not what it should be",
                         reader->path, reader->info.frame_count, name,
                         (int)(text.length < 100 ? text.length : 100), text.data);
}

/* Takes an element of a functional group. */
static enum mur_status take_group(struct mur_seg_reader *reader, struct groups *groups,
                                  const struct mur_scan_element *element, struct mur_error *error)
{
    int64_t number = 0;
    switch (element->tag) {
    case MUR_TAG_ImagePositionPatient:
        if (element->sequences[1] != MUR_TAG_PlanePositionSequence)
            return MUR_OK;
        if (!read_numbers(groups->position, element, 3))
            return wrong_numbers(reader, "Image Position (Patient)", element, error);
        groups->has_position = true;
        return MUR_OK;
    case MUR_TAG_ImageOrientationPatient:
        if (element->sequences[1] != MUR_TAG_PlaneOrientationSequence)
            return MUR_OK;
        if (!read_numbers(groups->orientation, element, 6))
            return wrong_numbers(reader, "Image Orientation (Patient)", element, error);
        groups->has_orientation = true;
        return MUR_OK;
    case MUR_TAG_PixelSpacing:
        if (element->sequences[1] != MUR_TAG_PixelMeasuresSequence)
            return MUR_OK;
        if (!read_numbers(groups->spacing, element, 2) || !(groups->spacing[0] > 0) ||
            !(groups->spacing[1] > 0))
            return wrong_numbers(reader, "Pixel Spacing", element, error);
        groups->has_spacing = true;
        return MUR_OK;
    case MUR_TAG_SpacingBetweenSlices: /* these two may be missing, or be nonsense */
        if (element->sequences[1] == MUR_TAG_PixelMeasuresSequence)
            (void)read_numbers(&groups->slice_spacing, element, 1);
        return MUR_OK;
    case MUR_TAG_SliceThickness:
        if (element->sequences[1] == MUR_TAG_PixelMeasuresSequence)
            (void)read_numbers(&groups->slice_thickness, element, 1);
        return MUR_OK;
    case MUR_TAG_ReferencedSegmentNumber:
        if (element->sequences[1] == MUR_TAG_SegmentIdentificationSequence &&
            mur_scan_int(&number, element, 0))
            groups->segment = (int32_t)number;
        return MUR_OK;
    default:
        return MUR_OK;
    }
}

static enum mur_status compare_planes(const struct mur_seg_reader *reader, size_t frame,
                                      struct mur_error *error)
{
    const struct mur_seg_info *info = &reader->info;
    const struct groups *here = &reader->frame;
    for (unsigned index = 0; index < 6; index++)
        if (!(fabs(here->orientation[index] - info->orientation[index]) < SAME_DIRECTION))
            return mur_error_set(error, MUR_UNSUPPORTED,
                                 "%s: frame %zu: Image Orientation (Patient) differs from that of "
                                 "the first frame; frames of several orientations cannot be one "
                                 "volume",
                                 reader->path, frame);
    for (unsigned index = 0; index < 2; index++)
        if (!(fabs(here->spacing[index] / info->spacing[index] - 1) < SAME_SPACING))
            return mur_error_set(
                error, MUR_UNSUPPORTED,
                "%s: frame %zu: Pixel Spacing differs from that of the first frame", reader->path,
                frame);
    return MUR_OK;
}

/* All groups of a frame were seen. */
static enum mur_status keep_frame(struct mur_seg_reader *reader, struct mur_error *error)
{
    struct mur_seg_info *info = &reader->info;
    const struct groups *here = &reader->frame;
    size_t number = info->frame_count;
    const char *missing = !here->has_position      ? "Image Position (Patient) (0020,0032)"
                          : !here->has_orientation ? "Image Orientation (Patient) (0020,0037)"
                          : !here->has_spacing     ? "Pixel Spacing (0028,0030)"
                                                   : NULL;
    if (missing != NULL)
        return mur_error_set(error, MUR_PARSE,
                             "%s: frame %zu: no %s in its functional groups or the shared ones",
                             reader->path, number, missing);
    if (!reader->plane_known) {
        memcpy(info->orientation, here->orientation, sizeof info->orientation);
        memcpy(info->spacing, here->spacing, sizeof info->spacing);
        info->slice_spacing = here->slice_spacing > 0 ? here->slice_spacing : 0;
        info->slice_thickness = here->slice_thickness > 0 ? here->slice_thickness : 0;
        reader->plane_known = true;
    } else {
        enum mur_status status = compare_planes(reader, number, error);
        if (status != MUR_OK)
            return status;
    }
    memcpy(info->frames[number - 1].position, here->position, sizeof here->position);
    reader->numbers[number - 1] = here->segment;
    return MUR_OK;
}

static enum mur_status begin_frame(struct mur_seg_reader *reader, struct mur_error *error)
{
    struct mur_seg_info *info = &reader->info;
    if (info->frame_count == MUR_SEG_FRAME_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "%s: more than %d frames", reader->path,
                             MUR_SEG_FRAME_LIMIT);
    if (info->frame_count == reader->frame_capacity) {
        size_t capacity = reader->frame_capacity == 0 ? 256 : reader->frame_capacity * 2;
        struct mur_seg_frame *frames = realloc(info->frames, capacity * sizeof *frames);
        if (frames != NULL)
            info->frames = frames;
        int32_t *numbers = realloc(reader->numbers, capacity * sizeof *numbers);
        if (numbers != NULL)
            reader->numbers = numbers;
        if (frames == NULL || numbers == NULL)
            return mur_error_no_memory(error);
        reader->frame_capacity = capacity;
    }
    reader->frame = reader->shared;
    info->frames[info->frame_count++] = (struct mur_seg_frame){.segment = 0};
    return MUR_OK;
}

/* ---- what the scanner tells ------------------------------------------------------------------ */

/* Tiles of a slide lie beside each other in one plane, and a total matrix places them. */
static enum mur_status refuse_tiles(const struct mur_seg_reader *reader,
                                    const struct mur_scan_element *element, struct mur_error *error)
{
    struct mur_slice type = mur_scan_text(element);
    if (type.length < 5 || memcmp(type.data, "TILED", 5) != 0)
        return MUR_OK;
    return mur_error_set(error, MUR_UNSUPPORTED,
                         "%s: Dimension Organization Type (0020,9311) is %.*s: tiles of a slide "
                         "are no volume",
                         reader->path, (int)(type.length < 32 ? type.length : 32), type.data);
}

static enum mur_status on_element(void *user, const struct mur_scan_element *element,
                                  struct mur_error *error)
{
    struct mur_seg_reader *reader = user;
    if (element->depth == 0 && element->tag == MUR_TAG_DimensionOrganizationType)
        return refuse_tiles(reader, element, error);
    if (element->depth != 2)
        return MUR_OK;
    if (element->sequences[0] == MUR_TAG_PerFrameFunctionalGroupsSequence)
        return take_group(reader, &reader->frame, element, error);
    if (element->sequences[0] == MUR_TAG_SharedFunctionalGroupsSequence)
        return take_group(reader, &reader->shared, element, error);
    return MUR_OK;
}

/* Where an element begins whose value is at an offset: the long form of tag, VR and length. */
static uint64_t element_begin(const struct mur_seg_reader *reader, uint64_t value)
{
    bool implicit = (mur_transfer_syntax_flags(reader->syntax) & MUR_TS_IMPLICIT) != 0;
    return value - (implicit ? 8 : 12);
}

static enum mur_status on_sequence_begin(void *user, const struct mur_scan_element *element,
                                         struct mur_error *error)
{
    struct mur_seg_reader *reader = user;
    if (reader->depth++ > 0)
        return MUR_OK;
    reader->in_frames = element->tag == MUR_TAG_PerFrameFunctionalGroupsSequence;
    if (reader->in_frames && reader->head_length > 0)
        return mur_error_set(error, MUR_PARSE,
                             "%s: Per-Frame Functional Groups Sequence stands there twice",
                             reader->path);
    if (reader->in_frames)
        reader->head_length = element_begin(reader, element->offset);
    return MUR_OK;
}

static enum mur_status on_sequence_end(void *user, struct mur_error *error)
{
    struct mur_seg_reader *reader = user;
    (void)error;
    if (--reader->depth == 0)
        reader->in_frames = false;
    return MUR_OK;
}

static enum mur_status on_item_begin(void *user, struct mur_error *error)
{
    struct mur_seg_reader *reader = user;
    return reader->in_frames && reader->depth == 1 ? begin_frame(reader, error) : MUR_OK;
}

static enum mur_status on_item_end(void *user, struct mur_error *error)
{
    struct mur_seg_reader *reader = user;
    return reader->in_frames && reader->depth == 1 ? keep_frame(reader, error) : MUR_OK;
}

static enum mur_status on_bulk(void *user, const struct mur_scan_element *element,
                               struct mur_error *error)
{
    struct mur_seg_reader *reader = user;
    if (element->tag != MUR_TAG_PixelData || element->depth != 0)
        return MUR_OK;
    if (reader->head_length == 0)
        reader->head_length = element_begin(reader, element->offset);
    reader->pixels_seen = true;
    reader->encapsulated = element->encapsulated;
    reader->pixels.offset = reader->data_set + element->offset;
    reader->pixels.length = element->length;
    (void)error;
    return MUR_OK;
}

static enum mur_status on_fragment(void *user, const struct mur_scan_element *element,
                                   uint32_t index, uint64_t offset, uint32_t length,
                                   struct mur_error *error)
{
    struct mur_seg_reader *reader = user;
    struct mur_seg_pixels *pixels = &reader->pixels;
    if (element->tag != MUR_TAG_PixelData || element->depth != 0 || index == 0)
        return MUR_OK;
    if (pixels->fragment_count == MUR_SEG_FRAME_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "%s: more than %d fragments", reader->path,
                             MUR_SEG_FRAME_LIMIT);
    if (pixels->fragment_count == reader->fragment_capacity) {
        size_t capacity = reader->fragment_capacity == 0 ? 256 : reader->fragment_capacity * 2;
        struct mur_pixel_fragment *fragments =
            realloc(pixels->fragments, capacity * sizeof *fragments);
        if (fragments == NULL)
            return mur_error_no_memory(error);
        pixels->fragments = fragments;
        reader->fragment_capacity = capacity;
    }
    pixels->fragments[pixels->fragment_count++] =
        (struct mur_pixel_fragment){.offset = reader->data_set + offset, .length = length};
    return MUR_OK;
}

static const struct mur_scan_events events = {
    .element = on_element,
    .bulk = on_bulk,
    .fragment = on_fragment,
    .sequence_begin = on_sequence_begin,
    .item_begin = on_item_begin,
    .item_end = on_item_end,
    .sequence_end = on_sequence_end,
};

/* ---- bytes ----------------------------------------------------------------------------------- */

static enum mur_status hold_inflated(struct mur_seg_reader *reader, uint64_t offset,
                                     struct mur_error *error)
{
    MUR_AUTO(mur_inflate) *inflate = NULL;
    MUR_AUTO_FREE uint8_t *piece = malloc(INFLATE_PIECE);
    if (piece == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_inflate_create(&inflate, MUR_SEG_HELD_LIMIT, error);
    while (status == MUR_OK && !mur_inflate_ended(inflate)) {
        size_t got = 0;
        status = mur_pread_full(&got, reader->descriptor, piece, INFLATE_PIECE, (off_t)offset,
                                reader->path, error);
        if (status != MUR_OK)
            return status;
        if (got == 0)
            return mur_error_set(error, MUR_PARSE, "%s: cut: the deflated Data Set has no end",
                                 reader->path);
        offset += got;
        if (mur_inflate_write(inflate, mur_sink_buffer(&reader->memory), piece, got, error) !=
            MUR_OK)
            return mur_error_prefix(error, "%s", reader->path);
    }
    reader->syntax = mur_uid_ExplicitVRLittleEndian;
    return status;
}

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

static enum mur_status scan(struct mur_seg_reader *reader, struct mur_error *error)
{
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status = mur_scanner_create(&scanner, reader->syntax, &events, reader, error);
    if (status != MUR_OK)
        return status;
    if (reader->memory.data == NULL) {
        status =
            mur_scanner_read(scanner, reader->descriptor, reader->data_set, reader->path, error);
    } else {
        status = mur_scanner_write(scanner, reader->memory.data, reader->memory.length, error);
        if (status == MUR_OK)
            status = mur_scanner_finish(scanner, error);
    }
    size_t length = strlen(reader->path);
    if (status != MUR_OK && error != NULL && strncmp(error->message, reader->path, length) != 0)
        return mur_error_prefix(error, "%s", reader->path);
    return status;
}

static enum mur_status open_bytes(struct mur_seg_reader *reader, struct mur_error *error)
{
    struct mur_part10 head;
    reader->descriptor = open(reader->path, O_RDONLY | O_CLOEXEC);
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
        status = hold_inflated(reader, head.offset, error);
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

static const char *string_or_empty(struct mur_dataset *dataset, uint32_t tag)
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
    const char *type = string_or_empty(info->head, MUR_TAG_SegmentationType);
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

/* ---- segments -------------------------------------------------------------------------------- */

static enum mur_status keep_text(const char **out, struct mur_seg_reader *reader,
                                 struct mur_dataset *item, uint32_t tag, struct mur_error *error)
{
    if (!mur_dataset_has_value(item, tag))
        return MUR_OK;
    if (reader->text_count == reader->text_capacity) {
        size_t capacity = reader->text_capacity == 0 ? 64 : reader->text_capacity * 2;
        char **texts = realloc(reader->texts, capacity * sizeof *texts);
        if (texts == NULL)
            return mur_error_no_memory(error);
        reader->texts = texts;
        reader->text_capacity = capacity;
    }
    char *text = NULL;
    if (mur_dataset_get_text(&text, item, tag, error) != MUR_OK)
        return mur_error_prefix(error, "%s: Segment Sequence", reader->path);
    reader->texts[reader->text_count++] = text;
    *out = text;
    return MUR_OK;
}

/* The first code of a sequence; in @p item_out its item, for what stands within it. */
static enum mur_status read_code(struct mur_code *out, struct mur_dataset **item_out,
                                 struct mur_seg_reader *reader, struct mur_dataset *segment,
                                 uint32_t sequence, struct mur_error *error)
{
    struct mur_dataset *item = NULL;
    if (segment == NULL || !mur_dataset_has_value(segment, sequence) ||
        mur_dataset_get_item(&item, segment, sequence, 0, NULL) != MUR_OK)
        return MUR_OK;
    enum mur_status status = keep_text(&out->value, reader, item, MUR_TAG_CodeValue, error);
    if (status == MUR_OK && out->value == NULL)
        status = keep_text(&out->value, reader, item, MUR_TAG_LongCodeValue, error);
    if (status == MUR_OK && out->value == NULL)
        status = keep_text(&out->value, reader, item, MUR_TAG_URNCodeValue, error);
    if (status == MUR_OK)
        status = keep_text(&out->scheme, reader, item, MUR_TAG_CodingSchemeDesignator, error);
    if (status == MUR_OK)
        status = keep_text(&out->meaning, reader, item, MUR_TAG_CodeMeaning, error);
    if (item_out != NULL)
        *item_out = item;
    return status;
}

static enum mur_status read_codes(struct mur_segment *out, struct mur_seg_reader *reader,
                                  struct mur_dataset *item, struct mur_error *error)
{
    struct mur_dataset *type = NULL, *region = NULL;
    enum mur_status status = read_code(&out->category, NULL, reader, item,
                                       MUR_TAG_SegmentedPropertyCategoryCodeSequence, error);
    if (status == MUR_OK)
        status = read_code(&out->type, &type, reader, item,
                           MUR_TAG_SegmentedPropertyTypeCodeSequence, error);
    if (status == MUR_OK)
        status = read_code(&out->type_modifier, NULL, reader, type,
                           MUR_TAG_SegmentedPropertyTypeModifierCodeSequence, error);
    if (status == MUR_OK && out->type_modifier.value == NULL) /* older writers put it here */
        status = read_code(&out->type_modifier, NULL, reader, item,
                           MUR_TAG_SegmentedPropertyTypeModifierCodeSequence, error);
    if (status == MUR_OK)
        status =
            read_code(&out->region, &region, reader, item, MUR_TAG_AnatomicRegionSequence, error);
    if (status == MUR_OK)
        status = read_code(&out->region_modifier, NULL, reader, region,
                           MUR_TAG_AnatomicRegionModifierSequence, error);
    return status;
}

/* What labels2seg kept of the label map. */
static enum mur_status read_private(struct mur_seg_segment *out, struct mur_seg_reader *reader,
                                    struct mur_dataset *item, struct mur_error *error)
{
    unsigned block = 0;
    bool found = false;
    for (unsigned candidate = 0x10; !found && candidate <= 0xFF; candidate++)
        if (strcmp(string_or_empty(item, MUR_TAG(MUR_PRIVATE_GROUP, candidate)),
                   MUR_CREATOR_NIFTI) == 0) {
            block = candidate;
            found = true;
        }
    int64_t value = 0;
    if (!found)
        return MUR_OK;
    if (mur_dataset_get_int(&value, item, MUR_PRIVATE_TAG(block, MUR_NIFTI_LABEL), 0, NULL) ==
            MUR_OK &&
        value > 0 && value <= UINT16_MAX) {
        out->about.has_source_value = true;
        out->about.source_value = (uint32_t)value;
    }
    if (mur_dataset_get_int(&value, item, MUR_PRIVATE_TAG(block, MUR_NIFTI_LAYER), 0, NULL) ==
            MUR_OK &&
        value > 0 && value <= UINT16_MAX)
        out->layer = (uint32_t)value;
    return keep_text(&out->about.source_file, reader, item,
                     MUR_PRIVATE_TAG(block, MUR_NIFTI_FILE_NAME), error);
}

static enum mur_status read_segment(struct mur_seg_segment *out, struct mur_seg_reader *reader,
                                    struct mur_dataset *item, size_t index, struct mur_error *error)
{
    struct mur_segment *about = &out->about;
    int64_t number = 0;
    if (mur_dataset_get_int(&number, item, MUR_TAG_SegmentNumber, 0, NULL) != MUR_OK ||
        number < 0 || number > UINT16_MAX || (number == 0 && reader->info.kind != MUR_SEG_LABELMAP))
        return mur_error_set(
            error, MUR_PARSE,
            "%s: item %zu of Segment Sequence has no Segment Number (0062,0004) of "
            "1 to 65535",
            reader->path, index + 1);
    out->number = (uint16_t)number;
    const char *algorithm = string_or_empty(item, MUR_TAG_SegmentAlgorithmType);
    out->algorithm_given = algorithm[0] != '\0';
    about->algorithm = strcmp(algorithm, "AUTOMATIC") == 0       ? MUR_SEGMENT_AUTOMATIC
                       : strcmp(algorithm, "SEMIAUTOMATIC") == 0 ? MUR_SEGMENT_SEMIAUTOMATIC
                                                                 : MUR_SEGMENT_MANUAL;
    enum mur_status status = keep_text(&about->label, reader, item, MUR_TAG_SegmentLabel, error);
    if (status == MUR_OK)
        status = keep_text(&about->description, reader, item, MUR_TAG_SegmentDescription, error);
    if (status == MUR_OK)
        status =
            keep_text(&about->algorithm_name, reader, item, MUR_TAG_SegmentAlgorithmName, error);
    if (status == MUR_OK)
        status = keep_text(&about->tracking_id, reader, item, MUR_TAG_TrackingID, error);
    if (status == MUR_OK)
        status = keep_text(&about->tracking_uid, reader, item, MUR_TAG_TrackingUID, error);
    if (status == MUR_OK)
        status = read_codes(about, reader, item, error);
    out->has_cielab = true;
    for (size_t part = 0; part < MUR_CIELAB_VALUES; part++) {
        int64_t value = 0;
        if (mur_dataset_get_int(&value, item, MUR_TAG_RecommendedDisplayCIELabValue, part, NULL) !=
            MUR_OK)
            out->has_cielab = false;
        out->cielab[part] = (uint16_t)value;
    }
    if (out->has_cielab) {
        about->has_color = true;
        mur_rgb_from_cielab(about->rgb, out->cielab);
    }
    if (about->label == NULL)
        about->label = "";
    return status == MUR_OK ? read_private(out, reader, item, error) : status;
}

/* @p index_of: index of the segment of each number, -1 for none. */
static enum mur_status read_segments(struct mur_seg_reader *reader, int32_t *index_of,
                                     struct mur_error *error)
{
    struct mur_seg_info *info = &reader->info;
    size_t count = 0;
    if (!mur_dataset_has_value(info->head, MUR_TAG_SegmentSequence) ||
        mur_dataset_item_count(&count, info->head, MUR_TAG_SegmentSequence, NULL) != MUR_OK ||
        count == 0)
        return mur_error_set(error, MUR_PARSE, "%s: no Segment Sequence (0062,0002)", reader->path);
    if (count > SEGMENT_NUMBERS)
        return mur_error_set(error, MUR_LIMIT, "%s: %zu segments", reader->path, count);
    info->segments = calloc(count, sizeof *info->segments);
    if (info->segments == NULL)
        return mur_error_no_memory(error);
    memset(index_of, 0xFF, SEGMENT_NUMBERS * sizeof *index_of);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < count; index++) {
        struct mur_dataset *item = NULL;
        status = mur_dataset_get_item(&item, info->head, MUR_TAG_SegmentSequence, index, error);
        if (status == MUR_OK)
            status = read_segment(&info->segments[index], reader, item, index, error);
        if (status != MUR_OK)
            break;
        int32_t *known = &index_of[info->segments[index].number];
        if (*known >= 0)
            status = mur_error_set(error, MUR_MISMATCH, "%s: two segments have the number %u",
                                   reader->path, info->segments[index].number);
        *known = (int32_t)index;
        info->segment_count++;
    }
    return status;
}

static enum mur_status assign_frames(struct mur_seg_reader *reader, const int32_t *index_of,
                                     struct mur_error *error)
{
    struct mur_seg_info *info = &reader->info;
    for (size_t index = 0; info->kind != MUR_SEG_LABELMAP && index < info->frame_count; index++) {
        int32_t number = reader->numbers[index];
        if (number == NO_SEGMENT)
            return mur_error_set(error, MUR_PARSE,
                                 "%s: frame %zu: no Referenced Segment Number (0062,000B)",
                                 reader->path, index + 1);
        if (number < 0 || number >= SEGMENT_NUMBERS || index_of[number] < 0)
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s: frame %zu belongs to segment %" PRId32
                                 ", which Segment Sequence does not have",
                                 reader->path, index + 1, number);
        info->frames[index].segment = (uint32_t)index_of[number];
    }
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
    if (stated == 1 && info->frame_count == 0) { /* one frame may be all in the shared groups */
        status = begin_frame(reader, error);
        if (status == MUR_OK)
            status = keep_frame(reader, error);
        return status;
    }
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
        status = scan(reader, error);
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
    MUR_AUTO_FREE int32_t *index_of = malloc(SEGMENT_NUMBERS * sizeof *index_of);
    if (index_of == NULL)
        return mur_error_no_memory(error);
    status = read_segments(reader, index_of, error);
    if (status == MUR_OK)
        status = assign_frames(reader, index_of, error);
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
    reader->shared.segment = NO_SEGMENT;
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

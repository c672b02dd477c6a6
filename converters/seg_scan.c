/* What a pass over the Data Set tells: frames with their functional groups, and where pixels are.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/seg_reader_internal.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/scanner.h"
#include "dicom/transfer_syntax.h"

enum { GROUP_NUMBERS = 6 }; /* the longest value of a functional group: orientation */
static const double SAME_DIRECTION = 1e-4;
static const double SAME_SPACING = 1e-4; /* of it */

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
static enum mur_status take_group(struct mur_seg_reader *reader, struct mur_seg_groups *groups,
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
    const struct mur_seg_groups *here = &reader->frame;
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
    const struct mur_seg_groups *here = &reader->frame;
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

/* ---- the pass -------------------------------------------------------------------------------- */

enum mur_status mur_seg_scan(struct mur_seg_reader *reader, struct mur_error *error)
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

enum mur_status mur_seg_add_shared_frame(struct mur_seg_reader *reader, struct mur_error *error)
{
    enum mur_status status = begin_frame(reader, error);
    return status == MUR_OK ? keep_frame(reader, error) : status;
}

#include "converters/image_planes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

/* What a pass over a file finds: first of the whole file, then of its frames. */
struct header_scan {
    struct mur_image_file *file;
    struct mur_image_plane common; /* of the Data Set and the shared functional groups */
    int64_t frames;
    uint64_t data_set; /* where it begins in the file */
    uint64_t file_size;
    bool has_pixels;
    unsigned float_bits; /* 32 or 64: Float or Double Float Pixel Data */
    unsigned nifti_block;
};

unsigned mur_pixel_size(enum mur_pixel_type type)
{
    switch (type) {
    case MUR_PIXEL_UINT8:
    case MUR_PIXEL_INT8:
        return 1;
    case MUR_PIXEL_INT16:
    case MUR_PIXEL_UINT16:
        return 2;
    case MUR_PIXEL_RGB24:
        return 3;
    case MUR_PIXEL_INT32:
    case MUR_PIXEL_UINT32:
    case MUR_PIXEL_FLOAT32:
        return 4;
    case MUR_PIXEL_FLOAT64:
        return 8;
    }
    return 0;
}

const char *mur_pixel_type_name(enum mur_pixel_type type)
{
    switch (type) {
    case MUR_PIXEL_UINT8:
        return "uint8";
    case MUR_PIXEL_INT8:
        return "int8";
    case MUR_PIXEL_INT16:
        return "int16";
    case MUR_PIXEL_UINT16:
        return "uint16";
    case MUR_PIXEL_RGB24:
        return "RGB";
    case MUR_PIXEL_INT32:
        return "int32";
    case MUR_PIXEL_UINT32:
        return "uint32";
    case MUR_PIXEL_FLOAT32:
        return "float32";
    case MUR_PIXEL_FLOAT64:
        return "float64";
    }
    return "";
}

size_t mur_image_plane_size(const struct mur_image_file *file)
{
    return (size_t)file->rows * file->columns * mur_pixel_size(file->type);
}

void mur_image_file_free(struct mur_image_file *file)
{
    if (file == NULL)
        return;
    free(file->path);
    free(file->planes);
    free(file);
}

/* ---- values --------------------------------------------------------------------------------- */

/* The first @p count numbers of DS, IS, FD or an integer VR. */
static bool numbers(double *out, const struct mur_scan_element *element, unsigned count)
{
    double values[6];
    if (element->vr != MUR_VR_DS && element->vr != MUR_VR_IS) {
        for (unsigned index = 0; index < count; index++)
            if (!mur_scan_double(&values[index], element, index) || !isfinite(values[index]))
                return false;
        memcpy(out, values, count * sizeof *out);
        return true;
    }
    struct mur_slice text = mur_scan_text(element);
    for (unsigned index = 0; index < count; index++) {
        const char *end = memchr(text.data, '\\', text.length);
        struct mur_slice part = {.data = text.data,
                                 .length = end != NULL ? (size_t)(end - text.data) : text.length};
        if (mur_parse_double(&values[index], part, NULL) != MUR_OK ||
            (end == NULL && index + 1 < count))
            return false;
        text.length -= part.length + (end != NULL ? 1 : 0);
        text.data += part.length + (end != NULL ? 1 : 0);
    }
    memcpy(out, values, count * sizeof *out);
    return true;
}

static void whole_number(int64_t *out, const struct mur_scan_element *element)
{
    double value = 0;
    if (numbers(&value, element, 1) && fabs(value) < 1e15)
        *out = (int64_t)value;
}

static void small_number(unsigned *out, const struct mur_scan_element *element)
{
    int64_t value = 0;
    whole_number(&value, element);
    *out = value >= 0 && value <= UINT16_MAX ? (unsigned)value : 0;
}

static void copy_text(char *out, size_t size, const struct mur_scan_element *element)
{
    struct mur_slice text = mur_slice_trim(mur_scan_text(element));
    size_t length = text.length < size ? text.length : size - 1;
    memcpy(out, text.data, length);
    out[length] = '\0';
}

static void copy_uid(char out[MUR_UID_TEXT_SIZE], const struct mur_scan_element *element)
{
    struct mur_slice uid = mur_uid_trim(mur_scan_text(element));
    if (!mur_uid_acceptable(uid))
        return;
    memcpy(out, uid.data, uid.length);
    out[uid.length] = '\0';
}

/* Seconds since midnight of TM, or of DT beyond its date. */
static void seconds_of_day(double *out, const struct mur_scan_element *element)
{
    enum { DATE_DIGITS = 8 };
    struct mur_slice text = mur_slice_trim(mur_scan_text(element));
    if (element->vr == MUR_VR_DT) {
        if (text.length < DATE_DIGITS)
            return;
        text.data += DATE_DIGITS;
        text.length -= DATE_DIGITS;
        for (size_t index = 0; index < text.length; index++)
            if (text.data[index] == '+' || text.data[index] == '-')
                text.length = index; /* the time zone */
    }
    static const double units[3] = {3600, 60, 1};
    double sum = 0;
    for (unsigned part = 0; part < 3 && text.length >= 2; part++) {
        size_t length = part == 2 ? text.length : 2;
        double value = 0;
        if (mur_parse_double(&value, (struct mur_slice){.data = text.data, .length = length},
                             NULL) != MUR_OK)
            return;
        sum += value * units[part];
        text.data += length;
        text.length -= length;
        *out = sum;
    }
}

/* ---- events --------------------------------------------------------------------------------- */

/* Values that may stand in the Data Set, in the shared groups or in a frame's: by their tag, since
 * converters put them into groups of their own (Unassigned Per-Frame Converted Attributes). */
static void take_of_plane(struct mur_image_plane *plane, const struct mur_scan_element *element)
{
    switch (element->tag) {
    case MUR_TAG_ImagePositionPatient:
        if (!numbers(plane->position, element, 3))
            plane->position[0] = NAN;
        break;
    case MUR_TAG_ImageOrientationPatient:
        if (!numbers(plane->orientation, element, 6))
            plane->orientation[0] = NAN;
        break;
    case MUR_TAG_PixelSpacing:
        if (!numbers(plane->spacing, element, 2))
            plane->spacing[0] = NAN;
        break;
    case MUR_TAG_SliceThickness:
        (void)numbers(&plane->thickness, element, 1);
        break;
    case MUR_TAG_SpacingBetweenSlices:
        (void)numbers(&plane->slice_spacing, element, 1);
        break;
    case MUR_TAG_RescaleSlope:
        (void)numbers(&plane->slope, element, 1);
        break;
    case MUR_TAG_RescaleIntercept:
        (void)numbers(&plane->intercept, element, 1);
        break;
    case MUR_TAG_EchoTime:
    case MUR_TAG_EffectiveEchoTime:
        (void)numbers(&plane->echo_time_ms, element, 1);
        break;
    case MUR_TAG_DiffusionBValue:
        (void)numbers(&plane->b_value, element, 1);
        break;
    case MUR_TAG_DiffusionGradientOrientation:
        (void)numbers(plane->gradient, element, 3);
        break;
    case MUR_TAG_TemporalPositionIdentifier:
    case MUR_TAG_TemporalPositionIndex:
        (void)numbers(&plane->temporal_position, element, 1);
        break;
    case MUR_TAG_TemporalPositionTimeOffset:
        (void)numbers(&plane->time_offset_s, element, 1);
        break;
    case MUR_TAG_AcquisitionTime:
    case MUR_TAG_AcquisitionDateTime:
    case MUR_TAG_FrameAcquisitionDateTime:
        seconds_of_day(&plane->acquired_s, element);
        break;
    case MUR_TAG_FrameType:
        copy_text(plane->kind, sizeof plane->kind, element);
        break;
    case MUR_TAG_ComplexImageComponent:
        copy_text(plane->component, sizeof plane->component, element);
        break;
    default:
        break;
    }
}

/* Of a parametric map the values are meant that it maps to (PS3.3 C.7.6.16.2.11); images that map
 * to more than one kind of value are not thereby rescaled. */
static void take_real_world(struct mur_image_plane *plane, const struct header_scan *scan,
                            const struct mur_scan_element *element)
{
    if (strcmp(scan->file->sop_class, mur_uid_ParametricMapStorage) != 0)
        return;
    if (element->tag == MUR_TAG_RealWorldValueSlope)
        (void)numbers(&plane->slope, element, 1);
    if (element->tag == MUR_TAG_RealWorldValueIntercept)
        (void)numbers(&plane->intercept, element, 1);
}

static void take_of_pixels(struct header_scan *scan, const struct mur_scan_element *element)
{
    struct mur_image_file *file = scan->file;
    unsigned value = 0;
    switch (element->tag) {
    case MUR_TAG_Rows:
        small_number(&value, element);
        file->rows = value;
        break;
    case MUR_TAG_Columns:
        small_number(&value, element);
        file->columns = value;
        break;
    case MUR_TAG_SamplesPerPixel:
        small_number(&value, element);
        file->samples = value;
        break;
    case MUR_TAG_BitsAllocated:
        small_number(&file->bits_allocated, element);
        break;
    case MUR_TAG_BitsStored:
        small_number(&file->bits_stored, element);
        break;
    case MUR_TAG_HighBit:
        small_number(&file->high_bit, element);
        break;
    case MUR_TAG_PixelRepresentation:
        small_number(&value, element);
        file->is_signed = value == 1;
        break;
    case MUR_TAG_PlanarConfiguration:
        small_number(&value, element);
        file->planar = value == 1;
        break;
    case MUR_TAG_PhotometricInterpretation:
        copy_text(file->photometric, sizeof file->photometric, element);
        break;
    case MUR_TAG_PixelPaddingValue:
        file->has_padding = mur_scan_int(&file->padding, element, 0);
        if (file->has_padding && file->is_signed && element->vr == MUR_VR_US)
            file->padding = (int16_t)file->padding; /* written as the wrong one of US and SS */
        break;
    default:
        break;
    }
}

static void take_of_file(struct header_scan *scan, const struct mur_scan_element *element)
{
    struct mur_image_file *file = scan->file;
    switch (element->tag) {
    case MUR_TAG_SOPClassUID:
        copy_uid(file->sop_class, element);
        break;
    case MUR_TAG_SOPInstanceUID:
        copy_uid(file->sop_instance, element);
        break;
    case MUR_TAG_StudyInstanceUID:
        copy_uid(file->study_instance, element);
        break;
    case MUR_TAG_SeriesInstanceUID:
        copy_uid(file->series_instance, element);
        break;
    case MUR_TAG_FrameOfReferenceUID:
        copy_uid(file->frame_of_reference, element);
        break;
    case MUR_TAG_ImageType:
        copy_text(scan->common.kind, sizeof scan->common.kind, element);
        break;
    case MUR_TAG_InstanceNumber:
        whole_number(&file->number, element);
        break;
    case MUR_TAG_SeriesNumber:
        whole_number(&file->series_number, element);
        break;
    case MUR_TAG_TemporalResolution:
        (void)numbers(&file->temporal_resolution_ms, element, 1);
        break;
    case MUR_TAG_RepetitionTime:
        (void)numbers(&file->repetition_time_ms, element, 1);
        break;
    case MUR_TAG_NumberOfFrames:
        whole_number(&scan->frames, element);
        break;
    default:
        if (strcmp(element->private_creator, MUR_CREATOR_NIFTI) == 0 &&
            (element->tag & 0xFF) == MUR_NIFTI_HEADER)
            file->has_nifti_original = true;
        break;
    }
    if (MUR_TAG_GROUP(element->tag) == 0x0028)
        take_of_pixels(scan, element);
}

static enum mur_status make_planes(struct header_scan *scan, struct mur_error *error)
{
    struct mur_image_file *file = scan->file;
    if (file->planes != NULL)
        return MUR_OK;
    if (scan->frames < 1 || scan->frames > MUR_IMAGE_FRAME_LIMIT)
        return mur_error_set(error, scan->frames < 1 ? MUR_PARSE : MUR_LIMIT,
                             "Number of Frames (0028,0008) is %" PRId64, scan->frames);
    /* No frame takes less than a byte, but for those of a deflated file. */
    if ((uint64_t)scan->frames > scan->file_size &&
        (mur_transfer_syntax_flags(file->transfer_syntax) & MUR_TS_DEFLATED) == 0)
        return mur_error_set(error, MUR_PARSE,
                             "Number of Frames (0028,0008) is %" PRId64 " in a file of %" PRIu64
                             " bytes",
                             scan->frames, scan->file_size);
    file->planes = calloc((size_t)scan->frames, sizeof *file->planes);
    if (file->planes == NULL)
        return mur_error_no_memory(error);
    file->plane_count = (uint32_t)scan->frames;
    for (uint32_t index = 0; index < file->plane_count; index++) {
        file->planes[index] = scan->common;
        file->planes[index].frame = index;
    }
    return MUR_OK;
}

static enum mur_status on_element(void *user, const struct mur_scan_element *element,
                                  struct mur_error *error)
{
    struct header_scan *scan = user;
    if (element->depth == 0) {
        take_of_file(scan, element);
        take_of_plane(&scan->common, element);
        return MUR_OK;
    }
    if (element->sequences[0] == MUR_TAG_SharedFunctionalGroupsSequence) {
        if (element->tag == MUR_TAG_RepetitionTime)
            take_of_file(scan, element);
        take_of_plane(&scan->common, element);
        take_real_world(&scan->common, scan, element);
        return MUR_OK;
    }
    if (element->sequences[0] != MUR_TAG_PerFrameFunctionalGroupsSequence)
        return MUR_OK;
    enum mur_status status = make_planes(scan, error);
    if (status == MUR_OK && element->items[0] >= scan->file->plane_count)
        return mur_error_set(error, MUR_PARSE,
                             "more items of functional groups than the %" PRIu32 " frames",
                             scan->file->plane_count);
    if (status != MUR_OK)
        return status;
    struct mur_image_plane *plane = &scan->file->planes[element->items[0]];
    take_of_plane(plane, element);
    take_real_world(plane, scan, element);
    return MUR_OK;
}

static enum mur_status on_bulk(void *user, const struct mur_scan_element *element,
                               struct mur_error *error)
{
    (void)error;
    struct header_scan *scan = user;
    struct mur_image_file *file = scan->file;
    bool floats = element->tag == MUR_TAG_FloatPixelData;
    bool doubles = element->tag == MUR_TAG_DoubleFloatPixelData;
    if (element->depth > 0 || (element->tag != MUR_TAG_PixelData && !floats && !doubles))
        return MUR_OK;
    scan->has_pixels = true;
    scan->float_bits = floats ? 32 : doubles ? 64 : 0;
    file->encapsulated = element->encapsulated;
    file->big_endian = element->big_endian;
    file->byte_pixels = element->vr == MUR_VR_OB;
    file->pixel_offset = scan->data_set + element->offset;
    file->pixel_length = element->length;
    return MUR_OK;
}

/* ---- what it comes to ----------------------------------------------------------------------- */

static enum mur_status choose_type(struct header_scan *scan, struct mur_error *error)
{
    struct mur_image_file *file = scan->file;
    if (file->samples == 0)
        file->samples = 1;
    if (scan->float_bits != 0) {
        file->bits_allocated = file->bits_stored = scan->float_bits;
        file->high_bit = scan->float_bits - 1;
        file->type = scan->float_bits == 32 ? MUR_PIXEL_FLOAT32 : MUR_PIXEL_FLOAT64;
        if (file->samples == 1)
            return MUR_OK;
    }
    if (file->bits_stored == 0 || file->bits_stored > file->bits_allocated)
        file->bits_stored = file->bits_allocated;
    if (file->high_bit + 1 < file->bits_stored || file->high_bit >= file->bits_allocated)
        file->high_bit = file->bits_stored - 1;
    bool whole = file->bits_stored == file->bits_allocated && !file->is_signed;
    if (file->samples == 3 && file->bits_allocated == 8 && whole) {
        file->type = MUR_PIXEL_RGB24;
        return MUR_OK;
    }
    if (file->samples == 1 && file->bits_allocated == 8)
        file->type = file->is_signed ? MUR_PIXEL_INT8 : MUR_PIXEL_UINT8;
    else if (file->samples == 1 && file->bits_allocated == 16)
        file->type = file->is_signed ? MUR_PIXEL_INT16 : MUR_PIXEL_UINT16;
    else if (file->samples == 1 && file->bits_allocated == 32)
        file->type = file->is_signed ? MUR_PIXEL_INT32 : MUR_PIXEL_UINT32;
    else
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "%" PRIu32 " samples of %u bits a pixel (0028,0002; 0028,0100); "
                             "1 of 8, 16 or 32 and 3 of 8 are supported",
                             file->samples, file->bits_allocated);
    return MUR_OK;
}

static bool native_colour(const struct mur_image_file *file)
{
    return strcmp(file->photometric, "RGB") == 0 || strcmp(file->photometric, "YBR_FULL") == 0;
}

static enum mur_status check_pixels(struct header_scan *scan, struct mur_error *error)
{
    struct mur_image_file *file = scan->file;
    if (strcmp(file->sop_class, mur_uid_SegmentationStorage) == 0 ||
        strcmp(file->sop_class, mur_uid_LabelMapSegmentationStorage) == 0)
        return mur_error_set(error, MUR_MISMATCH, "a segmentation, not an image");
    unsigned flags = mur_transfer_syntax_flags(file->transfer_syntax);
    bool without = file->rows == 0 || file->columns == 0 || !scan->has_pixels;
    if (without && (flags & MUR_TS_REFERENCED) == 0 && mur_sop_class_is_image(file->sop_class))
        return mur_error_set(error, MUR_PARSE,
                             "not an image: no Rows, Columns or Pixel Data, though it says that it "
                             "is one (%s): was it cut?",
                             mur_sop_class_name(file->sop_class));
    if (without)
        return mur_error_set(error, MUR_MISMATCH, "not an image: no Rows, Columns or Pixel Data");
    enum mur_status status = choose_type(scan, error);
    if (status != MUR_OK)
        return status;
    file->deflated = (flags & MUR_TS_DEFLATED) != 0;
    if ((file->encapsulated && (flags & MUR_TS_DECODED) == 0) || (flags & MUR_TS_REFERENCED) != 0)
        return mur_error_set(error, MUR_UNSUPPORTED, "pixels in %s cannot be decoded here",
                             mur_transfer_syntax_name(file->transfer_syntax));
    if (file->type == MUR_PIXEL_RGB24 && !file->encapsulated && !native_colour(file))
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "Photometric Interpretation (0028,0004) %s is not supported",
                             file->photometric);
    uint64_t needed = (uint64_t)mur_image_plane_size(file) * file->plane_count;
    if (!file->encapsulated && needed > file->pixel_length)
        return mur_error_set(error, MUR_PARSE,
                             "cut: Pixel Data has %" PRIu64 " bytes where %" PRIu32
                             " frames of %" PRIu32 " x %" PRIu32 " %s pixels need %" PRIu64,
                             file->pixel_length, file->plane_count, file->columns, file->rows,
                             mur_pixel_type_name(file->type), needed);
    return MUR_OK;
}

static bool is_placed(const struct mur_image_plane *plane)
{
    return isfinite(plane->position[0]) && isfinite(plane->orientation[0]) &&
           isfinite(plane->spacing[0]) && plane->spacing[0] > 0 && plane->spacing[1] > 0;
}

/* Positions of frames that share one would be those of the Data Set: none of a multi-frame image.
 */
static void finish_planes(struct mur_image_file *file)
{
    for (uint32_t index = 0; index < file->plane_count; index++) {
        struct mur_image_plane *plane = &file->planes[index];
        plane->placed = is_placed(plane);
        if (!(plane->thickness > 0))
            plane->thickness = 0;
        if (!(plane->slice_spacing > 0))
            plane->slice_spacing = 0;
        if (plane->slope == 0)
            plane->slope = 1;
    }
}

static enum mur_status scan_header(struct header_scan *scan, int descriptor,
                                   struct mur_error *error)
{
    static const struct mur_scan_events events = {.element = on_element, .bulk = on_bulk};
    struct mur_image_file *file = scan->file;
    struct mur_part10 head;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status = mur_part10_read(&head, descriptor, file->path, error);
    if (status != MUR_OK)
        return status;
    struct stat details;
    if (fstat(descriptor, &details) != 0)
        return mur_error_set_errno(error, errno, "%s", file->path);
    memcpy(file->transfer_syntax, head.transfer_syntax, sizeof file->transfer_syntax);
    memcpy(file->sop_class, head.sop_class,
           sizeof file->sop_class); /* unless the Data Set says it */
    scan->data_set = head.offset;
    scan->file_size = (uint64_t)details.st_size;
    status = mur_scanner_create(&scanner, head.transfer_syntax, &events, scan, error);
    if (status == MUR_OK)
        status = mur_scanner_read(scanner, descriptor, head.offset, file->path, error);
    if (status == MUR_OK && scan->has_pixels)
        status = make_planes(scan, error);
    if (status == MUR_OK)
        status = check_pixels(scan, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s", file->path);
}

enum mur_status mur_image_file_read(struct mur_image_file **out, const char *path,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_image_file) *file = calloc(1, sizeof *file);
    if (file == NULL)
        return mur_error_no_memory(error);
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return mur_error_set_errno(error, errno, "%s", path);
    enum mur_status status = mur_text_copy(&file->path, mur_slice_of(path), error);
    file->temporal_resolution_ms = file->repetition_time_ms = NAN;
    struct header_scan scan = {
        .file = file,
        .frames = 1,
        .common = {.position = {NAN},
                   .orientation = {NAN},
                   .spacing = {NAN},
                   .slope = 1,
                   .echo_time_ms = NAN,
                   .b_value = NAN,
                   .temporal_position = NAN,
                   .time_offset_s = NAN,
                   .acquired_s = NAN},
    };
    if (status == MUR_OK)
        status = scan_header(&scan, descriptor, error);
    if (status == MUR_PARSE && !mur_part10_is_marked(descriptor))
        return mur_error_set(error, MUR_MISMATCH, "%s: not DICOM", path);
    if (status != MUR_OK)
        return status;
    finish_planes(file);
    *out = MUR_STEAL(file);
    return MUR_OK;
}

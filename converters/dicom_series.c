#include "converters/dicom_series.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/identity.h"
#include "converters/slice_steps.h"
#include "core/buffer.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/attribute.h"
#include "dicom/sop_class.h"

enum {
    FRAME_LIMIT = 1000000,
};
static const double SAME_POSITION_MM = 1e-3;

struct plane {
    struct mur_source_plane source;
    double position[3];
    double along; /* the normal */
    int64_t number;
};

struct reader {
    struct mur_source_series *series;
    struct plane *planes;
    size_t plane_count, plane_capacity;
    size_t instance_capacity;
    uint32_t rows, columns;
    double orientation[6], spacing[2];
    const char *wanted; /* Series Instance UID, or NULL */
    bool lenient;       /* what is not DICOM is passed over */
    struct mur_warnings *warnings;
    size_t file_count;
};

void mur_source_series_free(struct mur_source_series *series)
{
    if (series == NULL)
        return;
    for (size_t index = 0; index < series->instance_count; index++)
        free(series->instances[index]);
    free(series->instances);
    free(series->planes);
    mur_dataset_free(series->common);
    free(series);
}

/* Scanners write "3" for an age and "0.000kg" for a weight; such values would make what is derived
 * from them as wrong as they are. */
static bool is_sound(struct mur_dataset *dataset, uint32_t tag)
{
    enum mur_vr vr = mur_dataset_vr(dataset, tag);
    const char *text = NULL;
    if ((vr != MUR_VR_AS && vr != MUR_VR_DS && vr != MUR_VR_DA) ||
        !mur_dataset_has_value(dataset, tag) ||
        mur_dataset_get_string(&text, dataset, tag, NULL) != MUR_OK)
        return true;
    double number = 0;
    size_t digits = strspn(text, "0123456789");
    if (vr == MUR_VR_AS)
        return digits == 3 && strlen(text) == 4 && strchr("DWMY", text[3]) != NULL;
    if (vr == MUR_VR_DA)
        return digits == 8 && strlen(text) == 8;
    return mur_parse_double(&number, mur_slice_of(text), NULL) == MUR_OK;
}

enum mur_status mur_copy_patient_and_study(struct mur_dataset *target, struct mur_dataset *source,
                                           struct mur_error *error)
{
    size_t count = 0;
    const struct mur_attribute *attributes = mur_attributes(&count);
    for (size_t index = 0; index < count; index++) {
        const struct mur_attribute *attribute = &attributes[index];
        if (attribute->level > MUR_LEVEL_STUDY || attribute->storage == MUR_STORAGE_COMPUTED ||
            !mur_dataset_has(source, attribute->tag) || !is_sound(source, attribute->tag))
            continue;
        enum mur_status status = mur_dataset_copy(target, source, attribute->tag, error);
        if (status != MUR_OK)
            return status;
    }
    if (!mur_dataset_has(source, MUR_TAG_AnatomicalOrientationType))
        return MUR_OK;
    return mur_dataset_copy(target, source, MUR_TAG_AnatomicalOrientationType, error);
}

/* ---- one file ------------------------------------------------------------------------------- */

/* Text of an attribute that must be there. */
static enum mur_status needed(const char **out, struct mur_dataset *dataset, uint32_t tag,
                              const char *name, const char *path, struct mur_error *error)
{
    const char *text = NULL;
    enum mur_status status = MUR_MISMATCH;
    if (dataset != NULL && mur_dataset_has_value(dataset, tag))
        status = mur_dataset_get_string(&text, dataset, tag, error);
    if (status != MUR_OK)
        return mur_error_set(error, MUR_PARSE, "%s: no %s (%04X,%04X)", path, name,
                             MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag));
    *out = text;
    return MUR_OK;
}

static enum mur_status copy_uid(char out[MUR_UID_TEXT_SIZE], struct mur_dataset *dataset,
                                uint32_t tag, const char *name, const char *path,
                                struct mur_error *error)
{
    const char *text = NULL;
    enum mur_status status = needed(&text, dataset, tag, name, path, error);
    if (status != MUR_OK)
        return status;
    struct mur_slice uid = mur_uid_trim(mur_slice_of(text));
    if (!mur_uid_acceptable(uid))
        return mur_error_set(error, MUR_PARSE, "%s: %s (%04X,%04X) is not a UID", path, name,
                             MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag));
    memcpy(out, uid.data, uid.length);
    out[uid.length] = '\0';
    return MUR_OK;
}

/* The item of a functional group that holds for a frame: its own, or the shared one. */
static struct mur_dataset *group_of(struct mur_dataset *frame, struct mur_dataset *shared,
                                    uint32_t sequence_tag)
{
    struct mur_dataset *item = NULL;
    if (frame != NULL && mur_dataset_has_value(frame, sequence_tag) &&
        mur_dataset_get_item(&item, frame, sequence_tag, 0, NULL) == MUR_OK)
        return item;
    if (shared != NULL && mur_dataset_has_value(shared, sequence_tag) &&
        mur_dataset_get_item(&item, shared, sequence_tag, 0, NULL) == MUR_OK)
        return item;
    return NULL;
}

struct placed {
    const char *orientation, *spacing, *position;
    struct mur_dataset *measures; /* holds thickness and spacing of slices */
};

static enum mur_status place_of(struct placed *out, struct mur_dataset *dataset,
                                struct mur_dataset *frame, struct mur_dataset *shared,
                                const char *path, struct mur_error *error)
{
    bool grouped = frame != NULL || shared != NULL;
    struct mur_dataset *orientation =
        grouped ? group_of(frame, shared, MUR_TAG_PlaneOrientationSequence) : dataset;
    struct mur_dataset *position =
        grouped ? group_of(frame, shared, MUR_TAG_PlanePositionSequence) : dataset;
    struct mur_dataset *measures =
        grouped ? group_of(frame, shared, MUR_TAG_PixelMeasuresSequence) : dataset;
    enum mur_status status = needed(&out->orientation, orientation, MUR_TAG_ImageOrientationPatient,
                                    "Image Orientation (Patient)", path, error);
    if (status == MUR_OK)
        status = needed(&out->position, position, MUR_TAG_ImagePositionPatient,
                        "Image Position (Patient)", path, error);
    if (status == MUR_OK)
        status =
            needed(&out->spacing, measures, MUR_TAG_PixelSpacing, "Pixel Spacing", path, error);
    out->measures = measures;
    return status;
}

static enum mur_status keep_text(char *out, size_t size, const char *text, const char *name,
                                 const char *path, struct mur_error *error)
{
    if (strlen(text) >= size)
        return mur_error_set(error, MUR_PARSE, "%s: %s is too long", path, name);
    memcpy(out, text, strlen(text) + 1);
    return MUR_OK;
}

static void keep_optional_ds(char out[MUR_DS_SIZE], struct mur_dataset *dataset, uint32_t tag)
{
    const char *text = NULL;
    double value = 0;
    out[0] = '\0';
    if (mur_dataset_has_value(dataset, tag) &&
        mur_dataset_get_string(&text, dataset, tag, NULL) == MUR_OK && strlen(text) < MUR_DS_SIZE &&
        mur_ds_parse(&value, text, 1, NULL) == MUR_OK && value > 0)
        memcpy(out, text, strlen(text) + 1);
}

/* The first plane says how all lie. */
static enum mur_status adopt_plane(struct reader *reader, const struct placed *placed,
                                   const char *path, struct mur_error *error)
{
    struct mur_source_series *series = reader->series;
    enum mur_status status =
        keep_text(series->text.image_orientation, sizeof series->text.image_orientation,
                  placed->orientation, "Image Orientation (Patient)", path, error);
    if (status == MUR_OK)
        status = keep_text(series->text.pixel_spacing, sizeof series->text.pixel_spacing,
                           placed->spacing, "Pixel Spacing", path, error);
    if (status == MUR_OK &&
        mur_ds_parse(reader->orientation, placed->orientation, 6, error) != MUR_OK)
        status = mur_error_prefix(error, "%s: Image Orientation (Patient)", path);
    if (status == MUR_OK && mur_ds_parse(reader->spacing, placed->spacing, 2, error) != MUR_OK)
        status = mur_error_prefix(error, "%s: Pixel Spacing", path);
    keep_optional_ds(series->slice_thickness, placed->measures, MUR_TAG_SliceThickness);
    keep_optional_ds(series->text.slice_spacing, placed->measures, MUR_TAG_SpacingBetweenSlices);
    return status;
}

static enum mur_status compare_plane(const struct reader *reader, const struct placed *placed,
                                     const char *path, struct mur_error *error)
{
    double orientation[6], spacing[2];
    if (mur_ds_parse(orientation, placed->orientation, 6, error) != MUR_OK)
        return mur_error_prefix(error, "%s: Image Orientation (Patient)", path);
    if (mur_ds_parse(spacing, placed->spacing, 2, error) != MUR_OK)
        return mur_error_prefix(error, "%s: Pixel Spacing", path);
    for (unsigned index = 0; index < 6; index++)
        if (!(fabs(orientation[index] - reader->orientation[index]) < 1e-4))
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s: Image Orientation (Patient) %s differs from %s in the same "
                                 "series",
                                 path, placed->orientation, reader->series->text.image_orientation);
    for (unsigned index = 0; index < 2; index++)
        if (!(fabs(spacing[index] / reader->spacing[index] - 1) < 1e-4))
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s: Pixel Spacing %s differs from %s in the same series", path,
                                 placed->spacing, reader->series->text.pixel_spacing);
    return MUR_OK;
}

static enum mur_status add_plane(struct reader *reader, const struct placed *placed,
                                 const char *sop_instance, uint32_t frame, int64_t number,
                                 const char *path, struct mur_error *error)
{
    if (reader->plane_count == reader->plane_capacity) {
        size_t capacity = reader->plane_capacity == 0 ? 256 : reader->plane_capacity * 2;
        struct plane *planes = realloc(reader->planes, capacity * sizeof *planes);
        if (planes == NULL)
            return mur_error_no_memory(error);
        reader->planes = planes;
        reader->plane_capacity = capacity;
    }
    enum mur_status status = reader->plane_count == 0 ? adopt_plane(reader, placed, path, error)
                                                      : compare_plane(reader, placed, path, error);
    if (status != MUR_OK)
        return status;
    struct plane *plane = &reader->planes[reader->plane_count];
    memset(plane, 0, sizeof *plane);
    memcpy(plane->source.sop_instance, sop_instance, strlen(sop_instance) + 1);
    plane->source.frame = frame;
    plane->number = number;
    status = keep_text(plane->source.position, sizeof plane->source.position, placed->position,
                       "Image Position (Patient)", path, error);
    if (status == MUR_OK && mur_ds_parse(plane->position, placed->position, 3, error) != MUR_OK)
        status = mur_error_prefix(error, "%s: Image Position (Patient)", path);
    if (status == MUR_OK)
        reader->plane_count++;
    return status;
}

static enum mur_status add_instance(struct reader *reader, const char *uid, struct mur_error *error)
{
    struct mur_source_series *series = reader->series;
    if (series->instance_count == reader->instance_capacity) {
        size_t capacity = reader->instance_capacity == 0 ? 256 : reader->instance_capacity * 2;
        char **instances = realloc(series->instances, capacity * sizeof *instances);
        if (instances == NULL)
            return mur_error_no_memory(error);
        series->instances = instances;
        reader->instance_capacity = capacity;
    }
    char *copy = NULL;
    enum mur_status status = mur_text_copy(&copy, mur_slice_of(uid), error);
    if (status == MUR_OK)
        series->instances[series->instance_count++] = copy;
    return status;
}

static enum mur_status add_frames(struct reader *reader, struct mur_dataset *dataset,
                                  const char *sop_instance, const char *path,
                                  struct mur_error *error)
{
    int64_t number = 0, frames = 1;
    if (mur_dataset_get_int(&number, dataset, MUR_TAG_InstanceNumber, 0, NULL) != MUR_OK)
        number = 0; /* type 2: may be empty */
    bool multi_frame = mur_dataset_has_value(dataset, MUR_TAG_NumberOfFrames) &&
                       mur_dataset_has_value(dataset, MUR_TAG_PerFrameFunctionalGroupsSequence);
    struct placed placed;
    if (!multi_frame) {
        enum mur_status status = place_of(&placed, dataset, NULL, NULL, path, error);
        if (status != MUR_OK)
            return status;
        return add_plane(reader, &placed, sop_instance, 0, number, path, error);
    }
    enum mur_status status =
        mur_dataset_get_int(&frames, dataset, MUR_TAG_NumberOfFrames, 0, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "%s: Number of Frames", path);
    if (frames < 1 || frames > FRAME_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "%s: %" PRId64 " frames", path, frames);
    struct mur_dataset *shared = NULL;
    if (mur_dataset_has_value(dataset, MUR_TAG_SharedFunctionalGroupsSequence))
        status = mur_dataset_get_item(&shared, dataset, MUR_TAG_SharedFunctionalGroupsSequence, 0,
                                      error);
    for (int64_t index = 0; status == MUR_OK && index < frames; index++) {
        struct mur_dataset *frame = NULL;
        status = mur_dataset_get_item(&frame, dataset, MUR_TAG_PerFrameFunctionalGroupsSequence,
                                      (size_t)index, error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "%s: frame %" PRId64, path, index + 1);
        status = place_of(&placed, dataset, frame, shared, path, error);
        if (status == MUR_OK)
            status =
                add_plane(reader, &placed, sop_instance, (uint32_t)index + 1, number, path, error);
    }
    return status;
}

/* Scanners for animals leave it out although the standard wants it: then the series is a space of
 * its own, so that what refers to it agrees at least with itself. */
static enum mur_status take_frame_of_reference(struct reader *reader, struct mur_dataset *dataset,
                                               const char *series_uid, const char *path,
                                               struct mur_error *error)
{
    struct mur_source_series *series = reader->series;
    if (mur_dataset_has_value(dataset, MUR_TAG_FrameOfReferenceUID))
        return copy_uid(series->frame_of_reference, dataset, MUR_TAG_FrameOfReferenceUID,
                        "Frame of Reference UID", path, error);
    enum mur_status status = mur_identity_frame_of_reference(
        series->frame_of_reference, series->study_instance, series_uid, error);
    if (status != MUR_OK)
        return status;
    return mur_warn(reader->warnings, error,
                    "%s: no Frame of Reference UID (0020,0052); a segmentation of it gets one of "
                    "its own",
                    path);
}

/* Takes over what is the same in all instances, or checks that it is. */
static enum mur_status check_series(struct reader *reader, struct mur_dataset *dataset,
                                    const char *series_uid, const char *path,
                                    struct mur_error *error)
{
    struct mur_source_series *series = reader->series;
    int64_t rows = 0, columns = 0;
    enum mur_status status = mur_dataset_get_int(&rows, dataset, MUR_TAG_Rows, 0, error);
    if (status == MUR_OK)
        status = mur_dataset_get_int(&columns, dataset, MUR_TAG_Columns, 0, error);
    if (status != MUR_OK || rows < 1 || columns < 1 || rows > UINT16_MAX || columns > UINT16_MAX)
        return mur_error_set(error, MUR_PARSE, "%s: not an image: no Rows and Columns", path);
    if (series->series_instance[0] != '\0') {
        if ((uint32_t)rows != reader->rows || (uint32_t)columns != reader->columns)
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s: %" PRId64 " x %" PRId64 " pixels where others of the series "
                                 "have %" PRIu32 " x %" PRIu32,
                                 path, columns, rows, reader->columns, reader->rows);
        return MUR_OK;
    }
    status = copy_uid(series->study_instance, dataset, MUR_TAG_StudyInstanceUID,
                      "Study Instance UID", path, error);
    if (status == MUR_OK)
        status = take_frame_of_reference(reader, dataset, series_uid, path, error);
    if (status == MUR_OK)
        status =
            copy_uid(series->sop_class, dataset, MUR_TAG_SOPClassUID, "SOP Class UID", path, error);
    if (status == MUR_OK)
        status = mur_dataset_create(&series->common, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(series->common, error);
    if (status == MUR_OK)
        status = mur_copy_patient_and_study(series->common, dataset, error);
    if (status != MUR_OK)
        return status;
    reader->rows = (uint32_t)rows;
    reader->columns = (uint32_t)columns;
    memcpy(series->series_instance, series_uid, strlen(series_uid) + 1);
    return MUR_OK;
}

/* Outlines that were made of the images before may lie beside them, and so may reports. */
static bool is_image(struct mur_dataset *dataset)
{
    const char *sop_class = NULL;
    if (!mur_dataset_has_value(dataset, MUR_TAG_Rows))
        return false;
    if (!mur_dataset_has_value(dataset, MUR_TAG_SOPClassUID) ||
        mur_dataset_get_string(&sop_class, dataset, MUR_TAG_SOPClassUID, NULL) != MUR_OK)
        return true;
    struct mur_slice uid = mur_uid_trim(mur_slice_of(sop_class));
    return !mur_slice_equal(uid, mur_uid_SegmentationStorage) &&
           !mur_slice_equal(uid, mur_uid_LabelMapSegmentationStorage);
}

static enum mur_status read_file(struct reader *reader, const char *path, struct mur_error *error)
{
    if (++reader->file_count > MUR_SERIES_FILE_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "more than %d files", MUR_SERIES_FILE_LIMIT);
    MUR_AUTO(mur_dataset) *dataset = NULL;
    enum mur_status status = mur_dataset_load(&dataset, path, MUR_HEADER, error);
    if (status == MUR_PARSE && reader->lenient)
        return mur_warn(reader->warnings, error, "%s: not DICOM, passed over", path);
    char series_uid[MUR_UID_TEXT_SIZE], sop_instance[MUR_UID_TEXT_SIZE];
    if (status != MUR_OK)
        return status;
    if (reader->lenient && !mur_dataset_has_value(dataset, MUR_TAG_SeriesInstanceUID))
        return MUR_OK; /* a DICOMDIR, for one */
    if (!is_image(dataset) && reader->lenient)
        return MUR_OK;
    if (!is_image(dataset))
        return mur_error_set(error, MUR_MISMATCH, "%s: not an image, or a segmentation itself",
                             path);
    status = copy_uid(series_uid, dataset, MUR_TAG_SeriesInstanceUID, "Series Instance UID", path,
                      error);
    if (status == MUR_OK)
        status = copy_uid(sop_instance, dataset, MUR_TAG_SOPInstanceUID, "SOP Instance UID", path,
                          error);
    if (status != MUR_OK)
        return status;
    const char *wanted = reader->wanted;
    if (wanted == NULL && reader->series->series_instance[0] != '\0')
        wanted = reader->series->series_instance;
    if (wanted != NULL && strcmp(wanted, series_uid) != 0) {
        if (reader->wanted == NULL)
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s belongs to series %s, other files to %s: say which is meant",
                                 path, series_uid, wanted);
        return MUR_OK;
    }
    status = check_series(reader, dataset, series_uid, path, error);
    if (status == MUR_OK)
        status = add_instance(reader, sop_instance, error);
    if (status == MUR_OK)
        status = add_frames(reader, dataset, sop_instance, path, error);
    return status;
}

/* ---- all together ---------------------------------------------------------------------------- */

static int compare_planes(const void *a_pointer, const void *b_pointer)
{
    const struct plane *a = a_pointer, *b = b_pointer;
    if (a->along != b->along)
        return a->along < b->along ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return (a->source.frame > b->source.frame) - (a->source.frame < b->source.frame);
}

static bool before_in_series(const struct plane *a, const struct plane *b)
{
    return a->number != b->number ? a->number < b->number : a->source.frame < b->source.frame;
}

/* Leaves one plane at each position, the first of the series, in ascending order. */
static uint32_t keep_first_volume(struct reader *reader, bool *even)
{
    size_t kept = 0, most = 0, fewest = SIZE_MAX;
    for (size_t begin = 0; begin < reader->plane_count;) {
        size_t end = begin + 1, first = begin;
        while (end < reader->plane_count &&
               reader->planes[end].along - reader->planes[begin].along < SAME_POSITION_MM)
            end++;
        for (size_t index = begin + 1; index < end; index++)
            if (before_in_series(&reader->planes[index], &reader->planes[first]))
                first = index;
        struct plane chosen = reader->planes[first];
        most = end - begin > most ? end - begin : most;
        fewest = end - begin < fewest ? end - begin : fewest;
        reader->planes[kept++] = chosen;
        begin = end;
    }
    reader->plane_count = kept;
    *even = most == fewest;
    return (uint32_t)most;
}

static enum mur_status check_steps(const struct reader *reader, struct mur_error *error)
{
    const double **positions = calloc(reader->plane_count, sizeof *positions);
    if (positions == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; index < reader->plane_count; index++)
        positions[index] = reader->planes[index].position;
    const struct mur_slice_places places = {.positions = positions, .count = reader->plane_count};
    enum mur_status status =
        mur_slice_steps_are_even(&places)
            ? MUR_OK
            : mur_slice_steps_refuse(&places, reader->series->series_instance, "", error);
    free(positions);
    return status;
}

static enum mur_status arrange(struct reader *reader, struct mur_error *error)
{
    struct mur_source_series *series = reader->series;
    double normal[3] = {0, 0, 0};
    struct mur_volume_geometry frame;
    memset(&frame, 0, sizeof frame);
    memcpy(frame.row_dir_lps, reader->orientation, sizeof frame.row_dir_lps);
    memcpy(frame.column_dir_lps, reader->orientation + 3, sizeof frame.column_dir_lps);
    mur_geometry_normal(normal, &frame);
    for (size_t index = 0; index < reader->plane_count; index++) {
        struct plane *plane = &reader->planes[index];
        plane->along = normal[0] * plane->position[0] + normal[1] * plane->position[1] +
                       normal[2] * plane->position[2];
    }
    qsort(reader->planes, reader->plane_count, sizeof *reader->planes, compare_planes);
    bool even = true;
    series->volumes = keep_first_volume(reader, &even);
    enum mur_status status = MUR_OK;
    if (series->volumes > 1)
        status = mur_warn(reader->warnings, error,
                          "series %s has %s%" PRIu32 " images at the same positions: the first of "
                          "each is taken",
                          series->series_instance, even ? "" : "up to ", series->volumes);
    if (status == MUR_OK)
        status = check_steps(reader, error);
    if (status != MUR_OK)
        return status;
    series->planes = calloc(reader->plane_count, sizeof *series->planes);
    if (series->planes == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; index < reader->plane_count; index++)
        series->planes[index] = reader->planes[index].source;
    const uint32_t dims[3] = {reader->columns, reader->rows, (uint32_t)reader->plane_count};
    if (series->text.slice_spacing[0] == '\0') /* one slice has no step: its thickness serves */
        memcpy(series->text.slice_spacing, series->slice_thickness,
               sizeof series->text.slice_spacing);
    status = mur_geometry_parse(&series->geometry, &series->text, series->planes[0].position,
                                series->planes[reader->plane_count - 1].position, dims, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "series %s", series->series_instance);
    double stated = 0, step = series->geometry.spacing_mm[2];
    if (mur_ds_parse(&stated, series->text.slice_spacing, 1, NULL) != MUR_OK)
        stated = 0;
    if (reader->plane_count > 1 && !(fabs(stated - step) < 1e-4 * step))
        mur_ds_format(series->text.slice_spacing, step, 1e-9); /* positions count, not statements */
    if (series->slice_thickness[0] == '\0')
        mur_ds_format(series->slice_thickness, series->geometry.spacing_mm[2], 1e-9);
    if (series->text.slice_spacing[0] == '\0')
        memcpy(series->text.slice_spacing, series->slice_thickness,
               sizeof series->text.slice_spacing);
    return MUR_OK;
}

static enum mur_status finish(struct mur_source_series **out, struct reader *reader,
                              const char *where, struct mur_error *error)
{
    if (reader->plane_count == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no DICOM images%s%s", where,
                             reader->wanted != NULL ? " of series " : "",
                             reader->wanted != NULL ? reader->wanted : "");
    enum mur_status status = arrange(reader, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(reader->series);
    return status;
}

static enum mur_status reader_init(struct reader *reader, const char *series_uid,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    memset(reader, 0, sizeof *reader);
    reader->wanted = series_uid;
    reader->warnings = warnings;
    reader->series = calloc(1, sizeof *reader->series);
    return reader->series == NULL ? mur_error_no_memory(error) : MUR_OK;
}

static void reader_free(struct reader *reader)
{
    mur_source_series_free(reader->series);
    free(reader->planes);
}

enum mur_status mur_source_series_read(struct mur_source_series **out, const char *const *paths,
                                       size_t count, const char *series_uid,
                                       struct mur_warnings *warnings, struct mur_error *error)
{
    struct reader reader;
    enum mur_status status = reader_init(&reader, series_uid, warnings, error);
    for (size_t index = 0; status == MUR_OK && index < count; index++)
        status = read_file(&reader, paths[index], error);
    if (status == MUR_OK)
        status = finish(out, &reader, count > 0 ? paths[0] : "nothing", error);
    reader_free(&reader);
    return status;
}

static enum mur_status on_entry(void *user, const struct mur_walk_entry *entry, bool *skip,
                                struct mur_error *error)
{
    (void)skip;
    if (entry->kind != MUR_WALK_FILE)
        return MUR_OK;
    return read_file(user, entry->path, error);
}

enum mur_status mur_source_series_read_path(struct mur_source_series **out, const char *path,
                                            const char *series_uid, struct mur_warnings *warnings,
                                            struct mur_error *error)
{
    if (!mur_directory_exists(path))
        return mur_source_series_read(out, &path, 1, series_uid, warnings, error);
    struct reader reader;
    enum mur_status status = reader_init(&reader, series_uid, warnings, error);
    reader.lenient = true;
    if (status == MUR_OK)
        status = mur_directory_walk(path, on_entry, &reader, error);
    if (status == MUR_OK)
        status = finish(out, &reader, path, error);
    reader_free(&reader);
    return status;
}

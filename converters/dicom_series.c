#include "converters/dicom_series.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/dicom_series_internal.h"
#include "converters/identity.h"
#include "converters/remedy.h"
#include "core/buffer.h"
#include "core/file.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/part10.h"
#include "dicom/sop_class.h"

enum {
    FRAME_LIMIT = 1000000,
};

void mur_source_series_free(struct mur_source_series *series)
{
    if (series == NULL)
        return;
    for (size_t index = 0; index < series->instance_count; index++)
        free(series->instances[index]);
    free(series->instances);
    free(series->planes);
    free(series->first_file);
    mur_dataset_free(series->common);
    free(series);
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
static enum mur_status adopt_plane(struct mur_series_reader *reader, const struct placed *placed,
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

static enum mur_status compare_plane(const struct mur_series_reader *reader,
                                     const struct placed *placed, const char *path,
                                     struct mur_error *error)
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

static enum mur_status add_plane(struct mur_series_reader *reader, const struct placed *placed,
                                 const char *sop_instance, uint32_t frame, int64_t number,
                                 const char *path, struct mur_error *error)
{
    if (reader->plane_count == reader->plane_capacity) {
        size_t capacity = reader->plane_capacity == 0 ? 256 : reader->plane_capacity * 2;
        struct mur_series_plane *planes = realloc(reader->planes, capacity * sizeof *planes);
        if (planes == NULL)
            return mur_error_no_memory(error);
        reader->planes = planes;
        reader->plane_capacity = capacity;
    }
    enum mur_status status = reader->plane_count == 0 ? adopt_plane(reader, placed, path, error)
                                                      : compare_plane(reader, placed, path, error);
    if (status != MUR_OK)
        return status;
    struct mur_series_plane *plane = &reader->planes[reader->plane_count];
    memset(plane, 0, sizeof *plane);
    memcpy(plane->source.sop_instance, sop_instance, strlen(sop_instance) + 1);
    plane->source.frame = frame;
    plane->number = number;
    plane->instance = reader->series->instance_count - 1;
    status = keep_text(plane->source.position, sizeof plane->source.position, placed->position,
                       "Image Position (Patient)", path, error);
    if (status == MUR_OK && mur_ds_parse(plane->position, placed->position, 3, error) != MUR_OK)
        status = mur_error_prefix(error, "%s: Image Position (Patient)", path);
    if (status == MUR_OK)
        reader->plane_count++;
    return status;
}

static enum mur_status reserve_instance(struct mur_series_reader *reader, struct mur_error *error)
{
    struct mur_source_series *series = reader->series;
    if (series->instance_count < reader->instance_capacity)
        return MUR_OK;
    size_t capacity = reader->instance_capacity == 0 ? 256 : reader->instance_capacity * 2;
    char **instances = realloc(series->instances, capacity * sizeof *instances);
    if (instances == NULL)
        return mur_error_no_memory(error);
    series->instances = instances;
    char **paths = realloc(reader->paths, capacity * sizeof *paths);
    if (paths == NULL)
        return mur_error_no_memory(error);
    reader->paths = paths;
    reader->instance_capacity = capacity;
    return MUR_OK;
}

static enum mur_status add_instance(struct mur_series_reader *reader, const char *uid,
                                    const char *path, struct mur_error *error)
{
    struct mur_source_series *series = reader->series;
    MUR_AUTO_FREE char *uid_copy = NULL;
    MUR_AUTO_FREE char *path_copy = NULL;
    enum mur_status status = reserve_instance(reader, error);
    if (status == MUR_OK)
        status = mur_text_copy(&uid_copy, mur_slice_of(uid), error);
    if (status == MUR_OK)
        status = mur_text_copy(&path_copy, mur_slice_of(path), error);
    if (status != MUR_OK)
        return status;
    reader->paths[reader->path_count++] = MUR_STEAL(path_copy);
    series->instances[series->instance_count++] = MUR_STEAL(uid_copy);
    return MUR_OK;
}

static enum mur_status add_frames(struct mur_series_reader *reader, struct mur_dataset *dataset,
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
static enum mur_status take_frame_of_reference(struct mur_series_reader *reader,
                                               struct mur_dataset *dataset, const char *series_uid,
                                               const char *path, struct mur_error *error)
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
                    "%s: no Frame of Reference UID (0020,0052); what is made of it gets one of "
                    "its own",
                    path);
}

/* Takes over what is the same in all instances, or checks that it is. */
static enum mur_status check_series(struct mur_series_reader *reader, struct mur_dataset *dataset,
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

/* Outlines that were made of the images before may lie beside them, and so may reports.
 * @param[out] cut  it says that it is an image, but is none */
static bool is_image(struct mur_dataset *dataset, bool *cut)
{
    const char *sop_class = NULL;
    bool rows = mur_dataset_has_value(dataset, MUR_TAG_Rows);
    *cut = false;
    if (!mur_dataset_has_value(dataset, MUR_TAG_SOPClassUID) ||
        mur_dataset_get_string(&sop_class, dataset, MUR_TAG_SOPClassUID, NULL) != MUR_OK)
        return rows;
    *cut = !rows && mur_sop_class_is_image(sop_class);
    struct mur_slice uid = mur_uid_trim(mur_slice_of(sop_class));
    return rows && !mur_slice_equal(uid, mur_uid_SegmentationStorage) &&
           !mur_slice_equal(uid, mur_uid_LabelMapSegmentationStorage);
}

static bool is_marked(const char *path)
{
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return descriptor >= 0 && mur_part10_is_marked(descriptor);
}

static enum mur_status read_file(struct mur_series_reader *reader, const char *path,
                                 struct mur_error *error)
{
    if (++reader->file_count > MUR_SERIES_FILE_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "more than %d files", MUR_SERIES_FILE_LIMIT);
    MUR_AUTO(mur_dataset) *dataset = NULL;
    enum mur_status status = mur_dataset_load(&dataset, path, MUR_HEADER, error);
    if (status == MUR_PARSE && reader->lenient && !is_marked(path))
        return mur_warn(reader->warnings, error, "%s: not DICOM, passed over", path);
    char series_uid[MUR_UID_TEXT_SIZE], sop_instance[MUR_UID_TEXT_SIZE];
    if (status != MUR_OK)
        return status;
    bool cut = false, image = is_image(dataset, &cut);
    if (cut)
        return mur_error_set(error, MUR_PARSE,
                             "%s: it says that it is an image, but has no Rows (0028,0010): was it "
                             "cut?",
                             path);
    if (reader->lenient && !mur_dataset_has_value(dataset, MUR_TAG_SeriesInstanceUID))
        return MUR_OK; /* a DICOMDIR, for one */
    if (!image && reader->lenient)
        return MUR_OK;
    if (!image)
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
            return mur_error_offer(
                error,
                mur_error_set(error, MUR_MISMATCH,
                              "%s belongs to series %s, other files to %s: say which is meant",
                              path, series_uid, wanted),
                MUR_REMEDY_SERIES);
        return MUR_OK;
    }
    status = check_series(reader, dataset, series_uid, path, error);
    if (status == MUR_OK)
        status = add_instance(reader, sop_instance, path, error);
    if (status == MUR_OK)
        status = add_frames(reader, dataset, sop_instance, path, error);
    return status;
}

/* ---- all together ---------------------------------------------------------------------------- */

static enum mur_status finish(struct mur_source_series **out, struct mur_series_reader *reader,
                              const char *where, struct mur_error *error)
{
    if (reader->plane_count == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no DICOM images%s%s", where,
                             reader->wanted != NULL ? " of series " : "",
                             reader->wanted != NULL ? reader->wanted : "");
    enum mur_status status = mur_series_arrange(reader, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(reader->series);
    return status;
}

static enum mur_status reader_init(struct mur_series_reader *reader, const char *series_uid,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    memset(reader, 0, sizeof *reader);
    reader->wanted = series_uid;
    reader->warnings = warnings;
    reader->series = calloc(1, sizeof *reader->series);
    return reader->series == NULL ? mur_error_no_memory(error) : MUR_OK;
}

static void reader_free(struct mur_series_reader *reader)
{
    for (size_t index = 0; index < reader->path_count; index++)
        free(reader->paths[index]);
    free(reader->paths);
    mur_source_series_free(reader->series);
    free(reader->planes);
}

enum mur_status mur_source_series_read(struct mur_source_series **out, const char *const *paths,
                                       size_t count, const char *series_uid,
                                       struct mur_warnings *warnings, struct mur_error *error)
{
    struct mur_series_reader reader;
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
    struct mur_series_reader reader;
    enum mur_status status = reader_init(&reader, series_uid, warnings, error);
    reader.lenient = true;
    if (status == MUR_OK)
        status = mur_directory_walk(path, on_entry, &reader, error);
    if (status == MUR_OK)
        status = finish(out, &reader, path, error);
    reader_free(&reader);
    return status;
}

/* UIDs of what is made from a NIfTI file (conversion.md 3.6). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/conversion.h"
#include "converters/identity.h"
#include "core/buffer.h"
#include "core/digest.h"
#include "core/text.h"
#include "dicom/transfer_syntax.h"

static enum mur_status copy_given_uid(char out[MUR_UID_TEXT_SIZE], const char *uid,
                                      const char *what, struct mur_error *error)
{
    if (!mur_uid_valid(mur_slice_of(uid)))
        return mur_error_set(error, MUR_INVALID, "%s \"%s\" is not a UID", what, uid);
    memcpy(out, uid, strlen(uid) + 1);
    return MUR_OK;
}

static const char *attribute_text(const struct mur_conversion_options *options, uint32_t tag)
{
    const char *text = NULL;
    if (options->attributes == NULL || !mur_dataset_has_value(options->attributes, tag) ||
        mur_dataset_get_string(&text, options->attributes, tag, NULL) != MUR_OK)
        return NULL;
    return text;
}

enum mur_status mur_conversion_identify(struct mur_conversion *c, struct mur_error *error)
{
    const struct mur_conversion_options *options = c->options;
    struct mur_source_series *series = c->parts[0].series;
    const char *study = options->study_instance;
    const char *frame = options->frame_of_reference;
    if (study == NULL)
        study = attribute_text(options, MUR_TAG_StudyInstanceUID);
    if (frame == NULL)
        frame = attribute_text(options, MUR_TAG_FrameOfReferenceUID);
    enum mur_status status = MUR_OK;
    if (study != NULL)
        status = copy_given_uid(series->study_instance, study, "Study Instance UID", error);
    else
        status = mur_identity_study(series->study_instance, "", "", c->report.content, "", error);
    if (status == MUR_OK && frame != NULL) {
        status = copy_given_uid(series->frame_of_reference, frame, "Frame of Reference UID", error);
    } else if (status == MUR_OK && c->images != NULL) {
        memcpy(series->frame_of_reference, options->images->frame_of_reference,
               sizeof series->frame_of_reference);
    } else if (status == MUR_OK) {
        char grid[MUR_ORIENTATION_TEXT_SIZE + MUR_SPACING_TEXT_SIZE + MUR_POSITION_TEXT_SIZE + 64];
        (void)snprintf(grid, sizeof grid, "%s|%s|%s|%s|%" PRIu32 "|%" PRIu32 "|%" PRIu32,
                       series->text.image_orientation, series->text.pixel_spacing,
                       series->text.slice_spacing, series->planes[0].position, c->header->dims[0],
                       c->header->dims[1], c->header->dims[2]);
        status = mur_identity_frame_of_reference(series->frame_of_reference, series->study_instance,
                                                 grid, error);
    }
    for (uint32_t part = 1; part < c->part_count; part++) {
        struct mur_source_series *other = c->parts[part].series;
        memcpy(other->study_instance, series->study_instance, sizeof other->study_instance);
        memcpy(other->frame_of_reference, series->frame_of_reference,
               sizeof other->frame_of_reference);
    }
    return status;
}

/* What makes other bytes of the same voxels makes another series; the name is kept in it. */
static enum mur_status append_options(struct mur_buffer *out, const struct mur_conversion *c,
                                      const struct mur_conversion_part *part,
                                      struct mur_error *error)
{
    const struct mur_conversion_options *options = c->options;
    enum mur_status status = mur_buffer_append_format(
        out, error,
        "modality %d anatomy %d keep %d hu %d shear %d form %d qform %d spm %d analyze %d nan %d "
        "%a round %d number %" PRId64 " frame %s|%s|%s|volumes %" PRIu32 " %" PRIu32 " ",
        (int)options->modality, (int)options->anatomy, options->keep_order, options->hounsfield,
        options->allow_shear, (int)c->form, options->orientation.prefer_qform,
        options->orientation.spm_when_unset, (int)options->orientation.analyze_order,
        (int)options->values.nan,
        options->values.nan == MUR_NAN_REPLACE ? options->values.nan_value : 0,
        options->values.round_integers, options->series_number,
        options->frame_of_reference != NULL ? options->frame_of_reference : "",
        options->identity != NULL ? options->identity : "", c->original.file_name, part->first,
        part->count);
    return status == MUR_OK ? mur_volume_plan_text(out, &c->plan, error) : status;
}

/* All that the instances share: nothing that is written can differ without another digest. */
static enum mur_status append_dataset(struct mur_buffer *out, const struct mur_conversion *c,
                                      struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    uint8_t digest[MUR_SHA256_SIZE];
    char text[MUR_SHA256_TEXT_SIZE];
    enum mur_status status =
        mur_dataset_encode(&bytes, c->dataset, mur_uid_ExplicitVRLittleEndian, error);
    if (status == MUR_OK)
        status = mur_sha256_of(digest, bytes.data, bytes.length, error);
    if (status != MUR_OK)
        return status;
    mur_hex_write(text, digest, sizeof digest);
    return mur_buffer_append_format(out, error, "|attributes %s", text);
}

static enum mur_status make_instances(struct mur_source_series *series, uint32_t first,
                                      uint32_t volumes, uint32_t single, struct mur_error *error)
{
    uint32_t slices = series->geometry.dims[2];
    size_t count = single > 0 ? single : (size_t)volumes * slices;
    series->instances = calloc(count, sizeof *series->instances);
    if (series->instances == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < count; index++) {
        char uid[MUR_UID_TEXT_SIZE];
        uint32_t volume = first + (uint32_t)(index / slices), slice = (uint32_t)(index % slices);
        status = mur_identity_instance(uid, series->series_instance, volume, slice, error);
        if (status == MUR_OK)
            status = mur_text_copy(&series->instances[index], mur_slice_of(uid), error);
        if (status == MUR_OK)
            series->instance_count++;
    }
    for (uint32_t slice = 0; status == MUR_OK && slice < slices; slice++) {
        struct mur_source_plane *plane = &series->planes[slice];
        const char *uid = series->instances[single > 0 ? 0 : slice];
        memcpy(plane->sop_instance, uid, strlen(uid) + 1);
        plane->frame = single > 0 ? slice + 1 : 0;
    }
    return status;
}

enum mur_status mur_conversion_identify_part(struct mur_conversion *c,
                                             struct mur_conversion_part *part, uint32_t instances,
                                             struct mur_error *error)
{
    struct mur_source_series *series = part->series;
    const char *given = c->options->series_instance;
    enum mur_status status = MUR_OK;
    MUR_AUTO_BUFFER struct mur_buffer key = MUR_BUFFER_INIT;
    if (given != NULL && c->part_count > 1)
        return mur_error_set(error, MUR_INVALID, "one Series Instance UID for %" PRIu32 " series",
                             c->part_count);
    if (given != NULL) {
        status = copy_given_uid(series->series_instance, given, "Series Instance UID", error);
    } else {
        status = append_options(&key, c, part, error);
        if (status == MUR_OK && !c->options->identity_without_attributes)
            status = append_dataset(&key, c, error);
        if (status == MUR_OK)
            status = mur_identity_series(series->series_instance, series->study_instance,
                                         c->report.content, mur_buffer_text(&key), error);
    }
    return status == MUR_OK ? make_instances(series, part->first, part->count, instances, error)
                            : status;
}

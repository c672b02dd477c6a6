#include "converters/certificate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "converters/identity.h"
#include "core/json_write.h"
#include "core/own.h"

void mur_certificate_free(struct mur_certificate *certificate)
{
    for (size_t index = 0; index < certificate->file_count; index++)
        free(certificate->files[index]);
    free(certificate->files);
    for (size_t index = 0; index < certificate->label_count; index++)
        free(certificate->labels[index].name);
    free(certificate->labels);
    mur_warnings_free(&certificate->failures);
    *certificate = (struct mur_certificate)MUR_CERTIFICATE_INIT;
}

enum mur_status mur_certificate_fail(struct mur_certificate *certificate, struct mur_error *error,
                                     const char *format, ...)
{
    va_list arguments;
    MUR_AUTO_FREE char *text = NULL;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    certificate->passed = false;
    if (text == NULL)
        return mur_error_no_memory(error);
    if (certificate->failures.count == MUR_WARNING_LIMIT) {
        certificate->failures_dropped++;
        return MUR_OK;
    }
    return mur_warn(&certificate->failures, error, "%s", text);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void write_given(struct mur_json_writer *json, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        mur_json_member_string(json, key, text);
}

static void write_side(struct mur_json_writer *json, const struct mur_certificate *certificate,
                       enum mur_certificate_side side)
{
    bool is_dicom = certificate->original_is_dicom == (side == MUR_SIDE_ORIGINAL);
    mur_json_begin_object(json);
    if (is_dicom) {
        write_given(json, "StudyInstanceUID", certificate->study_instance);
        write_given(json, "SeriesInstanceUID", certificate->series_instance);
        write_given(json, "SOPClassUID", certificate->sop_class);
        write_given(json, "SOPInstanceUID", certificate->sop_instance);
        mur_json_member_int(json, "Instances", certificate->instances);
    } else {
        mur_json_key(json, "Files");
        mur_json_begin_array(json);
        for (size_t index = 0; index < certificate->file_count; index++)
            mur_json_string(json, certificate->files[index]);
        mur_json_end_array(json);
        write_given(json, "VoxelType", certificate->type_name);
    }
    write_given(json, "VoxelsSHA256", certificate->sha256[side]);
    mur_json_end_object(json);
}

static void write_geometry(struct mur_json_writer *json, const struct mur_certificate *certificate)
{
    mur_json_key(json, "Geometry");
    mur_json_begin_object(json);
    mur_json_key(json, "Voxels");
    mur_json_begin_array(json);
    for (unsigned axis = 0; axis < 3; axis++)
        mur_json_int(json, certificate->dims[axis]);
    mur_json_end_array(json);
    mur_json_member_int(json, "Volumes", certificate->volumes);
    mur_json_key(json, "CornerErrorMM");
    if (certificate->placed)
        mur_json_double(json, certificate->corner_error_mm);
    else
        mur_json_null(json);
    mur_json_member_double(json, "CornerErrorLimitMM", certificate->corner_limit_mm);
    mur_json_end_object(json);
}

static void write_values(struct mur_json_writer *json, const struct mur_certificate *certificate)
{
    mur_json_key(json, "Values");
    mur_json_begin_object(json);
    mur_json_member_bool(json, "Exact", certificate->exact);
    mur_json_member_double(json, "ErrorBound", certificate->error_bound);
    mur_json_member_double(json, "LargestError", certificate->largest_error);
    mur_json_member_int(json, "Compared", (int64_t)certificate->voxels);
    mur_json_member_int(json, "Differing", (int64_t)certificate->differing);
    mur_json_member_int(json, "NotFinite", (int64_t)certificate->not_finite);
    mur_json_end_object(json);
}

static void write_label(struct mur_json_writer *json, const struct mur_certificate *certificate,
                        const struct mur_certificate_label *label)
{
    static const char *const counts[] = {"Voxels", "ConvertedVoxels"};
    static const char *const digests[] = {"SHA256", "ConvertedSHA256"};
    mur_json_begin_object(json);
    if (certificate->file_count > 1)
        mur_json_member_string(json, "File", certificate->files[label->file]);
    if (label->layer > 0)
        mur_json_member_int(json, "Layer", label->layer);
    if (label->value > 0)
        mur_json_member_int(json, "Value", label->value);
    mur_json_member_int(json, "SegmentNumber", label->segment);
    mur_json_member_string(json, "SegmentLabel", label->name);
    for (unsigned side = 0; side < MUR_CERTIFICATE_SIDES; side++) {
        mur_json_member_int(json, counts[side], (int64_t)label->voxels[side]);
        write_given(json, digests[side], label->sha256[side]);
    }
    mur_json_end_object(json);
}

enum mur_status mur_certificate_json(struct mur_buffer *out,
                                     const struct mur_certificate *certificate,
                                     struct mur_error *error)
{
    static const char *const kinds[] = {"image", "segmentation"};
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "Verdict", certificate->passed ? "pass" : "fail");
    mur_json_member_string(&json, "Kind", kinds[certificate->kind]);
    mur_json_member_string(&json, "Version", "murpacs " MUR_VERSION);
    mur_json_member_string(&json, "Format", MUR_CONVERTER_FORMAT);
    mur_json_key(&json, "Original");
    write_side(&json, certificate, MUR_SIDE_ORIGINAL);
    mur_json_key(&json, "Converted");
    write_side(&json, certificate, MUR_SIDE_CONVERTED);
    write_geometry(&json, certificate);
    write_values(&json, certificate);
    if (certificate->kind == MUR_CERTIFIES_LABELS) {
        mur_json_key(&json, "Labels");
        mur_json_begin_array(&json);
        for (size_t index = 0; index < certificate->label_count; index++)
            write_label(&json, certificate, &certificate->labels[index]);
        mur_json_end_array(&json);
    }
    mur_json_key(&json, "Failures");
    mur_json_begin_array(&json);
    for (size_t index = 0; index < certificate->failures.count; index++)
        mur_json_string(&json, certificate->failures.texts[index]);
    mur_json_end_array(&json);
    if (certificate->failures_dropped > 0)
        mur_json_member_int(&json, "MoreFailures", (int64_t)certificate->failures_dropped);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append_text(out, "\n", error) : status;
}

#include "converters/dicom_sidecar.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/identity.h"
#include "core/json_write.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/attribute.h"
#include "dicom/dictionary.h"

/* ---- attributes -------------------------------------------------------------------------------
 */

enum form {
    TEXT,
    LIST, /* of texts */
    NUMBER,
    SECONDS, /* of milliseconds */
};

/* A member; where several rows have one name the first that has a value counts. */
struct row {
    const char *name, *keyword;
    enum form form;
};

static const struct row rows[] = {
    {"Modality", "Modality", TEXT},
    {"MagneticFieldStrength", "MagneticFieldStrength", NUMBER},
    {"ImagingFrequency", "ImagingFrequency", NUMBER},
    {"ImagingFrequency", "TransmitterFrequency", NUMBER},
    {"ImagedNucleus", "ImagedNucleus", TEXT},
    {"ImagedNucleus", "ResonantNucleus", TEXT},
    {"Manufacturer", "Manufacturer", TEXT},
    {"ManufacturersModelName", "ManufacturerModelName", TEXT},
    {"DeviceSerialNumber", "DeviceSerialNumber", TEXT},
    {"SoftwareVersions", "SoftwareVersions", TEXT},
    {"StationName", "StationName", TEXT},
    {"InstitutionName", "InstitutionName", TEXT},
    {"InstitutionalDepartmentName", "InstitutionalDepartmentName", TEXT},
    {"BodyPart", "BodyPartExamined", TEXT},
    {"PatientPosition", "PatientPosition", TEXT},
    {"AnatomicalOrientationType", "AnatomicalOrientationType", TEXT},
    {"PatientID", "PatientID", TEXT},
    {"PatientSex", "PatientSex", TEXT},
    {"PatientAge", "PatientAge", TEXT},
    {"PatientWeight", "PatientWeight", NUMBER},
    {"PatientSpeciesDescription", "PatientSpeciesDescription", TEXT},
    {"StrainDescription", "StrainDescription", TEXT},
    {"StudyInstanceUID", "StudyInstanceUID", TEXT},
    {"SeriesInstanceUID", "SeriesInstanceUID", TEXT},
    {"FrameOfReferenceUID", "FrameOfReferenceUID", TEXT},
    {"StudyID", "StudyID", TEXT},
    {"StudyDescription", "StudyDescription", TEXT},
    {"SeriesDescription", "SeriesDescription", TEXT},
    {"ProtocolName", "ProtocolName", TEXT},
    {"ProtocolName", "AcquisitionProtocolName", TEXT},
    {"SeriesNumber", "SeriesNumber", NUMBER},
    {"AcquisitionNumber", "AcquisitionNumber", NUMBER},
    {"AcquisitionDateTime", "AcquisitionDateTime", TEXT},
    {"AcquisitionDateTime", "FrameAcquisitionDateTime", TEXT},
    {"AcquisitionDate", "AcquisitionDate", TEXT},
    {"AcquisitionTime", "AcquisitionTime", TEXT},
    {"ImageType", "FrameType", LIST},
    {"ImageType", "ImageType", LIST},
    {"ImageComments", "ImageComments", TEXT},
    {"MRAcquisitionType", "MRAcquisitionType", TEXT},
    {"ScanningSequence", "ScanningSequence", LIST},
    {"SequenceVariant", "SequenceVariant", LIST},
    {"ScanOptions", "ScanOptions", LIST},
    {"SequenceName", "SequenceName", TEXT},
    {"SequenceName", "PulseSequenceName", TEXT},
    {"SliceThickness", "SliceThickness", NUMBER},
    {"RepetitionTime", "RepetitionTime", SECONDS},
    {"InversionTime", "InversionTime", SECONDS},
    {"InversionTime", "InversionTimes", SECONDS},
    {"FlipAngle", "FlipAngle", NUMBER},
    {"EchoTrainLength", "EchoTrainLength", NUMBER},
    {"NumberOfAverages", "NumberOfAverages", NUMBER},
    {"PixelBandwidth", "PixelBandwidth", NUMBER},
    {"PercentSampling", "PercentSampling", NUMBER},
    {"InPlanePhaseEncodingDirectionDICOM", "InPlanePhaseEncodingDirection", TEXT},
    {"TransmitCoilName", "TransmitCoilName", TEXT},
    {"ReceiveCoilName", "ReceiveCoilName", TEXT},
    {"ContrastBolusIngredient", "ContrastBolusIngredient", TEXT},
    {"ContrastBolusAgent", "ContrastBolusAgent", TEXT},
    {"KVP", "KVP", NUMBER},
    {"XRayTubeCurrent", "XRayTubeCurrent", NUMBER},
    {"ExposureTime", "ExposureTime", SECONDS},
    {"ConvolutionKernel", "ConvolutionKernel", LIST},
    {"RescaleType", "RescaleType", TEXT},
    {"PhotometricInterpretation", "PhotometricInterpretation", TEXT},
};

struct sidecar {
    struct mur_json_writer json;
    struct mur_dataset *header;
    struct mur_dataset *frame, *shared; /* functional groups; NULL: none */
};

struct found {
    struct mur_dataset *dataset; /* that is looked into */
    uint32_t tag;                /* that is looked for */
    struct mur_dataset *holder;
};

static enum mur_status look_into(void *user, const struct mur_dataset_element *element,
                                 struct mur_error *error)
{
    (void)error;
    struct found *found = user;
    struct mur_dataset *item = NULL;
    if (found->holder == NULL && element->vr == MUR_VR_SQ && element->length > 0 &&
        mur_dataset_get_item(&item, found->dataset, element->tag, 0, NULL) == MUR_OK &&
        mur_dataset_has_value(item, found->tag))
        found->holder = item;
    return MUR_OK;
}

/* A frame's functional groups count before the shared ones, these before the Data Set. */
static struct mur_dataset *holder_of(const struct sidecar *sidecar, uint32_t tag)
{
    struct mur_dataset *const places[] = {sidecar->frame, sidecar->shared};
    for (size_t index = 0; index < MUR_COUNT(places); index++) {
        struct found found = {.dataset = places[index], .tag = tag};
        if (places[index] != NULL &&
            mur_dataset_each(places[index], look_into, &found, NULL) == MUR_OK &&
            found.holder != NULL)
            return found.holder;
    }
    return mur_dataset_has_value(sidecar->header, tag) ? sidecar->header : NULL;
}

/* 0.03 ms are 3e-05 s, not 2.9999999999999997e-05. */
static double seconds_of(double milliseconds)
{
    char text[32];
    double seconds = milliseconds / 1000;
    (void)snprintf(text, sizeof text, "%.15g", seconds);
    return mur_parse_double(&seconds, mur_slice_of(text), NULL) == MUR_OK ? seconds
                                                                          : milliseconds / 1000;
}

static void put_list(struct mur_json_writer *json, const char *text)
{
    mur_json_begin_array(json);
    for (const char *at = text; at != NULL;) {
        const char *end = strchr(at, '\\');
        struct mur_slice part = {.data = at,
                                 .length = end != NULL ? (size_t)(end - at) : strlen(at)};
        mur_json_slice(json, mur_slice_trim(part));
        at = end != NULL ? end + 1 : NULL;
    }
    mur_json_end_array(json);
}

/* @return whether it had a value that can be written */
static bool put_row(struct sidecar *sidecar, const struct row *row)
{
    uint32_t tag = 0;
    if (!mur_dictionary_tag(&tag, mur_slice_of(row->keyword)))
        return false;
    struct mur_dataset *holder = holder_of(sidecar, tag);
    if (holder == NULL)
        return false;
    if (row->form == NUMBER || row->form == SECONDS) {
        double value = 0;
        if (mur_dataset_get_double(&value, holder, tag, 0, NULL) != MUR_OK || !isfinite(value))
            return false;
        mur_json_member_double(&sidecar->json, row->name,
                               row->form == SECONDS ? seconds_of(value) : value);
        return true;
    }
    MUR_AUTO_FREE char *text = NULL;
    if (mur_dataset_get_text(&text, holder, tag, NULL) != MUR_OK || text[0] == '\0')
        return false;
    if (row->form == TEXT) {
        mur_json_member_string(&sidecar->json, row->name, text);
    } else {
        mur_json_key(&sidecar->json, row->name);
        put_list(&sidecar->json, text);
    }
    return true;
}

static void put_rows(struct sidecar *sidecar)
{
    const char *written = "";
    for (size_t index = 0; index < MUR_COUNT(rows); index++)
        if (strcmp(rows[index].name, written) != 0 && put_row(sidecar, &rows[index]))
            written = rows[index].name;
}

/* ---- what the volumes are ---------------------------------------------------------------------
 */

static const struct mur_image_plane *plane_of(const struct mur_image_stack *stack, uint32_t volume)
{
    return stack->planes[(size_t)volume * stack->geometry.dims[2]];
}

static void put_echo_times(struct mur_json_writer *json, const struct mur_image_stack *stack)
{
    if (isnan(plane_of(stack, 0)->echo_time_ms))
        return;
    mur_json_key(json, "EchoTime");
    if (!stack->several_echoes) {
        mur_json_double(json, seconds_of(plane_of(stack, 0)->echo_time_ms));
        return;
    }
    mur_json_begin_array(json);
    for (uint32_t volume = 0; volume < stack->volumes; volume++)
        mur_json_double(json, seconds_of(plane_of(stack, volume)->echo_time_ms));
    mur_json_end_array(json);
}

static void put_volumes(struct mur_json_writer *json, const struct mur_image_set *set,
                        const struct mur_image_stack *stack)
{
    const struct mur_image_file *file = mur_image_stack_first(set, stack);
    put_echo_times(json, stack);
    if (stack->geometry.dims[2] > 1) /* what headers say of it is often something else */
        mur_json_member_double(json, "SpacingBetweenSlices", stack->geometry.spacing_mm[2]);
    if (stack->volumes > 1 && stack->time_step_s > 0 && !stack->diffusion && !stack->several_echoes)
        mur_json_member_double(json, "TemporalResolution", stack->time_step_s);
    if (file->has_padding)
        mur_json_member_int(json, "PixelPaddingValue", file->padding);
    if (plane_of(stack, 0)->component[0] != '\0')
        mur_json_member_string(json, "ComplexImageComponent", plane_of(stack, 0)->component);
    if (stack->slabs > 1) {
        mur_json_member_int(json, "Slab", stack->slab);
        mur_json_member_int(json, "Slabs", stack->slabs);
    }
}

/* ---- the private block ------------------------------------------------------------------------
 */

struct isa_block {
    struct sidecar *sidecar;
    struct mur_dataset *dataset;
    bool begun;
};

static void put_isa_value(struct mur_json_writer *json, struct mur_dataset *dataset, uint32_t tag,
                          enum mur_vr vr, const char *name)
{
    double number = 0;
    MUR_AUTO_FREE char *text = NULL;
    if (vr == MUR_VR_FD) {
        if (mur_dataset_get_double(&number, dataset, tag, 0, NULL) == MUR_OK)
            mur_json_member_double(json, name, number);
    } else if (mur_dataset_get_text(&text, dataset, tag, NULL) == MUR_OK) {
        mur_json_member_string(json, name, text);
    }
}

/* "Attributes": every cell of the tables. */
static void put_isa_attributes(struct mur_json_writer *json, struct mur_dataset *dataset,
                               uint32_t tag)
{
    static const struct {
        enum mur_private_element element;
        const char *name;
        enum mur_vr vr;
    } parts[] = {{MUR_ISA_ATTRIBUTE_KIND, "kind", MUR_VR_CS},
                 {MUR_ISA_ATTRIBUTE_NAME, "name", MUR_VR_LO},
                 {MUR_ISA_ATTRIBUTE_TEXT, "value", MUR_VR_UC},
                 {MUR_ISA_ATTRIBUTE_NUMBER, "number", MUR_VR_FD},
                 {MUR_ISA_ATTRIBUTE_UNIT, "unit", MUR_VR_SH}};
    size_t count = 0;
    if (mur_dataset_item_count(&count, dataset, tag, NULL) != MUR_OK)
        return;
    mur_json_key(json, "Attributes");
    mur_json_begin_array(json);
    for (size_t index = 0; index < count; index++) {
        struct mur_dataset *item = NULL;
        unsigned block = (tag >> 8) & 0xFF;
        if (mur_dataset_get_item(&item, dataset, tag, index, NULL) != MUR_OK)
            continue;
        mur_json_begin_object(json);
        for (size_t part = 0; part < MUR_COUNT(parts); part++) {
            uint32_t at = MUR_PRIVATE_TAG(block, parts[part].element);
            if (mur_dataset_has_value(item, at))
                put_isa_value(json, item, at, parts[part].vr, parts[part].name);
        }
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
}

static enum mur_status put_isa_element(void *user, const struct mur_dataset_element *element,
                                       struct mur_error *error)
{
    (void)error;
    struct isa_block *block = user;
    struct mur_json_writer *json = &block->sidecar->json;
    if (strcmp(element->private_creator, MUR_CREATOR_ISA) != 0 || element->length == 0 ||
        MUR_TAG_ELEMENT(element->tag) <= 0xFF)
        return MUR_OK;
    const struct mur_dictionary_entry *entry = mur_dictionary_find(element->tag, MUR_CREATOR_ISA);
    unsigned number = element->tag & 0xFF;
    if (number == MUR_ISA_ATTRIBUTE || (entry == NULL && number != MUR_ISA_ATTRIBUTE_SEQUENCE))
        return MUR_OK; /* the first says what the sequence says */
    if (!block->begun) {
        mur_json_key(json, "ISA");
        mur_json_begin_object(json);
        block->begun = true;
    }
    if (number == MUR_ISA_ATTRIBUTE_SEQUENCE) {
        put_isa_attributes(json, block->dataset, element->tag);
        return MUR_OK;
    }
    static const char prefix[] = "ISA";
    const char *name = entry->keyword;
    if (strncmp(name, prefix, sizeof prefix - 1) == 0)
        name += sizeof prefix - 1;
    put_isa_value(json, block->dataset, element->tag, entry->vr, name);
    return MUR_OK;
}

static enum mur_status put_isa(struct sidecar *sidecar, struct mur_error *error)
{
    struct isa_block block = {.sidecar = sidecar, .dataset = sidecar->header};
    enum mur_status status = mur_dataset_each(sidecar->header, put_isa_element, &block, error);
    if (block.begun)
        mur_json_end_object(&sidecar->json);
    return status;
}

/* ---- together ---------------------------------------------------------------------------------
 */

/* NULL where there are none. */
static struct mur_dataset *groups_of(struct mur_dataset *header, uint32_t tag, uint32_t index)
{
    struct mur_dataset *item = NULL;
    if (!mur_dataset_has_value(header, tag) ||
        mur_dataset_get_item(&item, header, tag, index, NULL) != MUR_OK)
        return NULL;
    return item;
}

enum mur_status mur_sidecar_json(struct mur_buffer *out, struct mur_dataset *header,
                                 const struct mur_image_set *set,
                                 const struct mur_image_stack *stack, struct mur_error *error)
{
    struct sidecar sidecar = {.header = header};
    sidecar.shared = groups_of(header, MUR_TAG_SharedFunctionalGroupsSequence, 0);
    sidecar.frame =
        groups_of(header, MUR_TAG_PerFrameFunctionalGroupsSequence, stack->planes[0]->frame);
    mur_json_init(&sidecar.json, mur_sink_buffer(out));
    mur_json_begin_object(&sidecar.json);
    put_rows(&sidecar);
    put_volumes(&sidecar.json, set, stack);
    enum mur_status status = put_isa(&sidecar, error);
    mur_json_member_string(&sidecar.json, "ConversionSoftware", "Murpacs");
    mur_json_member_string(&sidecar.json, "ConversionSoftwareVersion",
                           "format " MUR_CONVERTER_FORMAT);
    mur_json_end_object(&sidecar.json);
    if (status == MUR_OK)
        status = mur_json_finish(&sidecar.json, error);
    return status == MUR_OK ? mur_buffer_append_text(out, "\n", error) : status;
}

/* ---- diffusion --------------------------------------------------------------------------------
 */

static enum mur_status put_number(struct mur_buffer *out, double value, bool last,
                                  struct mur_error *error)
{
    char text[32];
    mur_double_write(text, value == 0 ? 0 : value); /* no -0 */
    return mur_buffer_append_format(out, error, "%s%c", text, last ? '\n' : ' ');
}

enum mur_status mur_sidecar_b_values(struct mur_buffer *out, const struct mur_image_stack *stack,
                                     struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t volume = 0; status == MUR_OK && volume < stack->volumes; volume++)
        status =
            put_number(out, plane_of(stack, volume)->b_value, volume + 1 == stack->volumes, error);
    return status;
}

enum mur_status mur_sidecar_b_vectors(struct mur_buffer *out, const struct mur_image_stack *stack,
                                      const struct mur_volume_geometry *voxels,
                                      struct mur_error *error)
{
    const double *axes[3] = {voxels->row_dir_lps, voxels->column_dir_lps, voxels->slice_dir_lps};
    double normal[3], handedness = 0;
    mur_geometry_normal(normal, voxels);
    for (unsigned row = 0; row < 3; row++)
        handedness += normal[row] * voxels->slice_dir_lps[row];
    enum mur_status status = MUR_OK;
    for (unsigned axis = 0; axis < 3; axis++)
        for (uint32_t volume = 0; status == MUR_OK && volume < stack->volumes; volume++) {
            const double *gradient = plane_of(stack, volume)->gradient;
            double along = 0;
            bool weighted = plane_of(stack, volume)->b_value > 0;
            for (unsigned row = 0; weighted && row < 3; row++)
                along += gradient[row] * axes[axis][row];
            if (axis == 0 && handedness > 0)
                along = -along;
            /* What is below is the noise of directions that are stated with that many digits. */
            along = round(along * 1e9) / 1e9;
            status = put_number(out, along, volume + 1 == stack->volumes, error);
        }
    return status;
}

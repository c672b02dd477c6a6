#include "archive/coerce.h"

#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"
#include "core/clock.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/from_text.h"
#include "dicom/put.h"
#include "dicom/transfer_syntax.h"

enum { NO_BLOCK = 0, FIRST_BLOCK = 0x10, LAST_BLOCK = 0xFF, JSON_LIMIT = 4 << 20 };

struct coercion {
    struct mur_dataset *dataset;
    struct mur_effective effective;
    unsigned block;   /* of ours in the Data Set; NO_BLOCK: there is none yet */
    bool *differs;    /* one a value */
    bool drop_issuer; /* it belongs to the Patient ID of before */
    bool replaces;    /* something that was there goes */
    bool changes;
};

/* ---- what differs ---------------------------------------------------------------------------- */

/* The block that the object has for us already, without making one. */
static unsigned find_block(struct mur_dataset *dataset)
{
    for (unsigned block = FIRST_BLOCK; block <= LAST_BLOCK; block++) {
        const char *creator = "";
        if (mur_dataset_get_string(&creator, dataset, MUR_TAG(MUR_PRIVATE_GROUP, block), NULL) ==
                MUR_OK &&
            strcmp(creator, MUR_CREATOR_ISA) == 0)
            return block;
    }
    return NO_BLOCK;
}

/* Where the value stands in this Data Set; 0: nowhere yet. */
static uint32_t tag_in(const struct coercion *coercion, const struct mur_effective_value *value)
{
    if (!MUR_TAG_IS_PRIVATE(value->tag))
        return value->tag;
    return coercion->block != NO_BLOCK ? MUR_PRIVATE_TAG(coercion->block, value->tag & 0xFFu) : 0;
}

static bool is_numeric(enum mur_vr vr)
{
    return vr == MUR_VR_DS || vr == MUR_VR_IS || mur_vr_info(vr)->class_ == MUR_VR_CLASS_BINARY;
}

static bool same_number(struct mur_slice a, struct mur_slice b, enum mur_vr vr)
{
    double x = 0;
    double y = 0;
    if (mur_parse_double(&x, a, NULL) != MUR_OK || mur_parse_double(&y, b, NULL) != MUR_OK)
        return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
    if (vr == MUR_VR_FL)
        return !((float)x < (float)y) && !((float)x > (float)y);
    return !(x < y) && !(x > y);
}

/* A name ends where its last component that says something does (PS3.5 6.2.1). */
static struct mur_slice without_tail(struct mur_slice text, enum mur_vr vr)
{
    text = mur_slice_trim(text);
    while (vr == MUR_VR_PN && text.length > 0 && strchr("^= ", text.data[text.length - 1]) != NULL)
        text.length--;
    return text;
}

static bool same_values(const char *a, const char *b, enum mur_vr vr)
{
    bool many = mur_vr_info(vr)->multi;
    for (;;) {
        struct mur_slice x = {.data = a, .length = many ? strcspn(a, "\\") : strlen(a)};
        struct mur_slice y = {.data = b, .length = many ? strcspn(b, "\\") : strlen(b)};
        struct mur_slice one = without_tail(x, vr);
        struct mur_slice other = without_tail(y, vr);
        bool same = is_numeric(vr) ? same_number(one, other, vr)
                                   : one.length == other.length &&
                                         memcmp(one.data, other.data, one.length) == 0;
        if (!same || a[x.length] != b[y.length])
            return false;
        if (a[x.length] == '\0')
            return true;
        a += x.length + 1;
        b += y.length + 1;
    }
}

static enum mur_status put_items(struct mur_dataset *dataset, uint32_t tag, const char *json,
                                 struct mur_error *error)
{
    MUR_AUTO(mur_json) *items = NULL;
    enum mur_status status = mur_json_parse(&items, mur_slice_of(json), JSON_LIMIT, error);
    return status == MUR_OK ? mur_dataset_put_json_items(dataset, tag, items, error) : status;
}

/* A Data Set of one sequence, of the JSON or else of @p from, as bytes. */
static enum mur_status encode_items(struct mur_buffer *out, struct mur_dataset *from, uint32_t tag,
                                    const char *json, struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *one = NULL;
    enum mur_status status = mur_dataset_create(&one, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(one, error);
    if (status == MUR_OK)
        status = json != NULL ? put_items(one, tag, json, error)
                              : mur_dataset_copy(one, from, tag, error);
    return status == MUR_OK ? mur_dataset_encode(out, one, mur_uid_ExplicitVRLittleEndian, error)
                            : status;
}

static enum mur_status same_items(bool *out, struct mur_dataset *dataset, uint32_t tag,
                                  const char *json, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer wanted = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer there = MUR_BUFFER_INIT;
    enum mur_status status = encode_items(&wanted, NULL, tag, json, error);
    if (status == MUR_OK)
        status = encode_items(&there, dataset, tag, NULL, error);
    if (status == MUR_OK)
        *out = wanted.length == there.length && memcmp(wanted.data, there.data, wanted.length) == 0;
    return status;
}

/* The scanner knows each image's echo time better than a table does. */
static bool is_only_added(const struct coercion *coercion, const struct mur_effective_value *value)
{
    return (value->level == MUR_LEVEL_SERIES && MUR_TAG_GROUP(value->tag) == 0x0018) ||
           (value->list && coercion->effective.segmentation);
}

static enum mur_status compare(bool *differs, struct coercion *coercion,
                               const struct mur_effective_value *value, struct mur_error *error)
{
    uint32_t tag = tag_in(coercion, value);
    *differs = tag == 0 || !mur_dataset_has_value(coercion->dataset, tag);
    if (*differs || is_only_added(coercion, value))
        return MUR_OK;
    bool same = false;
    enum mur_status status = MUR_OK;
    if (value->vr == MUR_VR_SQ) {
        status = same_items(&same, coercion->dataset, tag, value->text, error);
    } else {
        MUR_AUTO_FREE char *text = NULL;
        /* What cannot be read as text is something else. */
        same = mur_dataset_get_text(&text, coercion->dataset, tag, NULL) == MUR_OK &&
               same_values(text, value->text, value->vr);
    }
    *differs = !same;
    return status;
}

static enum mur_status compare_all(struct coercion *coercion, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    bool new_id = false;
    bool has_issuer = false;
    for (size_t i = 0; status == MUR_OK && i < coercion->effective.count; i++) {
        const struct mur_effective_value *value = &coercion->effective.values[i];
        status = compare(&coercion->differs[i], coercion, value, error);
        bool differs = coercion->differs[i];
        uint32_t tag = tag_in(coercion, value);
        coercion->changes = coercion->changes || differs;
        coercion->replaces = coercion->replaces ||
                             (differs && tag != 0 && mur_dataset_has_value(coercion->dataset, tag));
        new_id = new_id || (differs && value->tag == MUR_TAG_PatientID);
        has_issuer = has_issuer || value->tag == MUR_TAG_IssuerOfPatientID;
    }
    coercion->drop_issuer =
        new_id && !has_issuer && mur_dataset_has(coercion->dataset, MUR_TAG_IssuerOfPatientID);
    coercion->replaces = coercion->replaces || coercion->drop_issuer;
    return status;
}

/* ---- what was there before ------------------------------------------------------------------- */

static void keep(struct mur_put *before, struct coercion *coercion, uint32_t tag)
{
    if (before->status != MUR_OK || !mur_dataset_has_value(coercion->dataset, tag))
        return;
    if (MUR_TAG_IS_PRIVATE(tag))
        before->status =
            mur_dataset_put_string(before->dataset, MUR_TAG(MUR_PRIVATE_GROUP, coercion->block),
                                   MUR_VR_LO, MUR_CREATOR_ISA, before->error);
    if (before->status == MUR_OK)
        before->status = mur_dataset_copy(before->dataset, coercion->dataset, tag, before->error);
}

/* PS3.3 C.12.1.1.9.1 */
static enum mur_status keep_originals(struct coercion *coercion, const char *system,
                                      struct mur_error *error)
{
    struct mur_put put = {.dataset = coercion->dataset, .error = error};
    struct mur_put item = mur_put_item(&put, MUR_TAG_OriginalAttributesSequence);
    char when[MUR_DT_SIZE];
    struct mur_datetime since = mur_datetime_of_us(coercion->effective.since_us);
    mur_datetime_format_dt(when, &since);
    mur_put_text(&item, MUR_TAG_AttributeModificationDateTime, when);
    mur_put_text(&item, MUR_TAG_ModifyingSystem, system);
    mur_put_default(&item, MUR_TAG_SourceOfPreviousValues, coercion->effective.calling_ae);
    mur_put_text(&item, MUR_TAG_ReasonForTheAttributeModification, "COERCE");
    struct mur_put before = mur_put_item(&item, MUR_TAG_ModifiedAttributesSequence);
    for (size_t i = 0; i < coercion->effective.count; i++)
        if (coercion->differs[i])
            keep(&before, coercion, tag_in(coercion, &coercion->effective.values[i]));
    if (coercion->drop_issuer)
        keep(&before, coercion, MUR_TAG_IssuerOfPatientID);
    return before.status;
}

/* ---- what is there now ----------------------------------------------------------------------- */

static enum mur_status put_value(struct coercion *coercion, const struct mur_effective_value *value,
                                 struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (MUR_TAG_IS_PRIVATE(value->tag) && coercion->block == NO_BLOCK)
        status = mur_dataset_private_block(&coercion->block, coercion->dataset, MUR_PRIVATE_GROUP,
                                           MUR_CREATOR_ISA, error);
    if (status != MUR_OK)
        return status;
    uint32_t tag = tag_in(coercion, value);
    return value->vr == MUR_VR_SQ
               ? put_items(coercion->dataset, tag, value->text, error)
               : mur_dataset_put_any_text(coercion->dataset, tag, value->vr, value->text, error);
}

/* What a species, or a trial, wants beside it, if only empty (PS3.3 C.7.1.1, C.7.1.3, C.7.3.2). */
static enum mur_status put_companions(struct coercion *coercion, struct mur_error *error)
{
    static const uint32_t of_trial[] = {MUR_TAG_ClinicalTrialProtocolName,
                                        MUR_TAG_ClinicalTrialSiteID, MUR_TAG_ClinicalTrialSiteName,
                                        MUR_TAG_ClinicalTrialCoordinatingCenterName};
    struct mur_put put = {.dataset = coercion->dataset, .error = error};
    mur_put_animal_defaults(&put);
    if (mur_dataset_has_value(coercion->dataset, MUR_TAG_PatientSpeciesDescription) ||
        mur_dataset_has_value(coercion->dataset, MUR_TAG_PatientSpeciesCodeSequence))
        mur_put_default(&put, MUR_TAG_ResponsibleOrganization, "");
    if (mur_dataset_has_value(coercion->dataset, MUR_TAG_ClinicalTrialProtocolID))
        for (size_t i = 0; i < MUR_COUNT(of_trial); i++)
            mur_put_default(&put, of_trial[i], "");
    return put.status;
}

static enum mur_status apply(struct coercion *coercion, const char *system, struct mur_error *error)
{
    enum mur_status status = mur_dataset_set_utf8(coercion->dataset, error);
    if (status == MUR_OK && coercion->replaces)
        status = keep_originals(coercion, system, error);
    if (status == MUR_OK && coercion->drop_issuer)
        status = mur_dataset_remove(coercion->dataset, MUR_TAG_IssuerOfPatientID, error);
    for (size_t i = 0; status == MUR_OK && i < coercion->effective.count; i++)
        if (coercion->differs[i])
            status = put_value(coercion, &coercion->effective.values[i], error);
    return status == MUR_OK ? put_companions(coercion, error) : status;
}

enum mur_status mur_archive_coerce(bool *changed, struct mur_dataset *dataset,
                                   struct mur_archive *archive, const struct mur_instance *instance,
                                   struct mur_error *error)
{
    struct coercion coercion = {.dataset = dataset};
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_effective(&coercion.effective, reader, instance->id, error);
    mur_reader_return(archive, reader);
    if (status == MUR_OK) {
        coercion.block = find_block(dataset);
        coercion.differs = calloc(coercion.effective.count + 1, sizeof *coercion.differs);
        status =
            coercion.differs != NULL ? compare_all(&coercion, error) : mur_error_no_memory(error);
    }
    if (status == MUR_OK && coercion.changes)
        status = apply(&coercion, archive->ae_title, error);
    free(coercion.differs);
    mur_effective_free(&coercion.effective);
    if (status == MUR_OK)
        *changed = coercion.changes;
    else
        (void)mur_error_prefix(error, "coercing %s", instance->sop_instance);
    return status;
}

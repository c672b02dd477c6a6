#include "scu/extended.h"

#include <string.h>

#include "core/text.h"
#include "dicom/attribute.h"

static const uint32_t unique_keys[MUR_LEVEL_COUNT] = {
    [MUR_LEVEL_PATIENT] = MUR_TAG_PatientID,
    [MUR_LEVEL_STUDY] = MUR_TAG_StudyInstanceUID,
    [MUR_LEVEL_SERIES] = MUR_TAG_SeriesInstanceUID,
    [MUR_LEVEL_IMAGE] = MUR_TAG_SOPInstanceUID,
};

static enum mur_level top_of(enum mur_model model)
{
    return model == MUR_MODEL_PATIENT_ROOT ? MUR_LEVEL_PATIENT : MUR_LEVEL_STUDY;
}

static enum mur_level level_of(struct mur_dataset *identifier, enum mur_model model)
{
    enum mur_level level = top_of(model);
    const char *text = "";
    if (mur_dataset_get_string(&text, identifier, MUR_TAG_QueryRetrieveLevel, NULL) == MUR_OK)
        (void)!mur_level_parse(&level, mur_slice_of(text), NULL);
    return level;
}

/* One value, which stands for itself. */
static bool has_single_value(struct mur_dataset *identifier, uint32_t tag)
{
    const char *text = "";
    return mur_dataset_get_string(&text, identifier, tag, NULL) == MUR_OK && text[0] != '\0' &&
           strpbrk(text, "*?\\") == NULL;
}

unsigned mur_retrieval_needs(struct mur_dataset *identifier, enum mur_model model)
{
    enum mur_level level = level_of(identifier, model);
    for (enum mur_level above = top_of(model); above < level; above++)
        if (!has_single_value(identifier, unique_keys[above]))
            return MUR_NEED_RELATIONAL;
    return MUR_NEED_NONE;
}

/* ---- queries --------------------------------------------------------------------------------- */

struct looking {
    enum mur_level level;
    enum mur_model model;
    bool found; /* a key of another level */
};

static bool belongs_to_all_levels(uint32_t tag)
{
    return tag == MUR_TAG_SpecificCharacterSet || tag == MUR_TAG_QueryRetrieveLevel ||
           tag == MUR_TAG_RetrieveAETitle || tag == MUR_TAG_InstanceAvailability;
}

static enum mur_status look_at(void *user, const struct mur_dataset_element *element,
                               struct mur_error *error)
{
    (void)error;
    struct looking *looking = user;
    const struct mur_attribute *attribute = mur_attribute_find(element->tag);
    if (attribute == NULL || belongs_to_all_levels(element->tag))
        return MUR_OK;
    enum mur_level level = attribute->level;
    if (level < top_of(looking->model))
        level = top_of(looking->model);
    bool is_unique_above = level < looking->level && element->tag == unique_keys[level];
    looking->found |= level != looking->level && !is_unique_above;
    return MUR_OK;
}

/* "2200-0200": from the evening of the first day to the night of the last */
static bool ends_before_it_begins(const char *range)
{
    const char *dash = strchr(range, '-');
    if (dash == NULL || dash == range || dash[1] == '\0')
        return false;
    size_t first = (size_t)(dash - range);
    size_t last = strlen(dash + 1);
    return memcmp(range, dash + 1, first < last ? first : last) > 0;
}

static bool needs_datetime(struct mur_dataset *identifier, bool combined)
{
    static const struct {
        uint32_t date, time;
    } pairs[] = {
        {MUR_TAG_StudyDate, MUR_TAG_StudyTime},
        {MUR_TAG_SeriesDate, MUR_TAG_SeriesTime},
        {MUR_TAG_AcquisitionDate, MUR_TAG_AcquisitionTime},
        {MUR_TAG_ContentDate, MUR_TAG_ContentTime},
        {MUR_TAG_InstanceCreationDate, MUR_TAG_InstanceCreationTime},
        {MUR_TAG_PerformedProcedureStepStartDate, MUR_TAG_PerformedProcedureStepStartTime},
    };
    for (size_t i = 0; i < MUR_COUNT(pairs); i++) {
        const char *date = "", *time = "";
        if (mur_dataset_get_string(&date, identifier, pairs[i].date, NULL) == MUR_OK &&
            mur_dataset_get_string(&time, identifier, pairs[i].time, NULL) == MUR_OK &&
            date[0] != '\0' && time[0] != '\0' && (combined || ends_before_it_begins(time)))
            return true;
    }
    return false;
}

unsigned mur_query_needs(struct mur_dataset *identifier, enum mur_model model, bool combined)
{
    struct looking looking = {.level = level_of(identifier, model), .model = model};
    unsigned needs = mur_retrieval_needs(identifier, model);
    (void)!mur_dataset_each(identifier, look_at, &looking, NULL);
    if (looking.found)
        needs |= MUR_NEED_RELATIONAL;
    if (needs_datetime(identifier, combined))
        needs |= MUR_NEED_DATETIME;
    return needs;
}

/* ---- negotiation ----------------------------------------------------------------------------- */

bool mur_extended_propose(struct mur_extended_proposal *out, uint8_t bytes[MUR_EXTENDED_SIZE],
                          const char *sop_class, unsigned needs)
{
    bytes[0] = (needs & MUR_NEED_RELATIONAL) != 0;
    bytes[1] = (needs & MUR_NEED_DATETIME) != 0;
    /* Retrievals have the first byte only (PS3.4 C.5.2.1, C.5.3.1); queries may stop there. */
    *out = (struct mur_extended_proposal){
        .abstract_syntax = sop_class, .bytes = bytes, .length = bytes[1] != 0 ? 2 : 1};
    return needs != MUR_NEED_NONE;
}

unsigned mur_extended_unmet(const struct mur_association *association, const char *sop_class,
                            unsigned needs)
{
    const uint8_t *answer = NULL;
    size_t length = 0;
    if (needs == MUR_NEED_NONE ||
        mur_association_get_extended(&answer, &length, association, sop_class, NULL) != MUR_OK)
        return needs;
    if (length > 0 && answer[0] == 1)
        needs &= ~(unsigned)MUR_NEED_RELATIONAL;
    if (length > 1 && answer[1] == 1)
        needs &= ~(unsigned)MUR_NEED_DATETIME;
    return needs;
}

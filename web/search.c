#include "web/search.h"

#include <stdlib.h>
#include <string.h>

#include "core/own.h"
#include "dicom/dictionary.h"

/* Parameters that are no attributes; "charset" is taken, since every client understands UTF-8
 * (PS3.18 8.3.3.2 and F.2). */
static const char *const reserved[] = {"limit",
                                       "offset",
                                       "includefield",
                                       "fuzzymatching",
                                       "emptyvaluematching",
                                       "multiplevaluematching",
                                       "accept",
                                       "charset"};

/* What every answer has, by resource: PS3.18 tables 10.6.3-3, 10.6.3-4 and 10.6.3-5; and the UIDs
 * that name it. */
static const struct {
    enum mur_level resource;
    uint32_t tag;
    bool if_known;
} defaults[] = {
    {MUR_LEVEL_STUDY, MUR_TAG_StudyDate, false},
    {MUR_LEVEL_STUDY, MUR_TAG_StudyTime, false},
    {MUR_LEVEL_STUDY, MUR_TAG_AccessionNumber, false},
    {MUR_LEVEL_STUDY, MUR_TAG_InstanceAvailability, true},
    {MUR_LEVEL_STUDY, MUR_TAG_ModalitiesInStudy, false},
    {MUR_LEVEL_STUDY, MUR_TAG_ReferringPhysicianName, false},
    {MUR_LEVEL_STUDY, MUR_TAG_TimezoneOffsetFromUTC, true},
    {MUR_LEVEL_STUDY, MUR_TAG_PatientName, false},
    {MUR_LEVEL_STUDY, MUR_TAG_PatientID, false},
    {MUR_LEVEL_STUDY, MUR_TAG_PatientBirthDate, false},
    {MUR_LEVEL_STUDY, MUR_TAG_PatientSex, false},
    {MUR_LEVEL_STUDY, MUR_TAG_StudyID, false},
    {MUR_LEVEL_STUDY, MUR_TAG_NumberOfStudyRelatedSeries, false},
    {MUR_LEVEL_STUDY, MUR_TAG_NumberOfStudyRelatedInstances, false},
    {MUR_LEVEL_SERIES, MUR_TAG_InstanceAvailability, true},
    {MUR_LEVEL_SERIES, MUR_TAG_Modality, false},
    {MUR_LEVEL_SERIES, MUR_TAG_TimezoneOffsetFromUTC, true},
    {MUR_LEVEL_SERIES, MUR_TAG_SeriesDescription, true},
    {MUR_LEVEL_SERIES, MUR_TAG_SeriesNumber, false},
    {MUR_LEVEL_SERIES, MUR_TAG_NumberOfSeriesRelatedInstances, false},
    {MUR_LEVEL_SERIES, MUR_TAG_PerformedProcedureStepStartDate, true},
    {MUR_LEVEL_SERIES, MUR_TAG_PerformedProcedureStepStartTime, true},
    {MUR_LEVEL_SERIES, MUR_TAG_RequestAttributesSequence, true},
    {MUR_LEVEL_IMAGE, MUR_TAG_SOPClassUID, false},
    {MUR_LEVEL_IMAGE, MUR_TAG_InstanceAvailability, true},
    {MUR_LEVEL_IMAGE, MUR_TAG_TimezoneOffsetFromUTC, true},
    {MUR_LEVEL_IMAGE, MUR_TAG_InstanceNumber, false},
    {MUR_LEVEL_IMAGE, MUR_TAG_NumberOfFrames, true},
    {MUR_LEVEL_IMAGE, MUR_TAG_Rows, true},
    {MUR_LEVEL_IMAGE, MUR_TAG_Columns, true},
    {MUR_LEVEL_IMAGE, MUR_TAG_BitsAllocated, true},
};

void mur_search_free(struct mur_search *search)
{
    if (search == NULL)
        return;
    mur_query_free(&search->query);
    free(search->columns);
    search->columns = NULL;
    search->column_count = 0;
    mur_buffer_free(&search->unmatched);
}

/* ---- keys and columns ------------------------------------------------------------------------ */

static void drop_last_key(struct mur_query *query)
{
    struct mur_query_key *last = &query->keys[--query->key_count];
    query->text_length -= strlen(last->text);
    free(last->text);
}

static enum mur_status add_element(struct mur_search *search, struct mur_search_column column,
                                   struct mur_error *error)
{
    struct mur_search_column *columns =
        reallocarray(search->columns, search->column_count + 1, sizeof *columns);
    if (columns == NULL)
        return mur_error_no_memory(error);
    search->columns = columns;
    columns[search->column_count++] = column;
    return MUR_OK;
}

static struct mur_search_column *find_column(const struct mur_search *search, uint32_t tag)
{
    for (size_t i = 0; i < search->column_count; i++)
        if (search->columns[i].tag == tag)
            return &search->columns[i];
    return NULL;
}

/* @param tag  as the index has it. What does not belong to the level is not answered. */
static enum mur_status add_column(struct mur_search *search, uint32_t tag, bool if_known,
                                  struct mur_error *error)
{
    if (tag == MUR_TAG_QueryRetrieveLevel)
        return MUR_OK; /* has no place here */
    const struct mur_attribute_path path = mur_attribute_path_of(tag);
    enum mur_vr vr = mur_names_vr(&path);
    enum mur_status status =
        mur_query_add(&search->query, &path, vr, mur_slice_of(""), true, error);
    if (status != MUR_OK)
        return status;
    size_t key = search->query.key_count - 1;
    if (mur_query_key_support(&search->query, key) == MUR_KEY_IGNORED) {
        drop_last_key(&search->query);
        return MUR_OK;
    }
    struct mur_search_column column = {
        .vr = vr, .kind = MUR_SEARCH_KEY, .if_known = if_known, .key = key};
    const char *creator = NULL;
    status = mur_names_answer(&column.tag, &creator, &search->names, tag, error);
    if (status != MUR_OK)
        return status;
    struct mur_search_column *there = find_column(search, column.tag);
    if (there != NULL) {
        there->if_known = there->if_known && if_known;
        drop_last_key(&search->query);
        return MUR_OK;
    }
    status = add_element(search, column, error);
    uint32_t reservation = MUR_TAG(MUR_TAG_GROUP(column.tag), MUR_TAG_ELEMENT(column.tag) >> 8);
    if (status == MUR_OK && creator != NULL && find_column(search, reservation) == NULL)
        status = add_element(search,
                             (struct mur_search_column){.tag = reservation,
                                                        .vr = MUR_VR_LO,
                                                        .kind = MUR_SEARCH_CREATOR,
                                                        .creator = creator},
                             error);
    return status;
}

/* ---- attributes that are matched ------------------------------------------------------------- */

static enum mur_status note_unmatched(struct mur_search *search, const char *name,
                                      struct mur_error *error)
{
    enum { NOTED = 512 };
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7E) /* goes into a header */
            name = "a private attribute";
    if (search->unmatched.length + strlen(name) > NOTED)
        return MUR_OK;
    return mur_buffer_append_format(&search->unmatched, error, "%s%s",
                                    search->unmatched.length > 0 ? ", " : "", name);
}

static bool takes_many(enum mur_vr vr) /* PS3.4 C.2.2.2.8 */
{
    switch ((int)vr) {
    case MUR_VR_AE:
    case MUR_VR_AS:
    case MUR_VR_AT:
    case MUR_VR_CS:
    case MUR_VR_LO:
    case MUR_VR_PN:
    case MUR_VR_SH:
    case MUR_VR_UC:
        return true;
    default:
        return false;
    }
}

struct matching {
    bool empty; /* emptyvaluematching */
    bool many;  /* multiplevaluematching */
};

/* Whether the index can tell that there is no value: what scans say is not looked through. */
static bool may_be_empty(uint32_t tag)
{
    return !mur_is_isa_element(tag) && tag != MUR_TAG_PatientComments &&
           tag != MUR_TAG_AdditionalPatientHistory;
}

/* Adds a key; what cannot be matched is noted. */
static enum mur_status add_key(bool *matched, struct mur_search *search,
                               const struct mur_attribute_path *path, enum mur_vr vr,
                               struct mur_slice text, bool empty, struct mur_error *error)
{
    enum mur_status status = mur_query_add(&search->query, path, vr, text, false, error);
    if (status != MUR_OK)
        return status;
    size_t last = search->query.key_count - 1;
    search->query.keys[last].empty = empty;
    if (mur_query_key_support(&search->query, last) == MUR_KEY_MATCHED &&
        (!empty || may_be_empty(path->tags[0])))
        return MUR_OK;
    drop_last_key(&search->query);
    *matched = false;
    return MUR_OK;
}

/* All values of a key at once, or each of them where all must match. */
static enum mur_status add_values(bool *matched, struct mur_search *search,
                                  const struct mur_attribute_path *path, enum mur_vr vr,
                                  struct mur_slice text, const struct matching *matching,
                                  struct mur_error *error)
{
    if (matching->empty && mur_slice_equal(text, "\"\""))
        return add_key(matched, search, path, vr, mur_slice_of(""), true, error);
    if (!matching->many || !takes_many(vr))
        return add_key(matched, search, path, vr, text, false, error);
    enum mur_status status = MUR_OK;
    for (size_t at = 0; status == MUR_OK && at <= text.length;) {
        const char *end = memchr(text.data + at, '\\', text.length - at);
        size_t length = end != NULL ? (size_t)(end - text.data) - at : text.length - at;
        struct mur_slice one = {.data = text.data + at, .length = length};
        if (mur_slice_trim(one).length > 0)
            status = add_key(matched, search, path, vr, one, false, error);
        at += length + 1;
    }
    return status;
}

static bool is_matched_already(const struct mur_search *search,
                               const struct mur_attribute_path *path, size_t first)
{
    for (size_t i = first; i < search->query.key_count; i++)
        if (!search->query.keys[i].returned &&
            mur_attribute_path_equal(&search->query.keys[i].path, path))
            return true;
    return false;
}

/* "PatientName=M*". @param first  key that came first from a parameter */
static enum mur_status take_match(struct mur_search *search, const struct mur_parameter *parameter,
                                  const struct matching *matching, size_t first,
                                  struct mur_error *error)
{
    struct mur_attribute_path path;
    bool known = false;
    enum mur_status status =
        mur_names_parse(&path, &known, &search->names, mur_slice_of(parameter->name), error);
    if (status != MUR_OK)
        return status;
    if (!mur_utf8_valid(parameter->value) ||
        memchr(parameter->value.data, '\0', parameter->value.length) != NULL)
        return mur_error_set(error, MUR_INVALID, "the value of %s is not UTF-8", parameter->name);
    if (!known)
        return note_unmatched(search, parameter->name, error);
    /* Conditions on cells of the tables add up: each one is a key of its own. */
    bool cell = mur_is_isa_element(path.tags[0]) && path.depth == 1 &&
                (path.tags[0] & 0xFFu) == MUR_ISA_ATTRIBUTE;
    if (!cell && is_matched_already(search, &path, first))
        return mur_error_set(error, MUR_INVALID, "%s is given twice", parameter->name);
    struct mur_slice text = mur_slice_trim(parameter->value);
    MUR_AUTO_FREE char *list = NULL;
    enum mur_vr vr = mur_names_vr(&path);
    if (vr == MUR_VR_UI || vr == MUR_VR_CS) { /* no value has commas: they separate (8.3.4.1) */
        status = mur_text_copy(&list, text, error);
        for (size_t i = 0; status == MUR_OK && i < text.length; i++)
            if (list[i] == ',')
                list[i] = '\\';
        text.data = list;
    }
    /* Dates and times are compared as they stand, whatever the time zone (Conformance Statement).
     */
    bool matched = path.tags[0] != MUR_TAG_TimezoneOffsetFromUTC;
    if (status == MUR_OK && matched && text.length > 0)
        status = add_values(&matched, search, &path, vr, text, matching, error);
    if (status == MUR_OK && !matched)
        status = note_unmatched(search, parameter->name, error);
    return status == MUR_OK ? add_column(search, path.tags[0], false, error) : status;
}

/* ---- attributes that are returned ------------------------------------------------------------ */

/* The uppermost level that a search for the target tells of: the path has named those above
 * (PS3.18 10.6.3.3). */
static enum mur_level top_of(const struct mur_search_target *target)
{
    if (target->series != NULL)
        return MUR_LEVEL_IMAGE;
    return target->study != NULL ? MUR_LEVEL_SERIES : MUR_LEVEL_PATIENT;
}

static enum mur_status add_all(struct mur_search *search, const struct mur_search_target *target,
                               struct mur_error *error)
{
    size_t count = 0;
    const struct mur_attribute *rows = mur_attributes(&count);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        if (rows[i].level >= top_of(target) && rows[i].level <= target->level)
            status = add_column(search, rows[i].tag, true, error);
    if (top_of(target) == MUR_LEVEL_IMAGE)
        return status; /* what our private block says belongs to series */
    for (uint32_t element = 1; status == MUR_OK && element <= 0xFF; element++) {
        uint32_t tag = MUR_PRIVATE_TAG(0x10, element);
        bool inside = element > MUR_ISA_ATTRIBUTE_SEQUENCE && element <= MUR_ISA_ATTRIBUTE_UNIT;
        if (!inside && mur_dictionary_find(tag, MUR_CREATOR_ISA) != NULL)
            status = add_column(search, tag, true, error);
    }
    return status;
}

static enum mur_status take_field(struct mur_search *search, struct mur_slice name,
                                  const struct mur_search_target *target, struct mur_error *error)
{
    if (name.length == 0)
        return MUR_OK;
    if (mur_slice_equal(name, "all"))
        return add_all(search, target, error);
    struct mur_attribute_path path;
    bool known = false;
    enum mur_status status = mur_names_parse(&path, &known, &search->names, name, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "includefield");
    /* What is inside of a sequence comes with it. */
    return known ? add_column(search, path.tags[0], false, error) : MUR_OK;
}

static enum mur_status take_fields(struct mur_search *search, struct mur_slice list,
                                   const struct mur_search_target *target, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    while (status == MUR_OK) {
        size_t length = 0;
        bool inside = false; /* a creator may have commas too */
        for (; length < list.length; length++) {
            char c = list.data[length];
            inside = c == '[' || (inside && c != ']');
            if (c == ',' && !inside)
                break;
        }
        status = take_field(search,
                            mur_slice_trim((struct mur_slice){.data = list.data, .length = length}),
                            target, error);
        if (length == list.length)
            break;
        list =
            (struct mur_slice){.data = list.data + length + 1, .length = list.length - length - 1};
    }
    return status;
}

/* ---- what the path says ---------------------------------------------------------------------- */

/* The UID of a level: it is in every answer, and matched where the path names it. */
static enum mur_status add_uid(struct mur_search *search, enum mur_level level, const char *uid,
                               struct mur_error *error)
{
    static const uint32_t tags[] = {MUR_TAG_StudyInstanceUID, MUR_TAG_SeriesInstanceUID,
                                    MUR_TAG_SOPInstanceUID};
    size_t at = (size_t)(level - MUR_LEVEL_STUDY);
    const struct mur_attribute_path path = mur_attribute_path_of(tags[at]);
    enum mur_status status = MUR_OK;
    if (uid != NULL)
        status = mur_query_add(&search->query, &path, MUR_VR_UI, mur_slice_of(uid), false, error);
    if (status == MUR_OK)
        status = add_column(search, tags[at], false, error);
    search->uids[at] = search->query.key_count - 1;
    return status;
}

static enum mur_status add_fixed(struct mur_search *search, const struct mur_search_target *target,
                                 struct mur_error *error)
{
    enum mur_status status = add_element(
        search,
        (struct mur_search_column){
            .tag = MUR_TAG_SpecificCharacterSet, .vr = MUR_VR_CS, .kind = MUR_SEARCH_CHARSET},
        error);
    if (status == MUR_OK)
        status = add_element(search,
                             (struct mur_search_column){.tag = MUR_TAG_RetrieveURL,
                                                        .vr = MUR_VR_UR,
                                                        .kind = MUR_SEARCH_RETRIEVE_URL},
                             error);
    if (status == MUR_OK)
        status = add_uid(search, MUR_LEVEL_STUDY, target->study, error);
    if (status == MUR_OK && target->level >= MUR_LEVEL_SERIES)
        status = add_uid(search, MUR_LEVEL_SERIES, target->series, error);
    if (status == MUR_OK && target->level == MUR_LEVEL_IMAGE)
        status = add_uid(search, MUR_LEVEL_IMAGE, NULL, error);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(defaults); i++)
        if (defaults[i].resource <= target->level && defaults[i].resource >= top_of(target))
            status = add_column(search, defaults[i].tag, defaults[i].if_known, error);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum mur_status read_flag(bool *out, const struct mur_exchange *exchange, const char *name,
                                 struct mur_error *error)
{
    const struct mur_parameter *parameter = NULL;
    enum mur_status status = mur_exchange_parameter(&parameter, exchange, name, error);
    if (status != MUR_OK)
        return status;
    *out = false;
    if (parameter == NULL || mur_slice_equal(parameter->value, "false"))
        return MUR_OK;
    *out = true;
    return mur_slice_equal(parameter->value, "true")
               ? MUR_OK
               : mur_error_set(error, MUR_INVALID, "%s is \"true\" or \"false\"", name);
}

static bool is_reserved(const char *name)
{
    for (size_t i = 0; i < MUR_COUNT(reserved); i++)
        if (strcmp(name, reserved[i]) == 0)
            return true;
    return false;
}

/* Private creators first: names need them, wherever they stand. */
static enum mur_status take_creators(struct mur_search *search, const struct mur_exchange *exchange,
                                     struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < exchange->parameter_count; i++) {
        const struct mur_parameter *parameter = &exchange->parameters[i];
        if (mur_names_is_creator(parameter->name))
            status = mur_names_declare(&search->names, parameter->name, parameter->value, error);
    }
    return status;
}

static enum mur_status take_parameters(struct mur_search *search,
                                       const struct mur_exchange *exchange,
                                       const struct mur_search_target *target,
                                       const struct matching *matching, struct mur_error *error)
{
    size_t first = search->query.key_count;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < exchange->parameter_count; i++) {
        const struct mur_parameter *parameter = &exchange->parameters[i];
        if (strcmp(parameter->name, "includefield") == 0)
            status = take_fields(search, parameter->value, target, error);
        else if (!is_reserved(parameter->name) && !mur_names_is_creator(parameter->name))
            status = take_match(search, parameter, matching, first, error);
    }
    return status;
}

static enum mur_status read_pages(struct mur_search *search, const struct mur_exchange *exchange,
                                  struct mur_error *error)
{
    uint64_t most = (uint64_t)exchange->config->web_search_limit;
    uint64_t offset = 0;
    uint64_t limit = 0;
    enum mur_status status = mur_exchange_number(&offset, exchange, "offset", 0, INT64_MAX, error);
    if (status == MUR_OK)
        status = mur_exchange_number(&limit, exchange, "limit", most, INT64_MAX, error);
    if (status != MUR_OK)
        return status;
    search->limit = limit < most ? limit : most;
    search->query.offset = (size_t)offset;
    search->query.limit = search->limit > 0 ? (size_t)search->limit : 1; /* 0 would be all */
    search->query.counted = MUR_SEARCH_COUNTED + 1;
    return MUR_OK;
}

static int compare_tags(const void *a, const void *b)
{
    uint32_t left = ((const struct mur_search_column *)a)->tag;
    uint32_t right = ((const struct mur_search_column *)b)->tag;
    return (left > right) - (left < right);
}

enum mur_status mur_search_parse(struct mur_search *out, const struct mur_exchange *exchange,
                                 const struct mur_search_target *target, struct mur_error *error)
{
    struct matching matching = {.empty = false};
    out->query.level = target->level;
    out->query.root = MUR_ROOT_STUDY;
    out->query.combined_datetime = true; /* PS3.4 C.2.2.2.5.1: always in QIDO-RS */
    enum mur_status status = read_pages(out, exchange, error);
    if (status == MUR_OK)
        status = read_flag(&out->fuzzy, exchange, "fuzzymatching", error);
    if (status == MUR_OK)
        status = read_flag(&matching.empty, exchange, "emptyvaluematching", error);
    if (status == MUR_OK)
        status = read_flag(&matching.many, exchange, "multiplevaluematching", error);
    if (status == MUR_OK)
        status = take_creators(out, exchange, error);
    if (status == MUR_OK)
        status = add_fixed(out, target, error);
    if (status == MUR_OK)
        status = take_parameters(out, exchange, target, &matching, error);
    if (status == MUR_OK)
        qsort(out->columns, out->column_count, sizeof *out->columns, compare_tags);
    return status;
}

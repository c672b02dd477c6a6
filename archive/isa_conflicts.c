/* Where the header of a series and the tables of its scan disagree. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"
#include "archive/isa.h"
#include "core/json.h"
#include "core/text.h"
#include "db/header_values.h"
#include "dicom/dictionary.h"
#include "dicom/json_value.h"

enum { HEADER_LIMIT = 16 << 20 };

typedef enum mur_status conflict_function(void *user, const struct mur_isa_conflict *one,
                                          struct mur_error *error);

/* An attribute of the series at hand that is told otherwise. */
struct disagreement {
    const char *keyword; /* of the dictionary; NULL: it has but a path */
    char path[MUR_ATTRIBUTE_PATH_SIZE];
    char *header, *tables;
    bool tables_answer;
};

struct comparison {
    const struct mur_archive *archive;
    struct mur_database *reader;
    conflict_function *each;
    void *user;
    struct disagreement *found;
    size_t count, capacity;
    const struct mur_linked_series *series;
    struct mur_json *elements;
    /* Values of one attribute are gathered until the next one comes. */
    uint32_t tag;
    enum mur_vr vr;
    enum mur_level level;
    struct mur_buffer tables;
};

static enum mur_status report(struct comparison *comparison, const char *header, const char *tables,
                              bool tables_answer, struct mur_error *error)
{
    if (comparison->count == comparison->capacity) {
        size_t capacity = comparison->capacity == 0 ? 16 : comparison->capacity * 2;
        struct disagreement *found = reallocarray(comparison->found, capacity, sizeof *found);
        if (found == NULL)
            return mur_error_no_memory(error);
        comparison->found = found;
        comparison->capacity = capacity;
    }
    struct disagreement *one = &comparison->found[comparison->count];
    *one = (struct disagreement){.keyword = mur_dictionary_keyword(comparison->tag),
                                 .tables_answer = tables_answer};
    const struct mur_attribute_path path = mur_attribute_path_of(comparison->tag);
    (void)mur_attribute_path_format(one->path, &path);
    enum mur_status status = mur_text_copy(&one->header, mur_slice_of(header), error);
    if (status == MUR_OK)
        status = mur_text_copy(&one->tables, mur_slice_of(tables), error);
    comparison->count++;
    return status;
}

static void forget(struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->count; i++) {
        free(comparison->found[i].header);
        free(comparison->found[i].tables);
    }
    comparison->count = 0;
}

static const char *name_of(const struct disagreement *one)
{
    return one->keyword != NULL && one->keyword[0] != '\0' ? one->keyword : one->path;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(name_of(left), name_of(right));
}

static enum mur_status tell_sorted(struct comparison *comparison, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (comparison->count > 1)
        qsort(comparison->found, comparison->count, sizeof *comparison->found, by_name);
    for (size_t i = 0; status == MUR_OK && i < comparison->count; i++) {
        const struct disagreement *one = &comparison->found[i];
        const struct mur_isa_conflict conflict = {.series_uid = comparison->series->series_uid,
                                                  .study = comparison->series->study,
                                                  .source = comparison->series->source,
                                                  .assay = comparison->series->assay,
                                                  .attribute = name_of(one),
                                                  .header = one->header,
                                                  .tables = one->tables,
                                                  .tables_answer = one->tables_answer};
        status = comparison->each(comparison->user, &conflict, error);
    }
    return status;
}

static bool same_number(const char *a, const char *b, double tolerance)
{
    double x;
    double y;
    return mur_parse_double(&x, mur_slice_of(a), NULL) == MUR_OK &&
           mur_parse_double(&y, mur_slice_of(b), NULL) == MUR_OK &&
           fabs(x - y) <= tolerance * fabs(y);
}

static bool same(enum mur_vr vr, const char *header, const char *tables)
{
    if (strcmp(header, tables) == 0)
        return true;
    return (vr == MUR_VR_DS || vr == MUR_VR_IS || vr == MUR_VR_FD) &&
           same_number(header, tables, 1e-9);
}

/* Modality, Series Number and what names the row's place are the object's; the patient is who the
 * tables say; of all else the configuration decides. Images answer by their headers. */
static bool tables_answer(const struct comparison *comparison)
{
    const struct mur_attribute *attribute = mur_attribute_find(comparison->tag);
    if (comparison->tag == MUR_TAG_PatientID || comparison->tag == MUR_TAG_IssuerOfPatientID)
        return true;
    if (attribute == NULL || attribute->level == MUR_LEVEL_IMAGE ||
        comparison->tag == MUR_TAG_Modality || comparison->tag == MUR_TAG_SeriesNumber)
        return false;
    return !comparison->archive->header_wins;
}

static enum mur_status header_text(struct mur_buffer *out, const struct comparison *comparison,
                                   uint32_t tag, struct mur_error *error)
{
    const struct mur_json *element = mur_json_element(comparison->elements, tag);
    return element == NULL ? MUR_OK : mur_json_append_values(out, element, error);
}

/* In the plane and between slices, as far as the header says. */
static enum mur_status compare_voxels(struct comparison *comparison, const char *tables,
                                      struct mur_error *error)
{
    static const uint32_t tags[] = {MUR_TAG_PixelSpacing, MUR_TAG_SpacingBetweenSlices};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(tags); i++) {
        const struct mur_json *element = mur_json_element(comparison->elements, tags[i]);
        bool differs = false;
        for (size_t v = 0; status == MUR_OK && element != NULL && v < mur_json_value_count(element);
             v++) {
            MUR_AUTO_BUFFER struct mur_buffer one = MUR_BUFFER_INIT;
            status = mur_json_append_value(&one, element, v, error);
            differs = differs || !same_number(mur_buffer_text(&one), tables, 0.01);
        }
        MUR_AUTO_BUFFER struct mur_buffer header = MUR_BUFFER_INIT;
        if (status == MUR_OK && differs)
            status = header_text(&header, comparison, tags[i], error);
        comparison->tag = tags[i];
        if (status == MUR_OK && differs)
            status = report(comparison, mur_buffer_text(&header), tables, false, error);
    }
    return status;
}

/* What the header does not say at all is no disagreement. */
static enum mur_status compare_gathered(struct comparison *comparison, struct mur_error *error)
{
    if (comparison->tag == 0)
        return MUR_OK;
    const char *tables = mur_buffer_text(&comparison->tables);
    if (comparison->tag == MUR_PRIVATE_TAG(0x10, MUR_ISA_VOXEL_SIZE_MM))
        return compare_voxels(comparison, tables, error);
    MUR_AUTO_BUFFER struct mur_buffer header = MUR_BUFFER_INIT;
    enum mur_status status = header_text(&header, comparison, comparison->tag, error);
    const char *text = mur_buffer_text(&header);
    if (status != MUR_OK || text[0] == '\0' || same(comparison->vr, text, tables))
        return status;
    return report(comparison, text, tables, tables_answer(comparison), error);
}

static bool is_compared(const struct comparison *comparison, const struct mur_index_value *value)
{
    uint32_t tag = value->path.tags[0];
    if (value->path.depth > 1 || value->vr == MUR_VR_SQ || tag == MUR_TAG_PatientComments ||
        tag == MUR_TAG_AdditionalPatientHistory)
        return false;
    if (comparison->series->segmentation && value->level > MUR_LEVEL_STUDY)
        return false; /* it has the animal and the session of its scan, nothing more */
    return !MUR_TAG_IS_PRIVATE(tag) || tag == MUR_PRIVATE_TAG(0x10, MUR_ISA_VOXEL_SIZE_MM);
}

static enum mur_status compare_value(void *user, const struct mur_index_value *value,
                                     struct mur_error *error)
{
    struct comparison *comparison = user;
    if (!is_compared(comparison, value))
        return MUR_OK;
    enum mur_status status = MUR_OK;
    bool more = value->path.tags[0] == comparison->tag;
    if (!more) {
        status = compare_gathered(comparison, error);
        mur_buffer_clear(&comparison->tables);
        comparison->tag = value->path.tags[0];
        comparison->vr = value->vr;
        comparison->level = value->level;
    }
    return status == MUR_OK ? mur_buffer_append_format(&comparison->tables, error, "%s%s",
                                                       more ? "\\" : "", value->text)
                            : status;
}

static enum mur_status compare_series(void *user, const struct mur_linked_series *series,
                                      struct mur_error *error)
{
    struct comparison *comparison = user;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO(mur_json) *elements = NULL;
    enum mur_status status =
        mur_header_unpack(&text, series->header_form, series->header, series->header_length, error);
    if (status == MUR_OK)
        status = mur_json_parse(&elements, (struct mur_slice){text.data, text.length}, HEADER_LIMIT,
                                error);
    comparison->series = series;
    comparison->elements = elements;
    comparison->tag = 0;
    mur_buffer_clear(&comparison->tables);
    if (status == MUR_OK)
        status = mur_database_isa_scan_values(comparison->reader, series->scan, compare_value,
                                              comparison, error);
    if (status == MUR_OK)
        status = compare_gathered(comparison, error);
    if (status == MUR_OK)
        status = tell_sorted(comparison, error);
    forget(comparison);
    return status;
}

enum mur_status mur_archive_each_isa_conflict(struct mur_archive *archive, conflict_function *each,
                                              void *user, struct mur_error *error)
{
    struct comparison comparison = {
        .archive = archive, .each = each, .user = user, .tables = MUR_BUFFER_INIT};
    enum mur_status status = mur_reader_take(&comparison.reader, archive, error);
    if (status == MUR_OK)
        status =
            mur_database_each_linked_series(comparison.reader, compare_series, &comparison, error);
    mur_reader_return(archive, comparison.reader);
    mur_buffer_free(&comparison.tables);
    free(comparison.found);
    return status;
}

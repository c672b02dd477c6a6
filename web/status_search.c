#include "web/status_search.h"

#include <stdio.h>
#include <string.h>

#include "core/own.h"
#include "dicom/dictionary.h"
#include "web/search.h"

enum { CONDITIONS = 20, FIXED = 2 };

#define ROWS "100"

/* Parameters as a request for studies would have them. */
struct conditions {
    struct mur_parameter parameters[CONDITIONS + FIXED];
    char *owned[2 * CONDITIONS];
    size_t count;
    size_t owned_count;
};

static void conditions_free(struct conditions *conditions)
{
    for (size_t i = 0; i < conditions->owned_count; i++)
        free(conditions->owned[i]);
}

/* Headings of the tables, and how our private block names their kinds. */
static const struct {
    const char *heading;
    const char *kind;
} headings[] = {{"Characteristics", "characteristic"},
                {"Factor Value", "factor"},
                {"Parameter Value", "parameter"},
                {"Comment", "comment"}};

/* "Factor Value[diet]": as the value that ISAAttribute must have. @param[out] out  NULL: it is none
 */
static enum mur_status read_heading(char **out, struct mur_slice name, struct mur_slice value,
                                    struct mur_error *error)
{
    for (size_t i = 0; i < MUR_COUNT(headings); i++) {
        size_t length = strlen(headings[i].heading);
        if (name.length < length || strncasecmp(name.data, headings[i].heading, length) != 0)
            continue;
        struct mur_slice rest = mur_slice_trim(
            (struct mur_slice){.data = name.data + length, .length = name.length - length});
        if (rest.length < 2 || rest.data[0] != '[' || rest.data[rest.length - 1] != ']')
            continue;
        return mur_text_format(out, error, "%s:%.*s=%.*s", headings[i].kind, (int)rest.length - 2,
                               rest.data + 1, (int)value.length, value.data);
    }
    return MUR_OK;
}

static enum mur_status read_condition(struct conditions *out, struct mur_slice text,
                                      enum mur_level level, struct mur_error *error)
{
    /* A heading may have a "=" within its brackets. */
    const char *bracket = memchr(text.data, ']', text.length);
    const char *from =
        bracket != NULL && memchr(text.data, '[', text.length) != NULL ? bracket : text.data;
    const char *equals = memchr(from, '=', text.length - (size_t)(from - text.data));
    if (equals == NULL)
        equals = memchr(text.data, '=', text.length);
    if (equals == NULL)
        return mur_error_set(error, MUR_INVALID, "\"%.*s\" is no condition: write attribute=value",
                             (int)text.length, text.data);
    if (out->count == CONDITIONS)
        return mur_error_set(error, MUR_INVALID, "more than %d conditions", (int)CONDITIONS);
    struct mur_slice name = mur_slice_trim(
        (struct mur_slice){.data = text.data, .length = (size_t)(equals - text.data)});
    struct mur_slice value = mur_slice_trim((struct mur_slice){
        .data = equals + 1, .length = text.length - (size_t)(equals + 1 - text.data)});
    MUR_AUTO_FREE char *cell = NULL;
    MUR_AUTO_FREE char *copy = NULL;
    enum mur_status status = read_heading(&cell, name, value, error);
    bool of_study = level == MUR_LEVEL_STUDY && mur_slice_equal(name, "Modality");
    if (status == MUR_OK && cell == NULL)
        status = mur_text_copy(&copy, of_study ? mur_slice_of("ModalitiesInStudy") : name, error);
    if (status != MUR_OK)
        return status;
    struct mur_parameter *parameter = &out->parameters[out->count++];
    if (cell != NULL)
        *parameter = (struct mur_parameter){.name = "ISAAttribute", .value = mur_slice_of(cell)};
    else
        *parameter = (struct mur_parameter){.name = copy, .value = value};
    out->owned[out->owned_count++] = cell != NULL ? MUR_STEAL(cell) : MUR_STEAL(copy);
    return MUR_OK;
}

/* What is shown of each study. */
static void add_shown(struct conditions *out)
{
    out->parameters[out->count++] =
        (struct mur_parameter){.name = "includefield",
                               .value = mur_slice_of("StudyDescription,StrainDescription,"
                                                     "AdmittingDiagnosesDescription,"
                                                     "ClinicalTrialTimePointID")};
    out->parameters[out->count++] =
        (struct mur_parameter){.name = "limit", .value = mur_slice_of(ROWS)};
}

static enum mur_status read_conditions(struct conditions *out, struct mur_slice text,
                                       enum mur_level level, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && text.length > 0) {
        size_t length = 0;
        while (length < text.length && text.data[length] != ';' && text.data[length] != '\n')
            length++;
        struct mur_slice one =
            mur_slice_trim((struct mur_slice){.data = text.data, .length = length});
        if (one.length > 0)
            status = read_condition(out, one, level, error);
        size_t used = length < text.length ? length + 1 : length;
        text = (struct mur_slice){.data = text.data + used, .length = text.length - used};
    }
    return status;
}

static const char *text_of(const struct mur_search *search, const struct mur_value *values,
                           uint32_t tag)
{
    for (size_t i = 0; i < search->column_count; i++)
        if (search->columns[i].tag == tag && search->columns[i].kind == MUR_SEARCH_KEY &&
            values[search->columns[i].key].text != NULL)
            return values[search->columns[i].key].text;
    return "";
}

/* 20210913 as 2021-09-13. */
static void write_date(struct mur_html *html, const char *date)
{
    char text[11];
    if (strlen(date) == 8) {
        (void)snprintf(text, sizeof text, "%.4s-%.2s-%.2s", date, date + 4, date + 6);
        mur_html_text(html, text);
    } else {
        mur_html_text(html, date);
    }
}

/* Several values, which a backslash separates. */
static void write_values(struct mur_html *html, const char *text)
{
    while (*text != '\0') {
        char one[64];
        size_t length = strcspn(text, "\\");
        (void)snprintf(one, sizeof one, "%.*s", (int)length, text);
        mur_html_text(html, one);
        text += length;
        if (*text == '\\') {
            mur_html_raw(html, ", ");
            text++;
        }
    }
}

static const struct {
    uint32_t tag;
    const char *heading;
    const char *attribute; /* of the cell */
    void (*write)(struct mur_html *html, const char *text);
} cells[] = {
    {MUR_TAG_PatientID, "Animal", "", mur_html_text},
    {MUR_TAG_AdmittingDiagnosesDescription, "Disease model", "", mur_html_text},
    {MUR_TAG_StrainDescription, "Strain", " class=\"k\"", mur_html_text},
    {MUR_TAG_ClinicalTrialTimePointID, "Time point", "", mur_html_text},
    {MUR_TAG_StudyDate, "Date", " class=\"k\"", write_date},
    {MUR_TAG_ModalitiesInStudy, "Modalities", " class=\"k\"", write_values},
    {MUR_TAG_NumberOfStudyRelatedInstances, "Instances", " class=\"n\"", mur_html_text},
};

static void write_row(struct mur_html *html, const struct mur_search *search,
                      const struct mur_value *values, bool viewer)
{
    const char *uid = text_of(search, values, MUR_TAG_StudyInstanceUID);
    const char *description = text_of(search, values, MUR_TAG_StudyDescription);
    mur_html_raw(html, viewer ? "<tr><td><a href=\"/viewer?StudyInstanceUIDs="
                              : "<tr><td><a href=\"/dicom-web/studies/");
    mur_html_url(html, uid);
    mur_html_raw(html, viewer ? "\">" : "/metadata\">");
    mur_html_text(html, description[0] != '\0' ? description : uid);
    mur_html_raw(html, "</a></td>");
    for (size_t i = 0; i < MUR_COUNT(cells); i++) {
        mur_html_raw(html, "<td data-is=\"");
        mur_html_raw(html, cells[i].heading);
        mur_html_raw(html, "\"");
        mur_html_raw(html, cells[i].attribute);
        mur_html_raw(html, ">");
        cells[i].write(html, text_of(search, values, cells[i].tag));
        mur_html_raw(html, "</td>");
    }
    mur_html_raw(html, "</tr>\n");
}

static enum mur_status write_rows(struct mur_html *html, const struct mur_search *search,
                                  struct mur_cursor *cursor, bool viewer, struct mur_error *error)
{
    bool found = true;
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && found) {
        const struct mur_value *values = NULL;
        status = mur_cursor_next(&values, &found, cursor, error);
        if (status == MUR_OK && found)
            write_row(html, search, values, viewer);
    }
    return status;
}

/* ---- the search ------------------------------------------------------------------------------ */

static enum mur_status parse(struct mur_search *search, const struct conditions *read,
                             const struct mur_exchange *exchange, enum mur_level level,
                             struct mur_error *error)
{
    struct mur_exchange asked = *exchange;
    asked.parameters = (struct mur_parameter *)read->parameters;
    asked.parameter_count = read->count;
    const struct mur_search_target target = {.level = level};
    return mur_search_parse(search, &asked, &target, error);
}

/* Studies of what a search has found: their UIDs, by backslash. Rows come study by study.
 * @param[out] more  there are rows that were not looked at */
static enum mur_status gather(struct mur_buffer *uids, bool *more,
                              const struct mur_exchange *exchange, const struct mur_search *search,
                              struct mur_error *error)
{
    MUR_AUTO(mur_cursor) *cursor = NULL;
    enum mur_status status = mur_archive_find(&cursor, exchange->archive, &search->query, error);
    MUR_AUTO_FREE char *last = NULL;
    for (bool found = status == MUR_OK; status == MUR_OK && found;) {
        const struct mur_value *values = NULL;
        status = mur_cursor_next(&values, &found, cursor, error);
        if (status != MUR_OK || !found)
            break;
        const char *uid = values[search->uids[0]].text;
        if (uid == NULL || (last != NULL && strcmp(uid, last) == 0))
            continue;
        free(MUR_STEAL(last));
        status = mur_text_copy(&last, mur_slice_of(uid), error);
        if (status == MUR_OK)
            status =
                mur_buffer_append_format(uids, error, "%s%s", uids->length > 0 ? "\\" : "", uid);
    }
    if (status == MUR_OK)
        *more = mur_cursor_count(cursor) > search->limit;
    return status;
}

/* What is no attribute of a study may be one of its series, or of their instances: all conditions
 * must hold for the same one. */
static enum mur_status find_below(struct mur_buffer *uids, bool *more,
                                  const struct mur_exchange *exchange, struct mur_slice conditions,
                                  struct mur_error *error)
{
    for (enum mur_level level = MUR_LEVEL_SERIES;; level = MUR_LEVEL_IMAGE) {
        __attribute__((cleanup(conditions_free))) struct conditions read = {.count = 0};
        __attribute__((cleanup(mur_search_free))) struct mur_search search = {.limit = 0};
        enum mur_status status = read_conditions(&read, conditions, level, error);
        if (status == MUR_OK)
            status = parse(&search, &read, exchange, level, error);
        if (status != MUR_OK)
            return status;
        if (search.unmatched.length == 0)
            return gather(uids, more, exchange, &search, error);
        if (level == MUR_LEVEL_IMAGE)
            return mur_error_set(error, MUR_INVALID, "nothing can be found by %s",
                                 mur_buffer_text(&search.unmatched));
    }
}

static enum mur_status write_found(struct mur_html *html, const struct mur_exchange *exchange,
                                   const struct mur_search *search, struct mur_cursor *cursor,
                                   bool more, struct mur_error *error)
{
    size_t count = cursor != NULL ? mur_cursor_count(cursor) : 0;
    mur_html_raw(html, "<section class=\"found\"><h2>");
    mur_html_number(html, (int64_t)count);
    mur_html_raw(html, more || count > MUR_SEARCH_COUNTED ? " or more" : "");
    mur_html_raw(html, count == 1 ? " study" : " studies");
    mur_html_raw(html, count > search->limit ? "; the first " ROWS ":</h2>\n" : "</h2>\n");
    if (count == 0) {
        mur_html_raw(html, exchange->config->find_fold_case
                               ? "<p>* stands for any characters.</p></section>\n"
                               : "<p>* stands for any characters; upper and lower case are told "
                                 "apart.</p></section>\n");
        return MUR_OK;
    }
    mur_html_raw(html, "<table><thead><tr><th>Study");
    for (size_t i = 0; i < MUR_COUNT(cells); i++) {
        mur_html_raw(html, "<th");
        mur_html_raw(html, cells[i].attribute);
        mur_html_raw(html, ">");
        mur_html_raw(html, cells[i].heading);
    }
    mur_html_raw(html, "</tr></thead><tbody>\n");
    enum mur_status status =
        write_rows(html, search, cursor, exchange->config->web_viewer_dir[0] != '\0', error);
    mur_html_raw(html, "</tbody></table></section>\n");
    return status;
}

enum mur_status mur_status_search(struct mur_html *html, const struct mur_exchange *exchange,
                                  struct mur_slice conditions, struct mur_error *error)
{
    __attribute__((cleanup(conditions_free))) struct conditions read = {.count = 0};
    __attribute__((cleanup(mur_search_free))) struct mur_search search = {.limit = 0};
    MUR_AUTO_BUFFER struct mur_buffer uids = MUR_BUFFER_INIT;
    MUR_AUTO(mur_cursor) *cursor = NULL;
    bool more = false;
    enum mur_status status = read_conditions(&read, conditions, MUR_LEVEL_STUDY, error);
    add_shown(&read);
    if (status == MUR_OK)
        status = parse(&search, &read, exchange, MUR_LEVEL_STUDY, error);
    bool below = status == MUR_OK && search.unmatched.length > 0;
    if (below)
        status = find_below(&uids, &more, exchange, conditions, error);
    if (status == MUR_OK && below && uids.length == 0)
        return write_found(html, exchange, &search, NULL, more, error);
    if (status == MUR_OK && below) {
        mur_search_free(&search);
        search = (struct mur_search){.limit = 0};
        read.count = 0;
        read.parameters[read.count++] = (struct mur_parameter){
            .name = "StudyInstanceUID", .value = mur_slice_of(mur_buffer_text(&uids))};
        add_shown(&read);
        status = parse(&search, &read, exchange, MUR_LEVEL_STUDY, error);
    }
    if (status == MUR_OK)
        status = mur_archive_find(&cursor, exchange->archive, &search.query, error);
    return status == MUR_OK ? write_found(html, exchange, &search, cursor, more, error) : status;
}

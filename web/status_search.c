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
                                      struct mur_error *error)
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
    if (status == MUR_OK && cell == NULL)
        /* Studies are what is looked for. */
        status = mur_text_copy(
            &copy, mur_slice_equal(name, "Modality") ? mur_slice_of("ModalitiesInStudy") : name,
            error);
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

static enum mur_status read_conditions(struct conditions *out, struct mur_slice text,
                                       struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && text.length > 0) {
        size_t length = 0;
        while (length < text.length && text.data[length] != ';' && text.data[length] != '\n')
            length++;
        struct mur_slice one =
            mur_slice_trim((struct mur_slice){.data = text.data, .length = length});
        if (one.length > 0)
            status = read_condition(out, one, error);
        size_t used = length < text.length ? length + 1 : length;
        text = (struct mur_slice){.data = text.data + used, .length = text.length - used};
    }
    out->parameters[out->count++] =
        (struct mur_parameter){.name = "includefield",
                               .value = mur_slice_of("StudyDescription,StrainDescription,"
                                                     "AdmittingDiagnosesDescription,"
                                                     "ClinicalTrialTimePointID")};
    out->parameters[out->count++] =
        (struct mur_parameter){.name = "limit", .value = mur_slice_of(ROWS)};
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

enum mur_status mur_status_search(struct mur_html *html, const struct mur_exchange *exchange,
                                  struct mur_slice conditions, struct mur_error *error)
{
    __attribute__((cleanup(conditions_free))) struct conditions read = {.count = 0};
    __attribute__((cleanup(mur_search_free))) struct mur_search search = {.limit = 0};
    MUR_AUTO(mur_cursor) *cursor = NULL;
    enum mur_status status = read_conditions(&read, conditions, error);
    if (status != MUR_OK)
        return status;
    struct mur_exchange asked = *exchange;
    asked.parameters = read.parameters;
    asked.parameter_count = read.count;
    const struct mur_search_target target = {.level = MUR_LEVEL_STUDY};
    status = mur_search_parse(&search, &asked, &target, error);
    if (status == MUR_OK && search.unmatched.length > 0)
        status = mur_error_set(error, MUR_INVALID, "nothing can be found by %s",
                               mur_buffer_text(&search.unmatched));
    if (status == MUR_OK)
        status = mur_archive_find(&cursor, exchange->archive, &search.query, error);
    if (status != MUR_OK)
        return status;
    size_t count = mur_cursor_count(cursor);
    mur_html_raw(html, "<section class=\"found\"><h2>");
    mur_html_number(html, (int64_t)count);
    mur_html_raw(html, count > MUR_SEARCH_COUNTED ? " or more" : "");
    mur_html_raw(html, count == 1 ? " study" : " studies");
    mur_html_raw(html, count > search.limit ? "; the first " ROWS ":</h2>\n" : "</h2>\n");
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
    status = write_rows(html, &search, cursor, exchange->config->web_viewer_dir[0] != '\0', error);
    mur_html_raw(html, "</tbody></table></section>\n");
    return status;
}

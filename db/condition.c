#include "db/condition.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_write.h"
#include "dicom/dictionary.h"

/* SQLite takes no longer one. */
enum { PATTERN_LIMIT = 50000 };

void mur_condition_free(struct mur_condition *condition)
{
    for (size_t i = 0; i < condition->count; i++)
        if (condition->binds[i].kind == MUR_BIND_TEXT)
            free((char *)(uintptr_t)condition->binds[i].text);
    free(condition->binds);
    mur_buffer_free(&condition->sql);
}

const char *mur_level_alias(enum mur_level level)
{
    switch (level) {
    case MUR_LEVEL_PATIENT:
        return "p";
    case MUR_LEVEL_STUDY:
        return "s";
    case MUR_LEVEL_SERIES:
        return "e";
    case MUR_LEVEL_IMAGE:
        return "i";
    }
    return "";
}

/* Whether a row of the level's table is named in a piece of SQL. */
static bool names_row(const char *sql, enum mur_level level)
{
    const char alias = mur_level_alias(level)[0];
    for (const char *at = sql; (at = strchr(at, '.')) != NULL; at++)
        if (at > sql && at[-1] == alias &&
            (at == sql + 1 || !(isalnum((unsigned char)at[-2]) || at[-2] == '_')))
            return true;
    return false;
}

enum mur_status mur_level_from(struct mur_buffer *out, enum mur_level level, const char *sql,
                               struct mur_error *error)
{
    static const char *const from[MUR_LEVEL_COUNT] = {" FROM patient p", " FROM study s",
                                                      " FROM series e", " FROM instance i"};
    static const char *const join[MUR_LEVEL_COUNT] = {" JOIN patient p ON p.id = s.patient",
                                                      " JOIN study s ON s.id = e.study",
                                                      " JOIN series e ON e.id = i.series"};
    int top = MUR_LEVEL_PATIENT;
    while (top < (int)level && !names_row(sql, (enum mur_level)top))
        top++;
    enum mur_status status = mur_buffer_append_text(out, from[level], error);
    for (int above = (int)level - 1; status == MUR_OK && above >= top; above--)
        status = mur_buffer_append_text(out, join[above], error);
    return status;
}

/* ---- binding --------------------------------------------------------------------------------- */

static enum mur_status bind(struct mur_condition *condition, struct mur_bind value,
                            struct mur_error *error)
{
    if (condition->count == condition->capacity) {
        size_t capacity = condition->capacity == 0 ? 16 : condition->capacity * 2;
        struct mur_bind *binds = realloc(condition->binds, capacity * sizeof *binds);
        if (binds == NULL)
            return mur_error_no_memory(error);
        condition->binds = binds;
        condition->capacity = capacity;
    }
    condition->binds[condition->count++] = value;
    return MUR_OK;
}

static enum mur_status bind_integer(struct mur_condition *condition, int64_t value,
                                    struct mur_error *error)
{
    return bind(condition, MUR_I(value), error);
}

/* Takes the text over, also on failure. */
static enum mur_status bind_owned(struct mur_condition *condition, char *text,
                                  struct mur_error *error)
{
    enum mur_status status = bind(condition, MUR_T(text), error);
    if (status != MUR_OK)
        free(text);
    return status;
}

static enum mur_status bind_slice(struct mur_condition *condition, struct mur_slice text,
                                  struct mur_error *error)
{
    char *copy = NULL;
    enum mur_status status = mur_text_copy(&copy, text, error);
    return status == MUR_OK ? bind_owned(condition, copy, error) : status;
}

enum mur_status mur_condition_add(struct mur_condition *condition, struct mur_error *error,
                                  const char *sql)
{
    return mur_buffer_append_text(&condition->sql, sql, error);
}

enum mur_status mur_condition_bind(struct mur_condition *condition, struct mur_bind value,
                                   struct mur_error *error)
{
    if (value.kind == MUR_BIND_TEXT)
        return bind_slice(condition, mur_slice_of(value.text), error);
    return bind(condition, value, error);
}

enum mur_status mur_condition_append(struct mur_condition *to, const struct mur_condition *from,
                                     struct mur_error *error)
{
    enum mur_status status = mur_condition_add(to, error, mur_buffer_text(&from->sql));
    for (size_t i = 0; status == MUR_OK && i < from->count; i++)
        status = mur_condition_bind(to, from->binds[i], error);
    return status;
}

/* ---- matching of one value (PS3.4 C.2.2.2) --------------------------------------------------- */

/* '*' and '?' mean the same to GLOB; '[' must be taken literally. */
static enum mur_status glob_pattern(char **out, struct mur_slice text, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer pattern = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_reserve(&pattern, text.length, error);
    for (size_t i = 0; status == MUR_OK && i < text.length; i++) {
        if (text.data[i] == '[')
            status = mur_buffer_append_text(&pattern, "[[]", error);
        else if (text.data[i] != '*' || i == 0 || text.data[i - 1] != '*') /* "**" is "*" */
            status = mur_buffer_append(&pattern, &text.data[i], 1, error);
    }
    return status == MUR_OK ? mur_buffer_take(out, &pattern, error) : status;
}

static bool has_wildcard(struct mur_slice text)
{
    return memchr(text.data, '*', text.length) != NULL ||
           memchr(text.data, '?', text.length) != NULL;
}

/* What stands before the first wildcard bounds the value: so an index helps. The first text after
 * all that begin so has the last byte one higher (never 0xFF in UTF-8). */
static enum mur_status add_prefix(struct mur_condition *condition, const char *column,
                                  struct mur_slice text, struct mur_error *error)
{
    struct mur_slice prefix = {.data = text.data, .length = 0};
    while (prefix.length < text.length && text.data[prefix.length] != '*' &&
           text.data[prefix.length] != '?')
        prefix.length++;
    if (prefix.length == 0)
        return MUR_OK;
    enum mur_status status =
        mur_buffer_append_format(&condition->sql, error, "%s >= ? AND %s < ? AND ", column, column);
    if (status == MUR_OK)
        status = bind_slice(condition, prefix, error);
    char *after = NULL;
    if (status == MUR_OK)
        status = mur_text_copy(&after, prefix, error);
    if (status != MUR_OK)
        return status;
    after[prefix.length - 1]++;
    return bind_owned(condition, after, error);
}

/* Single value or wildcard, on a column of text or an expression. */
enum mur_status mur_condition_add_text(struct mur_condition *condition, const char *column,
                                       bool indexed, struct mur_slice text, bool wildcards,
                                       struct mur_error *error)
{
    bool glob = wildcards && has_wildcard(text);
    if (!glob) {
        enum mur_status status = mur_buffer_append_format(&condition->sql, error, "%s = ?", column);
        return status == MUR_OK ? bind_slice(condition, text, error) : status;
    }
    enum mur_status status = mur_condition_add(condition, error, "(");
    if (status == MUR_OK && indexed)
        status = add_prefix(condition, column, text, error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(&condition->sql, error, "%s GLOB ?)", column);
    char *pattern = NULL;
    if (status == MUR_OK)
        status = glob_pattern(&pattern, text, error);
    if (status == MUR_OK && strlen(pattern) > PATTERN_LIMIT) {
        free(pattern);
        return mur_error_set(error, MUR_LIMIT, "a pattern of more than %d bytes", PATTERN_LIMIT);
    }
    return status == MUR_OK ? bind_owned(condition, pattern, error) : status;
}

/* Likewise, where the node was told to compare all text without case (find.fold_case). */
static enum mur_status add_folded_text(struct mur_condition *condition, const char *column,
                                       struct mur_slice text, struct mur_error *error)
{
    char expression[128];
    (void)snprintf(expression, sizeof expression, "mur_fold(%s)", column);
    MUR_AUTO_FREE char *folded = NULL;
    enum mur_status status = mur_text_fold(&folded, text, error);
    return status == MUR_OK ? mur_condition_add_text(condition, expression, false,
                                                     mur_slice_of(folded), true, error)
                            : status;
}

bool mur_is_universal(struct mur_slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] != '*')
            return false;
    return true;
}

bool mur_parse_number_range(double bounds[2], bool has[2], struct mur_slice text)
{
    const char *dots = NULL;
    for (size_t i = 0; dots == NULL && i + 1 < text.length; i++)
        if (text.data[i] == '.' && text.data[i + 1] == '.')
            dots = text.data + i;
    if (dots == NULL)
        return false;
    size_t before = (size_t)(dots - text.data);
    const struct mur_slice sides[2] = {
        mur_slice_trim((struct mur_slice){.data = text.data, .length = before}),
        mur_slice_trim((struct mur_slice){.data = dots + 2, .length = text.length - before - 2})};
    for (int i = 0; i < 2; i++) {
        has[i] = sides[i].length > 0;
        if (has[i] && mur_parse_double(&bounds[i], sides[i], NULL) != MUR_OK)
            return false;
    }
    return has[0] || has[1];
}

static bool takes_range(enum mur_vr vr)
{
    return vr == MUR_VR_DA || vr == MUR_VR_TM || vr == MUR_VR_DT;
}

static bool takes_wildcards(enum mur_vr vr)
{
    switch ((int)vr) { /* PS3.4 C.2.2.2.4 leaves out those of dates, numbers and UIDs */
    case MUR_VR_AE:
    case MUR_VR_CS:
    case MUR_VR_LO:
    case MUR_VR_LT:
    case MUR_VR_PN:
    case MUR_VR_SH:
    case MUR_VR_ST:
    case MUR_VR_UC:
    case MUR_VR_UR:
    case MUR_VR_UT:
        return true;
    default:
        return false;
    }
}

/* One bound of a date or time: digits in their places. Dots of dates and colons of times, which old
 * standards wrote, are left out. */
static enum mur_status range_bound(char out[40], size_t *digits, struct mur_slice text,
                                   enum mur_vr vr, struct mur_error *error)
{
    struct mur_slice trimmed = mur_slice_trim(text);
    size_t length = 0;
    *digits = 0;
    for (size_t i = 0; i < trimmed.length && length < 39; i++) {
        char c = trimmed.data[i];
        if ((vr == MUR_VR_DA && c == '.') || (vr == MUR_VR_TM && c == ':'))
            continue;
        if (!((c >= '0' && c <= '9') || (vr != MUR_VR_DA && c == '.') ||
              (vr == MUR_VR_DT && (c == '+' || c == '&')))) {
            length = 0;
            break;
        }
        *digits += c >= '0' && c <= '9' ? 1 : 0;
        out[length++] = c;
    }
    out[length] = '\0';
    if (trimmed.length > 0 && (length == 0 || (vr == MUR_VR_DA && length != 8)))
        return mur_error_set(error, MUR_INVALID, "not a %s value or range", mur_vr_name(vr));
    return MUR_OK;
}

static int64_t time_of(const char *text, bool upper)
{
    int64_t parts[12];
    size_t used = 0;
    for (; *text != '\0' && used < MUR_COUNT(parts); text++)
        if (*text >= '0' && *text <= '9')
            parts[used++] = *text - '0';
    static const char latest[] = "235959999999";
    for (; used < MUR_COUNT(parts); used++) /* "10" ends at 10:59:59.999999 */
        parts[used] = upper ? latest[used] - '0' : 0;
    int64_t seconds = ((parts[0] * 10 + parts[1]) * 60 + parts[2] * 10 + parts[3]) * 60 +
                      parts[4] * 10 + parts[5];
    int64_t fraction = 0;
    for (size_t i = 6; i < MUR_COUNT(parts); i++)
        fraction = fraction * 10 + parts[i];
    return seconds * 1000000 + fraction;
}

/* Range matching (PS3.4 C.2.2.2.5): "a-b", "a-", "-b", or one value. */
static enum mur_status add_range(struct mur_condition *condition, const char *column,
                                 struct mur_slice text, enum mur_vr vr, struct mur_error *error)
{
    const char *dash = memchr(text.data, '-', text.length);
    struct mur_slice parts[2] = {text, text};
    if (dash != NULL) {
        parts[0].length = (size_t)(dash - text.data);
        parts[1] =
            (struct mur_slice){.data = dash + 1, .length = text.length - parts[0].length - 1};
    }
    char bounds[2][40];
    size_t digits[2];
    enum mur_status status = range_bound(bounds[0], &digits[0], parts[0], vr, error);
    if (status == MUR_OK)
        status = range_bound(bounds[1], &digits[1], parts[1], vr, error);
    if (status == MUR_OK && bounds[0][0] == '\0' && bounds[1][0] == '\0')
        status = mur_error_set(error, MUR_INVALID, "a %s range without bounds", mur_vr_name(vr));
    if (status == MUR_OK)
        status = mur_buffer_append_format(&condition->sql, error, "(%s <> ''", column);
    for (int upper = 0; status == MUR_OK && upper < 2; upper++) {
        if (bounds[upper][0] == '\0')
            continue;
        if (vr == MUR_VR_TM) {
            status = mur_buffer_append_format(&condition->sql, error, " AND mur_time(%s) %s ?",
                                              column, upper != 0 ? "<=" : ">=");
            if (status == MUR_OK)
                status = bind_integer(condition, time_of(bounds[upper], upper != 0), error);
            continue;
        }
        status = mur_buffer_append_format(&condition->sql, error, " AND %s %s ?", column,
                                          upper != 0 ? "<=" : ">=");
        if (status == MUR_OK && vr == MUR_VR_DT && upper != 0) { /* up to the end of what is said */
            size_t length = strlen(bounds[1]);
            bounds[1][length] = '~';
            bounds[1][length + 1] = '\0';
        }
        if (status == MUR_OK)
            status = bind_slice(condition, mur_slice_of(bounds[upper]), error);
    }
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

/* List of UIDs (PS3.4 C.2.2.2.2), of any length. */
static enum mur_status add_uids(struct mur_condition *condition, const char *column,
                                struct mur_slice text, struct mur_error *error)
{
    if (memchr(text.data, '\\', text.length) == NULL)
        return mur_condition_add_text(condition, column, true, text, false, error);
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&list));
    mur_json_begin_array(&json);
    for (size_t at = 0; at <= text.length;) {
        const char *end = memchr(text.data + at, '\\', text.length - at);
        size_t length = end != NULL ? (size_t)(end - text.data) - at : text.length - at;
        struct mur_slice one =
            mur_slice_trim((struct mur_slice){.data = text.data + at, .length = length});
        if (one.length > 0)
            mur_json_slice(&json, one);
        at += length + 1;
    }
    mur_json_end_array(&json);
    enum mur_status status = mur_json_finish(&json, error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(&condition->sql, error,
                                          "%s IN (SELECT value FROM json_each(?))", column);
    char *bound = NULL;
    if (status == MUR_OK)
        status = mur_buffer_take(&bound, &list, error);
    return status == MUR_OK ? bind_owned(condition, bound, error) : status;
}

static enum mur_status add_number_range(struct mur_condition *condition, const char *column,
                                        const double bounds[2], const bool has[2],
                                        struct mur_error *error)
{
    enum mur_status status =
        mur_buffer_append_format(&condition->sql, error, "(%s IS NOT NULL", column);
    for (int i = 0; status == MUR_OK && i < 2; i++) {
        if (!has[i])
            continue;
        status = mur_buffer_append_format(&condition->sql, error, " AND %s %s ?", column,
                                          i == 0 ? ">=" : "<=");
        if (status == MUR_OK)
            status = bind(condition, MUR_R(bounds[i]), error);
    }
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

static enum mur_status add_one(struct mur_condition *condition, const struct mur_place *place,
                               enum mur_vr vr, struct mur_slice text, struct mur_error *error)
{
    if (vr == MUR_VR_PN)
        return mur_condition_add_name(condition, place, text, error);
    if (takes_range(vr))
        return add_range(condition, place->text, text, vr, error);
    double number;
    double bounds[2];
    bool has[2];
    bool numeric =
        place->number != NULL && !takes_wildcards(vr) && vr != MUR_VR_UI && vr != MUR_VR_AS;
    if (numeric && mur_parse_number_range(bounds, has, text))
        return add_number_range(condition, place->number, bounds, has, error);
    if (numeric && mur_parse_double(&number, text, NULL) == MUR_OK) {
        enum mur_status status =
            mur_buffer_append_format(&condition->sql, error, "%s = ?", place->number);
        return status == MUR_OK ? bind(condition, MUR_R(number), error) : status;
    }
    if (condition->fold_case && takes_wildcards(vr))
        return add_folded_text(condition, place->text, text, error);
    return mur_condition_add_text(condition, place->text, true, text, takes_wildcards(vr), error);
}

/* All values of a key: one of them must match. */
enum mur_status mur_condition_add_values(struct mur_condition *condition,
                                         const struct mur_place *place, enum mur_vr vr,
                                         struct mur_slice text, struct mur_error *error)
{
    if (vr == MUR_VR_UI)
        return add_uids(condition, place->text, text, error);
    enum mur_status status = mur_condition_add(condition, error, "(");
    bool first = true;
    bool many = mur_vr_info(vr)->multi;
    for (size_t at = 0; status == MUR_OK && at <= text.length;) {
        const char *end = many ? memchr(text.data + at, '\\', text.length - at) : NULL;
        size_t length = end != NULL ? (size_t)(end - text.data) - at : text.length - at;
        struct mur_slice one =
            mur_slice_trim((struct mur_slice){.data = text.data + at, .length = length});
        at += length + 1;
        if (one.length == 0)
            continue;
        if (!first)
            status = mur_condition_add(condition, error, " OR ");
        if (status == MUR_OK)
            status = add_one(condition, place, vr, one, error);
        first = false;
    }
    if (status == MUR_OK && first)
        status = mur_condition_add(condition, error, "1");
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static enum mur_status add_column_key(struct mur_condition *condition,
                                      struct mur_database *database,
                                      const struct mur_attribute *attribute,
                                      const struct mur_query_key *key, struct mur_error *error)
{
    const char *alias = mur_level_alias(attribute->level);
    char column[96];
    char folded[112];
    (void)snprintf(column, sizeof column, "%s.%s", alias, attribute->column);
    (void)snprintf(folded, sizeof folded, "%s_fold", column);
    if (attribute->tag == MUR_TAG_SOPClassUID) {
        enum mur_status status =
            mur_condition_add(condition, error, "i.sop_class IN (SELECT u.id FROM uid u WHERE ");
        const struct mur_place place = {.text = "u.uid"};
        if (status == MUR_OK)
            status = mur_condition_add_values(condition, &place, MUR_VR_UI, mur_slice_of(key->text),
                                              error);
        return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
    }
    char number[128]; /* "01" is 1 */
    (void)snprintf(number, sizeof number, "CAST(nullif(%s, '') AS REAL)", column);
    bool numeric = key->vr == MUR_VR_IS || key->vr == MUR_VR_US || key->vr == MUR_VR_DS;
    char owner[16];
    (void)snprintf(owner, sizeof owner, "%s.id", alias);
    struct mur_place place = {.text = column,
                              .folded = folded,
                              .number = numeric ? number : NULL,
                              .owner = owner,
                              .level = attribute->level};
    char path[MUR_ATTRIBUTE_PATH_SIZE];
    enum mur_status status = MUR_OK;
    if (key->vr == MUR_VR_PN)
        status =
            mur_path_row(&place.path, database, mur_attribute_path_format(path, &key->path), error);
    return status == MUR_OK ? mur_condition_add_values(condition, &place, key->vr,
                                                       mur_slice_of(key->text), error)
                            : status;
}

/* The study's own list is looked at: there are many more instances than studies. */
static enum mur_status add_sop_classes(struct mur_condition *condition, struct mur_slice text,
                                       struct mur_error *error)
{
    enum mur_status status = mur_condition_add(condition, error, "(0");
    for (size_t at = 0; status == MUR_OK && at < text.length;) {
        const char *end = memchr(text.data + at, '\\', text.length - at);
        size_t length = end != NULL ? (size_t)(end - text.data) - at : text.length - at;
        struct mur_slice one =
            mur_slice_trim((struct mur_slice){.data = text.data + at, .length = length});
        at += length + 1;
        if (one.length == 0)
            continue;
        status = mur_condition_add(
            condition, error, " OR instr('\\' || s.sop_classes || '\\', '\\' || ? || '\\') > 0");
        if (status == MUR_OK)
            status = bind_slice(condition, one, error);
    }
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

static enum mur_status add_computed_key(struct mur_condition *condition,
                                        const struct mur_query_key *key, struct mur_error *error)
{
    if (key->path.tags[0] != MUR_TAG_ModalitiesInStudy)
        return add_sop_classes(condition, mur_slice_of(key->text), error);
    enum mur_status status =
        mur_condition_add(condition, error, "s.id IN (SELECT m.study FROM series m WHERE ");
    const struct mur_place place = {.text = "m.modality"};
    if (status == MUR_OK)
        status =
            mur_condition_add_values(condition, &place, MUR_VR_CS, mur_slice_of(key->text), error);
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

/* Keys of the attribute table. Those inside one sequence must match in one of its items
 * (PS3.4 C.2.2.2.6): key number first leads, the others join it. */
static enum mur_status add_table_keys(struct mur_condition *condition,
                                      struct mur_database *database, const struct mur_query *query,
                                      size_t first, bool *done, enum mur_level level,
                                      struct mur_error *error)
{
    MUR_AUTO_CONDITION struct mur_condition tests = {.fold_case = condition->fold_case};
    enum mur_status status = mur_buffer_append_format(
        &condition->sql, error, "%s.id IN (SELECT a%zu.owner FROM attribute a%zu",
        mur_level_alias(level), first, first);
    for (size_t i = first; status == MUR_OK && i < query->key_count; i++) {
        const struct mur_query_key *key = &query->keys[i];
        bool same_sequence =
            i == first || (query->keys[first].path.depth > 1 && key->path.depth > 1 &&
                           key->path.tags[0] == query->keys[first].path.tags[0]);
        if (done[i] || !same_sequence || mur_is_universal(mur_slice_of(key->text)) ||
            mur_query_key_support(query, i) != MUR_KEY_MATCHED)
            continue;
        done[i] = true;
        char path_text[MUR_ATTRIBUTE_PATH_SIZE];
        int64_t path = 0;
        status =
            mur_path_row(&path, database, mur_attribute_path_format(path_text, &key->path), error);
        if (status == MUR_OK && i != first)
            status = mur_buffer_append_format(
                &condition->sql, error,
                " JOIN attribute a%zu ON a%zu.level = a%zu.level AND a%zu.owner = a%zu.owner"
                " AND a%zu.item = a%zu.item AND a%zu.source = a%zu.source",
                i, i, first, i, first, i, first, i, first);
        if (status == MUR_OK)
            status = mur_buffer_append_format(&tests.sql, error,
                                              "%s a%zu.path = ? AND a%zu.level = ? AND a%zu.hidden"
                                              " = 0 AND ",
                                              i == first ? " WHERE" : " AND", i, i, i);
        if (status == MUR_OK)
            status = bind_integer(&tests, path, error);
        if (status == MUR_OK)
            status = bind_integer(&tests, level, error);
        char columns[3][32];
        static const char *const names[3] = {"text", "folded", "number"};
        for (size_t c = 0; c < 3; c++)
            (void)snprintf(columns[c], sizeof columns[c], "a%zu.%s", i, names[c]);
        const struct mur_place place = {
            .text = columns[0], .folded = columns[1], .number = columns[2]};
        if (status == MUR_OK)
            status =
                mur_condition_add_values(&tests, &place, key->vr, mur_slice_of(key->text), error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "key %s", path_text);
    }
    if (status == MUR_OK)
        status = mur_condition_append(condition, &tests, error);
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

/* ---- rows without a value
 * --------------------------------------------------------------------------- */

/* Whether the index can tell that there is no value. */
static bool has_own_value(const struct mur_attribute *attribute)
{
    return attribute == NULL || attribute->storage == MUR_STORAGE_TABLE ||
           (attribute->storage == MUR_STORAGE_COLUMN && attribute->tag != MUR_TAG_SOPClassUID);
}

/* Matches rows that have no value of the key. */
static enum mur_status add_valueless(struct mur_condition *condition, struct mur_database *database,
                                     const struct mur_query_key *key,
                                     const struct mur_attribute *attribute, enum mur_level level,
                                     struct mur_error *error)
{
    if (!has_own_value(attribute))
        return mur_condition_add(condition, error, "0");
    if (attribute != NULL && attribute->storage == MUR_STORAGE_COLUMN)
        return mur_buffer_append_format(&condition->sql, error, "%s.%s = ''",
                                        mur_level_alias(level), attribute->column);
    char path_text[MUR_ATTRIBUTE_PATH_SIZE];
    int64_t path = 0;
    enum mur_status status =
        mur_path_row(&path, database, mur_attribute_path_format(path_text, &key->path), error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(
            &condition->sql, error,
            "NOT EXISTS (SELECT 1 FROM attribute u WHERE u.level = ? AND u.owner = %s.id"
            " AND u.path = ? AND u.hidden = 0)",
            mur_level_alias(level));
    if (status == MUR_OK)
        status = bind_integer(condition, level, error);
    return status == MUR_OK ? bind_integer(condition, path, error) : status;
}

/* Where the node was told so (find.unknown_matches), a row that does not know the value matches. */
static enum mur_status add_unknown(struct mur_condition *condition, struct mur_database *database,
                                   const struct mur_query_key *key,
                                   const struct mur_attribute *attribute, enum mur_level level,
                                   struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (has_own_value(attribute)) {
        status = mur_condition_add(condition, error, " OR ");
        if (status == MUR_OK)
            status = add_valueless(condition, database, key, attribute, level, error);
    }
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

/* ---- date and time as one -------------------------------------------------------------------- */

static const struct {
    uint32_t date, time;
} moments[] = {
    {MUR_TAG_StudyDate, MUR_TAG_StudyTime},
    {MUR_TAG_SeriesDate, MUR_TAG_SeriesTime},
    {MUR_TAG_PatientBirthDate, MUR_TAG_PatientBirthTime},
    {MUR_TAG_PerformedProcedureStepStartDate, MUR_TAG_PerformedProcedureStepStartTime},
    {MUR_TAG_PerformedProcedureStepEndDate, MUR_TAG_PerformedProcedureStepEndTime},
};

/* What is not one range is matched by itself: "1015" is one time of any of the days. */
static size_t find_range(const struct mur_query *query, uint32_t tag)
{
    for (size_t i = 0; i < query->key_count; i++)
        if (query->keys[i].path.depth == 1 && query->keys[i].path.tags[0] == tag &&
            strchr(query->keys[i].text, '-') != NULL && strchr(query->keys[i].text, '\\') == NULL)
            return i;
    return query->key_count;
}

/* Both bounds of a range, one of which may be "". */
static enum mur_status range_of(char bounds[2][40], const struct mur_query_key *key,
                                struct mur_error *error)
{
    const char *dash = strchr(key->text, '-');
    const struct mur_slice parts[2] = {{.data = key->text, .length = (size_t)(dash - key->text)},
                                       mur_slice_of(dash + 1)};
    size_t digits;
    enum mur_status status = MUR_OK;
    for (int upper = 0; status == MUR_OK && upper < 2; upper++)
        status = range_bound(bounds[upper], &digits, parts[upper], key->vr, error);
    if (status == MUR_OK && bounds[0][0] == '\0' && bounds[1][0] == '\0')
        status =
            mur_error_set(error, MUR_INVALID, "a %s range without bounds", mur_vr_name(key->vr));
    if (status != MUR_OK)
        return mur_error_prefix(error, "%s", mur_dictionary_keyword(key->path.tags[0]));
    return MUR_OK;
}

/* Where the values of a pair are in SQL. */
struct moment_place {
    char date[64];
    char time[192];
};

static enum mur_status path_of_key(int64_t *out, struct mur_database *database,
                                   const struct mur_query_key *key, struct mur_error *error)
{
    char text[MUR_ATTRIBUTE_PATH_SIZE];
    return mur_path_row(out, database, mur_attribute_path_format(text, &key->path), error);
}

/* A date that is no column is looked for in the table of attributes, whose rows the condition is
 * then of, up to a parenthesis. */
static enum mur_status begin_moment(struct moment_place *place, struct mur_condition *condition,
                                    struct mur_database *database, const struct mur_query_key *date,
                                    const struct mur_query_key *time, struct mur_error *error)
{
    const struct mur_attribute *attribute = mur_attribute_find(date->path.tags[0]);
    const char *alias = mur_level_alias(attribute->level);
    bool column = attribute->storage == MUR_STORAGE_COLUMN;
    enum mur_status status = MUR_OK;
    int64_t path = 0;
    if (column) {
        (void)snprintf(place->date, sizeof place->date, "%s.%s", alias, attribute->column);
        status = mur_condition_add(condition, error, "(");
    } else {
        (void)snprintf(place->date, sizeof place->date, "d.text");
        status = path_of_key(&path, database, date, error);
        if (status == MUR_OK)
            status = mur_buffer_append_format(
                &condition->sql, error,
                "%s.id IN (SELECT d.owner FROM attribute d WHERE d.path = %lld AND d.level = %d"
                " AND d.hidden = 0 AND ",
                alias, (long long)path, (int)attribute->level);
    }
    const struct mur_attribute *of_time = mur_attribute_find(time->path.tags[0]);
    if (status == MUR_OK && of_time->storage == MUR_STORAGE_COLUMN) {
        (void)snprintf(place->time, sizeof place->time, "%s.%s", alias, of_time->column);
    } else if (status == MUR_OK) {
        status = path_of_key(&path, database, time, error);
        (void)snprintf(place->time, sizeof place->time,
                       "(SELECT t.text FROM attribute t WHERE t.owner = %s%s AND t.level = %d AND"
                       " t.path = %lld AND t.hidden = 0 LIMIT 1)",
                       column ? alias : "d.owner", column ? ".id" : "", (int)attribute->level,
                       (long long)path);
    }
    return status;
}

/* "20240101-20240103" and "0800-1700" mean from the 1st at 8 to the 3rd at 17 (PS3.4 C.2.2.2.5.1).
 */
static enum mur_status add_moment(struct mur_condition *condition, struct mur_database *database,
                                  const struct mur_query_key *date,
                                  const struct mur_query_key *time, struct mur_error *error)
{
    char dates[2][40];
    char times[2][40];
    struct moment_place place;
    enum mur_status status = range_of(dates, date, error);
    if (status == MUR_OK)
        status = range_of(times, time, error);
    if (status == MUR_OK)
        status = begin_moment(&place, condition, database, date, time, error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(&condition->sql, error, "%s <> ''", place.date);
    for (int upper = 0; status == MUR_OK && upper < 2; upper++) {
        if (dates[upper][0] == '\0')
            continue;
        /* The first comparison is one for the index. */
        status = mur_buffer_append_format(&condition->sql, error, " AND %s %s ? AND (%s <> ? OR (1",
                                          place.date, upper != 0 ? "<=" : ">=", place.date);
        for (int i = 0; status == MUR_OK && i < 2; i++)
            status = bind_slice(condition, mur_slice_of(dates[upper]), error);
        if (status == MUR_OK && times[upper][0] != '\0') {
            status = mur_buffer_append_format(&condition->sql, error, " AND mur_time(%s) %s ?",
                                              place.time, upper != 0 ? "<=" : ">=");
            if (status == MUR_OK)
                status = bind_integer(condition, time_of(times[upper], upper != 0), error);
        }
        if (status == MUR_OK)
            status = mur_condition_add(condition, error, "))");
    }
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

static enum mur_status add_moments(struct mur_condition *condition, struct mur_database *database,
                                   const struct mur_query *query, bool *done,
                                   struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(moments); i++) {
        size_t date = find_range(query, moments[i].date);
        size_t time = find_range(query, moments[i].time);
        if (date == query->key_count || time == query->key_count ||
            mur_query_key_support(query, date) != MUR_KEY_MATCHED)
            continue;
        bool unknown = database->unknown_matches;
        status = mur_condition_add(condition, error, unknown ? " AND (" : " AND ");
        if (status == MUR_OK)
            status = add_moment(condition, database, &query->keys[date], &query->keys[time], error);
        if (status == MUR_OK && unknown)
            status = add_unknown(condition, database, &query->keys[date],
                                 mur_attribute_find(moments[i].date),
                                 mur_attribute_find(moments[i].date)->level, error);
        done[date] = true;
        done[time] = true;
    }
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool is_unique_key(const struct mur_query_key *key)
{
    uint32_t tag = key->path.tags[0];
    return key->path.depth == 1 &&
           (tag == MUR_TAG_PatientID || tag == MUR_TAG_StudyInstanceUID ||
            tag == MUR_TAG_SeriesInstanceUID || tag == MUR_TAG_SOPInstanceUID);
}

enum mur_status mur_condition_add_query(struct mur_condition *condition,
                                        struct mur_database *database,
                                        const struct mur_query *query, bool only_unique,
                                        struct mur_error *error)
{
    MUR_AUTO_FREE bool *done = calloc(query->key_count + 1, sizeof *done);
    if (done == NULL)
        return mur_error_no_memory(error);
    condition->fold_case = database->fold_case;
    enum mur_status status = MUR_OK;
    if (query->combined_datetime && !only_unique)
        status = add_moments(condition, database, query, done, error);
    if (status == MUR_OK && !only_unique)
        status = mur_condition_add_scan_keys(condition, database, query, done, error);
    for (size_t i = 0; status == MUR_OK && i < query->key_count; i++) {
        const struct mur_query_key *key = &query->keys[i];
        if (done[i] || (mur_is_universal(mur_slice_of(key->text)) && !key->empty) ||
            (only_unique && !is_unique_key(key)) ||
            mur_query_key_support(query, i) != MUR_KEY_MATCHED)
            continue;
        bool unknown = database->unknown_matches && !only_unique && !key->empty;
        status = mur_condition_add(condition, error, unknown ? " AND (" : " AND ");
        if (status != MUR_OK)
            break;
        const struct mur_attribute *attribute =
            key->path.depth == 1 ? mur_attribute_find(key->path.tags[0]) : NULL;
        enum mur_level level =
            attribute != NULL ? attribute->level : mur_attribute_key_find(&key->path)->level;
        if (key->empty)
            status = add_valueless(condition, database, key, attribute, level, error);
        else if (attribute != NULL && attribute->storage == MUR_STORAGE_COLUMN)
            status = add_column_key(condition, database, attribute, key, error);
        else if (attribute != NULL && attribute->storage == MUR_STORAGE_COMPUTED)
            status = add_computed_key(condition, key, error);
        else
            status = add_table_keys(condition, database, query, i, done, level, error);
        if (status == MUR_OK && unknown)
            status = add_unknown(condition, database, key, attribute, level, error);
        if (status != MUR_OK) {
            const char *keyword = mur_dictionary_keyword(key->path.tags[0]);
            return mur_error_prefix(error, "%s", keyword != NULL ? keyword : "a key");
        }
    }
    return status;
}

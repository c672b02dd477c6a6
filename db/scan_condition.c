/*
 * Keys that are matched by way of scans: our private block, Patient Comments and Additional Patient
 * History. What matches is looked for among the texts, each of which stands once (isa_cell), then
 * among the scans that say them. A patient or study matches when a scan of any of its series does.
 *
 * Several such keys: the one that the fewest scans say finds the rows, the others are tested row by
 * row, for SQLite does not know how many there are.
 */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "db/condition.h"
#include "dicom/dictionary.h"

enum {
    ENOUGH = 4000, /* scans: more are not counted */
    FEW = 50,      /* less than that find rows better than the name of a patient or study */
};

/* One thing that a scan must say. */
struct scan_key {
    struct mur_condition cells; /* "SELECT f.id FROM isa_cell f ..."; no SQL: any cell may say it */
    struct mur_condition text;  /* a further test of a row v of isa_value; no SQL: none */
    size_t key;                 /* Patient Comments, Additional Patient History: which key */
    int64_t scans;              /* how many say it, ENOUGH at most */
};

struct scan_keys {
    struct scan_key *keys;
    size_t count;
    size_t other_keys; /* matched ones of the query that are none of these */
    bool named;        /* one of them names a patient, a study, a series */
};

static void scan_keys_free(struct scan_keys *list)
{
    for (size_t i = 0; i < list->count; i++) {
        mur_condition_free(&list->keys[i].cells);
        mur_condition_free(&list->keys[i].text);
    }
    free(list->keys);
}

static bool has_sql(const struct mur_condition *condition)
{
    return condition->sql.length > 0;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static bool has_wildcard(struct mur_slice text)
{
    return memchr(text.data, '*', text.length) != NULL ||
           memchr(text.data, '?', text.length) != NULL;
}

/* "150..200", "150..", "..200": our own rule (docs/isa.md). */
static bool parse_range(double bounds[2], bool has[2], struct mur_slice text)
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

/* The cell's text: exact, pattern, or range of numbers. */
static enum mur_status add_cell_text(struct mur_condition *cells, struct mur_slice text,
                                     struct mur_error *error)
{
    double bounds[2];
    bool has[2];
    if (!parse_range(bounds, has, text)) {
        const struct mur_place place = {.text = "f.text"};
        return mur_condition_add_values(cells, &place, MUR_VR_LT, text, error);
    }
    enum mur_status status = mur_condition_add(cells, error, "(");
    for (int i = 0; status == MUR_OK && i < 2; i++) {
        if (!has[i])
            continue;
        status = mur_condition_add(cells, error, i == 0 ? "f.number >= ?" : "f.number <= ?");
        if (status == MUR_OK)
            status = mur_condition_bind(cells, MUR_R(bounds[i]), error);
        if (status == MUR_OK && i == 0 && has[1])
            status = mur_condition_add(cells, error, " AND ");
    }
    /* A cell may be written like that itself. */
    if (status == MUR_OK)
        status = mur_condition_add(cells, error, " OR f.text = ?)");
    MUR_AUTO_FREE char *copy = NULL;
    if (status == MUR_OK)
        status = mur_text_copy(&copy, text, error);
    return status == MUR_OK ? mur_condition_bind(cells, MUR_T(copy), error) : status;
}

/* A heading, without case and diacritics. */
static enum mur_status add_heading(struct mur_condition *cells, const char *column,
                                   struct mur_slice text, struct mur_error *error)
{
    MUR_AUTO_FREE char *folded = NULL;
    enum mur_status status = mur_text_fold(&folded, text, error);
    return status == MUR_OK
               ? mur_condition_add_text(cells, column, true, mur_slice_of(folded), true, error)
               : status;
}

/* Columns of which "kind:name", or the name alone, is as the text says. */
static enum mur_status add_columns(struct mur_condition *cells, struct mur_slice heading,
                                   struct mur_error *error)
{
    static const char *const columns[] = {"k.name_fold", "k.heading_fold"};
    enum mur_status status = mur_condition_add(cells, error, "f.column IN (");
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(columns); i++) {
        status = mur_condition_add(cells, error,
                                   i == 0 ? "SELECT k.id FROM isa_column k WHERE k.element = 0 AND "
                                          : " UNION SELECT k.id FROM isa_column k WHERE"
                                            " k.element = 0 AND ");
        if (status == MUR_OK)
            status = add_heading(cells, columns[i], heading, error);
    }
    return status == MUR_OK ? mur_condition_add(cells, error, ") AND ") : status;
}

/* "kind:name=value": up to the first "=" it is the heading, which may go without its kind. In cells
 * that have a "=" themselves it may be another one, and without any the whole is looked at. */
static enum mur_status add_whole(struct mur_condition *cells, struct mur_slice text,
                                 const char *whole, struct mur_error *error)
{
    const char *equals = memchr(text.data, '=', text.length);
    enum mur_status status = mur_condition_add(cells, error, "SELECT f.id FROM isa_cell f WHERE ");
    if (equals != NULL) {
        size_t before = (size_t)(equals - text.data);
        const struct mur_slice heading = {.data = text.data, .length = before};
        const struct mur_slice value = mur_slice_trim(
            (struct mur_slice){.data = equals + 1, .length = text.length - before - 1});
        if (status == MUR_OK)
            status = add_columns(cells, mur_slice_trim(heading), error);
        if (status == MUR_OK)
            status = add_cell_text(cells, value, error);
        if (status == MUR_OK)
            status = mur_condition_add(cells, error,
                                       " UNION SELECT f.id FROM isa_cell f JOIN isa_column k"
                                       " ON k.id = f.column WHERE f.odd = 1 AND ");
    } else if (status == MUR_OK) {
        status = mur_condition_add(cells, error,
                                   "f.id IN (SELECT f.id FROM isa_column k JOIN isa_cell f"
                                   " ON f.column = k.id WHERE k.element = 0 AND ");
    }
    if (status == MUR_OK) {
        const struct mur_place place = {.text = whole};
        status = mur_condition_add_values(cells, &place, MUR_VR_LT, text, error);
    }
    return status == MUR_OK && equals == NULL ? mur_condition_add(cells, error, ")") : status;
}

/* ---- keys of the private block --------------------------------------------------------------- */

/* Values of element xx01: any of them. */
static enum mur_status add_attribute_key(struct mur_condition *cells, const char *text,
                                         struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && *text != '\0') {
        size_t length = strcspn(text, "\\");
        struct mur_slice one = mur_slice_trim((struct mur_slice){.data = text, .length = length});
        text += length + (text[length] == '\\' ? 1 : 0);
        if (one.length == 0)
            continue;
        if (has_sql(cells))
            status = mur_condition_add(cells, error, " UNION ");
        if (status == MUR_OK)
            status = add_whole(cells, one, "(k.kind || ':' || k.name || '=' || f.text)", error);
    }
    return status;
}

static enum mur_status add_element_key(struct mur_condition *cells, const struct mur_query_key *key,
                                       struct mur_error *error)
{
    enum mur_status status =
        mur_condition_add(cells, error,
                          "SELECT f.id FROM isa_cell f WHERE f.column IN"
                          " (SELECT k.id FROM isa_column k WHERE k.element = ?) AND ");
    if (status == MUR_OK)
        status = mur_condition_bind(cells, MUR_I(key->path.tags[0] & 0xFFu), error);
    const struct mur_place place = {.text = "f.text", .folded = "f.text", .number = "f.number"};
    enum mur_vr vr = key->vr == MUR_VR_UN || key->vr == MUR_VR_NONE ? MUR_VR_LO : key->vr;
    return status == MUR_OK
               ? mur_condition_add_values(cells, &place, vr, mur_slice_of(key->text), error)
               : status;
}

/* Any of several values, each by @p add_one. */
static enum mur_status add_alternatives(struct mur_condition *cells, const char *text,
                                        enum mur_status (*add_one)(struct mur_condition *cells,
                                                                   struct mur_slice text,
                                                                   struct mur_error *error),
                                        struct mur_error *error)
{
    enum mur_status status = mur_condition_add(cells, error, " AND (");
    bool first = true;
    while (status == MUR_OK && *text != '\0') {
        size_t length = strcspn(text, "\\");
        struct mur_slice one = mur_slice_trim((struct mur_slice){.data = text, .length = length});
        text += length + (text[length] == '\\' ? 1 : 0);
        if (one.length == 0)
            continue;
        if (!first)
            status = mur_condition_add(cells, error, " OR ");
        if (status == MUR_OK)
            status = add_one(cells, one, error);
        first = false;
    }
    if (status == MUR_OK)
        status = mur_condition_add(cells, error, first ? "1)" : ")");
    return status;
}

/* Of a heading, an item holds the first 64 characters (LO). */
static enum mur_status add_item_name(struct mur_condition *cells, struct mur_slice text,
                                     struct mur_error *error)
{
    enum { LO_CHARACTERS = 64 };
    if (has_wildcard(text) || mur_utf8_count(text) < LO_CHARACTERS)
        return add_heading(cells, "k.name_fold", text, error);
    MUR_AUTO_FREE char *begin = NULL;
    enum mur_status status = mur_text_format(&begin, error, "%.*s*", (int)text.length, text.data);
    return status == MUR_OK ? add_heading(cells, "k.name_fold", mur_slice_of(begin), error)
                            : status;
}

/* One element of the item. */
static enum mur_status add_item_key(struct mur_condition *cells, const struct mur_query_key *key,
                                    struct mur_error *error)
{
    const struct mur_slice text = mur_slice_of(key->text);
    const struct mur_place number = {.text = "f.text", .number = "f.number"};
    const struct mur_place unit = {.text = "f.unit"};
    const struct mur_place kind = {.text = "upper(k.kind)"};
    enum mur_status status = MUR_OK;
    switch (key->path.tags[1] & 0xFFu) {
    case MUR_ISA_ATTRIBUTE_NAME:
        return add_alternatives(cells, key->text, add_item_name, error);
    case MUR_ISA_ATTRIBUTE_TEXT:
        return add_alternatives(cells, key->text, add_cell_text, error);
    case MUR_ISA_ATTRIBUTE_KIND:
        status = mur_condition_add(cells, error, " AND ");
        return status == MUR_OK ? mur_condition_add_values(cells, &kind, MUR_VR_CS, text, error)
                                : status;
    case MUR_ISA_ATTRIBUTE_NUMBER:
        status = mur_condition_add(cells, error, " AND ");
        return status == MUR_OK ? mur_condition_add_values(cells, &number, MUR_VR_FD, text, error)
                                : status;
    default:
        status = mur_condition_add(cells, error, " AND ");
        return status == MUR_OK ? mur_condition_add_values(cells, &unit, MUR_VR_SH, text, error)
                                : status;
    }
}

static bool is_of_column(const struct mur_query_key *key)
{
    unsigned element = key->path.tags[1] & 0xFFu;
    return element == MUR_ISA_ATTRIBUTE_KIND || element == MUR_ISA_ATTRIBUTE_NAME;
}

static bool is_matched(const struct mur_query *query, size_t i)
{
    return !mur_is_universal(mur_slice_of(query->keys[i].text)) &&
           mur_query_key_support(query, i) == MUR_KEY_MATCHED;
}

/* All keys of an item of element xx02: they must match in one cell. */
static enum mur_status add_item(struct mur_condition *cells, const struct mur_query *query,
                                size_t first, bool *done, struct mur_error *error)
{
    enum mur_status status =
        mur_condition_add(cells, error,
                          "SELECT f.id FROM isa_cell f WHERE f.column IN"
                          " (SELECT k.id FROM isa_column k WHERE k.element = 0");
    for (int of_column = 1; of_column >= 0; of_column--) {
        for (size_t i = first; status == MUR_OK && i < query->key_count; i++) {
            const struct mur_query_key *key = &query->keys[i];
            if (!is_matched(query, i) || key->path.depth != 2 ||
                key->path.tags[0] != query->keys[first].path.tags[0] ||
                key->item != query->keys[first].item || is_of_column(key) != (of_column != 0))
                continue;
            done[i] = true;
            status = add_item_key(cells, key, error);
        }
        if (status == MUR_OK && of_column != 0)
            status = mur_condition_add(cells, error, ")");
    }
    return status;
}

/* ---- Patient Comments, Additional Patient History -------------------------------------------- */

/* Where the key can only match within one entry "name=value", the cells tell which scans come into
 * question: what stands between the outermost '*', "; " being the end of an entry. */
static enum mur_status narrow(struct mur_condition *cells, const char *text,
                              struct mur_error *error)
{
    struct mur_slice core = mur_slice_of(text);
    bool open_begin = false;
    bool open_end = false;
    for (; core.length > 0 && core.data[0] == '*'; core.data++, core.length--)
        open_begin = true;
    for (; core.length > 0 && core.data[core.length - 1] == '*'; core.length--)
        open_end = true;
    struct mur_slice inner = mur_slice_trim(core);
    bool begin = inner.length > 0 && inner.data[0] == ';';
    bool end = inner.length > 1 && inner.data[inner.length - 1] == ';';
    if (begin || end)
        core = mur_slice_trim(
            (struct mur_slice){.data = inner.data + begin, .length = inner.length - begin - end});
    if (core.length == 0 || memchr(core.data, ';', core.length) != NULL || has_wildcard(core))
        return MUR_OK; /* any scan may say it */
    MUR_AUTO_FREE char *wanted = NULL;
    enum mur_status status =
        mur_text_format(&wanted, error, "%s%.*s%s", open_begin && !begin ? "*" : "",
                        (int)core.length, core.data, open_end && !end ? "*" : "");
    for (char *c = wanted; status == MUR_OK && *c != '\0'; c++)
        if (*c == '\\')
            *c = '/'; /* as cells are written */
    return status == MUR_OK
               ? add_whole(cells, mur_slice_of(wanted), "(k.name || '=' || f.text)", error)
               : status;
}

/* The text "name=value; name=value" is also matched as if "; " stood before and after it: so
 * "*; week=2;*" is week 2 and no other. A key without wildcards may be one entry. */
static enum mur_status add_comment_key(struct scan_key *out, const struct mur_query_key *key,
                                       bool fold, struct mur_error *error)
{
    static const char *const texts[2][2] = {
        {"v.text", "('; ' || v.text || '; ')"},
        {"mur_fold(v.text)", "mur_fold('; ' || v.text || '; ')"},
    };
    char path[MUR_ATTRIBUTE_PATH_SIZE];
    MUR_AUTO_FREE char *plain = NULL;
    MUR_AUTO_FREE char *entry = NULL;
    bool pattern = has_wildcard(mur_slice_of(key->text));
    enum mur_status status = fold ? mur_text_fold(&plain, mur_slice_of(key->text), error)
                                  : mur_text_copy(&plain, mur_slice_of(key->text), error);
    if (status == MUR_OK)
        status = mur_text_format(&entry, error, pattern ? "%s" : "*; %s; *", plain);
    /* The first test is that of the index. */
    if (status == MUR_OK)
        status = mur_condition_add(&out->text, error,
                                   "v.path IN ('001021B0', '00104000') AND v.path = ? AND (");
    if (status == MUR_OK)
        status = mur_condition_bind(&out->text, MUR_T(mur_attribute_path_format(path, &key->path)),
                                    error);
    if (status == MUR_OK)
        status = mur_condition_add_text(&out->text, texts[fold][0], false, mur_slice_of(plain),
                                        true, error);
    if (status == MUR_OK)
        status = mur_condition_add(&out->text, error, " OR ");
    if (status == MUR_OK)
        status = mur_condition_add_text(&out->text, texts[fold][1], false, mur_slice_of(entry),
                                        true, error);
    if (status == MUR_OK)
        status = mur_condition_add(&out->text, error, ")");
    return status == MUR_OK && !fold ? narrow(&out->cells, key->text, error) : status;
}

/* ---- from scans to rows ---------------------------------------------------------------------- */

static const char *alias_of(enum mur_level level)
{
    return mur_level_alias(level == MUR_LEVEL_IMAGE ? MUR_LEVEL_SERIES : level);
}

/* "SELECT ... scan" of all that say it. */
static enum mur_status add_scans(struct mur_condition *condition, const struct scan_key *key,
                                 struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    bool text = has_sql(&key->text);
    if (text)
        status = mur_condition_add(condition, error, "SELECT v.scan FROM isa_value v WHERE ");
    if (status == MUR_OK && text)
        status = mur_condition_append(condition, &key->text, error);
    if (status == MUR_OK && text && has_sql(&key->cells))
        status = mur_condition_add(condition, error, " AND v.scan IN (");
    if (status == MUR_OK && has_sql(&key->cells)) {
        status = mur_condition_add(condition, error,
                                   "SELECT c.scan FROM isa_scan_cell c WHERE c.cell IN (");
        if (status == MUR_OK)
            status = mur_condition_append(condition, &key->cells, error);
        if (status == MUR_OK)
            status = mur_condition_add(condition, error, text ? "))" : ")");
    }
    return status;
}

/* "SELECT 1 ..." for one scan, whose row is m or e. */
static enum mur_status add_scan_test(struct mur_condition *condition, const struct scan_key *key,
                                     const char *series, struct mur_error *error)
{
    bool text = has_sql(&key->text);
    enum mur_status status = mur_buffer_append_format(
        &condition->sql, error,
        text ? "SELECT 1 FROM isa_value v WHERE v.scan = %s.isa_scan AND "
             : "SELECT 1 FROM isa_scan_cell c WHERE c.scan = %s.isa_scan AND c.cell IN (",
        series);
    if (status == MUR_OK)
        status = mur_condition_append(condition, text ? &key->text : &key->cells, error);
    return status == MUR_OK && !text ? mur_condition_add(condition, error, ")") : status;
}

/* What headers say where no ISA-Tab does: owners of the attribute's own level. */
static enum mur_status add_header_owners(struct mur_condition *condition,
                                         struct mur_database *database,
                                         const struct mur_query_key *key, const char *owner,
                                         struct mur_error *error)
{
    char path_text[MUR_ATTRIBUTE_PATH_SIZE];
    int64_t path = 0;
    const struct mur_place place = {.text = "a.text"};
    enum mur_status status =
        mur_path_row(&path, database, mur_attribute_path_format(path_text, &key->path), error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(&condition->sql, error,
                                          "SELECT a.owner FROM attribute a WHERE a.path = ?"
                                          " AND a.level = ? AND a.hidden = 0%s AND ",
                                          owner);
    if (status == MUR_OK)
        status = mur_condition_bind(condition, MUR_I(path), error);
    if (status == MUR_OK)
        status = mur_condition_bind(condition, MUR_I(mur_attribute_find(key->path.tags[0])->level),
                                    error);
    return status == MUR_OK ? mur_condition_add_values(condition, &place, key->vr,
                                                       mur_slice_of(key->text), error)
                            : status;
}

static enum mur_status add_header_rows(struct mur_condition *condition,
                                       struct mur_database *database, enum mur_level level,
                                       const struct mur_query_key *key, struct mur_error *error)
{
    enum mur_level own = mur_attribute_find(key->path.tags[0])->level;
    bool of_series = level >= MUR_LEVEL_SERIES;
    const char *begin = "";
    if (own == MUR_LEVEL_PATIENT && of_series)
        begin = "SELECT m.id FROM study t JOIN series m ON m.study = t.id WHERE t.patient IN (";
    else if (of_series)
        begin = "SELECT m.id FROM series m WHERE m.study IN (";
    else if (own != level)
        begin = "SELECT t.id FROM study t WHERE t.patient IN (";
    enum mur_status status = mur_condition_add(condition, error, begin);
    if (status == MUR_OK)
        status = add_header_owners(condition, database, key, "", error);
    return status == MUR_OK && begin[0] != '\0' ? mur_condition_add(condition, error, ")") : status;
}

/* The rows are found by the key. */
static enum mur_status add_finding(struct mur_condition *condition, struct mur_database *database,
                                   const struct mur_query *query, const struct scan_key *key,
                                   struct mur_error *error)
{
    static const char *const rows[MUR_LEVEL_COUNT] = {
        "SELECT t.patient FROM series m JOIN study t ON t.id = m.study",
        "SELECT m.study FROM series m", "SELECT m.id FROM series m", "SELECT m.id FROM series m"};
    enum mur_status status =
        mur_buffer_append_format(&condition->sql, error, "%s.id IN (%s WHERE m.isa_scan IN (",
                                 alias_of(query->level), rows[query->level]);
    if (status == MUR_OK)
        status = add_scans(condition, key, error);
    if (status == MUR_OK)
        status = mur_condition_add(condition, error, ")");
    if (status == MUR_OK && has_sql(&key->text)) {
        status = mur_condition_add(condition, error, " UNION ALL ");
        if (status == MUR_OK)
            status =
                add_header_rows(condition, database, query->level, &query->keys[key->key], error);
    }
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

/* Rows that something else finds are tested for the key. */
static enum mur_status add_testing(struct mur_condition *condition, struct mur_database *database,
                                   const struct mur_query *query, const struct scan_key *key,
                                   struct mur_error *error)
{
    static const char *const begin[MUR_LEVEL_COUNT] = {
        "(EXISTS (SELECT 1 FROM study t CROSS JOIN series m WHERE t.patient = p.id"
        " AND m.study = t.id AND EXISTS (",
        "(EXISTS (SELECT 1 FROM series m WHERE m.study = s.id AND EXISTS (", "(EXISTS (",
        "(EXISTS ("};
    bool of_series = query->level >= MUR_LEVEL_SERIES;
    enum mur_status status = mur_condition_add(condition, error, begin[query->level]);
    if (status == MUR_OK)
        status = add_scan_test(condition, key, of_series ? "e" : "m", error);
    if (status == MUR_OK)
        status = mur_condition_add(condition, error, of_series ? ")" : "))");
    if (status == MUR_OK && has_sql(&key->text)) {
        const struct mur_query_key *comment = &query->keys[key->key];
        bool of_patient = mur_attribute_find(comment->path.tags[0])->level == MUR_LEVEL_PATIENT;
        status = mur_condition_add(condition, error, " OR EXISTS (");
        if (status == MUR_OK)
            status = add_header_owners(condition, database, comment,
                                       of_patient ? " AND a.owner = p.id" : " AND a.owner = s.id",
                                       error);
        if (status == MUR_OK)
            status = mur_condition_add(condition, error, ")");
    }
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

/* Where the node was told so, what no table speaks of matches (find.unknown_matches). */
static const char *unknown_of(enum mur_level level)
{
    static const char *const tests[MUR_LEVEL_COUNT] = {
        " OR NOT EXISTS (SELECT 1 FROM study t JOIN series m ON m.study = t.id"
        " WHERE t.patient = p.id AND m.isa_scan IS NOT NULL))",
        " OR NOT EXISTS (SELECT 1 FROM series m WHERE m.study = s.id"
        " AND m.isa_scan IS NOT NULL))",
        " OR e.isa_scan IS NULL)", " OR e.isa_scan IS NULL)"};
    return tests[level];
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* A key that an index answers with few rows. */
static bool names_a_row(const struct mur_query_key *key)
{
    uint32_t tag = key->path.tags[0];
    return key->path.depth == 1 && key->text[0] != '*' && key->text[0] != '?' &&
           (tag == MUR_TAG_PatientID || tag == MUR_TAG_PatientName ||
            tag == MUR_TAG_AccessionNumber || tag == MUR_TAG_StudyInstanceUID ||
            tag == MUR_TAG_SeriesInstanceUID || tag == MUR_TAG_SOPInstanceUID);
}

static enum mur_status read_keys(struct scan_keys *list, const struct mur_database *database,
                                 const struct mur_query *query, bool *done, struct mur_error *error)
{
    list->keys = calloc(query->key_count + 1, sizeof *list->keys);
    if (list->keys == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < query->key_count; i++) {
        const struct mur_query_key *key = &query->keys[i];
        bool ours = mur_is_isa_element(key->path.tags[0]);
        bool comment = key->path.depth == 1 && mur_is_scan_text(key->path.tags[0]);
        if (done[i] || !is_matched(query, i))
            continue;
        if (!ours && !comment) {
            list->other_keys++;
            list->named = list->named || names_a_row(key);
            continue;
        }
        struct scan_key *one = &list->keys[list->count++];
        one->key = i;
        one->cells.fold_case = one->text.fold_case = database->fold_case;
        if (comment)
            status = add_comment_key(one, key, database->fold_case, error);
        else if (key->path.depth == 2)
            status = add_item(&one->cells, query, i, done, error);
        else if ((key->path.tags[0] & 0xFFu) == MUR_ISA_ATTRIBUTE)
            status = add_attribute_key(&one->cells, key->text, error);
        else
            status = add_element_key(&one->cells, key, error);
        done[i] = true;
        if (status == MUR_OK && !has_sql(&one->cells) && !has_sql(&one->text))
            list->count--; /* a value of nothing but separators */
    }
    return status;
}

static enum mur_status count_scans(struct scan_key *key, struct mur_database *database,
                                   struct mur_error *error)
{
    key->scans = ENOUGH;
    if (!has_sql(&key->cells))
        return MUR_OK;
    MUR_AUTO_FREE char *sql = NULL;
    bool found = false;
    enum mur_status status = mur_text_format(
        &sql, error,
        "SELECT count(*) FROM (SELECT 1 FROM isa_scan_cell c WHERE c.cell IN (%s) LIMIT %d)",
        mur_buffer_text(&key->cells.sql), ENOUGH);
    return status == MUR_OK ? mur_query_integer(&key->scans, &found, database, sql,
                                                key->cells.binds, key->cells.count, error)
                            : status;
}

enum mur_status mur_condition_add_scan_keys(struct mur_condition *condition,
                                            struct mur_database *database,
                                            const struct mur_query *query, bool *done,
                                            struct mur_error *error)
{
    struct scan_keys list = {0};
    enum mur_status status = read_keys(&list, database, query, done, error);
    size_t first = 0;
    bool choice = list.count + list.other_keys > 1;
    for (size_t i = 0; status == MUR_OK && choice && i < list.count; i++) {
        status = count_scans(&list.keys[i], database, error);
        if (list.keys[i].scans < list.keys[first].scans)
            first = i;
    }
    bool finds = !database->unknown_matches && list.count > 0 &&
                 (list.other_keys == 0 || list.keys[first].scans < (list.named ? FEW : ENOUGH));
    for (size_t i = 0; status == MUR_OK && i < list.count; i++) {
        status =
            mur_condition_add(condition, error, database->unknown_matches ? " AND (" : " AND ");
        if (status == MUR_OK)
            status = (finds && i == first ? add_finding : add_testing)(condition, database, query,
                                                                       &list.keys[i], error);
        if (status == MUR_OK && database->unknown_matches)
            status = mur_condition_add(condition, error, unknown_of(query->level));
    }
    scan_keys_free(&list);
    return status == MUR_OK ? status : mur_error_prefix(error, "what the ISA-Tab says");
}

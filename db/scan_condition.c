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
#include "db/cell_condition.h"
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
    if (memchr(core.data, ';', core.length) != NULL || mur_has_wildcard(core)) {
        struct mur_slice piece; /* of several entries: one */
        if (!mur_longest_piece(&piece, core, "*?;"))
            return MUR_OK; /* any scan may say it */
        core = mur_slice_trim(piece);
        open_begin = open_end = true;
        begin = end = false;
    }
    if (core.length == 0)
        return MUR_OK;
    MUR_AUTO_FREE char *wanted = NULL;
    enum mur_status status =
        mur_text_format(&wanted, error, "%s%.*s%s", open_begin && !begin ? "*" : "",
                        (int)core.length, core.data, open_end && !end ? "*" : "");
    for (char *c = wanted; status == MUR_OK && *c != '\0'; c++)
        if (*c == '\\')
            *c = '/'; /* as cells are written */
    return status == MUR_OK ? mur_condition_add_whole_cell(cells, mur_slice_of(wanted),
                                                           "(k.name || '=' || f.text)", error)
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
    bool pattern = mur_has_wildcard(mur_slice_of(key->text));
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
    bool text = mur_condition_has_sql(&key->text);
    if (text)
        status = mur_condition_add(condition, error, "SELECT v.scan FROM isa_value v WHERE ");
    if (status == MUR_OK && text)
        status = mur_condition_append(condition, &key->text, error);
    if (status == MUR_OK && text && mur_condition_has_sql(&key->cells))
        status = mur_condition_add(condition, error, " AND v.scan IN (");
    if (status == MUR_OK && mur_condition_has_sql(&key->cells)) {
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
    bool text = mur_condition_has_sql(&key->text);
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
    if (status == MUR_OK && mur_condition_has_sql(&key->text)) {
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
    if (status == MUR_OK && mur_condition_has_sql(&key->text)) {
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
        if (done[i] || !mur_is_matched(query, i))
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
            status = mur_condition_add_item(&one->cells, query, i, done, error);
        else if ((key->path.tags[0] & 0xFFu) == MUR_ISA_ATTRIBUTE)
            status = mur_condition_add_attribute_cells(&one->cells, key->text, error);
        else
            status = mur_condition_add_element_cells(&one->cells, key, error);
        done[i] = true;
        if (status == MUR_OK && !mur_condition_has_sql(&one->cells) &&
            !mur_condition_has_sql(&one->text))
            list->count--; /* a value of nothing but separators */
    }
    return status;
}

static enum mur_status count_scans(struct scan_key *key, struct mur_database *database,
                                   struct mur_error *error)
{
    key->scans = ENOUGH;
    if (!mur_condition_has_sql(&key->cells))
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

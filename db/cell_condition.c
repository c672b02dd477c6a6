/* Which cells of the tables a key means: rows of isa_cell, where each text stands once. */
#include "db/cell_condition.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "dicom/dictionary.h"

bool mur_condition_has_sql(const struct mur_condition *condition)
{
    return condition->sql.length > 0;
}

/* ---- texts ----------------------------------------------------------------------------------- */

bool mur_has_wildcard(struct mur_slice text)
{
    return memchr(text.data, '*', text.length) != NULL ||
           memchr(text.data, '?', text.length) != NULL;
}

/* ---- trigrams -------------------------------------------------------------------------------- */

enum { TRIGRAM = 3, TRIGRAMS = 6 };

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80;
}

static size_t next_character(struct mur_slice text, size_t at)
{
    do
        at++;
    while (at < text.length && !begins_character(text.data[at]));
    return at;
}

bool mur_longest_piece(struct mur_slice *out, struct mur_slice text, const char *separators)
{
    struct mur_slice longest = {.data = text.data, .length = 0};
    for (size_t at = 0; at < text.length;) {
        size_t end = at;
        while (end < text.length && strchr(separators, text.data[end]) == NULL)
            end++;
        if (end - at > longest.length)
            longest = (struct mur_slice){.data = text.data + at, .length = end - at};
        at = end + 1;
    }
    if (mur_utf8_count(longest) < TRIGRAM)
        return false;
    *out = longest;
    return true;
}

/* Whether the index of trigrams finds what no index of beginnings does. */
static bool needs_trigrams(const struct mur_condition *cells, struct mur_slice text)
{
    struct mur_slice piece;
    double bounds[2];
    bool has[2];
    return !cells->fold_case && !cells->tests_rows && text.length > 0 &&
           (text.data[0] == '*' || text.data[0] == '?') &&
           !mur_parse_number_range(bounds, has, text) && mur_longest_piece(&piece, text, "*?");
}

/* How common one may be: what tells texts from each other is numbers more than words; blanks,
 * noughts and what repeats itself stand in very many. */
static unsigned commonness(struct mur_slice trigram)
{
    unsigned score = 0;
    for (size_t i = 0; i < trigram.length; i++) {
        char c = trigram.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        score += c == '0' ? 2 : c == ' ' || letter ? 1 : 0;
        score += memchr(trigram.data, trigram.data[i], i) != NULL ? 1 : 0;
    }
    return score;
}

struct trigrams {
    struct mur_slice list[TRIGRAMS];
    size_t count;
};

/* Keeps it if it is rarer than one of those that are kept: a few find as well as all do, and each
 * is a list to be read. Of equal ones the last: names count up at their ends. */
static void keep(struct trigrams *out, struct mur_slice trigram)
{
    size_t worst = 0;
    for (size_t i = 0; i < out->count; i++) {
        if (out->list[i].length == trigram.length &&
            memcmp(out->list[i].data, trigram.data, trigram.length) == 0)
            return;
        if (commonness(out->list[i]) > commonness(out->list[worst]))
            worst = i;
    }
    if (out->count < TRIGRAMS)
        out->list[out->count++] = trigram;
    else if (commonness(trigram) <= commonness(out->list[worst]))
        out->list[worst] = trigram;
}

static void find_trigrams(struct trigrams *out, struct mur_slice piece)
{
    for (size_t at = 0; at < piece.length; at = next_character(piece, at)) {
        size_t end = at;
        for (size_t c = 0; c < TRIGRAM; c++) {
            if (end >= piece.length)
                return;
            end = next_character(piece, end);
        }
        keep(out, (struct mur_slice){.data = piece.data + at, .length = end - at});
    }
}

/* The cells with trigrams of a text, as a question to FTS5: "abc" AND "bcd". Where they stand to
 * each other it does not tell. */
static enum mur_status add_cells_of_trigrams(struct mur_condition *cells, struct mur_slice piece,
                                             struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer question = MUR_BUFFER_INIT;
    struct trigrams trigrams = {.count = 0};
    find_trigrams(&trigrams, piece);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < trigrams.count; i++) {
        const struct mur_slice one = trigrams.list[i];
        status = mur_buffer_append_text(&question, i > 0 ? " AND \"" : "\"", error);
        for (size_t c = 0; status == MUR_OK && c < one.length; c++) {
            if (one.data[c] == '"')
                status = mur_buffer_append_text(&question, "\"", error);
            if (status == MUR_OK)
                status = mur_buffer_append(&question, &one.data[c], 1, error);
        }
        if (status == MUR_OK)
            status = mur_buffer_append_text(&question, "\"", error);
    }
    if (status == MUR_OK)
        status = mur_condition_add(
            cells, error, "SELECT rowid FROM isa_cell_trigram WHERE isa_cell_trigram MATCH ?");
    return status == MUR_OK ? mur_condition_bind(cells, MUR_T(mur_buffer_text(&question)), error)
                            : status;
}

/* ---- texts of cells -------------------------------------------------------------------------- */

/* By its number; by its text in the second pass, for a cell may be written like that itself: an
 * index finds each, but not the one or the other. Rows that are there already are tested for both.
 */
static enum mur_status add_range(struct mur_condition *cells, const double bounds[2],
                                 const bool has[2], struct mur_slice text, struct mur_error *error)
{
    bool by_text = cells->ranges_are_texts;
    cells->has_ranges = true;
    enum mur_status status = mur_condition_add(cells, error, "(");
    for (int i = 0; status == MUR_OK && i < 2 && !by_text; i++) {
        if (!has[i])
            continue;
        status = mur_condition_add(cells, error, i == 0 ? "f.number >= ?" : "f.number <= ?");
        if (status == MUR_OK)
            status = mur_condition_bind(cells, MUR_R(bounds[i]), error);
        if (status == MUR_OK && i == 0 && has[1])
            status = mur_condition_add(cells, error, " AND ");
    }
    if (status == MUR_OK && cells->tests_rows)
        status = mur_condition_add(cells, error, " OR ");
    MUR_AUTO_FREE char *copy = NULL;
    if (status == MUR_OK && (by_text || cells->tests_rows)) {
        status = mur_condition_add(cells, error, "f.text = ?");
        if (status == MUR_OK)
            status = mur_text_copy(&copy, text, error);
        if (status == MUR_OK)
            status = mur_condition_bind(cells, MUR_T(copy), error);
    }
    return status == MUR_OK ? mur_condition_add(cells, error, ")") : status;
}

/* Ends a pass. @return true: the same keys once more, with ranges as texts */
static bool has_second_pass(enum mur_status *status, struct mur_condition *cells,
                            struct mur_error *error)
{
    bool again = *status == MUR_OK && cells->has_ranges && !cells->ranges_are_texts;
    cells->has_ranges = false;
    cells->ranges_are_texts = again;
    if (again)
        *status = mur_condition_add(cells, error, " UNION ");
    return again && *status == MUR_OK;
}

/* The cell's text: exact, pattern, or range of numbers. */
static enum mur_status add_cell_text(struct mur_condition *cells, struct mur_slice text,
                                     struct mur_error *error)
{
    double bounds[2];
    bool has[2];
    if (mur_parse_number_range(bounds, has, text))
        return add_range(cells, bounds, has, text, error);
    struct mur_slice piece;
    bool trigrams = needs_trigrams(cells, text) && mur_longest_piece(&piece, text, "*?");
    enum mur_status status = MUR_OK;
    if (trigrams)
        status = mur_condition_add(cells, error, "(f.id IN (");
    if (status == MUR_OK && trigrams)
        status = add_cells_of_trigrams(cells, piece, error);
    if (status == MUR_OK && trigrams)
        status = mur_condition_add(cells, error, ") AND ");
    const struct mur_place place = {.text = "f.text"};
    if (status == MUR_OK)
        status = mur_condition_add_values(cells, &place, MUR_VR_LT, text, error);
    return status == MUR_OK && trigrams ? mur_condition_add(cells, error, ")") : status;
}

/* The cell's number: exact or a range. */
static enum mur_status add_cell_number(struct mur_condition *cells, struct mur_slice text,
                                       struct mur_error *error)
{
    const struct mur_place place = {.text = "f.text", .number = "f.number"};
    double bounds[2];
    bool has[2];
    return mur_parse_number_range(bounds, has, text)
               ? add_range(cells, bounds, has, text, error)
               : mur_condition_add_values(cells, &place, MUR_VR_FD, text, error);
}

/* Splits at backslashes: false when there is no more. */
static bool next_value(struct mur_slice *out, const char **text)
{
    while (**text != '\0') {
        size_t length = strcspn(*text, "\\");
        *out = mur_slice_trim((struct mur_slice){.data = *text, .length = length});
        *text += length + ((*text)[length] == '\\' ? 1 : 0);
        if (out->length > 0)
            return true;
    }
    return false;
}

/* The index of columns is of no use where trigrams find all values of a key. */
static const char *column_of(const struct mur_condition *cells, const char *text)
{
    struct mur_slice one;
    bool any = false;
    while (next_value(&one, &text)) {
        if (!needs_trigrams(cells, one))
            return "f.column";
        any = true;
    }
    return any ? "+f.column" : "f.column";
}

/* ---- columns --------------------------------------------------------------------------------- */

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
static enum mur_status add_columns(struct mur_condition *cells, const char *column,
                                   struct mur_slice heading, struct mur_error *error)
{
    static const char *const columns[] = {"k.name_fold", "k.heading_fold"};
    enum mur_status status = mur_buffer_append_format(&cells->sql, error, "%s IN (", column);
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

/* Without a "=" the pattern may begin in the heading and end in the text, but each piece of it
 * stands in one of them. */
static enum mur_status add_anywhere(struct mur_condition *cells, struct mur_slice text,
                                    const char *whole, struct mur_error *error)
{
    const struct mur_place place = {.text = whole};
    struct mur_slice piece;
    bool trigrams = !cells->fold_case && mur_longest_piece(&piece, text, "*?");
    enum mur_status status =
        mur_condition_add(cells, error,
                          trigrams ? "SELECT f.id FROM isa_column k JOIN isa_cell f"
                                     " ON f.column = k.id WHERE k.element = 0 AND instr("
                                   : "SELECT f.id FROM isa_column k JOIN isa_cell f"
                                     " ON f.column = k.id WHERE k.element = 0 AND ");
    MUR_AUTO_FREE char *copy = NULL;
    if (status == MUR_OK && trigrams)
        status = mur_condition_add(cells, error, "k.kind || ':' || k.name, ?) > 0 AND ");
    if (status == MUR_OK && trigrams)
        status = mur_text_copy(&copy, piece, error);
    if (status == MUR_OK && trigrams)
        status = mur_condition_bind(cells, MUR_T(copy), error);
    if (status == MUR_OK)
        status = mur_condition_add_values(cells, &place, MUR_VR_LT, text, error);
    if (status != MUR_OK || !trigrams)
        return status;
    status = mur_condition_add(cells, error,
                               " UNION SELECT f.id FROM isa_cell f CROSS JOIN isa_column k"
                               " ON k.id = f.column WHERE k.element = 0 AND f.id IN (");
    if (status == MUR_OK)
        status = add_cells_of_trigrams(cells, piece, error);
    if (status == MUR_OK)
        status = mur_condition_add(cells, error, ") AND ");
    return status == MUR_OK ? mur_condition_add_values(cells, &place, MUR_VR_LT, text, error)
                            : status;
}

enum mur_status mur_condition_add_whole_cell(struct mur_condition *cells, struct mur_slice text,
                                             const char *whole, struct mur_error *error)
{
    const char *equals = memchr(text.data, '=', text.length);
    if (equals == NULL)
        return add_anywhere(cells, text, whole, error);
    size_t before = (size_t)(equals - text.data);
    const struct mur_slice heading = {.data = text.data, .length = before};
    const struct mur_slice value =
        mur_slice_trim((struct mur_slice){.data = equals + 1, .length = text.length - before - 1});
    enum mur_status status = MUR_OK;
    do {
        status = mur_condition_add(cells, error, "SELECT f.id FROM isa_cell f WHERE ");
        if (status == MUR_OK)
            status = add_columns(cells, needs_trigrams(cells, value) ? "+f.column" : "f.column",
                                 mur_slice_trim(heading), error);
        if (status == MUR_OK)
            status = add_cell_text(cells, value, error);
    } while (has_second_pass(&status, cells, error));
    if (status == MUR_OK)
        status = mur_condition_add(cells, error,
                                   " UNION SELECT f.id FROM isa_cell f JOIN isa_column k"
                                   " ON k.id = f.column WHERE f.odd = 1 AND ");
    const struct mur_place place = {.text = whole};
    return status == MUR_OK ? mur_condition_add_values(cells, &place, MUR_VR_LT, text, error)
                            : status;
}

/* ---- keys of the private block --------------------------------------------------------------- */

/* Values of element xx01: any of them. */
enum mur_status mur_condition_add_attribute_cells(struct mur_condition *cells, const char *text,
                                                  struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    struct mur_slice one;
    while (status == MUR_OK && next_value(&one, &text)) {
        if (mur_condition_has_sql(cells))
            status = mur_condition_add(cells, error, " UNION ");
        if (status == MUR_OK)
            status = mur_condition_add_whole_cell(
                cells, one, "(k.kind || ':' || k.name || '=' || f.text)", error);
    }
    return status;
}

/* Any of several values, each by @p add_one. */
static enum mur_status add_alternatives(struct mur_condition *cells, const char *text,
                                        enum mur_status (*add_one)(struct mur_condition *cells,
                                                                   struct mur_slice text,
                                                                   struct mur_error *error),
                                        struct mur_error *error)
{
    enum mur_status status = mur_condition_add(cells, error, " AND (");
    struct mur_slice one;
    bool first = true;
    for (; status == MUR_OK && next_value(&one, &text); first = false) {
        if (!first)
            status = mur_condition_add(cells, error, " OR ");
        if (status == MUR_OK)
            status = add_one(cells, one, error);
    }
    if (status == MUR_OK)
        status = mur_condition_add(cells, error, first ? "1)" : ")");
    return status;
}

static enum mur_status add_element_values(struct mur_condition *cells,
                                          const struct mur_query_key *key, enum mur_vr vr,
                                          struct mur_error *error)
{
    if (vr == MUR_VR_LO || vr == MUR_VR_SH || vr == MUR_VR_UC)
        return add_alternatives(cells, key->text, add_cell_text, error);
    if (vr == MUR_VR_FD)
        return add_alternatives(cells, key->text, add_cell_number, error);
    const struct mur_place place = {.text = "f.text", .folded = "f.text"};
    enum mur_status status = mur_condition_add(cells, error, " AND ");
    return status == MUR_OK
               ? mur_condition_add_values(cells, &place, vr, mur_slice_of(key->text), error)
               : status;
}

enum mur_status mur_condition_add_element_cells(struct mur_condition *cells,
                                                const struct mur_query_key *key,
                                                struct mur_error *error)
{
    enum mur_vr vr = key->vr == MUR_VR_UN || key->vr == MUR_VR_NONE ? MUR_VR_LO : key->vr;
    bool text = vr == MUR_VR_LO || vr == MUR_VR_SH || vr == MUR_VR_UC;
    enum mur_status status = MUR_OK;
    do {
        status = mur_buffer_append_format(
            &cells->sql, error,
            "SELECT f.id FROM isa_cell f WHERE %s IN (SELECT k.id FROM isa_column k"
            " WHERE k.element = ?)",
            text ? column_of(cells, key->text) : "f.column");
        if (status == MUR_OK)
            status = mur_condition_bind(cells, MUR_I(key->path.tags[0] & 0xFFu), error);
        if (status == MUR_OK)
            status = add_element_values(cells, key, vr, error);
    } while (has_second_pass(&status, cells, error));
    return status;
}

/* Of a heading, an item holds the first 64 characters (LO). */
static enum mur_status add_item_name(struct mur_condition *cells, struct mur_slice text,
                                     struct mur_error *error)
{
    enum { LO_CHARACTERS = 64 };
    if (mur_has_wildcard(text) || mur_utf8_count(text) < LO_CHARACTERS)
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
        return add_alternatives(cells, key->text, add_cell_number, error);
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

bool mur_is_matched(const struct mur_query *query, size_t i)
{
    return !mur_is_universal(mur_slice_of(query->keys[i].text)) &&
           mur_query_key_support(query, i) == MUR_KEY_MATCHED;
}

/* The keys of the item that key number first is of: those about the column, or those about the
 * cell. @param done  NULL: nobody wants to know */
static enum mur_status add_item_keys(struct mur_condition *cells, const struct mur_query *query,
                                     size_t first, bool of_column, bool *done,
                                     struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = first; status == MUR_OK && i < query->key_count; i++) {
        const struct mur_query_key *key = &query->keys[i];
        if (!mur_is_matched(query, i) || key->path.depth != 2 ||
            key->path.tags[0] != query->keys[first].path.tags[0] ||
            key->item != query->keys[first].item || is_of_column(key) != of_column)
            continue;
        if (done != NULL)
            done[i] = true;
        status = add_item_key(cells, key, error);
    }
    return status;
}

/* The column as the item's texts want it. */
static const char *column_of_item(const struct mur_condition *cells, const struct mur_query *query,
                                  size_t first)
{
    for (size_t i = first; i < query->key_count; i++) {
        const struct mur_query_key *key = &query->keys[i];
        if (key->path.depth == 2 && key->path.tags[0] == query->keys[first].path.tags[0] &&
            key->item == query->keys[first].item &&
            (key->path.tags[1] & 0xFFu) == MUR_ISA_ATTRIBUTE_TEXT && mur_is_matched(query, i))
            return column_of(cells, key->text);
    }
    return "f.column";
}

/* All keys of an item of element xx02: they must match in one cell. */
enum mur_status mur_condition_add_item(struct mur_condition *cells, const struct mur_query *query,
                                       size_t first, bool *done, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    do {
        status = mur_buffer_append_format(
            &cells->sql, error,
            "SELECT f.id FROM isa_cell f WHERE %s IN (SELECT k.id FROM isa_column k WHERE"
            " k.element = 0",
            column_of_item(cells, query, first));
        if (status == MUR_OK)
            status = add_item_keys(cells, query, first, true, done, error);
        if (status == MUR_OK)
            status = mur_condition_add(cells, error, ")");
        if (status == MUR_OK)
            status = add_item_keys(cells, query, first, false, done, error);
    } while (has_second_pass(&status, cells, error));
    return status;
}

/* Number of the first key of each item that has matched ones; false where an item has none: then
 * all cells are answered. */
static bool find_items(size_t *firsts, size_t *count, const struct mur_query *query)
{
    bool all = false;
    *count = 0;
    for (size_t i = 0; i < query->key_count; i++) {
        const struct mur_query_key *key = &query->keys[i];
        if (key->path.depth != 2 || !mur_is_isa_element(key->path.tags[0]))
            continue;
        bool before = false;
        bool has_value = false;
        for (size_t j = 0; j < query->key_count; j++) {
            bool same = query->keys[j].path.depth == 2 && query->keys[j].item == key->item &&
                        query->keys[j].path.tags[0] == key->path.tags[0];
            before = before || (same && j < i);
            has_value = has_value || (same && mur_is_matched(query, j));
        }
        all = all || !has_value;
        if (!before)
            firsts[(*count)++] = i;
    }
    return *count > 0 && !all;
}

enum mur_status mur_condition_list_answered_cells(struct mur_condition *cells,
                                                  const struct mur_query *query,
                                                  struct mur_error *error)
{
    MUR_AUTO_FREE size_t *firsts = calloc(query->key_count + 1, sizeof *firsts);
    size_t count = 0;
    if (firsts == NULL)
        return mur_error_no_memory(error);
    if (!find_items(firsts, &count, query))
        return MUR_OK;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        if (i > 0)
            status = mur_condition_add(cells, error, " UNION ");
        if (status == MUR_OK)
            status = mur_condition_add_item(cells, query, firsts[i], NULL, error);
    }
    return status;
}

enum mur_status mur_condition_add_answered_cells(struct mur_condition *condition,
                                                 const struct mur_query *query,
                                                 struct mur_error *error)
{
    MUR_AUTO_FREE size_t *firsts = calloc(query->key_count + 1, sizeof *firsts);
    size_t count = 0;
    if (firsts == NULL)
        return mur_error_no_memory(error);
    if (!find_items(firsts, &count, query))
        return MUR_OK;
    condition->tests_rows = true;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        status = mur_condition_add(condition, error, i == 0 ? " AND ((1" : " OR (1");
        for (int of_column = 1; status == MUR_OK && of_column >= 0; of_column--)
            status = add_item_keys(condition, query, firsts[i], of_column != 0, NULL, error);
        if (status == MUR_OK)
            status = mur_condition_add(condition, error, ")");
    }
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

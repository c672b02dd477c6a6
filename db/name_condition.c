/* Names of persons as keys (PS3.5 6.2.1): up to three component groups, "alphabetic=ideographic=
 * phonetic". Those that a key gives must match at their places, all of them; a key of one group
 * alone, "yamada*", may match in any. Case and diacritics do not count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "db/condition.h"

enum { GROUPS = 3 };

/* Groups of a key: what is universal is empty. @return how many are written */
static size_t split(struct mur_slice groups[GROUPS], struct mur_slice text)
{
    while (text.length > 0 && (text.data[text.length - 1] == '=' ||
                               text.data[text.length - 1] == ' ')) /* "A==" is "A" */
        text.length--;
    size_t count = 0;
    for (size_t at = 0; count < GROUPS && at <= text.length; count++) {
        const char *end = memchr(text.data + at, '=', text.length - at);
        size_t length = end != NULL ? (size_t)(end - text.data) - at : text.length - at;
        groups[count] =
            mur_slice_trim((struct mur_slice){.data = text.data + at, .length = length});
        if (mur_is_universal(groups[count]))
            groups[count].length = 0;
        at += length + 1;
    }
    return count;
}

static enum mur_status add_group(struct mur_condition *condition, const char *column, bool indexed,
                                 struct mur_slice group, struct mur_error *error)
{
    MUR_AUTO_FREE char *folded = NULL;
    enum mur_status status = mur_fold_name(&folded, group, error);
    return status == MUR_OK ? mur_condition_add_text(condition, column, indexed,
                                                     mur_slice_of(folded), true, error)
                            : status;
}

/* The group of a value in a column of text, folded, where no column has it. */
static enum mur_status group_of(char **out, const char *text, size_t group, struct mur_error *error)
{
    MUR_AUTO_FREE char *rest = NULL;
    enum mur_status status = mur_text_copy(&rest, mur_slice_of(text), error);
    for (size_t i = 0; status == MUR_OK && i < group; i++) {
        char *next = NULL;
        status = mur_text_format(&next, error, "substr(%s, instr(%s || '=', '=') + 1)", rest, rest);
        if (status == MUR_OK) {
            free(rest);
            rest = next;
        }
    }
    return status == MUR_OK
               ? mur_text_format(
                     out, error,
                     "mur_fold(trim(rtrim(substr(%s, 1, instr(%s || '=', '=') - 1), '^ ')))", rest,
                     rest)
               : status;
}

/* The first group of a typed column, as ids: SQLite takes a range of names, or one of several
 * conditions, for many rows, and would go through all instances instead. */
static enum mur_status add_rows_of_column(struct mur_condition *condition,
                                          const struct mur_place *place, bool alphabetic,
                                          struct mur_slice text, struct mur_error *error)
{
    char column[112];
    (void)snprintf(column, sizeof column, "n%s", strchr(place->folded, '.'));
    enum mur_status status = mur_buffer_append_format(
        &condition->sql, error, "SELECT n.id FROM %s n WHERE ", mur_level_table(place->level));
    if (status == MUR_OK)
        status = add_group(condition, column, true, text, error);
    if (status == MUR_OK && alphabetic)
        status = mur_buffer_append_format(&condition->sql, error, " AND substr(n%s, 1, 1) <> '='",
                                          strchr(place->text, '.'));
    return status;
}

/* An ideographic or phonetic group of a typed column: a row of its own in the attribute table,
 * whose position says which. @param group  0 = any of them */
static enum mur_status add_row_of_group(struct mur_condition *condition,
                                        const struct mur_place *place, size_t group,
                                        struct mur_slice text, struct mur_error *error)
{
    enum mur_status status = mur_condition_add(
        condition, error,
        "SELECT g.owner FROM attribute g WHERE g.path = ? AND g.level = ? AND g.hidden = 0");
    if (status == MUR_OK)
        status = mur_condition_bind(condition, MUR_I(place->path), error);
    if (status == MUR_OK)
        status = mur_condition_bind(condition, MUR_I(place->level), error);
    if (status == MUR_OK && group != 0)
        status = mur_condition_add(condition, error, " AND g.position = ?");
    if (status == MUR_OK && group != 0)
        status = mur_condition_bind(condition, MUR_I(group), error);
    if (status == MUR_OK)
        status = mur_condition_add(condition, error, " AND ");
    if (status == MUR_OK)
        status = add_group(condition, "g.folded", true, text, error);
    return status;
}

/* Likewise where the text of the row has all groups. */
static enum mur_status add_text_of_group(struct mur_condition *condition,
                                         const struct mur_place *place, size_t group,
                                         struct mur_slice text, struct mur_error *error)
{
    MUR_AUTO_FREE char *column = NULL;
    enum mur_status status = group_of(&column, place->text, group, error);
    return status == MUR_OK ? add_group(condition, column, false, text, error) : status;
}

/* "ID IN (...)": a group of a typed column at its place, or any. */
static enum mur_status add_owners(struct mur_condition *condition, const struct mur_place *place,
                                  bool any, size_t group, struct mur_slice text,
                                  struct mur_error *error)
{
    enum mur_status status =
        mur_buffer_append_format(&condition->sql, error, "%s IN (", place->owner);
    if (status == MUR_OK && (any || group == 0))
        status = add_rows_of_column(condition, place, !any, text, error);
    if (status == MUR_OK && any)
        status = mur_condition_add(condition, error, " UNION ALL ");
    if (status == MUR_OK && (any || group > 0))
        status = add_row_of_group(condition, place, group, text, error);
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

/* The folded column has the first group that a name has: the only one of most names. */
static enum mur_status add_any_group(struct mur_condition *condition, const struct mur_place *place,
                                     struct mur_slice text, struct mur_error *error)
{
    if (place->owner != NULL)
        return add_owners(condition, place, true, 0, text, error);
    enum mur_status status = mur_condition_add(condition, error, "(");
    if (status == MUR_OK)
        status = add_group(condition, place->folded, true, text, error);
    if (status == MUR_OK) /* as the index attribute_by_group has it */
        status = mur_buffer_append_format(&condition->sql, error,
                                          " OR (%s IS NOT NULL AND instr(%s, '=') > 0 AND (",
                                          place->folded, place->text);
    for (size_t i = 1; status == MUR_OK && i < GROUPS; i++) {
        if (i > 1)
            status = mur_condition_add(condition, error, " OR ");
        if (status == MUR_OK)
            status = add_text_of_group(condition, place, i, text, error);
    }
    return status == MUR_OK ? mur_condition_add(condition, error, ")))") : status;
}

static enum mur_status add_group_at(struct mur_condition *condition, const struct mur_place *place,
                                    size_t group, struct mur_slice text, struct mur_error *error)
{
    if (place->owner != NULL)
        return add_owners(condition, place, false, group, text, error);
    if (group > 0)
        return add_text_of_group(condition, place, group, text, error);
    enum mur_status status = add_group(condition, place->folded, true, text, error);
    return status == MUR_OK ? mur_buffer_append_format(&condition->sql, error,
                                                       " AND substr(%s, 1, 1) <> '='", place->text)
                            : status;
}

enum mur_status mur_condition_add_name(struct mur_condition *condition,
                                       const struct mur_place *place, struct mur_slice text,
                                       struct mur_error *error)
{
    struct mur_slice groups[GROUPS];
    size_t count = split(groups, text);
    if (count == 1 && groups[0].length > 0)
        return add_any_group(condition, place, groups[0], error);
    enum mur_status status = mur_condition_add(condition, error, "(1");
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        if (groups[i].length == 0)
            continue;
        status = mur_condition_add(condition, error, " AND ");
        if (status == MUR_OK)
            status = add_group_at(condition, place, i, groups[i], error);
    }
    return status == MUR_OK ? mur_condition_add(condition, error, ")") : status;
}

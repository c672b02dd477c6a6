/** From keys to bound SQL: values of a peer are bound, never written into the text. */
#ifndef MUR_DB_CONDITION_H
#define MUR_DB_CONDITION_H

#include "core/buffer.h"
#include "db/connection.h"

/** A WHERE clause and what is bound in it. */
struct mur_condition {
    struct mur_buffer sql;
    struct mur_bind *binds; /**< texts owned */
    size_t count;
    size_t capacity;
    bool fold_case;  /**< compare text without case and diacritics */
    bool tests_rows; /**< rows are found otherwise: what would find cells is of no use */
    bool has_ranges, ranges_are_texts; /**< of cells, see db/cell_condition.c */
};
#define MUR_CONDITION_INIT                                                                         \
    {                                                                                              \
        .sql = MUR_BUFFER_INIT                                                                     \
    }
void mur_condition_free(struct mur_condition *condition);
#define MUR_AUTO_CONDITION __attribute__((cleanup(mur_condition_free)))

/** Alias of a level's table in the queries: p, s, e, i. */
const char *mur_level_alias(enum mur_level level);
/** Appends "FROM ... JOIN ...": a level's table and, of those above it, what the rest of the
 * statement needs: up to the topmost one whose alias stands in @p sql, which may be @p out's own
 * text. */
MUR_NODISCARD
enum mur_status mur_level_from(struct mur_buffer *out, enum mur_level level, const char *sql,
                               struct mur_error *error);
/** "150..200", "150..", "..200": a range of numbers, both bounds with it; our own rule
 * (docs/isa.md). @return false: it is none */
bool mur_parse_number_range(double bounds[2], bool has[2], struct mur_slice text);
/** Whether any value matches: nothing but '*', or nothing at all. */
bool mur_is_universal(struct mur_slice text);

/* Parts of a condition. Texts are copied. */
MUR_NODISCARD
enum mur_status mur_condition_add(struct mur_condition *condition, struct mur_error *error,
                                  const char *sql);
MUR_NODISCARD
enum mur_status mur_condition_bind(struct mur_condition *condition, struct mur_bind value,
                                   struct mur_error *error);
/** Appends another one's SQL and values. */
MUR_NODISCARD
enum mur_status mur_condition_append(struct mur_condition *to, const struct mur_condition *from,
                                     struct mur_error *error);

/** Columns where a value is found: of the row itself or of another table. */
struct mur_place {
    const char *text;
    const char *folded; /**< PN */
    const char *number; /**< NULL where there is none */
    const char *owner;  /**< PN: the id by which rows of the attribute table have the other groups;
                           NULL: they stand in text */
    int64_t path;       /**< of these rows; 0 = there are none */
    enum mur_level level;
};
/** The values of a key: one of them must match. */
MUR_NODISCARD
enum mur_status mur_condition_add_values(struct mur_condition *condition,
                                         const struct mur_place *place, enum mur_vr vr,
                                         struct mur_slice text, struct mur_error *error);
/** One name of a person (db/name_condition.c). */
MUR_NODISCARD
enum mur_status mur_condition_add_name(struct mur_condition *condition,
                                       const struct mur_place *place, struct mur_slice text,
                                       struct mur_error *error);
/** A single value or, with @p wildcards, a pattern; an indexed column finds it by its beginning. */
MUR_NODISCARD
enum mur_status mur_condition_add_text(struct mur_condition *condition, const char *column,
                                       bool indexed, struct mur_slice text, bool wildcards,
                                       struct mur_error *error);

/** Appends " AND ..." for the keys that are matched by way of scans (db/scan_condition.c): our
 * private block, Patient Comments, Additional Patient History; marks them as @p done. */
MUR_NODISCARD
enum mur_status mur_condition_add_scan_keys(struct mur_condition *condition,
                                            struct mur_database *database,
                                            const struct mur_query *query, bool *done,
                                            struct mur_error *error);

/** Appends " AND ..." for every key that is matched.
 * @param only_unique  of the keys, those that name patients, studies, series and instances alone
 * @retval MUR_INVALID  a key's value cannot be understood */
MUR_NODISCARD
enum mur_status mur_condition_add_query(struct mur_condition *condition,
                                        struct mur_database *database,
                                        const struct mur_query *query, bool only_unique,
                                        struct mur_error *error);

#endif

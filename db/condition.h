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
    bool fold_case; /**< compare text without case and diacritics */
};
#define MUR_CONDITION_INIT                                                                         \
    {                                                                                              \
        .sql = MUR_BUFFER_INIT                                                                     \
    }
void mur_condition_free(struct mur_condition *condition);
#define MUR_AUTO_CONDITION __attribute__((cleanup(mur_condition_free)))

/** Alias of a level's table in the queries: p, s, e, i. */
const char *mur_level_alias(enum mur_level level);
/** "FROM ... JOIN ..." down to a level. */
const char *mur_level_from(enum mur_level level);
/** Level whose rows hold the values of our private block in a query of @p level. */
enum mur_level mur_private_level(enum mur_level level);

/** Appends " AND ..." for every key that is matched.
 * @param only_unique  of the keys, those that name patients, studies, series and instances alone
 * @retval MUR_INVALID  a key's value cannot be understood */
MUR_NODISCARD
enum mur_status mur_condition_add_query(struct mur_condition *condition,
                                        struct mur_database *database,
                                        const struct mur_query *query, bool only_unique,
                                        struct mur_error *error);

#endif

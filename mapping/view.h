/** Which columns of a table the roles and fields of a mapping name. Private to mapping/. */
#ifndef MUR_MAPPING_VIEW_H
#define MUR_MAPPING_VIEW_H

#include "mapping/internal.h"

/** A column that a set names. */
struct mur_column_match {
    uint32_t column;
    const struct mur_unit *unit; /**< from the name; NULL = none */
};

/** Which columns of a table each set names, best first. Sets are the roles, then the fields. */
struct mur_view {
    const struct mur_isa_table *table;
    struct mur_column_match *matches;
    uint32_t *begin; /**< of each set, and the end */
};

/** @param[in,out] out  initialised; what it holds is freed. mur_view_free() afterwards, in any case
 */
MUR_NODISCARD
enum mur_status mur_view_make(struct mur_view *out, const struct mur_mapping *mapping,
                              const struct mur_isa_table *table, struct mur_error *error);
void mur_view_free(struct mur_view *view);

#endif

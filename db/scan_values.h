/** What the scans of a patient, a study, a series say, every text once. */
#ifndef MUR_DB_SCAN_VALUES_H
#define MUR_DB_SCAN_VALUES_H

#include "core/buffer.h"
#include "db/condition.h"
#include "db/db.h"

/** Where a cell stands among those of its scan: cells of columns first (element 0), in the order of
 * the tables, then those of each plain element of our private block, so that each are found alone.
 */
static inline int64_t mur_cell_ordinal(unsigned element, size_t place)
{
    return (int64_t)element << 24 | (int64_t)place;
}

/** Cells as they are answered, of one transaction: many scans say the same. Zero-initialised; one
 * for each "only" below, and another one for xx02, which is written in its own way. */
struct mur_cell_texts {
    struct mur_cell_text *entries; /**< a hash; owned */
    size_t slots, used;
    uint32_t answer; /**< number of the one at work */
    struct mur_buffer text;
    struct mur_buffer said;          /**< what the one at work has to say */
    struct mur_buffer listed;        /**< by rows that are answered */
    struct mur_column_name *columns; /**< by their rows in isa_column, as far as met; owned */
    size_t column_count;
    bool only_listed;
};
void mur_cell_texts_free(struct mur_cell_texts *texts);
/** Nothing is known any more, but for what is listed. */
void mur_cell_texts_clear(struct mur_cell_texts *texts);

/** Finds out once for many answers which cells each has: others are not looked at any more. Nothing
 * happens where they are more than @p most.
 * @param cells  those that are wanted: "SELECT f.id FROM isa_cell f ..." */
MUR_NODISCARD
enum mur_status mur_cell_texts_list(struct mur_cell_texts *texts, struct mur_database *database,
                                    enum mur_level level, const struct mur_condition *cells,
                                    size_t most, struct mur_error *error);

/** Appends an element of our private block: xx01 and plain elements as values separated by
 * backslash, xx02 as DICOM JSON items.
 * @param[out] found  false: no scan has it; @param[in,out] vr  as the scans have it
 * @param only  " AND ...": cells that are wanted, rows f and k; NULL = all
 * @param texts  of this transaction, this "only" */
MUR_NODISCARD
enum mur_status mur_scan_values_element(struct mur_buffer *out, bool *found, enum mur_vr *vr,
                                        struct mur_database *database, enum mur_level level,
                                        int64_t owner, unsigned element,
                                        const struct mur_condition *only,
                                        struct mur_cell_texts *texts, struct mur_error *error);

/** Calls @p each for the plain elements that a scan has. */
MUR_NODISCARD
enum mur_status mur_scan_values_each_element(struct mur_database *database, int64_t scan,
                                             enum mur_status (*each)(void *user, unsigned element,
                                                                     struct mur_error *error),
                                             void *user, struct mur_error *error);

/** Appends Patient Comments or Additional Patient History. @param[out] found  likewise */
MUR_NODISCARD
enum mur_status mur_scan_values_text(struct mur_buffer *out, bool *found,
                                     struct mur_database *database, enum mur_level level,
                                     int64_t owner, uint32_t tag, struct mur_error *error);

#endif

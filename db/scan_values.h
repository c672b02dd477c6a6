/** What the scans of a patient, a study, a series say, every text once. */
#ifndef MUR_DB_SCAN_VALUES_H
#define MUR_DB_SCAN_VALUES_H

#include "core/buffer.h"
#include "db/condition.h"
#include "db/db.h"

/** Cells as they are answered, of one transaction: many scans say the same. Zero-initialised; one
 * for each "only" below. */
struct mur_cell_texts {
    struct mur_cell_text *entries; /**< owned */
    struct mur_buffer text;
};
void mur_cell_texts_free(struct mur_cell_texts *texts);
/** Nothing is known any more. */
void mur_cell_texts_clear(struct mur_cell_texts *texts);

/** Appends an element of our private block: xx01 and plain elements as values separated by
 * backslash, xx02 as DICOM JSON items.
 * @param[out] found  false: no scan has it; @param[in,out] vr  as the scans have it
 * @param only  " AND ...": cells that are wanted, rows f and k; NULL = all
 * @param texts  of this transaction, and this "only"; NULL = none */
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

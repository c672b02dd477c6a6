/**
 * Lookup tables of an object: of palettes, of what stored values mean and of how they are to look
 * (PS3.3 C.7.6.3.1.5, C.11.1.1, C.11.2.1.1). Internal to web/. Threads: any.
 */
#ifndef MUR_WEB_RENDERED_TABLE_H
#define MUR_WEB_RENDERED_TABLE_H

#include "dicom/data_set.h"

struct mur_table {
    const uint8_t *entries; /**< borrowed from the Data Set */
    int64_t count, first;   /**< the value that the first entry is for */
    unsigned bits;          /**< of what comes out, 8 to 16 */
    unsigned width;         /**< bytes of an entry, little endian */
};

/** Reads a table from its descriptor (three numbers) and its entries.
 * @param is_signed  whether the values that are looked up may be below 0
 * @retval MUR_NOT_FOUND  one of both is not there
 * @retval MUR_UNSUPPORTED  they do not fit */
MUR_NODISCARD
enum mur_status mur_table_read(struct mur_table *out, struct mur_dataset *data, uint32_t descriptor,
                               uint32_t entries, bool is_signed, struct mur_error *error);

/** The entry for a value; values beyond the ends get those of the ends. */
unsigned mur_table_look_up(const struct mur_table *table, double value);

#endif

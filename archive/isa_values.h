/**
 * What a scan of an ISA-Tab says, as rows of the index: standard attributes, and what the private
 * block MURPACS ISA 1.0 says: its plain elements and every cell.
 */
#ifndef MUR_ARCHIVE_ISA_VALUES_H
#define MUR_ARCHIVE_ISA_VALUES_H

#include "core/buffer.h"
#include "core/digest.h"
#include "core/error.h"
#include "db/db.h"
#include "mapping/mapping.h"

struct mur_isa_values {
    struct mur_index_value *values;
    size_t count;
    size_t capacity;
    struct mur_isa_cell *cells;
    size_t cell_count;
    size_t cell_capacity;
    struct mur_buffer text; /**< what they point into */
};
void mur_isa_values_free(struct mur_isa_values *values);
#define MUR_AUTO_ISA_VALUES __attribute__((cleanup(mur_isa_values_free)))

/** @param[out] digest  of all of it, so that an unchanged scan is known */
MUR_NODISCARD
enum mur_status mur_isa_values_of(struct mur_isa_values *out, char digest[MUR_SHA256_TEXT_SIZE],
                                  const struct mur_scan *scan, struct mur_error *error);

#endif

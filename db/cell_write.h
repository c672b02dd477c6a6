/** A cell of an ISA-Tab as our private block has it. */
#ifndef MUR_DB_CELL_WRITE_H
#define MUR_DB_CELL_WRITE_H

#include "core/buffer.h"
#include "core/text.h"

/** Texts are borrowed. */
struct mur_said_cell {
    const char *kind, *name; /**< of its column */
    struct mur_slice text, unit;
    bool has_number;
    double number;
};

/** Appends a value of xx01 or of a plain element, or an item of xx02 as DICOM JSON. */
MUR_NODISCARD
enum mur_status mur_write_cell(struct mur_buffer *out, unsigned element,
                               const struct mur_said_cell *cell, struct mur_error *error);

#endif

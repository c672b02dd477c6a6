/** What a scan says, in one piece: table isa_said. Cells one after another, each as numbers of
 * LEB128 (place, cell, column, length of its text) and its text; then, but for long ones, whose
 * texts stand in isa_cell alone, length of its unit, unit, whether there is a number, and the
 * number's 8 bytes.
 */
#ifndef MUR_DB_SAID_H
#define MUR_DB_SAID_H

#include "core/buffer.h"
#include "db/db.h"

enum { MUR_SAID_TEXT = 128 }; /**< bytes of a text that is not long: very many scans may say it */

/** A cell as it stands there. */
struct mur_said {
    uint64_t place;              /**< in mur_cell_ordinal() */
    uint64_t cell;               /**< row of isa_cell */
    uint64_t column;             /**< row of isa_column */
    bool is_long;                /**< nothing of the following is there */
    struct mur_slice text, unit; /**< borrowed */
    bool has_number;
    double number;
};

MUR_NODISCARD
enum mur_status mur_said_append(struct mur_buffer *out, const struct mur_said *cell,
                                struct mur_error *error);
/** Takes the next one off. @return false: there is none, or it is damaged: then @p rest is not
 * empty */
bool mur_said_next(struct mur_said *out, struct mur_slice *rest);

#endif

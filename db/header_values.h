/** What a header in DICOM JSON (PS3.18 F.2) says, as values of the index. Threads: one at a time.
 */
#ifndef MUR_DB_HEADER_VALUES_H
#define MUR_DB_HEADER_VALUES_H

#include "core/buffer.h"
#include "core/json.h"
#include "db/db.h"

struct mur_header_values {
    struct mur_index_value *values;
    size_t count;
    size_t capacity;
    struct mur_buffer text; /**< what they point into, after mur_header_values_end() */
};
void mur_header_values_free(struct mur_header_values *values);
#define MUR_AUTO_HEADER_VALUES __attribute__((cleanup(mur_header_values_free)))

/** What is taken of a header. */
enum mur_header_part {
    MUR_HEADER_ADDED, /**< attributes of instances that the site added */
    MUR_HEADER_TABLE, /**< these, and all of patient, study and series in the attribute table */
    MUR_HEADER_ALL,   /**< these, and the typed columns of patient, study and series */
};

/** Adds one value with its text. */
MUR_NODISCARD
enum mur_status mur_header_values_add(struct mur_header_values *values,
                                      struct mur_index_value value, const char *text,
                                      struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_header_values_add_json(struct mur_header_values *values, struct mur_slice json,
                                           enum mur_header_part part, struct mur_error *error);
/** Once all are there: sets their texts. */
void mur_header_values_end(struct mur_header_values *values);

/** A header as the index stores it. @param form 0 plain, 1 Zstandard; see struct mur_new_instance
 * @param[out] out  appended to */
MUR_NODISCARD
enum mur_status mur_header_unpack(struct mur_buffer *out, int form, const void *bytes,
                                  size_t length, struct mur_error *error);

/** The element of a tag or of a private attribute's stand-in (dicom/attribute.h), in whatever block
 * it is there; NULL if absent. */
const struct mur_json *mur_header_element(const struct mur_json *elements, uint32_t tag);

#endif

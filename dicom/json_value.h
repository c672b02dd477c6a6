/**
 * Reads elements of the DICOM JSON Model (PS3.18 Annex F) as text. Values are borrowed from the
 * document. Threads: any.
 */
#ifndef MUR_DICOM_JSON_VALUE_H
#define MUR_DICOM_JSON_VALUE_H

#include "core/buffer.h"
#include "core/error.h"
#include "core/json.h"
#include "core/json_write.h"
#include "dicom/vr.h"

/** The element {"vr": ..., "Value": [...]} of a tag in an object of elements; NULL if absent. */
const struct mur_json *mur_json_element(const struct mur_json *elements, uint32_t tag);

/** MUR_VR_NONE where it has none. */
enum mur_vr mur_json_element_vr(const struct mur_json *element);

/** Appends one of its values as text: PN groups joined by '=', numbers shortest. */
MUR_NODISCARD
enum mur_status mur_json_append_value(struct mur_buffer *out, const struct mur_json *element,
                                      size_t index, struct mur_error *error);

/** Appends all values, separated by backslash; for SQ the JSON array of items. */
MUR_NODISCARD
enum mur_status mur_json_append_values(struct mur_buffer *out, const struct mur_json *element,
                                       struct mur_error *error);

/** Number of values or items. */
size_t mur_json_value_count(const struct mur_json *element);

/** The item of a sequence; NULL if absent. */
const struct mur_json *mur_json_item(const struct mur_json *element, size_t index);

/** Writes a value that was read, with all that is in it. */
void mur_json_write_value(struct mur_json_writer *writer, const struct mur_json *value);

#endif

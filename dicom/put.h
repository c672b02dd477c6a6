/**
 * Puts values into a Data Set one after another, stopping at the first failure: for builders of
 * whole objects, where checking each call would hide what is built.
 *
 *     struct mur_put put = {.dataset = dataset, .error = error};
 *     mur_put_text(&put, MUR_TAG_Modality, "CT");
 *     ...
 *     return put.status;
 *
 * The dictionary decides the VR. Threads: as for the Data Set.
 */
#ifndef MUR_DICOM_PUT_H
#define MUR_DICOM_PUT_H

#include <stdint.h>

#include "core/error.h"
#include "dicom/data_set.h"

struct mur_put {
    struct mur_dataset *dataset; /**< borrowed */
    enum mur_status status;      /**< of the first failure; nothing is done after it */
    struct mur_error *error;
};

/** A coded concept (PS3.3 8.8). Not given: value NULL or "". */
struct mur_code {
    const char *value, *scheme, *meaning;
};
bool mur_code_given(const struct mur_code *code);

void mur_put_text(struct mur_put *put, uint32_t tag, const char *text);
/** Unless NULL or "". */
void mur_put_optional(struct mur_put *put, uint32_t tag, const char *text);
/** NULL or "" becomes MUR_INVALID with the attribute's name. */
void mur_put_needed(struct mur_put *put, uint32_t tag, const char *text);
/** Only where the attribute is absent; "" makes it empty (type 2). */
void mur_put_default(struct mur_put *put, uint32_t tag, const char *text);
/** As mur_put_default(), where it is absent or empty (type 1). */
void mur_put_default_value(struct mur_put *put, uint32_t tag, const char *text);
void mur_put_int(struct mur_put *put, uint32_t tag, int64_t value);
void mur_put_empty(struct mur_put *put, uint32_t tag);
/** A new item of a sequence; give its status back when it is done: put.status = item.status. */
struct mur_put mur_put_item(struct mur_put *put, uint32_t sequence_tag);
/** An item with a code; values longer than 16 characters become Long Code Value. */
struct mur_put mur_put_code_item(struct mur_put *put, uint32_t sequence_tag,
                                 const struct mur_code *code);
void mur_put_code(struct mur_put *put, uint32_t sequence_tag, const struct mur_code *code);
/** What an animal's Patient Study module must have, if only empty, once the species is there
 * (PS3.3 C.7.1.1, C.7.2.2: type 2C). */
void mur_put_animal_defaults(struct mur_put *put);

/** An item of Dimension Index Sequence (PS3.3 C.7.6.17). @param organization  its Dimension
 * Organization UID; @param pointer, group  the attribute and the sequence that it stands in */
void mur_put_dimension(struct mur_put *put, const char *organization, uint32_t pointer,
                       uint32_t group, const char *label);

#endif

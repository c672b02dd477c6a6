/**
 * Keys of queries and retrievals as users write them (DCMTK's -k): "PatientName=M*", "PatientID",
 * "(0010,0020)=M1", "00100020=M1", "RequestAttributesSequence[0].ScheduledProcedureStepID=1",
 * "ISAHealthStatus=healthy" (our private attributes by name; their block is reserved by itself), or
 * "0099,1010=healthy" with the creator as a key of its own, "0099,0010=MURPACS ISA 1.0".
 * Threads: any.
 */
#ifndef MUR_SCU_KEYS_H
#define MUR_SCU_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "dicom/attribute.h"
#include "dicom/data_set.h"
#include "scu/client.h"

enum { MUR_KEY_DEPTH = 8, MUR_KEY_ITEMS = 64, MUR_KEY_NAME_SIZE = 256 };

/** One attribute on the way to the one that is meant. */
struct mur_key_step {
    uint32_t tag;
    const char *creator; /**< of one of our own private attributes, by name: then @p tag has no
                              block, (0099,00ee); else NULL */
    unsigned item;       /**< index of the item, in a sequence that another step follows */
};

struct mur_key {
    struct mur_key_step steps[MUR_KEY_DEPTH];
    unsigned depth;    /**< at least 1 */
    bool empty_item;   /**< "A[0]": a sequence with an empty item */
    const char *value; /**< borrowed from the text; "" when there is none */
};

/** @param[in] text  must outlive @p out
 * @retval MUR_INVALID  with what would have been right */
MUR_NODISCARD
enum mur_status mur_key_parse(struct mur_key *out, const char *text, struct mur_error *error);

/** "PatientID", "RequestAttributesSequence[0].ScheduledProcedureStepID", "(0099,1001)"; cut to the
 * size. @return @p out */
const char *mur_key_name(char out[MUR_KEY_NAME_SIZE], const struct mur_key *key);

/**
 * Puts keys into an identifier: Specific Character Set and private creators first, then the others
 * in their order; one that is there is replaced. Values are UTF-8; where that is not ASCII and no
 * Specific Character Set was given, ISO_IR 192 is declared.
 * @retval MUR_INVALID  a value that its VR cannot hold, or a private tag without its creator
 */
MUR_NODISCARD
enum mur_status mur_keys_put(struct mur_dataset *identifier, const struct mur_key *keys,
                             size_t count, struct mur_error *error);

/** The value of a key in an answer, as UTF-8; "" if absent, empty, a sequence or bytes.
 * @param[out] out  free() */
MUR_NODISCARD
enum mur_status mur_key_get(char **out, const struct mur_key *key, struct mur_dataset *answer,
                            struct mur_error *error);

/** The level that an identifier means if it does not say so: that of the deepest of its unique
 * keys, valued or not; without any the first one of the model. */
enum mur_level mur_keys_level(const struct mur_dataset *identifier, enum mur_model model);

/** A query file: any DICOM file; its Data Set without what is no key (groups 0002 and 7FE0).
 * @param[out] out  the caller's */
MUR_NODISCARD
enum mur_status mur_keys_load(struct mur_dataset **out, const char *path, struct mur_error *error);

#endif

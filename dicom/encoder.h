/**
 * Writes elements of a Data Set one after another: for C-FIND answers, commands and headers, where
 * a tree would be too slow. The caller gives them sorted by tag and text in the character set that
 * it declared. Sequences and items get explicit lengths.
 *
 * Lives on the caller's stack. Threads: one at a time.
 */
#ifndef MUR_DICOM_ENCODER_H
#define MUR_DICOM_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/text.h"
#include "dicom/vr.h"

enum { MUR_ENCODE_DEPTH = 64 };

struct mur_encoder {
    struct mur_buffer *out; /**< borrowed; appended to */
    bool implicit;
    bool big_endian;
    unsigned depth;                         /* private: open sequences and items */
    size_t length_at[2 * MUR_ENCODE_DEPTH]; /* private: where the length of each stands */
};

/** @param[in] transfer_syntax  a native one. @retval MUR_UNSUPPORTED deflated or encapsulated */
MUR_NODISCARD
enum mur_status mur_encoder_init(struct mur_encoder *encoder, struct mur_buffer *out,
                                 const char *transfer_syntax, struct mur_error *error);

/** Bytes of a text or string VR, padded by its own padding; of OB, UN and the like by NUL, in the
 * byte order of the transfer syntax. @retval MUR_LIMIT 64 KiB or more in a VR of 16-bit length:
 * then UN is not tried */
MUR_NODISCARD
enum mur_status mur_encode_value(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                 struct mur_slice value, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_encode_text(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                const char *value, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_encode_empty(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                 struct mur_error *error);
/** US, SS, UL, SL, UV, SV, AT; IS and DS in decimal. @retval MUR_LIMIT does not fit the VR */
MUR_NODISCARD
enum mur_status mur_encode_ints(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                const int64_t *values, size_t count, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_encode_int(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                               int64_t value, struct mur_error *error);
/** FD, FL; DS with at most 16 characters each. */
MUR_NODISCARD
enum mur_status mur_encode_doubles(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                   const double *values, size_t count, struct mur_error *error);
/** Text as a user or the index has it, of any VR: text and strings as they are, the numbers of
 * binary VRs from their decimal text, tags from hexadecimal; values separated by backslash.
 * @retval MUR_PARSE  the text is not a value of this VR */
MUR_NODISCARD
enum mur_status mur_encode_any(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                               struct mur_slice text, struct mur_error *error);

MUR_NODISCARD
enum mur_status mur_encode_sequence_begin(struct mur_encoder *encoder, uint32_t tag,
                                          struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_encode_item_begin(struct mur_encoder *encoder, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_encode_item_end(struct mur_encoder *encoder, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_encode_sequence_end(struct mur_encoder *encoder, struct mur_error *error);

/** Decimal text of a number as a DS: at most 16 characters, the shortest that reads back exactly,
 * or else the nearest that fits (PS3.5 6.2). @retval MUR_INVALID not finite */
enum { MUR_DS_SIZE = 17 };
MUR_NODISCARD
enum mur_status mur_ds_write(char out[MUR_DS_SIZE], double value, struct mur_error *error);

#endif

/**
 * Data Sets (PS3.5 Chapter 7), whole in memory: for what is made, changed or transcoded. What only
 * passes through or is indexed goes through scanner.h.
 *
 * An item of a sequence is a struct mur_dataset too, borrowed from its root until that one is freed
 * or the item is removed; never free it. Text given and taken is UTF-8 unless called raw.
 * Tags are MUR_TAG_... or MUR_PRIVATE_TAG(). Threads: one at a time per root and its items.
 *
 * Getters: MUR_NOT_FOUND means absent, which is not the same as empty (PS3.5 7.4); MUR_MISMATCH a
 * value of another kind; MUR_PARSE a value that is not what its VR says.
 */
#ifndef MUR_DICOM_DATA_SET_H
#define MUR_DICOM_DATA_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/own.h"
#include "core/sink.h"
#include "dicom/attribute.h"
#include "dicom/vr.h"

struct mur_dataset;

MUR_NODISCARD
enum mur_status mur_dataset_create(struct mur_dataset **out, struct mur_error *error);
void mur_dataset_free(struct mur_dataset *dataset); /**< roots only; NULL is fine */
MUR_DEFINE_AUTO(mur_dataset, mur_dataset_free)
/** A root of its own, of a root or of an item. */
MUR_NODISCARD
enum mur_status mur_dataset_clone(struct mur_dataset **out, const struct mur_dataset *dataset,
                                  struct mur_error *error);

/* ---- reading ------------------------------------------------------------------------------- */

enum mur_dataset_extent {
    MUR_WHOLE,  /**< all; long values stay in the file until they are asked for */
    MUR_HEADER, /**< up to, and without, Pixel Data (group 7FE0) */
};

/**
 * Reads a file: Part 10, or a bare Data Set. Its structure is scanned first, so that neither
 * nesting nor lengths can do harm.
 * @retval MUR_NOT_FOUND, MUR_DENIED, MUR_IO  the file cannot be read
 * @retval MUR_PARSE  not DICOM, damaged or cut; MUR_LIMIT nested deeper than MUR_SCAN_DEPTH
 */
MUR_NODISCARD
enum mur_status mur_dataset_load(struct mur_dataset **out, const char *path,
                                 enum mur_dataset_extent extent, struct mur_error *error);
/** Reads an encoded Data Set without group 0002. @p bytes may go afterwards. As mur_dataset_load().
 */
MUR_NODISCARD
enum mur_status mur_dataset_read(struct mur_dataset **out, const void *bytes, size_t length,
                                 const char *transfer_syntax, struct mur_error *error);

/** UID of the encoding it came in, or was converted to; Explicit VR Little Endian for new ones.
 * Borrowed. */
const char *mur_dataset_transfer_syntax(const struct mur_dataset *dataset);

bool mur_dataset_has(const struct mur_dataset *dataset, uint32_t tag);
/** It is there and not empty. A sequence without items is empty. */
bool mur_dataset_has_value(const struct mur_dataset *dataset, uint32_t tag);
/** MUR_VR_NONE if absent. */
enum mur_vr mur_dataset_vr(const struct mur_dataset *dataset, uint32_t tag);

/** The value of a text or string VR as it stands, all of it, without padding; "" if empty.
 * @param[out] out  borrowed until the element changes */
MUR_NODISCARD
enum mur_status mur_dataset_get_string(const char **out, struct mur_dataset *dataset, uint32_t tag,
                                       struct mur_error *error);
/** Likewise as UTF-8, by the Specific Character Set of the item or of those around it. Numbers are
 * written in decimal, tags in hexadecimal, so this suits any VR but SQ, OB, OW, UN and the like.
 * @param[out] out  free() */
MUR_NODISCARD
enum mur_status mur_dataset_get_text(char **out, struct mur_dataset *dataset, uint32_t tag,
                                     struct mur_error *error);
/** Number of values; 0 if empty. For bulk VRs (OW ...) of their numbers; for SQ of items. */
MUR_NODISCARD
enum mur_status mur_dataset_get_count(size_t *out, struct mur_dataset *dataset, uint32_t tag,
                                      struct mur_error *error);
/** The value at @p index, from 0, of DS, IS, FD, FL, or an integer VR.
 * @retval MUR_NOT_FOUND  absent, or fewer values */
MUR_NODISCARD
enum mur_status mur_dataset_get_double(double *out, struct mur_dataset *dataset, uint32_t tag,
                                       size_t index, struct mur_error *error);
/** Of IS, US, SS, UL, SL, UV, SV, OB, OW; of DS when it is whole. */
MUR_NODISCARD
enum mur_status mur_dataset_get_int(int64_t *out, struct mur_dataset *dataset, uint32_t tag,
                                    size_t index, struct mur_error *error);
/** The value's bytes in this machine's byte order, of any VR but SQ and encapsulated Pixel Data.
 * @param[out] out  borrowed until the element changes; aligned for its VR; NULL if empty */
MUR_NODISCARD
enum mur_status mur_dataset_get_bytes(const uint8_t **out, size_t *length,
                                      struct mur_dataset *dataset, uint32_t tag,
                                      struct mur_error *error);
/** Likewise as 16-bit numbers, of OW, OB (as they stand), US, SS. */
MUR_NODISCARD
enum mur_status mur_dataset_get_words(const uint16_t **out, size_t *count,
                                      struct mur_dataset *dataset, uint32_t tag,
                                      struct mur_error *error);

struct mur_dataset_element {
    uint32_t tag;
    enum mur_vr vr;
    uint32_t length;             /**< of the value in bytes; for SQ the number of items */
    const char *private_creator; /**< "" for standard attributes; borrowed for the call */
};
/** Return MUR_OK to go on. The Data Set must not be changed meanwhile. */
typedef enum mur_status mur_dataset_visit(void *user, const struct mur_dataset_element *element,
                                          struct mur_error *error);
/** Visits the elements of this level, sorted by tag. */
MUR_NODISCARD
enum mur_status mur_dataset_each(struct mur_dataset *dataset, mur_dataset_visit *visit, void *user,
                                 struct mur_error *error);

/* ---- writing values ------------------------------------------------------------------------ */

/* With vr MUR_VR_NONE the dictionary decides (MUR_INVALID if it does not know the tag). An element
 * that is there is replaced. */

/** Text or string; values separated by backslash. Text that is not ASCII is encoded in the Specific
 * Character Set of the Data Set: set that first, by mur_dataset_set_utf8().
 * @retval MUR_UNSUPPORTED  not a character of that set; MUR_INVALID the VR holds no characters */
MUR_NODISCARD
enum mur_status mur_dataset_put_string(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                       const char *value, struct mur_error *error);
/** DS (each at most 16 characters, the nearest that fits), FD, FL, OF, OD. */
MUR_NODISCARD
enum mur_status mur_dataset_put_doubles(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                        const double *values, size_t count,
                                        struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_dataset_put_double(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                       double value, struct mur_error *error);
/** IS, US, SS, UL, SL, UV, SV, AT, FD. @retval MUR_LIMIT does not fit the VR */
MUR_NODISCARD
enum mur_status mur_dataset_put_ints(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                     const int64_t *values, size_t count, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_dataset_put_int(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                    int64_t value, struct mur_error *error);
/** OB, UN (bytes), OW, OF, OD, OL, OV and binary numbers in this machine's byte order; an odd
 * length is padded by one NUL. */
MUR_NODISCARD
enum mur_status mur_dataset_put_bytes(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                      const void *bytes, size_t length, struct mur_error *error);
/** Zero length; for SQ a sequence without items. */
MUR_NODISCARD
enum mur_status mur_dataset_put_empty(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                      struct mur_error *error);
/** Reserves a block for @p creator in @p group, or finds it. @param[out] block 0x10 to 0xFF */
MUR_NODISCARD
enum mur_status mur_dataset_private_block(unsigned *block, struct mur_dataset *dataset,
                                          uint16_t group, const char *creator,
                                          struct mur_error *error);
/** Removing what is not there is success. */
MUR_NODISCARD
enum mur_status mur_dataset_remove(struct mur_dataset *dataset, uint32_t tag,
                                   struct mur_error *error);
/** Copies one element (a sequence with its items), text recoded to the target's character set.
 * @retval MUR_NOT_FOUND  the source does not have it */
MUR_NODISCARD
enum mur_status mur_dataset_copy(struct mur_dataset *target, struct mur_dataset *source,
                                 uint32_t tag, struct mur_error *error);
/** Recodes all text to UTF-8 and says so in Specific Character Set (ISO_IR 192). */
MUR_NODISCARD
enum mur_status mur_dataset_set_utf8(struct mur_dataset *dataset, struct mur_error *error);

/* ---- sequences ----------------------------------------------------------------------------- */

/** Number of items, 0 for an empty sequence. */
MUR_NODISCARD
enum mur_status mur_dataset_item_count(size_t *out, struct mur_dataset *dataset, uint32_t tag,
                                       struct mur_error *error);
/** @param[out] out  borrowed from the root */
MUR_NODISCARD
enum mur_status mur_dataset_get_item(struct mur_dataset **out, struct mur_dataset *dataset,
                                     uint32_t tag, size_t index, struct mur_error *error);
/** Adds an empty item at the end, making the sequence if need be; private ones are given
 * MUR_VR_SQ by this. @param[out] out borrowed from the root */
MUR_NODISCARD
enum mur_status mur_dataset_append_item(struct mur_dataset **out, struct mur_dataset *dataset,
                                        uint32_t tag, struct mur_error *error);

/* ---- encoding ------------------------------------------------------------------------------ */

/** Whether it can be written in @p transfer_syntax: the one it is in, a native or deflated one if
 * its pixels are native or can be decoded here (RLE, JPEG, JPEG-LS). Nothing is encoded lossy. */
bool mur_dataset_can_write(struct mur_dataset *dataset, const char *transfer_syntax);

/** Writes the Data Set alone (no group 0002), with explicit lengths of sequences and without group
 * lengths. May decode pixels in place. @retval MUR_UNSUPPORTED  see mur_dataset_can_write() */
MUR_NODISCARD
enum mur_status mur_dataset_write(struct mur_dataset *dataset, const char *transfer_syntax,
                                  struct mur_sink sink, struct mur_error *error);
/** Appends it to a buffer. */
MUR_NODISCARD
enum mur_status mur_dataset_encode(struct mur_buffer *out, struct mur_dataset *dataset,
                                   const char *transfer_syntax, struct mur_error *error);
/** Writes a Part 10 file: preamble of zeros, our implementation UID, nothing of time or place, so
 * that the same Data Set gives the same bytes. @param[in] transfer_syntax NULL = the one it is in.
 * An existing file is replaced; not synced.
 * @retval MUR_INVALID  SOP Class or SOP Instance UID is missing */
MUR_NODISCARD
enum mur_status mur_dataset_save(struct mur_dataset *dataset, const char *path,
                                 const char *transfer_syntax, struct mur_error *error);

#endif

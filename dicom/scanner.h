/**
 * Scans an encoded Data Set as its bytes arrive, in pieces of any size, with constant memory: no
 * tree is built and nothing recurses. Every length is checked against what encloses it.
 *
 * Understood: implicit and explicit VR, little and big endian, deflated; defined and undefined
 * lengths; UN of undefined length, and UN or unknown values that are items through and through
 * (PS3.5 6.2.2); encapsulated Pixel Data; private blocks (creators are followed, so that known
 * private elements have their VR). Group lengths, Data Set Trailing Padding and zeros after the end
 * are passed over unreported.
 *
 * Threads: one at a time per scanner.
 */
#ifndef MUR_DICOM_SCANNER_H
#define MUR_DICOM_SCANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/attribute.h"
#include "dicom/vr.h"

enum {
    MUR_SCAN_DEPTH = 64,        /**< sequences within one another; deeper is MUR_LIMIT */
    MUR_SCAN_VALUE = 64 * 1024, /**< longer values are bulk */
};

/** One element. Pointers are borrowed for the call. */
struct mur_scan_element {
    uint32_t tag;
    enum mur_vr vr;            /**< its real one: by the dictionary where implicit or UN; else UN */
    unsigned depth;            /**< sequences around it; 0 at the top */
    const uint32_t *sequences; /**< their tags, outermost first */
    const uint32_t *items;     /**< index in each of the item around it, from 0 */
    const char
        *private_creator;     /**< of its block; "" for standard attributes, or if not declared */
    struct mur_slice charset; /**< Specific Character Set in effect (raw value) */
    bool big_endian;          /**< byte order of @p value */
    bool encapsulated;        /**< bulk: value is a run of fragments (PS3.5 A.4) */
    uint64_t offset; /**< of the value in the Data Set (deflated: in what it inflates to) */
    uint64_t length; /**< bytes of the value as it stands, padding included; encapsulated:
                          from the first item to before the Sequence Delimitation Item */
    const unsigned char *value; /**< NULL for bulk */
};

/**
 * What the scanner reports, in the order of the bytes. Any may be NULL. A status other than MUR_OK
 * ends the scan and is returned by mur_scanner_write().
 */
struct mur_scan_events {
    /** An element with its value. */
    enum mur_status (*element)(void *user, const struct mur_scan_element *element,
                               struct mur_error *error);
    /** A value that is too long to hold, or Pixel Data; called when its end has come. */
    enum mur_status (*bulk)(void *user, const struct mur_scan_element *element,
                            struct mur_error *error);
    /** Bytes of a bulk value, or of a fragment, as they come; its bulk event follows after the
     * last. NULL lets a reader of a file seek over them. */
    enum mur_status (*bulk_bytes)(void *user, const struct mur_scan_element *element,
                                  const unsigned char *bytes, size_t length,
                                  struct mur_error *error);
    /** A fragment of encapsulated Pixel Data, at its begin: @p index 0 is the Basic Offset Table;
     * @p element is the Pixel Data. Its bulk event follows after the last. */
    enum mur_status (*fragment)(void *user, const struct mur_scan_element *element, uint32_t index,
                                uint64_t offset, uint32_t length, struct mur_error *error);
    /** @p element is the sequence; value NULL. */
    enum mur_status (*sequence_begin)(void *user, const struct mur_scan_element *element,
                                      struct mur_error *error);
    enum mur_status (*item_begin)(void *user, struct mur_error *error);
    enum mur_status (*item_end)(void *user, struct mur_error *error);
    enum mur_status (*sequence_end)(void *user, struct mur_error *error);
};

struct mur_scanner;

/**
 * @param[in] transfer_syntax  UID; one that is not known is taken as mur_transfer_syntax_flags()
 * does
 * @param[in] events  must outlive the scanner, as must @p user
 */
MUR_NODISCARD
enum mur_status mur_scanner_create(struct mur_scanner **out, const char *transfer_syntax,
                                   const struct mur_scan_events *events, void *user,
                                   struct mur_error *error);
void mur_scanner_free(struct mur_scanner *scanner); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_scanner, mur_scanner_free)

/** Bytes that a deflated Data Set may inflate to (default 16 GiB); before the first write. */
void mur_scanner_limit_inflated(struct mur_scanner *scanner, uint64_t limit);

/**
 * The next piece. After a failure the scanner is only good for mur_scanner_free().
 * @retval MUR_PARSE  no valid Data Set: lengths, VRs or delimiters contradict each other
 * @retval MUR_LIMIT  nested deeper than MUR_SCAN_DEPTH, or inflates to too much
 */
MUR_NODISCARD
enum mur_status mur_scanner_write(struct mur_scanner *scanner, const void *bytes, size_t length,
                                  struct mur_error *error);

/** How many of the next bytes would be passed over without being looked at: the rest of a bulk
 * value. A reader of a file may seek over them and say so by mur_scanner_pass(). Always 0 if
 * deflated. */
uint64_t mur_scanner_passable(const struct mur_scanner *scanner);
/** @p length bytes, at most mur_scanner_passable(), stand there and are left out. */
MUR_NODISCARD
enum mur_status mur_scanner_pass(struct mur_scanner *scanner, uint64_t length,
                                 struct mur_error *error);

/** Scans an open file from @p offset to its end, passing over bulk values, and finishes.
 * @param[in] name  for messages. @retval MUR_IO; or as mur_scanner_write(), mur_scanner_finish() */
MUR_NODISCARD
enum mur_status mur_scanner_read(struct mur_scanner *scanner, int descriptor, uint64_t offset,
                                 const char *name, struct mur_error *error);

/** The Data Set has come to its end. @retval MUR_PARSE it was cut: inside an element, a sequence,
 * or the deflate stream */
MUR_NODISCARD
enum mur_status mur_scanner_finish(struct mur_scanner *scanner, struct mur_error *error);

/** Bytes taken so far (of the Data Set as scanned: inflated ones). */
uint64_t mur_scanner_offset(const struct mur_scanner *scanner);
/** Where the last element ended; what follows it up to the offset are zeros that pad the file. */
uint64_t mur_scanner_end(const struct mur_scanner *scanner);
/** Elements seen, at all depths. */
uint64_t mur_scanner_elements(const struct mur_scanner *scanner);

/* ---- values -------------------------------------------------------------------------------- */

/** The value without padding, for text and string VRs; still in its character set. */
struct mur_slice mur_scan_text(const struct mur_scan_element *element);
/** Number of numbers in a binary value (AT: of tags); 0 for other VRs. */
size_t mur_scan_count(const struct mur_scan_element *element);
/** Number at @p index of US, SS, UL, SL, UV, SV, AT, OB, OW, OL, OV; false if there is none. UV
 * above INT64_MAX wraps. */
bool mur_scan_int(int64_t *out, const struct mur_scan_element *element, size_t index);
/** Likewise of FL, FD, OF, OD and the integer VRs. */
bool mur_scan_double(double *out, const struct mur_scan_element *element, size_t index);
/** Tag and enclosing sequences as a path; false if it is deeper than MUR_ATTRIBUTE_DEPTH. */
bool mur_scan_path(struct mur_attribute_path *out, const struct mur_scan_element *element);

#endif

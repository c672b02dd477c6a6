/**
 * The head of a DICOM file (PS3.10 Chapter 7): preamble, "DICM", group 0002.
 * Threads: any.
 */
#ifndef MUR_DICOM_PART10_H
#define MUR_DICOM_PART10_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "dicom/uid.h"

struct mur_part10 {
    char transfer_syntax[MUR_UID_TEXT_SIZE];
    char sop_class[MUR_UID_TEXT_SIZE];    /**< "" if absent */
    char sop_instance[MUR_UID_TEXT_SIZE]; /**< "" if absent */
    char source_ae[17];                   /**< "" if absent */
    uint64_t offset;                      /**< where the Data Set begins */
    bool bare; /**< no group 0002: the transfer syntax is guessed from the first element */
};

/** Appends the head: preamble of zeros, our implementation UID and version name. UIDs as given;
 * source_ae is left out if "". @retval MUR_INVALID  a UID is missing */
MUR_NODISCARD
enum mur_status mur_part10_write(struct mur_buffer *out, const struct mur_part10 *head,
                                 struct mur_error *error);

/**
 * Reads the head of an open file (its position does not matter and stays). A Data Set without head
 * is recognised by its first element being plausible, in implicit or explicit VR.
 * @param[in] name  for messages
 * @retval MUR_PARSE  not a DICOM file, or its group 0002 is damaged; MUR_IO
 */
MUR_NODISCARD
enum mur_status mur_part10_read(struct mur_part10 *out, int descriptor, const char *name,
                                struct mur_error *error);
/** Likewise from memory: the beginning of a file, 16 KiB or all of it. */
MUR_NODISCARD
enum mur_status mur_part10_parse(struct mur_part10 *out, const void *bytes, size_t length,
                                 const char *name, struct mur_error *error);

/** Whether an open file says that it is DICOM ("DICM" after the preamble): what is wrong with it is
 * damage then. */
bool mur_part10_is_marked(int descriptor);

#endif

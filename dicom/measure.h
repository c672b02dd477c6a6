/**
 * How much memory a stored object takes as a Data Set (data_set.h), found by scanning it before any
 * is taken. What a file claims or how short it is says nothing of that: a deflated one may be a
 * thousandth of what it inflates to, and an element of eight bytes becomes an object of hundreds.
 */
#ifndef MUR_DICOM_MEASURE_H
#define MUR_DICOM_MEASURE_H

#include <stdint.h>

#include "core/error.h"
#include "core/own.h"

struct mur_measure {
    uint64_t length;  /**< of the Data Set in bytes; inflated, if it is deflated */
    uint64_t held;    /**< bytes of values that loading takes; longer ones stay in the file */
    uint64_t objects; /**< elements, items and fragments of all levels */
    uint64_t
        pixels; /**< bytes that encapsulated Pixel Data decode to; UINT64_MAX: beyond counting */
};

/**
 * Scans the Data Set that stands from @p offset to the end of a file, in constant memory.
 * @param[in] most  bytes that it may inflate to
 * @param[in] name  for messages
 * @retval MUR_LIMIT  it inflates to more, or is nested too deep. @retval MUR_PARSE, MUR_IO
 */
MUR_NODISCARD
enum mur_status mur_measure_file(struct mur_measure *out, int descriptor, uint64_t offset,
                                 const char *transfer_syntax, uint64_t most, const char *name,
                                 struct mur_error *error);

/** Bytes of memory to load it. */
uint64_t mur_measure_loaded(const struct mur_measure *measure);
/** ... and to write it to memory, its pixels decoded; they are there twice then, as is the rest. */
uint64_t mur_measure_decoded(const struct mur_measure *measure);
/** ... and to write it to memory with its pixels as they are. */
uint64_t mur_measure_written(const struct mur_measure *measure);

#endif

/**
 * Whether two files hold the same instance: the same elements with the same decoded values,
 * whatever transfer syntax, VR encoding, sequence lengths, group lengths or padding. Threads: any.
 */
#ifndef MUR_DICOM_COMPARE_H
#define MUR_DICOM_COMPARE_H

#include <stdbool.h>

#include "core/error.h"

/**
 * Group 0002 is not looked at; text is compared as UTF-8, DS and IS as numbers, UIDs without
 * padding. Compressed pixels are decoded where both files differ in transfer syntax and we can
 * (RLE, JPEG, JPEG-LS lossless); where we cannot, or where it would take more than 1 GiB, they
 * count as different, as does what inflates to more.
 * @retval MUR_PARSE, MUR_IO  a file cannot be read
 */
MUR_NODISCARD
enum mur_status mur_dataset_same_content(bool *same, const char *path_a, const char *path_b,
                                         struct mur_error *error);

#endif

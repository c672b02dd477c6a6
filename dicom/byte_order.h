/** Numbers and tags in the byte order of a Transfer Syntax (PS3.5 7.3). Internal to dicom/. */
#ifndef MUR_DICOM_BYTE_ORDER_H
#define MUR_DICOM_BYTE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "dicom/attribute.h"

static inline uint16_t mur_get16(const unsigned char *at, bool big_endian)
{
    unsigned high = big_endian ? at[0] : at[1];
    unsigned low = big_endian ? at[1] : at[0];
    return (uint16_t)(high << 8 | low);
}

static inline uint32_t mur_get32(const unsigned char *at, bool big_endian)
{
    return big_endian ? (uint32_t)mur_get16(at, true) << 16 | mur_get16(at + 2, true)
                      : (uint32_t)mur_get16(at + 2, false) << 16 | mur_get16(at, false);
}

static inline uint64_t mur_get64(const unsigned char *at, bool big_endian)
{
    return big_endian ? (uint64_t)mur_get32(at, true) << 32 | mur_get32(at + 4, true)
                      : (uint64_t)mur_get32(at + 4, false) << 32 | mur_get32(at, false);
}

static inline uint32_t mur_get_tag(const unsigned char *at, bool big_endian)
{
    return MUR_TAG(mur_get16(at, big_endian), mur_get16(at + 2, big_endian));
}

#endif

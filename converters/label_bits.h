/**
 * Bit planes of a plane of bytes, and their way into Pixel Data: frames follow each other without a
 * gap, least significant bit first (PS3.5 8.1.1). Threads: any; a writer one at a time.
 */
#ifndef MUR_CONVERTERS_LABEL_BITS_H
#define MUR_CONVERTERS_LABEL_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/output.h"
#include "core/error.h"

enum { MUR_BYTE_VALUES = 256 };

/** Which bytes occur. @param count  a multiple of 8 */
void mur_bytes_present(bool out[MUR_BYTE_VALUES], const uint8_t *bytes, size_t count);

/** A bit for each byte that equals @p value, the first one lowest. @param count  a multiple of 8;
 * @p out has an eighth of it. @return how many are set */
uint64_t mur_bits_equal(uint8_t *out, const uint8_t *bytes, size_t count, uint8_t value);

/** How many bits are set. */
uint64_t mur_bits_count(const uint8_t *bits, size_t bytes);

/** Joins bits of frames that end within a byte, and gathers small frames into larger writes. */
struct mur_bit_writer {
    const struct mur_output *output; /**< borrowed */
    uint8_t *piece;                  /* private, all of these */
    size_t used;
    unsigned carried;
    uint64_t written;
};

MUR_NODISCARD
enum mur_status mur_bit_writer_init(struct mur_bit_writer *writer, const struct mur_output *output,
                                    struct mur_error *error);
void mur_bit_writer_free(struct mur_bit_writer *writer); /**< the content */
#define MUR_AUTO_BIT_WRITER __attribute__((cleanup(mur_bit_writer_free)))
/** Adds a frame of @p count bits. */
MUR_NODISCARD
enum mur_status mur_bit_writer_add(struct mur_bit_writer *writer, const uint8_t *bits, size_t count,
                                   struct mur_error *error);
/** Writes what is left, filled up with zeros to @p total bytes. */
MUR_NODISCARD
enum mur_status mur_bit_writer_finish(struct mur_bit_writer *writer, uint64_t total,
                                      struct mur_error *error);

#endif

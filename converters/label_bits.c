#include "converters/label_bits.h"

#include <stdlib.h>
#include <string.h>

enum { WRITE_PIECE = 256 * 1024, LARGE_FRAME = 16 * 1024 };

void mur_bytes_present(bool out[MUR_BYTE_VALUES], const uint8_t *bytes, size_t count)
{
    memset(out, 0, MUR_BYTE_VALUES * sizeof *out);
    uint64_t last = 0;
    if (count > 0)
        memcpy(&last, bytes, sizeof last);
    last = ~last;                                        /* not the first word */
    for (size_t at = 0; at < count; at += sizeof last) { /* neighbours are mostly equal */
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        if (word == last)
            continue;
        bool uniform = true;
        for (unsigned byte = 0; byte < sizeof word; byte++) {
            out[bytes[at + byte]] = true;
            uniform = uniform && bytes[at + byte] == bytes[at];
        }
        if (uniform)
            last = word;
    }
}

/* ---- bits of bytes ----------------------------------------------------------------------------
 */

/* Compares eight bytes at once: a bit for each that equals the value, the first one lowest. */
static inline uint8_t equal_eight(uint64_t bytes, uint64_t wanted)
{
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    uint64_t x = bytes ^ wanted;
    uint64_t zero = ~(((x & low) + low) | x | low); /* 0x80 where a byte is 0 */
    return (uint8_t)(((zero >> 7) * UINT64_C(0x0102040810204080)) >> 56);
}

static inline uint64_t count_word(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return x * UINT64_C(0x0101010101010101) >> 56;
}

uint64_t mur_bits_count(const uint8_t *bits, size_t bytes)
{
    uint64_t count = 0, word;
    size_t index = 0;
    for (; index + sizeof word <= bytes; index += sizeof word) {
        memcpy(&word, bits + index, sizeof word);
        count += count_word(word);
    }
    for (; index < bytes; index++)
        count += count_word(bits[index]);
    return count;
}

#ifdef __SSE2__
typedef char bytes16 __attribute__((vector_size(16)));

/* Sixty-four bytes at once. @return how many bytes are done */
static size_t equal_many(uint8_t *out, uint64_t *found, const uint8_t *bytes, size_t count,
                         uint8_t value)
{
    const bytes16 wanted = (bytes16){0} + (char)value;
    size_t at = 0;
    uint64_t set = 0;
    for (; at + 64 <= count; at += 64) {
        uint64_t word = 0;
        for (unsigned part = 0; part < 4; part++) {
            bytes16 x;
            memcpy(&x, bytes + at + (size_t)part * sizeof x, sizeof x);
            unsigned mask = (unsigned)__builtin_ia32_pmovmskb128((bytes16)(x == wanted));
            word |= (uint64_t)mask << (16 * part);
        }
        memcpy(out + at / 8, &word, sizeof word);
        set += word == 0 ? 0 : count_word(word);
    }
    *found = set;
    return at;
}
#else
static size_t equal_many(uint8_t *out, uint64_t *found, const uint8_t *bytes, size_t count,
                         uint8_t value)
{
    (void)out;
    (void)bytes;
    (void)count;
    (void)value;
    *found = 0;
    return 0;
}
#endif

uint64_t mur_bits_equal(uint8_t *out, const uint8_t *bytes, size_t count, uint8_t value)
{
    uint64_t wanted = UINT64_C(0x0101010101010101) * value, found = 0, word;
    size_t at = equal_many(out, &found, bytes, count, value);
    for (; at < count; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        out[at / 8] = equal_eight(word, wanted);
        found += count_word(out[at / 8]);
    }
    return found;
}

/* ---- the writer -------------------------------------------------------------------------------
 */

enum mur_status mur_bit_writer_init(struct mur_bit_writer *writer, const struct mur_output *output,
                                    struct mur_error *error)
{
    *writer = (struct mur_bit_writer){.output = output, .piece = calloc(WRITE_PIECE + 8, 1)};
    return writer->piece == NULL ? mur_error_no_memory(error) : MUR_OK;
}

void mur_bit_writer_free(struct mur_bit_writer *writer)
{
    free(writer->piece);
    writer->piece = NULL;
}

static enum mur_status write_out(struct mur_bit_writer *writer, const uint8_t *bytes, size_t count,
                                 struct mur_error *error)
{
    writer->written += count;
    return count == 0 ? MUR_OK : writer->output->write(writer->output->user, bytes, count, error);
}

static enum mur_status flush_bits(struct mur_bit_writer *writer, struct mur_error *error)
{
    enum mur_status status = write_out(writer, writer->piece, writer->used, error);
    writer->piece[0] = writer->piece[writer->used]; /* the byte that is not full yet */
    writer->used = 0;
    return status;
}

static void join_bytes(struct mur_bit_writer *writer, const uint8_t *bits, size_t count)
{
    uint8_t *out = writer->piece + writer->used;
    unsigned shift = writer->carried;
    if (shift == 0) {
        memcpy(out, bits, count);
        out[count] = 0;
    } else {
        unsigned carry = out[0];
        size_t index = 0;
        for (; index + 8 <= count; index += 8) {
            uint64_t word, joined;
            memcpy(&word, bits + index, sizeof word);
            joined = word << shift | carry;
            memcpy(out + index, &joined, sizeof joined);
            carry = (unsigned)(word >> (64 - shift));
        }
        for (; index < count; index++) {
            unsigned joined = (unsigned)bits[index] << shift | carry;
            out[index] = (uint8_t)joined;
            carry = joined >> 8;
        }
        out[count] = (uint8_t)carry;
    }
    writer->used += count;
}

enum mur_status mur_bit_writer_add(struct mur_bit_writer *writer, const uint8_t *bits, size_t count,
                                   struct mur_error *error)
{
    size_t whole = count / 8;
    unsigned rest = (unsigned)(count % 8);
    if (writer->carried == 0 && rest == 0 && whole >= LARGE_FRAME) { /* as it lies */
        enum mur_status status = flush_bits(writer, error);
        return status == MUR_OK ? write_out(writer, bits, whole, error) : status;
    }
    for (size_t done = 0; done < whole;) {
        size_t room = WRITE_PIECE - writer->used;
        size_t part = whole - done < room ? whole - done : room;
        join_bytes(writer, bits + done, part);
        done += part;
        if (writer->used == WRITE_PIECE) {
            enum mur_status status = flush_bits(writer, error);
            if (status != MUR_OK)
                return status;
        }
    }
    if (rest == 0)
        return MUR_OK;
    unsigned joined = writer->piece[writer->used] | (bits[whole] & ((1u << rest) - 1))
                                                        << writer->carried;
    writer->piece[writer->used] = (uint8_t)joined;
    writer->carried += rest;
    if (writer->carried < 8)
        return MUR_OK;
    writer->carried -= 8;
    writer->piece[++writer->used] = (uint8_t)(joined >> 8);
    return writer->used == WRITE_PIECE ? flush_bits(writer, error) : MUR_OK;
}

enum mur_status mur_bit_writer_finish(struct mur_bit_writer *writer, uint64_t total,
                                      struct mur_error *error)
{
    if (writer->carried > 0)
        writer->used++;
    while (writer->written + writer->used < total && writer->used < WRITE_PIECE)
        writer->piece[writer->used++] = 0;
    writer->piece[writer->used] = 0;
    return flush_bits(writer, error);
}

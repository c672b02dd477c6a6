/**
 * Writes JSON (RFC 8259) into a sink as it is told, with constant memory: the header of a SEG of
 * 20,000 frames must not be held in RAM.
 *
 * The first failure sticks: the calls after it do nothing, and mur_json_finish() returns it. So
 * callers check once, at the end; long loops may ask mur_json_failed().
 * Threads: one at a time per writer.
 */
#ifndef MUR_CORE_JSON_WRITE_H
#define MUR_CORE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/sink.h"
#include "core/text.h"

enum { MUR_JSON_DEPTH = 256, MUR_JSON_BLOCK = 4096 };

/** Lives on the caller's stack; needs no freeing. Members are private. */
struct mur_json_writer {
    struct mur_sink sink;
    struct mur_error error;
    size_t used;
    unsigned depth;
    bool after_key;
    bool array[MUR_JSON_DEPTH + 1];  /* what is open at each depth: array or object */
    bool filled[MUR_JSON_DEPTH + 1]; /* whether a comma comes before the next */
    char block[MUR_JSON_BLOCK];
};

void mur_json_init(struct mur_json_writer *writer, struct mur_sink sink);

void mur_json_begin_object(struct mur_json_writer *writer);
void mur_json_end_object(struct mur_json_writer *writer);
void mur_json_begin_array(struct mur_json_writer *writer);
void mur_json_end_array(struct mur_json_writer *writer);
void mur_json_key_slice(struct mur_json_writer *writer, struct mur_slice key);
static inline void mur_json_key(struct mur_json_writer *writer, const char *key)
{
    mur_json_key_slice(writer, mur_slice_of(key));
}

/** Bytes that are not UTF-8 become U+FFFD. NULL is null. */
void mur_json_string(struct mur_json_writer *writer, const char *text);
void mur_json_slice(struct mur_json_writer *writer, struct mur_slice text);
void mur_json_int(struct mur_json_writer *writer, int64_t value);
void mur_json_uint(struct mur_json_writer *writer, uint64_t value);
/** The shortest text that reads back as the same double; NaN and infinity, which JSON does not
 * have, are null. */
void mur_json_double(struct mur_json_writer *writer, double value);
void mur_json_bool(struct mur_json_writer *writer, bool value);
void mur_json_null(struct mur_json_writer *writer);
/** A value that is JSON already, such as a number's own text; not checked. */
void mur_json_raw(struct mur_json_writer *writer, struct mur_slice text);

/** A key and its value. */
void mur_json_member_string(struct mur_json_writer *writer, const char *key, const char *text);
void mur_json_member_int(struct mur_json_writer *writer, const char *key, int64_t value);
void mur_json_member_double(struct mur_json_writer *writer, const char *key, double value);
void mur_json_member_bool(struct mur_json_writer *writer, const char *key, bool value);

bool mur_json_failed(const struct mur_json_writer *writer);
/** Hands the rest to the sink. @retval MUR_INTERNAL  something is still open; or the sink's own */
MUR_NODISCARD
enum mur_status mur_json_finish(struct mur_json_writer *writer, struct mur_error *error);

/** The shortest decimal text that reads back as @p value, which is finite; 32 bytes suffice. */
void mur_double_write(char out[32], double value);

#endif

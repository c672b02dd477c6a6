/**
 * Reads JSON that fits into memory (manifest lines, stored headers, requests), with limits on size
 * and depth. Values are borrowed from the document. Threads: any may read a document.
 */
#ifndef MUR_CORE_JSON_H
#define MUR_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/own.h"
#include "core/text.h"

struct mur_json; /**< a document, and each value in it */

enum mur_json_type {
    MUR_JSON_NULL,
    MUR_JSON_BOOL,
    MUR_JSON_INT,
    MUR_JSON_DOUBLE,
    MUR_JSON_STRING,
    MUR_JSON_ARRAY,
    MUR_JSON_OBJECT,
};

/** @param[out] out  the caller's, mur_json_free()
 * @retval MUR_PARSE  with line and column; duplicate keys too
 * @retval MUR_LIMIT  longer than @p size_limit bytes or nested deeper than 200 */
MUR_NODISCARD
enum mur_status mur_json_parse(struct mur_json **out, struct mur_slice text, size_t size_limit,
                               struct mur_error *error);
/**
 * Appends the object @p text with those members only whose key @p wanted likes, as they stand. The
 * others are passed over by their brackets and quotation marks, which costs a small part of parsing
 * them, and are not checked. @param key  as it stands in the text, between its quotation marks
 * @retval MUR_PARSE  no object
 */
MUR_NODISCARD
enum mur_status mur_json_select(struct mur_buffer *out, struct mur_slice text,
                                bool (*wanted)(void *user, struct mur_slice key), void *user,
                                struct mur_error *error);
/** Frees a document (never a borrowed value of it). */
void mur_json_free(struct mur_json *document);
MUR_DEFINE_AUTO(mur_json, mur_json_free)

enum mur_json_type mur_json_type(const struct mur_json *value);

/** The member, or NULL when @p object is NULL, no object, or has none of that key. */
const struct mur_json *mur_json_get(const struct mur_json *object, const char *key);
/** Number of elements or members; 0 for all others and NULL. */
size_t mur_json_count(const struct mur_json *value);
/** The element, or NULL when @p array is none or too short. */
const struct mur_json *mur_json_at(const struct mur_json *array, size_t index);
/** Calls @p each for every member, in the order of the text, until it returns false. */
void mur_json_each(const struct mur_json *object,
                   bool (*each)(void *user, const char *key, const struct mur_json *value),
                   void *user);

/** The text (NUL inside is refused when parsing), or NULL when @p value is no string. */
const char *mur_json_text(const struct mur_json *value);
/** @retval MUR_MISMATCH  not of that type; an integer is a double too */
MUR_NODISCARD
enum mur_status mur_json_get_int(int64_t *out, const struct mur_json *value,
                                 struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_json_get_double(double *out, const struct mur_json *value,
                                    struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_json_get_bool(bool *out, const struct mur_json *value, struct mur_error *error);

#endif

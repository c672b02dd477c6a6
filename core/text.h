/**
 * Text that comes from outside: checked numbers, trimming, UTF-8, folding for comparison,
 * wildcards. All pure functions: any thread. Text is UTF-8 unless said otherwise.
 */
#ifndef MUR_CORE_TEXT_H
#define MUR_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/buffer.h"
#include "core/error.h"

/** A piece of text that is not NUL-terminated and not owned. */
struct mur_slice {
    const char *data;
    size_t length;
};

static inline struct mur_slice mur_slice_of(const char *text)
{
    return (struct mur_slice){.data = text, .length = strlen(text)};
}
struct mur_slice mur_slice_trim(struct mur_slice slice); /**< white space (ASCII) off both ends */
bool mur_slice_equal(struct mur_slice slice, const char *text);

/** The whole text, blanks around it allowed, must be one number in range; decimal, locale "C".
 * @retval MUR_PARSE not a number, MUR_LIMIT out of range */
MUR_NODISCARD
enum mur_status mur_parse_int64(int64_t *out, struct mur_slice text, int64_t low, int64_t high,
                                struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_parse_uint64(uint64_t *out, struct mur_slice text, uint64_t low, uint64_t high,
                                 struct mur_error *error);
/** Finite decimal number ("1.5", "-3e2"); NaN, infinity and hexadecimal are MUR_PARSE. */
MUR_NODISCARD
enum mur_status mur_parse_double(double *out, struct mur_slice text, struct mur_error *error);

/** malloc'ed copy; free(). */
MUR_NODISCARD
enum mur_status mur_text_copy(char **out, struct mur_slice text, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_text_format(char **out, struct mur_error *error, const char *format, ...)
    MUR_PRINTF(3, 4);

bool mur_utf8_valid(struct mur_slice text);
/** Windows-1252 (a superset of printable Latin-1) to UTF-8; undefined codes become U+FFFD. */
MUR_NODISCARD
enum mur_status mur_utf8_from_cp1252(char **out, struct mur_slice text, struct mur_error *error);
/** Case and diacritics removed (NFKD, marks stripped, case fold): "Müller" and "MULLER" are equal
 * after it. Text that is not valid UTF-8 is folded as Windows-1252. */
MUR_NODISCARD
enum mur_status mur_text_fold(char **out, struct mur_slice text, struct mur_error *error);
/** "é" as one code point (NFC), or as letter and mark (NFD), as macOS writes names of files.
 * @retval MUR_PARSE  not UTF-8 */
MUR_NODISCARD
enum mur_status mur_text_normalise(char **out, struct mur_slice text, bool composed,
                                   struct mur_error *error);
/** The largest length <= limit bytes that does not cut a UTF-8 sequence. */
size_t mur_utf8_cut(struct mur_slice text, size_t limit);
/** Number of Unicode code points (DICOM counts characters, PS3.5 6.2). */
size_t mur_utf8_count(struct mur_slice text);

/** PS3.4 C.2.2.2.4: '*' any run, '?' any one character (code point); linear time. */
bool mur_wildcard_match(struct mur_slice pattern, struct mur_slice text);

bool mur_ascii_equal_ignore_case(const char *a, const char *b);

#endif

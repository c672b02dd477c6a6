/**
 * Decimal numbers as people write them, converted exactly: grams become kilograms by moving the
 * point in the text, not by dividing a double. Pure functions: any thread.
 */
#ifndef MUR_MAPPING_DECIMAL_H
#define MUR_MAPPING_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/text.h"

enum { MUR_DECIMAL_DIGITS = 60, MUR_DECIMAL_EXPONENT = 60, MUR_DECIMAL_TEXT_SIZE = 192 };

/** digits * 10 ^ exponent; no leading and no trailing zeros; count 0 is zero. */
struct mur_decimal {
    bool negative;
    unsigned count;
    int exponent;
    uint8_t digits[MUR_DECIMAL_DIGITS]; /**< 0 to 9, most significant first */
};

/** The number at the beginning of @p text, blanks before it allowed: "23.4 g", "-1e3".
 * @param[out] rest  what follows it, trimmed
 * @retval MUR_PARSE  no number; MUR_LIMIT too many digits or too large an exponent */
MUR_NODISCARD
enum mur_status mur_decimal_read(struct mur_decimal *out, struct mur_slice *rest,
                                 struct mur_slice text, struct mur_error *error);

/** Times 10 ^ @p power. @retval MUR_LIMIT */
MUR_NODISCARD
enum mur_status mur_decimal_shift(struct mur_decimal *number, int power, struct mur_error *error);
/** Exactly. @retval MUR_LIMIT */
MUR_NODISCARD
enum mur_status mur_decimal_multiply(struct mur_decimal *number, uint32_t factor,
                                     struct mur_error *error);
/** Exactly, or to 12 significant digits. @param divisor  not 0. @param[out] exact  which of both */
MUR_NODISCARD
enum mur_status mur_decimal_divide(struct mur_decimal *number, bool *exact, uint32_t divisor,
                                   struct mur_error *error);

bool mur_decimal_is_integer(const struct mur_decimal *number);
/** Rounded towards zero. @retval MUR_LIMIT */
MUR_NODISCARD
enum mur_status mur_decimal_to_int(int64_t *out, const struct mur_decimal *number,
                                   struct mur_error *error);
/** In plain notation, such as "0.0234". */
void mur_decimal_write(char out[MUR_DECIMAL_TEXT_SIZE], const struct mur_decimal *number);
/** At most @p limit characters (a DS has 16, PS3.5 6.2): plain if it fits, else with an exponent,
 * else rounded. @param[out] exact  nothing was lost. @param limit  at least 8 */
void mur_decimal_write_short(char out[MUR_DECIMAL_TEXT_SIZE], bool *exact,
                             const struct mur_decimal *number, unsigned limit);

#endif

#include "mapping/decimal.h"

#include <stdio.h>
#include <string.h>

/** Without leading and trailing zeros, so that equal numbers are equal structs. */
static enum mur_status normalise(struct mur_decimal *number, struct mur_error *error)
{
    unsigned leading = 0;
    while (leading < number->count && number->digits[leading] == 0)
        leading++;
    number->count -= leading;
    memmove(number->digits, number->digits + leading, number->count);
    while (number->count > 0 && number->digits[number->count - 1] == 0) {
        number->count--;
        number->exponent++;
    }
    if (number->count == 0) {
        number->negative = false;
        number->exponent = 0;
    }
    if (number->exponent > MUR_DECIMAL_EXPONENT || number->exponent < -MUR_DECIMAL_EXPONENT)
        return mur_error_set(error, MUR_LIMIT, "the number is too large or too small");
    return MUR_OK;
}

static bool is_digit(struct mur_slice text, size_t at)
{
    return at < text.length && text.data[at] >= '0' && text.data[at] <= '9';
}

enum mur_status mur_decimal_read(struct mur_decimal *out, struct mur_slice *rest,
                                 struct mur_slice text, struct mur_error *error)
{
    struct mur_slice number_text = mur_slice_trim(text);
    struct mur_decimal number = {.negative = false};
    size_t at = 0;
    if (at < number_text.length && (number_text.data[at] == '-' || number_text.data[at] == '+'))
        number.negative = number_text.data[at++] == '-';
    bool any = false;
    bool point = false;
    for (;; at++) {
        if (is_digit(number_text, at)) {
            any = true;
            uint8_t digit = (uint8_t)(number_text.data[at] - '0');
            if (point)
                number.exponent--;
            if (number.count == 0 && digit == 0)
                continue;
            if (number.count == MUR_DECIMAL_DIGITS)
                return mur_error_set(error, MUR_LIMIT, "a number has more than %d digits",
                                     MUR_DECIMAL_DIGITS);
            number.digits[number.count++] = digit;
        } else if (at < number_text.length && number_text.data[at] == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    if (!any)
        return mur_error_set(error, MUR_PARSE, "'%.*s' is not a number",
                             (int)mur_utf8_cut(number_text, 40), number_text.data);
    if (at < number_text.length && (number_text.data[at] | 0x20) == 'e') {
        size_t digits = at + 1;
        bool negative = false;
        if (digits < number_text.length &&
            (number_text.data[digits] == '-' || number_text.data[digits] == '+'))
            negative = number_text.data[digits++] == '-';
        int exponent = 0;
        size_t end = digits;
        for (; is_digit(number_text, end); end++)
            if (exponent < 10000)
                exponent = exponent * 10 + (number_text.data[end] - '0');
        if (end > digits) { /* else the letter begins a unit */
            number.exponent += negative ? -exponent : exponent;
            at = end;
        }
    }
    enum mur_status status = normalise(&number, error);
    if (status != MUR_OK)
        return status;
    *rest = mur_slice_trim((struct mur_slice){number_text.data + at, number_text.length - at});
    *out = number;
    return MUR_OK;
}

enum mur_status mur_decimal_shift(struct mur_decimal *number, int power, struct mur_error *error)
{
    struct mur_decimal shifted = *number;
    if (shifted.count > 0)
        shifted.exponent += power;
    enum mur_status status = normalise(&shifted, error);
    if (status == MUR_OK)
        *number = shifted;
    return status;
}

enum mur_status mur_decimal_multiply(struct mur_decimal *number, uint32_t factor,
                                     struct mur_error *error)
{
    uint8_t product[MUR_DECIMAL_DIGITS + 10] = {0}; /* least significant first */
    uint64_t carry = 0;
    unsigned count = 0;
    for (unsigned i = number->count; i > 0; i--) {
        carry += (uint64_t)number->digits[i - 1] * factor;
        product[count++] = (uint8_t)(carry % 10);
        carry /= 10;
    }
    for (; carry > 0; carry /= 10)
        product[count++] = (uint8_t)(carry % 10);
    unsigned low = 0; /* trailing zeros need no room */
    while (low < count && product[low] == 0)
        low++;
    if (count - low > MUR_DECIMAL_DIGITS)
        return mur_error_set(error, MUR_LIMIT, "a number has more than %d digits",
                             MUR_DECIMAL_DIGITS);
    struct mur_decimal result = {.negative = number->negative,
                                 .exponent = number->exponent + (int)low};
    while (count > low)
        result.digits[result.count++] = product[--count];
    enum mur_status status = normalise(&result, error);
    if (status == MUR_OK)
        *number = result;
    return status;
}

/** Keeps @p count digits, 1 or more, rounding half away from zero. */
static void round_to(struct mur_decimal *number, unsigned count)
{
    bool up = number->digits[count] >= 5;
    number->exponent += (int)(number->count - count);
    number->count = count;
    for (unsigned i = count; up && i > 0; i--) {
        up = number->digits[i - 1] == 9;
        number->digits[i - 1] = up ? 0 : (uint8_t)(number->digits[i - 1] + 1);
    }
    if (up) { /* 999... became 1000... */
        number->digits[0] = 1;
        number->exponent += (int)count;
        number->count = 1;
    }
    while (number->count > 1 && number->digits[number->count - 1] == 0) {
        number->count--;
        number->exponent++;
    }
}

enum mur_status mur_decimal_divide(struct mur_decimal *number, bool *exact, uint32_t divisor,
                                   struct mur_error *error)
{
    enum { SIGNIFICANT = 12 };
    struct mur_decimal result = {.negative = number->negative, .exponent = number->exponent};
    uint64_t remainder = 0;
    bool whole = true;
    for (unsigned i = 0; result.count < MUR_DECIMAL_DIGITS; i++) {
        if (i >= number->count) {
            if (remainder == 0)
                break;
            /* 12 digits and one to round by; a number that came with more keeps them all */
            if (result.count > SIGNIFICANT && i > number->count) {
                whole = false;
                break;
            }
            result.exponent--;
        }
        remainder = remainder * 10 + (i < number->count ? number->digits[i] : 0);
        uint8_t digit = (uint8_t)(remainder / divisor);
        remainder %= divisor;
        if (result.count > 0 || digit > 0)
            result.digits[result.count++] = digit;
    }
    if (remainder != 0)
        whole = false;
    if (!whole && result.count > SIGNIFICANT)
        round_to(&result, SIGNIFICANT);
    enum mur_status status = normalise(&result, error);
    if (status != MUR_OK)
        return status;
    *exact = whole;
    *number = result;
    return MUR_OK;
}

bool mur_decimal_is_integer(const struct mur_decimal *number)
{
    return number->exponent >= 0;
}

enum mur_status mur_decimal_to_int(int64_t *out, const struct mur_decimal *number,
                                   struct mur_error *error)
{
    int64_t value = 0;
    int digits = (int)number->count + number->exponent;
    if (digits > 18)
        return mur_error_set(error, MUR_LIMIT, "the number is too large");
    for (int i = 0; i < digits; i++)
        value = value * 10 + (i < (int)number->count ? number->digits[i] : 0);
    *out = number->negative ? -value : value;
    return MUR_OK;
}

void mur_decimal_write(char out[MUR_DECIMAL_TEXT_SIZE], const struct mur_decimal *number)
{
    char *to = out;
    if (number->negative)
        *to++ = '-';
    int point = (int)number->count + number->exponent; /* digits before it */
    if (point <= 0)
        *to++ = '0';
    for (int i = 0; i < point; i++)
        *to++ = (char)('0' + (i < (int)number->count ? number->digits[i] : 0));
    if (number->exponent < 0) {
        *to++ = '.';
        for (int i = point; i < (int)number->count; i++)
            *to++ = (char)('0' + (i < 0 ? 0 : number->digits[i]));
    }
    *to = '\0';
}

/** D.DDDe-NN with as many digits as the number has. */
static void write_scientific(char out[MUR_DECIMAL_TEXT_SIZE], const struct mur_decimal *number)
{
    char digits[MUR_DECIMAL_DIGITS + 1];
    for (unsigned i = 0; i < number->count; i++)
        digits[i] = (char)('0' + number->digits[i]);
    digits[number->count] = '\0';
    int exponent = number->exponent + (int)number->count - 1;
    (void)snprintf(out, MUR_DECIMAL_TEXT_SIZE, "%s%c%s%se%d", number->negative ? "-" : "",
                   digits[0], number->count > 1 ? "." : "", digits + 1, exponent);
}

void mur_decimal_write_short(char out[MUR_DECIMAL_TEXT_SIZE], bool *exact,
                             const struct mur_decimal *number, unsigned limit)
{
    struct mur_decimal rounded = *number;
    *exact = true;
    for (unsigned count = number->count; count > 0; count--) {
        if (count < number->count) {
            *exact = false;
            rounded = *number;
            round_to(&rounded, count);
        }
        mur_decimal_write(out, &rounded);
        if (strlen(out) <= limit)
            return;
        write_scientific(out, &rounded);
        if (strlen(out) <= limit)
            return;
    }
    mur_decimal_write(out, &rounded);
}

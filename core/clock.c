#include "core/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t us_per_second = 1000000;
static const int64_t us_per_day = 86400 * INT64_C(1000000);

int64_t mur_clock_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * us_per_second + now.tv_nsec / 1000;
}

int64_t mur_clock_monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar. A year is counted from March, so that
 * the leap day is its last; 400 years have 146097 days. */
static int64_t days_of_date(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of_days(struct mur_datetime *out, int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    out->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    out->month = (int)(month < 10 ? month + 3 : month - 9);
    out->year = (int)(year_of_era + era * 400 + (out->month <= 2 ? 1 : 0));
}

struct mur_datetime mur_datetime_of_us(int64_t microseconds)
{
    int64_t lowest = days_of_date(0, 1, 1) * us_per_day;
    int64_t highest = days_of_date(10000, 1, 1) * us_per_day - 1;
    if (microseconds < lowest)
        microseconds = lowest;
    if (microseconds > highest)
        microseconds = highest;
    int64_t days = microseconds / us_per_day;
    int64_t rest = microseconds % us_per_day;
    if (rest < 0) {
        rest += us_per_day;
        days--;
    }
    struct mur_datetime value = {
        .has_date = true, .has_offset = true, .precision = MUR_PRECISION_FRACTION};
    date_of_days(&value, days);
    value.microsecond = (int)(rest % us_per_second);
    int seconds = (int)(rest / us_per_second);
    value.hour = seconds / 3600;
    value.minute = seconds / 60 % 60;
    value.second = seconds % 60;
    return value;
}

int64_t mur_datetime_to_us(const struct mur_datetime *value)
{
    int64_t seconds =
        value->has_date ? days_of_date(value->year, value->month, value->day) * 86400 : 0;
    seconds += value->hour * 3600 + value->minute * 60 + value->second;
    if (value->has_offset)
        seconds -= value->offset_minutes * 60;
    return seconds * us_per_second + value->microsecond;
}

void mur_clock_format_us(char out[MUR_ISO_SIZE], int64_t microseconds)
{
    struct mur_datetime value = mur_datetime_of_us(microseconds);
    mur_datetime_format_iso(out, &value);
}

/* What is left to read. */
struct scan {
    const char *at;
    size_t left;
};

static bool take_digits(struct scan *scan, size_t count, int *out)
{
    if (scan->left < count)
        return false;
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        char c = scan->at[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    scan->at += count;
    scan->left -= count;
    *out = value;
    return true;
}

static bool take(struct scan *scan, char c)
{
    if (scan->left == 0 || scan->at[0] != c)
        return false;
    scan->at++;
    scan->left--;
    return true;
}

static bool next_is_digit(const struct scan *scan)
{
    return scan->left > 0 && scan->at[0] >= '0' && scan->at[0] <= '9';
}

/* 1 to 6 digits; more, as ISO 8601 allows, are dropped when @p longer. */
static bool take_fraction(struct scan *scan, bool longer, struct mur_datetime *value)
{
    if (!next_is_digit(scan))
        return false;
    int fraction = 0;
    int digits = 0;
    for (; next_is_digit(scan); digits++) {
        int digit = 0;
        (void)take_digits(scan, 1, &digit);
        if (digits < 6)
            fraction = fraction * 10 + digit;
    }
    if (digits > 6 && !longer)
        return false;
    for (int i = digits; i < 6; i++)
        fraction *= 10;
    value->microsecond = fraction;
    value->precision = MUR_PRECISION_FRACTION;
    return true;
}

/* MM and DD, with @p separator before each unless it is NUL. */
static bool take_rest_of_date(struct scan *scan, char separator, struct mur_datetime *value)
{
    if (separator != '\0' ? !take(scan, separator) : !next_is_digit(scan))
        return true;
    if (!take_digits(scan, 2, &value->month))
        return false;
    value->precision = MUR_PRECISION_MONTH;
    if (separator != '\0' ? !take(scan, separator) : !next_is_digit(scan))
        return true;
    if (!take_digits(scan, 2, &value->day))
        return false;
    value->precision = MUR_PRECISION_DAY;
    return true;
}

/* HH[MM[SS[.F]]], with @p separator between them unless it is NUL. */
static bool take_time(struct scan *scan, char separator, bool longer, struct mur_datetime *value)
{
    if (!take_digits(scan, 2, &value->hour))
        return false;
    value->precision = MUR_PRECISION_HOUR;
    if (separator != '\0' ? !take(scan, separator) : !next_is_digit(scan))
        return true;
    if (!take_digits(scan, 2, &value->minute))
        return false;
    value->precision = MUR_PRECISION_MINUTE;
    if (separator != '\0' ? !take(scan, separator) : !next_is_digit(scan))
        return true;
    if (!take_digits(scan, 2, &value->second))
        return false;
    value->precision = MUR_PRECISION_SECOND;
    if (take(scan, '.') || (longer && take(scan, ',')))
        return take_fraction(scan, longer, value);
    return true;
}

static bool take_offset(struct scan *scan, bool iso, struct mur_datetime *value)
{
    if (iso && (take(scan, 'Z') || take(scan, 'z'))) {
        value->has_offset = true;
        return true;
    }
    bool minus = scan->left > 0 && scan->at[0] == '-';
    if (!take(scan, '-') && !take(scan, '+'))
        return true;
    int hours = 0;
    int minutes = 0;
    if (!take_digits(scan, 2, &hours))
        return false;
    if (iso ? take(scan, ':') || next_is_digit(scan) : true)
        if (!take_digits(scan, 2, &minutes))
            return false;
    int offset = hours * 60 + minutes;
    value->offset_minutes = minus ? -offset : offset;
    value->has_offset = true;
    return minutes < 60 && value->offset_minutes >= -720 && value->offset_minutes <= 840;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool is_possible(const struct mur_datetime *value)
{
    if (value->has_date && (value->month < 1 || value->month > 12 || value->day < 1 ||
                            value->day > days_in_month(value->year, value->month)))
        return false;
    return value->hour < 24 && value->minute < 60 && value->second <= 60;
}

static const struct mur_datetime nothing_yet = {.month = 1, .day = 1};

static enum mur_status accept(struct mur_datetime *out, const struct mur_datetime *value,
                              bool understood, const struct scan *scan, struct mur_slice text,
                              const char *what, struct mur_error *error)
{
    if (!understood || scan->left > 0 || !is_possible(value))
        return mur_error_set(error, MUR_PARSE, "\"%.*s\" is not a %s",
                             (int)(text.length < 40 ? text.length : 40), text.data, what);
    *out = *value;
    return MUR_OK;
}

static struct scan scan_of(struct mur_slice text)
{
    struct mur_slice trimmed = mur_slice_trim(text);
    return (struct scan){.at = trimmed.data, .left = trimmed.length};
}

enum mur_status mur_datetime_parse_da(struct mur_datetime *out, struct mur_slice text,
                                      struct mur_error *error)
{
    struct scan scan = scan_of(text);
    struct mur_datetime value = nothing_yet;
    value.has_date = true;
    bool understood = take_digits(&scan, 4, &value.year);
    char separator = scan.left > 0 && scan.at[0] == '.' ? '.' : '\0';
    understood = understood && take_rest_of_date(&scan, separator, &value) &&
                 value.precision == MUR_PRECISION_DAY;
    return accept(out, &value, understood, &scan, text, "date (YYYYMMDD)", error);
}

enum mur_status mur_datetime_parse_tm(struct mur_datetime *out, struct mur_slice text,
                                      struct mur_error *error)
{
    struct scan scan = scan_of(text);
    struct mur_datetime value = nothing_yet;
    char separator = scan.left > 2 && scan.at[2] == ':' ? ':' : '\0';
    bool understood = take_time(&scan, separator, false, &value);
    return accept(out, &value, understood, &scan, text, "time (HHMMSS.FFFFFF)", error);
}

enum mur_status mur_datetime_parse_dt(struct mur_datetime *out, struct mur_slice text,
                                      struct mur_error *error)
{
    struct scan scan = scan_of(text);
    struct mur_datetime value = nothing_yet;
    value.has_date = true;
    value.precision = MUR_PRECISION_YEAR;
    bool understood = take_digits(&scan, 4, &value.year) &&
                      take_rest_of_date(&scan, '\0', &value) &&
                      (!next_is_digit(&scan) || take_time(&scan, '\0', false, &value)) &&
                      take_offset(&scan, false, &value);
    return accept(out, &value, understood, &scan, text,
                  "date and time (YYYYMMDDHHMMSS.FFFFFF&ZZXX)", error);
}

enum mur_status mur_datetime_parse_iso(struct mur_datetime *out, struct mur_slice text,
                                       struct mur_error *error)
{
    struct scan scan = scan_of(text);
    struct mur_datetime value = nothing_yet;
    value.has_date = true;
    value.precision = MUR_PRECISION_YEAR;
    bool understood = take_digits(&scan, 4, &value.year);
    bool extended = scan.left == 0 || scan.at[0] == '-';
    understood = understood && take_rest_of_date(&scan, extended ? '-' : '\0', &value);
    /* "202405" would be year and month or a short day: ISO 8601 does not have it. */
    if (!extended && value.precision != MUR_PRECISION_DAY)
        understood = false;
    if (understood && value.precision == MUR_PRECISION_DAY &&
        (take(&scan, 'T') || take(&scan, 't') || take(&scan, ' '))) {
        bool colons = scan.left > 2 && scan.at[2] == ':';
        understood =
            take_time(&scan, colons ? ':' : '\0', true, &value) && take_offset(&scan, true, &value);
    }
    return accept(out, &value, understood, &scan, text, "date (ISO 8601: YYYY-MM-DD)", error);
}

static void write_date(char out[16], const struct mur_datetime *value, const char *separator)
{
    out[0] = '\0';
    if (!value->has_date)
        return;
    unsigned year = (unsigned)value->year % 10000;
    unsigned month = (unsigned)value->month % 100;
    unsigned day = (unsigned)value->day % 100;
    if (value->precision >= MUR_PRECISION_DAY)
        (void)snprintf(out, 16, "%04u%s%02u%s%02u", year, separator, month, separator, day);
    else if (value->precision == MUR_PRECISION_MONTH)
        (void)snprintf(out, 16, "%04u%s%02u", year, separator, month);
    else if (value->precision == MUR_PRECISION_YEAR)
        (void)snprintf(out, 16, "%04u", year);
}

static void write_time(char out[24], const struct mur_datetime *value, const char *separator)
{
    out[0] = '\0';
    unsigned hour = (unsigned)value->hour % 100;
    unsigned minute = (unsigned)value->minute % 100;
    unsigned second = (unsigned)value->second % 100;
    unsigned fraction = (unsigned)value->microsecond % 1000000;
    if (value->precision == MUR_PRECISION_FRACTION)
        (void)snprintf(out, 24, "%02u%s%02u%s%02u.%06u", hour, separator, minute, separator, second,
                       fraction);
    else if (value->precision == MUR_PRECISION_SECOND)
        (void)snprintf(out, 24, "%02u%s%02u%s%02u", hour, separator, minute, separator, second);
    else if (value->precision == MUR_PRECISION_MINUTE)
        (void)snprintf(out, 24, "%02u%s%02u", hour, separator, minute);
    else if (value->precision == MUR_PRECISION_HOUR)
        (void)snprintf(out, 24, "%02u", hour);
}

static void write_offset(char out[8], const struct mur_datetime *value, const char *separator)
{
    out[0] = '\0';
    if (!value->has_offset)
        return;
    unsigned minutes =
        (unsigned)(value->offset_minutes < 0 ? -value->offset_minutes : value->offset_minutes);
    (void)snprintf(out, 8, "%c%02u%s%02u", value->offset_minutes < 0 ? '-' : '+',
                   minutes / 60 % 100, separator, minutes % 60);
}

void mur_datetime_format_da(char out[MUR_DA_SIZE], const struct mur_datetime *value)
{
    char date[16];
    write_date(date, value, "");
    (void)snprintf(out, MUR_DA_SIZE, "%.8s", value->precision >= MUR_PRECISION_DAY ? date : "");
}

void mur_datetime_format_tm(char out[MUR_TM_SIZE], const struct mur_datetime *value)
{
    char time[24];
    write_time(time, value, "");
    (void)snprintf(out, MUR_TM_SIZE, "%.13s", time);
}

void mur_datetime_format_dt(char out[MUR_DT_SIZE], const struct mur_datetime *value)
{
    char date[16];
    char time[24];
    char offset[8];
    write_date(date, value, "");
    write_time(time, value, "");
    write_offset(offset, value, "");
    (void)snprintf(out, MUR_DT_SIZE, "%.8s%.13s%.5s", date, time, offset);
}

void mur_datetime_format_iso(char out[MUR_ISO_SIZE], const struct mur_datetime *value)
{
    char date[16];
    char time[24];
    char offset[8];
    write_date(date, value, "-");
    write_time(time, value, ":");
    if (value->has_offset && value->offset_minutes == 0)
        memcpy(offset, "Z", 2);
    else
        write_offset(offset, value, ":");
    bool both = date[0] != '\0' && time[0] != '\0';
    /* ISO 8601 has no offset without a time. */
    (void)snprintf(out, MUR_ISO_SIZE, "%.10s%s%.15s%.6s", date, both ? "T" : "", time,
                   time[0] != '\0' ? offset : "");
}

/**
 * Time: now, and dates as DICOM (PS3.5 6.2 DA, TM, DT) and ISO 8601 write them. Nothing depends on
 * a locale or on TZ. Threads: any.
 */
#ifndef MUR_CORE_CLOCK_H
#define MUR_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/text.h"

/** Down to which part a date or time is given. */
enum mur_precision {
    MUR_PRECISION_NONE, /**< nothing at all */
    MUR_PRECISION_YEAR,
    MUR_PRECISION_MONTH,
    MUR_PRECISION_DAY,
    MUR_PRECISION_HOUR,
    MUR_PRECISION_MINUTE,
    MUR_PRECISION_SECOND,
    MUR_PRECISION_FRACTION,
};

/** Parts beyond the precision are the least possible (month 1, hour 0). */
struct mur_datetime {
    int year; /**< 0 to 9999 */
    int month;
    int day;
    int hour;
    int minute;
    int second; /**< 60 in a leap second */
    int microsecond;
    bool has_date; /**< false for a TM */
    bool has_offset;
    int offset_minutes; /**< of local time from UTC, -720 to 840 */
    enum mur_precision precision;
};

enum {
    MUR_ISO_SIZE = 33, /**< "2024-05-06T07:08:09.123456+00:00" and NUL */
    MUR_DA_SIZE = 9,
    MUR_TM_SIZE = 14,
    MUR_DT_SIZE = 27,
};

/** Microseconds since 1970-01-01T00:00:00 UTC. */
int64_t mur_clock_now_us(void);
/** Milliseconds from an arbitrary beginning; never goes back. */
int64_t mur_clock_monotonic_ms(void);

/** UTC, with precision MUR_PRECISION_FRACTION and offset 0. Years 0 to 9999; others are clamped. */
struct mur_datetime mur_datetime_of_us(int64_t microseconds);
/** Without an offset it counts as UTC. */
int64_t mur_datetime_to_us(const struct mur_datetime *value);

/** "2024-05-06T07:08:09.123456Z": UTC, what is stored and logged. */
void mur_clock_format_us(char out[MUR_ISO_SIZE], int64_t microseconds);

/** "20240506", or "2024.05.06" of old (PS3.5 6.2 note). @retval MUR_PARSE */
MUR_NODISCARD
enum mur_status mur_datetime_parse_da(struct mur_datetime *out, struct mur_slice text,
                                      struct mur_error *error);
/** "HH", "HHMM", "HHMMSS", "HHMMSS.F" to ".FFFFFF", or with colons as of old. */
MUR_NODISCARD
enum mur_status mur_datetime_parse_tm(struct mur_datetime *out, struct mur_slice text,
                                      struct mur_error *error);
/** "YYYY" to "YYYYMMDDHHMMSS.FFFFFF", each with "&ZZXX" or without. */
MUR_NODISCARD
enum mur_status mur_datetime_parse_dt(struct mur_datetime *out, struct mur_slice text,
                                      struct mur_error *error);
/** "2024", "2024-05", "2024-05-06", then "T" or a blank and "07:08", "07:08:09", "07:08:09.123",
 * then "Z", "+01:00", "+0100" or "+01"; "20240506" and "20240506T070809" too. */
MUR_NODISCARD
enum mur_status mur_datetime_parse_iso(struct mur_datetime *out, struct mur_slice text,
                                       struct mur_error *error);

/** As precise as the value; DA needs a day and TM an hour, else they give "". */
void mur_datetime_format_da(char out[MUR_DA_SIZE], const struct mur_datetime *value);
void mur_datetime_format_tm(char out[MUR_TM_SIZE], const struct mur_datetime *value);
void mur_datetime_format_dt(char out[MUR_DT_SIZE], const struct mur_datetime *value);
void mur_datetime_format_iso(char out[MUR_ISO_SIZE], const struct mur_datetime *value);

#endif

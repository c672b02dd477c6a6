#include "web/rendered_table.h"

#include <math.h>

enum { COUNT_OF_ZERO = 65536, LEAST_BITS = 8, MOST_BITS = 16 };

enum mur_status mur_table_read(struct mur_table *out, struct mur_dataset *data, uint32_t descriptor,
                               uint32_t entries, bool is_signed, struct mur_error *error)
{
    int64_t numbers[3] = {0, 0, 0};
    size_t length = 0;
    struct mur_table table = {.entries = NULL};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(numbers); i++)
        status = mur_dataset_get_int(&numbers[i], data, descriptor, i, error);
    if (status == MUR_OK)
        status = mur_dataset_get_bytes(&table.entries, &length, data, entries, error);
    if (status != MUR_OK)
        return status;
    table.count = (uint16_t)numbers[0] == 0 ? COUNT_OF_ZERO : (uint16_t)numbers[0];
    /* In Implicit VR nothing tells US from SS. */
    table.first = is_signed ? (int16_t)(uint16_t)numbers[1] : numbers[1];
    table.bits = (unsigned)numbers[2];
    table.width = numbers[2] == LEAST_BITS && length < 2 * (size_t)table.count ? 1 : 2;
    if (numbers[2] < LEAST_BITS || numbers[2] > MOST_BITS ||
        length < table.width * (size_t)table.count)
        return mur_error_set(error, MUR_UNSUPPORTED, "a lookup table is not as long as it says");
    *out = table;
    return MUR_OK;
}

unsigned mur_table_look_up(const struct mur_table *table, double value)
{
    double place = round(value) - (double)table->first;
    int64_t last = table->count - 1;
    int64_t index = !(place > 0) ? 0 : place > (double)last ? last : (int64_t)place;
    const uint8_t *entry = table->entries + index * (int64_t)table->width;
    return table->width == 1 ? entry[0] : entry[0] | (unsigned)entry[1] << 8;
}

#include "db/said.h"

#include <string.h>

static enum mur_status append_number(struct mur_buffer *out, uint64_t number,
                                     struct mur_error *error)
{
    uint8_t bytes[10];
    size_t length = 0;
    for (; number >= 0x80; number >>= 7)
        bytes[length++] = (uint8_t)(number | 0x80);
    bytes[length++] = (uint8_t)number;
    return mur_buffer_append(out, bytes, length, error);
}

static bool next_number(uint64_t *out, struct mur_slice *rest)
{
    *out = 0;
    for (unsigned shift = 0; rest->length > 0 && shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)rest->data[0];
        *out |= (uint64_t)(byte & 0x7F) << shift;
        rest->data++;
        rest->length--;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool next_bytes(struct mur_slice *out, struct mur_slice *rest, uint64_t length)
{
    if (length > rest->length)
        return false;
    *out = (struct mur_slice){.data = rest->data, .length = (size_t)length};
    rest->data += length;
    rest->length -= (size_t)length;
    return true;
}

enum mur_status mur_said_append(struct mur_buffer *out, const struct mur_said *cell,
                                struct mur_error *error)
{
    const uint64_t numbers[] = {cell->place, cell->cell, cell->column, cell->text.length};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(numbers); i++)
        status = append_number(out, numbers[i], error);
    if (cell->text.length > MUR_SAID_TEXT)
        return status;
    if (status == MUR_OK)
        status = mur_buffer_append(out, cell->text.data, cell->text.length, error);
    if (status == MUR_OK)
        status = append_number(out, cell->unit.length, error);
    if (status == MUR_OK)
        status = mur_buffer_append(out, cell->unit.data, cell->unit.length, error);
    if (status == MUR_OK)
        status = append_number(out, cell->has_number, error);
    if (status == MUR_OK && cell->has_number)
        status = mur_buffer_append(out, &cell->number, sizeof cell->number, error);
    return status;
}

bool mur_said_next(struct mur_said *out, struct mur_slice *rest)
{
    struct mur_slice at = *rest;
    struct mur_slice number;
    uint64_t length;
    uint64_t unit;
    uint64_t has_number;
    struct mur_said one = {0};
    if (at.length == 0 || !next_number(&one.place, &at) || !next_number(&one.cell, &at) ||
        !next_number(&one.column, &at) || !next_number(&length, &at))
        return false;
    one.is_long = length > MUR_SAID_TEXT;
    if (!one.is_long) {
        if (!next_bytes(&one.text, &at, length) || !next_number(&unit, &at) ||
            !next_bytes(&one.unit, &at, unit) || !next_number(&has_number, &at) ||
            (has_number != 0 && !next_bytes(&number, &at, sizeof one.number)))
            return false;
        one.has_number = has_number != 0;
        if (one.has_number)
            memcpy(&one.number, number.data, sizeof one.number);
    }
    *out = one;
    *rest = at;
    return true;
}

#include "dicom/uid.h"

#include <string.h>

#include "core/digest.h"

/* UUID version 5 of "urn:murpacs" in the URL name space. */
const struct mur_uid_namespace mur_uid_murpacs = {{0x63, 0xc3, 0x79, 0x1e, 0x53, 0x37, 0x5d, 0xb1,
                                                   0xab, 0x9c, 0x2c, 0x80, 0x8c, 0x82, 0x5a, 0xb6}};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool mur_uid_valid(struct mur_slice uid)
{
    if (uid.length == 0 || uid.length > MUR_UID_LENGTH)
        return false;
    size_t start = 0; /* of the component */
    for (size_t i = 0; i <= uid.length; i++) {
        if (i < uid.length && is_digit(uid.data[i]))
            continue;
        if (i < uid.length && uid.data[i] != '.')
            return false;
        if (i == start || (uid.data[start] == '0' && i - start > 1))
            return false;
        start = i + 1;
    }
    return true;
}

bool mur_uid_acceptable(struct mur_slice uid)
{
    if (uid.length == 0 || uid.length > MUR_UID_LENGTH || !is_digit(uid.data[0]) ||
        !is_digit(uid.data[uid.length - 1]))
        return false;
    for (size_t i = 0; i < uid.length; i++)
        if (!is_digit(uid.data[i]) && uid.data[i] != '.')
            return false;
    return true;
}

struct mur_slice mur_uid_trim(struct mur_slice uid)
{
    while (uid.length > 0 && (uid.data[uid.length - 1] == '\0' || uid.data[uid.length - 1] == ' '))
        uid.length--;
    return uid;
}

/* Decimal of 128 bits, most significant byte first, by long division. */
static void write_decimal(char out[40], const uint8_t bytes[16])
{
    uint8_t number[16];
    char reversed[40];
    size_t digits = 0;
    memcpy(number, bytes, sizeof number);
    bool more = true;
    while (more) {
        unsigned remainder = 0;
        more = false;
        for (size_t i = 0; i < sizeof number; i++) {
            unsigned value = remainder << 8 | number[i];
            number[i] = (uint8_t)(value / 10);
            remainder = value % 10;
            more = more || number[i] != 0;
        }
        reversed[digits++] = (char)('0' + remainder);
    }
    for (size_t i = 0; i < digits; i++)
        out[i] = reversed[digits - 1 - i];
    out[digits] = '\0';
}

enum mur_status mur_uid_from_name(char out[MUR_UID_TEXT_SIZE],
                                  const struct mur_uid_namespace *space, struct mur_slice name,
                                  struct mur_error *error)
{
    uint8_t uuid[MUR_UUID_SIZE];
    enum mur_status status = mur_uuid5(uuid, space->bytes, name.data, name.length, error);
    if (status != MUR_OK)
        return status;
    memcpy(out, "2.25.", 5);
    write_decimal(out + 5, uuid);
    return MUR_OK;
}

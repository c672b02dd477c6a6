/**
 * PDUs of the upper layer (PS3.8 9.3) as bytes. What a peer sends is checked here before anything
 * else looks at it. Pure functions: any thread.
 */
#ifndef MUR_DICOM_PDU_H
#define MUR_DICOM_PDU_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum mur_pdu_type {
    MUR_PDU_ASSOCIATE_RQ = 1,
    MUR_PDU_ASSOCIATE_AC = 2,
    MUR_PDU_ASSOCIATE_RJ = 3,
    MUR_PDU_DATA = 4,
    MUR_PDU_RELEASE_RQ = 5,
    MUR_PDU_RELEASE_RP = 6,
    MUR_PDU_ABORT = 7,
};

enum {
    MUR_PDU_HEAD = 6,                 /**< type, reserved, length */
    MUR_PDV_HEAD = 6,                 /**< length, context identifier, control header */
    MUR_PDU_CONTROL_SIZE = 10,        /**< A-ASSOCIATE-RJ, A-RELEASE-RQ and -RP, A-ABORT */
    MUR_ASSOCIATE_LIMIT = 1024 * 1024 /**< longest A-ASSOCIATE-RQ or -AC; dcmnet's limit too */
};

/** Items and sub-items of the A-ASSOCIATE PDUs: PS3.8 9.3.2, D.1; PS3.7 D.3.3 */
enum mur_pdu_item_type {
    MUR_ITEM_APPLICATION_CONTEXT = 0x10,
    MUR_ITEM_CONTEXT_RQ = 0x20,
    MUR_ITEM_CONTEXT_AC = 0x21,
    MUR_ITEM_ABSTRACT_SYNTAX = 0x30,
    MUR_ITEM_TRANSFER_SYNTAX = 0x40,
    MUR_ITEM_USER_INFORMATION = 0x50,
    MUR_ITEM_MAXIMUM_LENGTH = 0x51,
    MUR_ITEM_IMPLEMENTATION_CLASS = 0x52,
    MUR_ITEM_ASYNCHRONOUS = 0x53,
    MUR_ITEM_ROLE = 0x54,
    MUR_ITEM_IMPLEMENTATION_VERSION = 0x55,
    MUR_ITEM_EXTENDED = 0x56,
    MUR_ITEM_USER_IDENTITY_RQ = 0x58,
    MUR_ITEM_USER_IDENTITY_AC = 0x59,
};

enum {
    MUR_PDU_ITEM_HEAD = 4,        /**< type, reserved, two bytes of length */
    MUR_ASSOCIATE_FIXED_PART = 68 /**< protocol version, reserved, two titles, reserved */
};

/** A-ABORT reasons of the service provider, PS3.8 9.3.8 */
enum mur_abort_reason {
    MUR_ABORT_NOT_SPECIFIED = 0,
    MUR_ABORT_UNRECOGNIZED_PDU = 1,
    MUR_ABORT_UNEXPECTED_PDU = 2,
    MUR_ABORT_INVALID_PARAMETER = 6,
};

static inline uint32_t mur_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}
static inline uint16_t mur_be16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}
static inline void mur_put_be32(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 24);
    bytes[1] = (uint8_t)(value >> 16);
    bytes[2] = (uint8_t)(value >> 8);
    bytes[3] = (uint8_t)value;
}

/** An item or a sub-item; its value is borrowed from the PDU. */
struct mur_pdu_item {
    uint8_t type;
    const uint8_t *value;
    size_t length;
};

/** The item at @p at, which moves behind it, as @p left does. @retval MUR_PARSE  it is cut short */
MUR_NODISCARD
enum mur_status mur_pdu_next_item(struct mur_pdu_item *out, const uint8_t **at, size_t *left,
                                  struct mur_error *error);

/**
 * Checks a whole A-ASSOCIATE-RQ or -AC (PS3.8 9.3.2, 9.3.3): every length fits into what is around
 * it, what must be there is there once, identifiers are odd and differ, UIDs have 1 to 64 bytes.
 * @param type  MUR_PDU_ASSOCIATE_RQ or MUR_PDU_ASSOCIATE_AC
 * @retval MUR_PARSE  the message says what is wrong
 */
MUR_NODISCARD
enum mur_status mur_pdu_check_associate(const uint8_t *pdu, size_t length, enum mur_pdu_type type,
                                        struct mur_error *error);

/**
 * Checks the PDVs of a P-DATA-TF (PS3.8 9.3.5): at least one, none shorter than its head, together
 * exactly the PDU.
 * @param body  what follows the PDU's head
 * @retval MUR_PARSE
 */
MUR_NODISCARD
enum mur_status mur_pdu_check_data(const uint8_t *body, size_t length, struct mur_error *error);

/** The four last bytes of A-ASSOCIATE-RJ, A-RELEASE and A-ABORT stand in @p third and @p fourth and
 * @p second (PS3.8 9.3.4, 9.3.6 to 9.3.8). */
void mur_pdu_control(uint8_t out[MUR_PDU_CONTROL_SIZE], enum mur_pdu_type type, uint8_t second,
                     uint8_t third, uint8_t fourth);

/** A-ASSOCIATE-RJ in words, PS3.8 9.3.4 */
const char *mur_reject_reason_name(uint8_t source, uint8_t reason);

#endif

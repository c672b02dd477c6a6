/**
 * DIMSE command sets (PS3.7 6.3, 9.3, 10.3, Annex E) as a struct and as bytes. Command sets are
 * Implicit VR Little Endian whatever was negotiated. Pure functions: any thread.
 */
#ifndef MUR_DICOM_COMMAND_H
#define MUR_DICOM_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"

/** Command Field (0000,0100), PS3.7 E.1-1 */
enum mur_command_field {
    MUR_C_STORE_RQ = 0x0001,
    MUR_C_STORE_RSP = 0x8001,
    MUR_C_GET_RQ = 0x0010,
    MUR_C_GET_RSP = 0x8010,
    MUR_C_FIND_RQ = 0x0020,
    MUR_C_FIND_RSP = 0x8020,
    MUR_C_MOVE_RQ = 0x0021,
    MUR_C_MOVE_RSP = 0x8021,
    MUR_C_ECHO_RQ = 0x0030,
    MUR_C_ECHO_RSP = 0x8030,
    MUR_N_EVENT_REPORT_RQ = 0x0100,
    MUR_N_EVENT_REPORT_RSP = 0x8100,
    MUR_N_ACTION_RQ = 0x0130,
    MUR_N_ACTION_RSP = 0x8130,
    MUR_C_CANCEL_RQ = 0x0FFF,
};

enum {
    MUR_COMMAND_LIMIT = 65536,    /**< bytes of a command set that we read */
    MUR_ERROR_COMMENT_LENGTH = 64 /**< (0000,0902) is LO */
};

/** Which fields a command set holds; what is absent from "has" is not written, and zero or empty
 * when read. Command Field and Command Data Set Type always are. */
enum mur_command_has {
    MUR_HAS_AFFECTED_SOP_CLASS = 1u << 0,
    MUR_HAS_REQUESTED_SOP_CLASS = 1u << 1,
    MUR_HAS_MESSAGE_ID = 1u << 2,
    MUR_HAS_RESPONDED_MESSAGE_ID = 1u << 3,
    MUR_HAS_MOVE_DESTINATION = 1u << 4,
    MUR_HAS_PRIORITY = 1u << 5,
    MUR_HAS_STATUS = 1u << 6,
    MUR_HAS_OFFENDING_ELEMENT = 1u << 7,
    MUR_HAS_ERROR_COMMENT = 1u << 8,
    MUR_HAS_ERROR_ID = 1u << 9,
    MUR_HAS_AFFECTED_SOP_INSTANCE = 1u << 10,
    MUR_HAS_REQUESTED_SOP_INSTANCE = 1u << 11,
    MUR_HAS_EVENT_TYPE = 1u << 12,
    MUR_HAS_ACTION_TYPE = 1u << 13,
    MUR_HAS_REMAINING = 1u << 14,
    MUR_HAS_COMPLETED = 1u << 15,
    MUR_HAS_FAILED = 1u << 16,
    MUR_HAS_WARNING = 1u << 17,
    MUR_HAS_MOVE_ORIGINATOR = 1u << 18,            /**< the AE title (0000,1030) */
    MUR_HAS_MOVE_ORIGINATOR_MESSAGE_ID = 1u << 19, /**< (0000,1031) */
    MUR_HAS_SUBOPERATION_COUNTS =
        MUR_HAS_COMPLETED | MUR_HAS_FAILED | MUR_HAS_WARNING, /**< Remaining only while pending */
};

enum { MUR_PRIORITY_MEDIUM = 0, MUR_PRIORITY_HIGH = 1, MUR_PRIORITY_LOW = 2 };

struct mur_command {
    uint32_t has;   /**< of enum mur_command_has */
    uint16_t field; /**< of enum mur_command_field, or what a peer made up */
    bool has_data_set;
    char affected_sop_class_uid[65];
    char requested_sop_class_uid[65];
    uint16_t message_id;
    uint16_t responded_message_id;
    char move_destination[17];
    uint16_t priority;
    uint16_t status;
    uint32_t offending_element; /**< group << 16 | element; the first one when several are named */
    char error_comment[MUR_ERROR_COMMENT_LENGTH + 1];
    uint16_t error_id;
    char affected_sop_instance_uid[65];
    char requested_sop_instance_uid[65];
    uint16_t event_type_id;
    uint16_t action_type_id;
    uint16_t remaining, completed, failed, warning;
    char move_originator_ae_title[17];
    uint16_t move_originator_message_id;
};

/** Appends the command set's bytes, group length included. Texts too long for their VR are
 * MUR_INVALID, but an error comment is cut and its non-ASCII characters become '?'. */
MUR_NODISCARD
enum mur_status mur_command_encode(struct mur_buffer *out, const struct mur_command *command,
                                   struct mur_error *error);

/**
 * Reads a whole command set. Elements unknown to us are skipped; padding is taken off texts.
 * @retval MUR_PARSE  lengths that do not add up, wrong value length, a UID longer than 64 or with
 *                    control characters, an element twice, no Command Field or Data Set Type, no
 *                    Message ID in a request, no Status or Message ID responded to in a response
 * @retval MUR_LIMIT  longer than MUR_COMMAND_LIMIT
 */
MUR_NODISCARD
enum mur_status mur_command_decode(struct mur_command *out, const uint8_t *bytes, size_t length,
                                   struct mur_error *error);

/** The response to a request: field, message id, SOP Class and Instance as PS3.7 9.3 and 10.3 say,
 * with @p status. */
void mur_command_init_response(struct mur_command *out, const struct mur_command *request,
                               uint16_t status);
/** Sets (0000,0902) from any text: cut to 64 characters, control characters off. */
void mur_command_set_comment(struct mur_command *command, const char *text);

/** 0xFF00 or 0xFF01 */
bool mur_dimse_status_is_pending(uint16_t status);
/** 0x0001, 0xBxxx, 0x0107, 0x0116 (PS3.7 Annex C) */
bool mur_dimse_status_is_warning(uint16_t status);
/** "C-STORE-RQ" ...; "unknown command" otherwise */
const char *mur_command_field_name(uint16_t field);

#endif

#include "dicom/command.h"

#include <string.h>

#include "core/own.h"

enum {
    ELEMENT_HEAD = 8, /* Implicit VR Little Endian: group, element, length */
    GROUP_LENGTH = 0x0000,
    COMMAND_FIELD = 0x0100,
    MESSAGE_ID = 0x0110,
    RESPONDED_MESSAGE_ID = 0x0120,
    DATA_SET_TYPE = 0x0800,
    STATUS = 0x0900,
    NO_DATA_SET = 0x0101,
    SOME_DATA_SET = 0x0001,
    RESPONSE_BIT = 0x8000,
};

enum kind { KIND_UID, KIND_AE, KIND_COMMENT, KIND_US, KIND_AT };

/* Every element of a command set that we read and write, by ascending element number (group 0000).
 * Command Field and Data Set Type are apart: they are always there. */
static const struct row {
    uint16_t element;
    enum kind kind;
    uint32_t has;
    size_t offset; /* of the field in struct mur_command */
} rows[] = {
#define ROW(element, kind, has, field)                                                             \
    {                                                                                              \
        element, kind, has, offsetof(struct mur_command, field)                                    \
    }
    ROW(0x0002, KIND_UID, MUR_HAS_AFFECTED_SOP_CLASS, affected_sop_class_uid),
    ROW(0x0003, KIND_UID, MUR_HAS_REQUESTED_SOP_CLASS, requested_sop_class_uid),
    ROW(0x0110, KIND_US, MUR_HAS_MESSAGE_ID, message_id),
    ROW(0x0120, KIND_US, MUR_HAS_RESPONDED_MESSAGE_ID, responded_message_id),
    ROW(0x0600, KIND_AE, MUR_HAS_MOVE_DESTINATION, move_destination),
    ROW(0x0700, KIND_US, MUR_HAS_PRIORITY, priority),
    ROW(0x0900, KIND_US, MUR_HAS_STATUS, status),
    ROW(0x0901, KIND_AT, MUR_HAS_OFFENDING_ELEMENT, offending_element),
    ROW(0x0902, KIND_COMMENT, MUR_HAS_ERROR_COMMENT, error_comment),
    ROW(0x0903, KIND_US, MUR_HAS_ERROR_ID, error_id),
    ROW(0x1000, KIND_UID, MUR_HAS_AFFECTED_SOP_INSTANCE, affected_sop_instance_uid),
    ROW(0x1001, KIND_UID, MUR_HAS_REQUESTED_SOP_INSTANCE, requested_sop_instance_uid),
    ROW(0x1002, KIND_US, MUR_HAS_EVENT_TYPE, event_type_id),
    ROW(0x1008, KIND_US, MUR_HAS_ACTION_TYPE, action_type_id),
    ROW(0x1020, KIND_US, MUR_HAS_REMAINING, remaining),
    ROW(0x1021, KIND_US, MUR_HAS_COMPLETED, completed),
    ROW(0x1022, KIND_US, MUR_HAS_FAILED, failed),
    ROW(0x1023, KIND_US, MUR_HAS_WARNING, warning),
    ROW(0x1030, KIND_AE, MUR_HAS_MOVE_ORIGINATOR, move_originator_ae_title),
    ROW(0x1031, KIND_US, MUR_HAS_MOVE_ORIGINATOR_MESSAGE_ID, move_originator_message_id),
#undef ROW
};

static size_t text_limit(enum kind kind)
{
    switch (kind) {
    case KIND_UID:
    case KIND_COMMENT:
        return 64;
    case KIND_AE:
        return 16;
    case KIND_US:
    case KIND_AT:
        break;
    }
    return 0;
}

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | (uint32_t)get16(bytes + 2) << 16;
}

static void put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, (uint16_t)value);
    put16(bytes + 2, (uint16_t)(value >> 16));
}

/* ---- writing ---- */

/* The longest there can be: all rows with their longest values. */
enum { ENCODED_LIMIT = (ELEMENT_HEAD + 64) * (int)MUR_COUNT(rows) + 3 * (ELEMENT_HEAD + 4) };

struct writer {
    uint8_t bytes[ENCODED_LIMIT];
    size_t length;
};

static uint8_t *put_element(struct writer *writer, uint16_t element, size_t length)
{
    uint8_t *at = writer->bytes + writer->length;
    put16(at, 0);
    put16(at + 2, element);
    put32(at + 4, (uint32_t)length);
    writer->length += ELEMENT_HEAD + length;
    return at + ELEMENT_HEAD;
}

static enum mur_status put_text(struct writer *writer, const struct row *row, const char *text,
                                struct mur_error *error)
{
    size_t limit = text_limit(row->kind);
    size_t length = strnlen(text, limit + 1);
    if (length > limit)
        return mur_error_set(error, MUR_INVALID, "\"%.20s...\" is too long for (0000,%04X)", text,
                             row->element);
    uint8_t *at = put_element(writer, row->element, length + length % 2);
    memcpy(at, text, length);
    if (length % 2 != 0)
        at[length] = row->kind == KIND_UID ? '\0' : ' ';
    return MUR_OK;
}

static enum mur_status put_row(struct writer *writer, const struct row *row,
                               const struct mur_command *command, struct mur_error *error)
{
    const void *field = (const char *)command + row->offset;
    switch (row->kind) {
    case KIND_UID:
    case KIND_AE:
        return put_text(writer, row, field, error);
    case KIND_COMMENT: {
        struct mur_command clean = {.has = 0};
        mur_command_set_comment(&clean, field);
        return put_text(writer, row, clean.error_comment, error);
    }
    case KIND_US:
        put16(put_element(writer, row->element, 2), *(const uint16_t *)field);
        return MUR_OK;
    case KIND_AT: {
        uint32_t tag = *(const uint32_t *)field;
        uint8_t *at = put_element(writer, row->element, 4);
        put16(at, (uint16_t)(tag >> 16));
        put16(at + 2, (uint16_t)tag);
        return MUR_OK;
    }
    }
    return mur_error_set(error, MUR_INTERNAL, "unknown kind of command element");
}

enum mur_status mur_command_encode(struct mur_buffer *out, const struct mur_command *command,
                                   struct mur_error *error)
{
    struct writer writer;
    writer.length = 0;
    uint8_t *group_length = put_element(&writer, GROUP_LENGTH, 4);
    bool field_done = false, type_done = false;
    for (size_t i = 0; i < MUR_COUNT(rows); i++) {
        const struct row *row = &rows[i];
        if (!field_done && row->element > COMMAND_FIELD) {
            put16(put_element(&writer, COMMAND_FIELD, 2), command->field);
            field_done = true;
        }
        if (!type_done && row->element > DATA_SET_TYPE) {
            put16(put_element(&writer, DATA_SET_TYPE, 2),
                  command->has_data_set ? SOME_DATA_SET : NO_DATA_SET);
            type_done = true;
        }
        if ((command->has & row->has) == 0)
            continue;
        enum mur_status status = put_row(&writer, row, command, error);
        if (status != MUR_OK)
            return status;
    }
    put32(group_length, (uint32_t)(writer.length - ELEMENT_HEAD - 4));
    return mur_buffer_append(out, writer.bytes, writer.length, error);
}

/* ---- reading ---- */

static enum mur_status wrong(struct mur_error *error, uint16_t element, const char *what)
{
    return mur_error_set(error, MUR_PARSE, "command set: (0000,%04X) %s", element, what);
}

static enum mur_status get_text(char *out, const struct row *row, const uint8_t *value,
                                size_t length, struct mur_error *error)
{
    while (length > 0 && (value[length - 1] == '\0' || value[length - 1] == ' '))
        length--;
    while (row->kind == KIND_AE && length > 0 && *value == ' ') {
        value++;
        length--;
    }
    if (row->kind == KIND_COMMENT && length > text_limit(row->kind))
        length = text_limit(row->kind); /* somebody else's prose: not worth an association */
    if (length > text_limit(row->kind))
        return wrong(error, row->element, "is too long");
    for (size_t i = 0; i < length; i++) {
        bool printable = value[i] >= ' ' && value[i] <= '~';
        if (!printable && row->kind == KIND_UID)
            return wrong(error, row->element, "is not a UID");
        out[i] = (char)(printable ? value[i] : '?');
    }
    out[length] = '\0';
    return MUR_OK;
}

static enum mur_status get_row(struct mur_command *command, const struct row *row,
                               const uint8_t *value, size_t length, struct mur_error *error)
{
    if ((command->has & row->has) != 0)
        return wrong(error, row->element, "stands twice");
    void *field = (char *)command + row->offset;
    switch (row->kind) {
    case KIND_UID:
    case KIND_AE:
    case KIND_COMMENT: {
        enum mur_status status = get_text(field, row, value, length, error);
        if (status != MUR_OK)
            return status;
        break;
    }
    case KIND_US:
        if (length != 2)
            return wrong(error, row->element, "has not two bytes");
        *(uint16_t *)field = get16(value);
        break;
    case KIND_AT:
        if (length % 4 != 0)
            return wrong(error, row->element, "is not a list of tags");
        if (length == 0)
            return MUR_OK;
        *(uint32_t *)field = (uint32_t)get16(value) << 16 | get16(value + 2);
        break;
    }
    command->has |= row->has;
    return MUR_OK;
}

static enum mur_status get_element(struct mur_command *command, bool *has_field, bool *has_type,
                                   uint16_t element, const uint8_t *value, size_t length,
                                   struct mur_error *error)
{
    if (element == COMMAND_FIELD || element == DATA_SET_TYPE) {
        bool *has = element == COMMAND_FIELD ? has_field : has_type;
        if (length != 2 || *has)
            return wrong(error, element, *has ? "stands twice" : "has not two bytes");
        *has = true;
        if (element == COMMAND_FIELD)
            command->field = get16(value);
        else
            command->has_data_set = get16(value) != NO_DATA_SET;
        return MUR_OK;
    }
    for (size_t i = 0; i < MUR_COUNT(rows); i++)
        if (rows[i].element == element)
            return get_row(command, &rows[i], value, length, error);
    return MUR_OK; /* retired or of the future: no concern of ours */
}

static enum mur_status check_complete(const struct mur_command *command, bool has_field,
                                      bool has_type, struct mur_error *error)
{
    if (!has_field)
        return wrong(error, COMMAND_FIELD, "is missing");
    if (!has_type)
        return wrong(error, DATA_SET_TYPE, "is missing");
    bool is_response = (command->field & RESPONSE_BIT) != 0;
    if (!is_response && command->field != MUR_C_CANCEL_RQ &&
        (command->has & MUR_HAS_MESSAGE_ID) == 0)
        return wrong(error, MESSAGE_ID, "is missing");
    if ((is_response || command->field == MUR_C_CANCEL_RQ) &&
        (command->has & MUR_HAS_RESPONDED_MESSAGE_ID) == 0)
        return wrong(error, RESPONDED_MESSAGE_ID, "is missing");
    if (is_response && (command->has & MUR_HAS_STATUS) == 0)
        return wrong(error, STATUS, "is missing");
    return MUR_OK;
}

enum mur_status mur_command_decode(struct mur_command *out, const uint8_t *bytes, size_t length,
                                   struct mur_error *error)
{
    if (length > MUR_COMMAND_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "a command set of %zu bytes", length);
    struct mur_command command = {.has = 0};
    bool has_field = false, has_type = false;
    while (length > 0) {
        if (length < ELEMENT_HEAD)
            return mur_error_set(error, MUR_PARSE, "command set: an element is cut short");
        uint16_t group = get16(bytes), element = get16(bytes + 2);
        size_t value_length = get32(bytes + 4);
        if (group != 0)
            return mur_error_set(error, MUR_PARSE, "command set: (%04X,%04X) does not belong there",
                                 group, element);
        if (value_length > length - ELEMENT_HEAD)
            return wrong(error, element, "is longer than the command set");
        enum mur_status status = get_element(&command, &has_field, &has_type, element,
                                             bytes + ELEMENT_HEAD, value_length, error);
        if (status != MUR_OK)
            return status;
        bytes += ELEMENT_HEAD + value_length;
        length -= ELEMENT_HEAD + value_length;
    }
    enum mur_status status = check_complete(&command, has_field, has_type, error);
    if (status != MUR_OK)
        return status;
    *out = command;
    return MUR_OK;
}

/* ---- making responses ---- */

void mur_command_init_response(struct mur_command *out, const struct mur_command *request,
                               uint16_t status)
{
    *out = (struct mur_command){
        .has = MUR_HAS_RESPONDED_MESSAGE_ID | MUR_HAS_STATUS,
        .field = request->field | RESPONSE_BIT,
        .responded_message_id = request->message_id,
        .status = status,
    };
    /* What N-services call "requested" in the request is "affected" in the response. */
    const char *sop_class = request->affected_sop_class_uid;
    const char *sop_instance = request->affected_sop_instance_uid;
    if ((request->has & MUR_HAS_REQUESTED_SOP_CLASS) != 0)
        sop_class = request->requested_sop_class_uid;
    if ((request->has & MUR_HAS_REQUESTED_SOP_INSTANCE) != 0)
        sop_instance = request->requested_sop_instance_uid;
    if (*sop_class != '\0') {
        memcpy(out->affected_sop_class_uid, sop_class, strlen(sop_class) + 1);
        out->has |= MUR_HAS_AFFECTED_SOP_CLASS;
    }
    if (*sop_instance != '\0') {
        memcpy(out->affected_sop_instance_uid, sop_instance, strlen(sop_instance) + 1);
        out->has |= MUR_HAS_AFFECTED_SOP_INSTANCE;
    }
    if (request->field == MUR_N_ACTION_RQ) {
        out->action_type_id = request->action_type_id;
        out->has |= MUR_HAS_ACTION_TYPE;
    }
    if (request->field == MUR_N_EVENT_REPORT_RQ) {
        out->event_type_id = request->event_type_id;
        out->has |= MUR_HAS_EVENT_TYPE;
    }
}

void mur_command_set_comment(struct mur_command *command, const char *text)
{
    size_t length = 0;
    for (; *text != '\0' && length < MUR_ERROR_COMMENT_LENGTH; text++) {
        if ((*text & 0xC0) == 0x80)
            continue; /* UTF-8 continuation: one '?' a character */
        bool good = *text >= ' ' && *text <= '~' && *text != '\\';
        command->error_comment[length++] = (char)(good ? *text : *text == '\\' ? '/' : '?');
    }
    while (length > 0 && command->error_comment[length - 1] == ' ')
        length--;
    command->error_comment[length] = '\0';
    command->has |= MUR_HAS_ERROR_COMMENT;
}

bool mur_dimse_status_is_pending(uint16_t status)
{
    return status == 0xFF00 || status == 0xFF01;
}

bool mur_dimse_status_is_warning(uint16_t status)
{
    return status == 0x0001 || status == 0x0107 || status == 0x0116 || (status & 0xF000) == 0xB000;
}

const char *mur_command_field_name(uint16_t field)
{
    static const struct {
        uint16_t field;
        const char *name;
    } names[] = {
        {MUR_C_STORE_RQ, "C-STORE-RQ"},
        {MUR_C_STORE_RSP, "C-STORE-RSP"},
        {MUR_C_GET_RQ, "C-GET-RQ"},
        {MUR_C_GET_RSP, "C-GET-RSP"},
        {MUR_C_FIND_RQ, "C-FIND-RQ"},
        {MUR_C_FIND_RSP, "C-FIND-RSP"},
        {MUR_C_MOVE_RQ, "C-MOVE-RQ"},
        {MUR_C_MOVE_RSP, "C-MOVE-RSP"},
        {MUR_C_ECHO_RQ, "C-ECHO-RQ"},
        {MUR_C_ECHO_RSP, "C-ECHO-RSP"},
        {MUR_N_EVENT_REPORT_RQ, "N-EVENT-REPORT-RQ"},
        {MUR_N_EVENT_REPORT_RSP, "N-EVENT-REPORT-RSP"},
        {MUR_N_ACTION_RQ, "N-ACTION-RQ"},
        {MUR_N_ACTION_RSP, "N-ACTION-RSP"},
        {MUR_C_CANCEL_RQ, "C-CANCEL-RQ"},
    };
    for (size_t i = 0; i < MUR_COUNT(names); i++)
        if (names[i].field == field)
            return names[i].name;
    return "unknown command";
}

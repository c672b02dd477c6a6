#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dicom/command.h"

struct bytes {
    uint8_t data[1024];
    size_t length;
};

static void add(struct bytes *bytes, unsigned element, const void *value, size_t length)
{
    uint8_t head[8] = {
        0, 0, (uint8_t)element, (uint8_t)(element >> 8), (uint8_t)length, (uint8_t)(length >> 8),
        0, 0};
    memcpy(bytes->data + bytes->length, head, sizeof(head));
    memcpy(bytes->data + bytes->length + sizeof(head), value, length);
    bytes->length += sizeof(head) + length;
}

static void add_us(struct bytes *bytes, unsigned element, unsigned value)
{
    uint8_t little[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    add(bytes, element, little, 2);
}

static enum mur_status decode(struct mur_command *out, const struct bytes *bytes)
{
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_command_decode(out, bytes->data, bytes->length, &error);
    assert_int_equal(status, error.status);
    return status;
}

static void every_field_survives_encoding_and_decoding(void **state)
{
    (void)state;
    struct mur_command in = {
        .has = (1u << 20) - 1,
        .field = MUR_C_MOVE_RSP,
        .has_data_set = true,
        .affected_sop_class_uid = "1.2.840.10008.5.1.4.1.2.2.2",
        .requested_sop_class_uid = "1.2.840.10008.1.20.1",
        .message_id = 7,
        .responded_message_id = 8,
        .move_destination = "ELSEWHERE",
        .priority = MUR_PRIORITY_LOW,
        .status = 0xB000,
        .offending_element = 0x00080052,
        .error_comment = "no such level",
        .error_id = 9,
        .affected_sop_instance_uid = "1.2.3",
        .requested_sop_instance_uid = "1.2.3.4",
        .event_type_id = 1,
        .action_type_id = 2,
        .remaining = 3,
        .completed = 4,
        .failed = 5,
        .warning = 6,
        .move_originator_ae_title = "ORIGINATOR",
        .move_originator_message_id = 10,
    };
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    assert_int_equal(mur_command_encode(&bytes, &in, NULL), MUR_OK);
    assert_int_equal(bytes.length % 2, 0);
    assert_int_equal((uint8_t)bytes.data[8] | (uint8_t)bytes.data[9] << 8, bytes.length - 12);
    struct mur_command out;
    assert_int_equal(mur_command_decode(&out, (const uint8_t *)bytes.data, bytes.length, NULL),
                     MUR_OK);
    assert_memory_equal(&in, &out, sizeof(in));
}

static void elements_are_written_in_ascending_order(void **state)
{
    (void)state;
    struct mur_command in = {.has = (1u << 20) - 1, .field = MUR_C_ECHO_RQ};
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    assert_int_equal(mur_command_encode(&bytes, &in, NULL), MUR_OK);
    int before = -1;
    for (size_t at = 0; at < bytes.length;) {
        const uint8_t *element = (const uint8_t *)bytes.data + at;
        int number = element[2] | element[3] << 8;
        assert_true(number > before);
        before = number;
        at += 8u + (size_t)(element[4] | element[5] << 8);
    }
}

static void a_cut_command_set_is_never_taken(void **state)
{
    (void)state;
    struct mur_command in = {.has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID,
                             .field = MUR_C_ECHO_RQ,
                             .affected_sop_class_uid = "1.2.840.10008.1.1"};
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    assert_int_equal(mur_command_encode(&bytes, &in, NULL), MUR_OK);
    for (size_t length = 0; length < bytes.length; length++) {
        struct mur_command out = {.field = 4711};
        assert_int_equal(mur_command_decode(&out, (const uint8_t *)bytes.data, length, NULL),
                         MUR_PARSE);
        assert_int_equal(out.field, 4711);
    }
}

static void lengths_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct mur_command out;
    struct bytes bytes = {.length = 0};
    add(&bytes, 0x0100, "\x30\x00\x00\x00", 4); /* Command Field of four bytes */
    add_us(&bytes, 0x0800, 0x0101);
    assert_int_equal(decode(&out, &bytes), MUR_PARSE);

    bytes.length = 0;
    add_us(&bytes, 0x0100, MUR_C_ECHO_RQ);
    add_us(&bytes, 0x0110, 1);
    add_us(&bytes, 0x0800, 0x0101);
    assert_int_equal(decode(&out, &bytes), MUR_OK);
    bytes.data[7] = 0xFF; /* a Command Field of 4 GB */
    assert_int_equal(decode(&out, &bytes), MUR_PARSE);
}

static void an_element_that_stands_twice_is_refused(void **state)
{
    (void)state;
    struct mur_command out;
    struct bytes bytes = {.length = 0};
    add_us(&bytes, 0x0100, MUR_C_ECHO_RQ);
    add_us(&bytes, 0x0110, 1);
    add_us(&bytes, 0x0110, 2);
    add_us(&bytes, 0x0800, 0x0101);
    assert_int_equal(decode(&out, &bytes), MUR_PARSE);
}

static void another_group_than_0000_is_refused(void **state)
{
    (void)state;
    struct mur_command out;
    struct bytes bytes = {.length = 0};
    add_us(&bytes, 0x0100, MUR_C_ECHO_RQ);
    add_us(&bytes, 0x0110, 1);
    add_us(&bytes, 0x0800, 0x0101);
    bytes.data[0] = 8;
    assert_int_equal(decode(&out, &bytes), MUR_PARSE);
}

static void what_a_request_or_response_must_have_is_demanded(void **state)
{
    (void)state;
    struct mur_command out;
    struct bytes request = {.length = 0};
    add_us(&request, 0x0100, MUR_C_FIND_RQ);
    add_us(&request, 0x0800, 0x0001);
    assert_int_equal(decode(&out, &request), MUR_PARSE);

    struct bytes response = {.length = 0};
    add_us(&response, 0x0100, MUR_C_STORE_RSP);
    add_us(&response, 0x0120, 3);
    add_us(&response, 0x0800, 0x0101);
    assert_int_equal(decode(&out, &response), MUR_PARSE);
    add_us(&response, 0x0900, 0x0000);
    assert_int_equal(decode(&out, &response), MUR_OK);
    assert_false(out.has_data_set);

    struct bytes cancel = {.length = 0};
    add_us(&cancel, 0x0100, MUR_C_CANCEL_RQ);
    add_us(&cancel, 0x0120, 3);
    add_us(&cancel, 0x0800, 0x0101);
    assert_int_equal(decode(&out, &cancel), MUR_OK);
}

static void uids_that_are_too_long_or_hold_control_characters_are_refused(void **state)
{
    (void)state;
    struct mur_command out;
    char uid[66];
    memset(uid, '1', sizeof(uid));
    struct bytes bytes = {.length = 0};
    add(&bytes, 0x0002, uid, 66);
    add_us(&bytes, 0x0100, MUR_C_ECHO_RQ);
    add_us(&bytes, 0x0110, 1);
    add_us(&bytes, 0x0800, 0x0101);
    assert_int_equal(decode(&out, &bytes), MUR_PARSE);

    bytes.length = 0;
    add(&bytes, 0x0002, "1.2\0003.4", 8);
    add_us(&bytes, 0x0100, MUR_C_ECHO_RQ);
    add_us(&bytes, 0x0110, 1);
    add_us(&bytes, 0x0800, 0x0101);
    assert_int_equal(decode(&out, &bytes), MUR_PARSE);
}

static void padding_is_taken_off_and_unknown_elements_are_skipped(void **state)
{
    (void)state;
    struct mur_command out;
    struct bytes bytes = {.length = 0};
    add(&bytes, 0x0002, "1.2.3\0", 6);
    add(&bytes, 0x0010, "retired ", 8);
    add_us(&bytes, 0x0100, MUR_C_MOVE_RQ);
    add_us(&bytes, 0x0110, 1);
    add(&bytes, 0x0600, " DEST ", 6);
    add_us(&bytes, 0x0800, 0x0102);
    assert_int_equal(decode(&out, &bytes), MUR_OK);
    assert_string_equal(out.affected_sop_class_uid, "1.2.3");
    assert_string_equal(out.move_destination, "DEST");
    assert_true(out.has_data_set);
}

static void a_response_names_what_the_request_was_about(void **state)
{
    (void)state;
    struct mur_command request = {.has = MUR_HAS_REQUESTED_SOP_CLASS |
                                         MUR_HAS_REQUESTED_SOP_INSTANCE | MUR_HAS_MESSAGE_ID,
                                  .field = MUR_N_ACTION_RQ,
                                  .message_id = 12,
                                  .action_type_id = 1,
                                  .requested_sop_class_uid = "1.2",
                                  .requested_sop_instance_uid = "1.3"};
    struct mur_command response;
    mur_command_init_response(&response, &request, 0x0110);
    assert_int_equal(response.field, MUR_N_ACTION_RSP);
    assert_int_equal(response.responded_message_id, 12);
    assert_int_equal(response.status, 0x0110);
    assert_string_equal(response.affected_sop_class_uid, "1.2");
    assert_string_equal(response.affected_sop_instance_uid, "1.3");
    assert_int_equal(response.has & MUR_HAS_ACTION_TYPE, MUR_HAS_ACTION_TYPE);
}

static void an_error_comment_is_cut_to_64_plain_characters(void **state)
{
    (void)state;
    struct mur_command command = {.has = 0};
    mur_command_set_comment(&command, "M\xC3\xBC"
                                      "ller\\x\n");
    assert_string_equal(command.error_comment, "M?ller/x?");
    char text[200];
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    mur_command_set_comment(&command, text);
    assert_int_equal(strlen(command.error_comment), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_survives_encoding_and_decoding),
        cmocka_unit_test(elements_are_written_in_ascending_order),
        cmocka_unit_test(a_cut_command_set_is_never_taken),
        cmocka_unit_test(lengths_that_do_not_fit_are_refused),
        cmocka_unit_test(an_element_that_stands_twice_is_refused),
        cmocka_unit_test(another_group_than_0000_is_refused),
        cmocka_unit_test(what_a_request_or_response_must_have_is_demanded),
        cmocka_unit_test(uids_that_are_too_long_or_hold_control_characters_are_refused),
        cmocka_unit_test(padding_is_taken_off_and_unknown_elements_are_skipped),
        cmocka_unit_test(a_response_names_what_the_request_was_about),
        cmocka_unit_test(an_error_comment_is_cut_to_64_plain_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

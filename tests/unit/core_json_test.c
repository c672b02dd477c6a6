/* JSON out, piece by piece, and JSON in, with limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "core/json.h"
#include "core/json_write.h"
#include "core/own.h"

static void values_are_separated_and_nested(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_json_writer writer;
    mur_json_init(&writer, mur_sink_buffer(&text));
    mur_json_begin_object(&writer);
    mur_json_member_string(&writer, "a", "x");
    mur_json_key(&writer, "b");
    mur_json_begin_array(&writer);
    mur_json_int(&writer, INT64_MIN);
    mur_json_uint(&writer, UINT64_MAX);
    mur_json_null(&writer);
    mur_json_raw(&writer, mur_slice_of("1.50"));
    mur_json_begin_object(&writer);
    mur_json_end_object(&writer);
    mur_json_end_array(&writer);
    mur_json_member_bool(&writer, "c", true);
    mur_json_member_int(&writer, "d", -1);
    mur_json_member_double(&writer, "e", 0.1);
    mur_json_member_string(&writer, "f", NULL);
    mur_json_end_object(&writer);
    assert_int_equal(mur_json_finish(&writer, NULL), MUR_OK);
    assert_string_equal(mur_buffer_text(&text),
                        "{\"a\":\"x\",\"b\":[-9223372036854775808,18446744073709551615,null,1.50,"
                        "{}],\"c\":true,\"d\":-1,\"e\":0.1,\"f\":null}");
}

static void strings_are_escaped_and_repaired(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_json_writer writer;
    mur_json_init(&writer, mur_sink_buffer(&text));
    mur_json_slice(&writer,
                   (struct mur_slice){.data = "\"\\\n\r\t\0\x1f\xC3\xBC\xFF/", .length = 11});
    assert_int_equal(mur_json_finish(&writer, NULL), MUR_OK);
    assert_string_equal(mur_buffer_text(&text),
                        "\"\\\"\\\\\\n\\r\\t\\u0000\\u001f\xC3\xBC\xEF\xBF\xBD/\"");
}

static void doubles_are_shortest_and_come_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1.0, "1"},
                 {-2.5e-7, "-2.5e-07"},
                 {1.0 / 3.0, "0.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {5e-324, "4.94065645841247e-324"}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        char text[32];
        mur_double_write(text, cases[i].value);
        assert_string_equal(text, cases[i].text);
    }
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_json_writer writer;
    mur_json_init(&writer, mur_sink_buffer(&text));
    mur_json_begin_array(&writer);
    mur_json_double(&writer, (double)NAN);
    mur_json_double(&writer, (double)INFINITY);
    mur_json_end_array(&writer);
    assert_int_equal(mur_json_finish(&writer, NULL), MUR_OK);
    assert_string_equal(mur_buffer_text(&text), "[null,null]");
}

struct counter {
    size_t calls;
    size_t bytes;
    size_t fail_at; /* the call that fails; 0 = none */
};

static enum mur_status count(void *user, const void *bytes, size_t length, struct mur_error *error)
{
    struct counter *counter = user;
    (void)bytes;
    counter->calls++;
    if (counter->calls == counter->fail_at)
        return mur_error_set(error, MUR_NO_SPACE, "full");
    counter->bytes += length;
    return MUR_OK;
}

static void a_large_document_goes_out_in_blocks(void **state)
{
    (void)state;
    struct counter counter = {0};
    struct mur_json_writer writer;
    mur_json_init(&writer, (struct mur_sink){.write = count, .user = &counter});
    mur_json_begin_array(&writer);
    for (int i = 0; i < 10000; i++)
        mur_json_int(&writer, 1234567);
    mur_json_end_array(&writer);
    assert_int_equal(mur_json_finish(&writer, NULL), MUR_OK);
    assert_int_equal(counter.bytes, 10000 * 8 + 1);
    assert_int_equal(counter.calls, (10000 * 8 + 1) / MUR_JSON_BLOCK + 1);
}

static void strings_come_whole_over_the_end_of_a_block(void **state)
{
    (void)state;
    char padding[MUR_JSON_BLOCK + 1];
    memset(padding, 'x', sizeof padding);
    for (size_t length = MUR_JSON_BLOCK - 16; length <= MUR_JSON_BLOCK; length++) {
        MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
        struct mur_json_writer writer;
        mur_json_init(&writer, mur_sink_buffer(&text));
        mur_json_begin_array(&writer);
        mur_json_slice(&writer, (struct mur_slice){.data = padding, .length = length});
        mur_json_string(&writer, "ab\"cd");
        mur_json_end_array(&writer);
        assert_int_equal(mur_json_finish(&writer, NULL), MUR_OK);
        assert_int_equal(text.length, length + 13);
        assert_memory_equal(text.data + 2, padding, length);
        assert_string_equal(text.data + 2 + length, "\",\"ab\\\"cd\"]");
    }
}

static void the_first_failure_sticks(void **state)
{
    (void)state;
    struct counter counter = {.fail_at = 2};
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_json_writer writer;
    mur_json_init(&writer, (struct mur_sink){.write = count, .user = &counter});
    mur_json_begin_array(&writer);
    for (int i = 0; i < 10000; i++)
        mur_json_int(&writer, 1234567);
    assert_true(mur_json_failed(&writer));
    mur_json_end_array(&writer);
    assert_int_equal(mur_json_finish(&writer, &error), MUR_NO_SPACE);
    assert_string_equal(error.message, "full");
    assert_int_equal(counter.calls, 2);
}

static void wrong_order_is_refused(void **state)
{
    (void)state;
    for (int mistake = 0; mistake < 7; mistake++) {
        MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
        struct mur_json_writer writer;
        mur_json_init(&writer, mur_sink_buffer(&text));
        switch (mistake) {
        case 0: /* a member without a key */
            mur_json_begin_object(&writer);
            mur_json_int(&writer, 1);
            break;
        case 1: /* two values at the top */
            mur_json_int(&writer, 1);
            mur_json_int(&writer, 1);
            break;
        case 2: /* left open */
            mur_json_begin_array(&writer);
            break;
        case 3: /* closed as the other */
            mur_json_begin_array(&writer);
            mur_json_end_object(&writer);
            break;
        case 4: /* a key in an array */
            mur_json_begin_array(&writer);
            mur_json_key(&writer, "a");
            break;
        case 5: /* a key without a value */
            mur_json_begin_object(&writer);
            mur_json_key(&writer, "a");
            mur_json_end_object(&writer);
            break;
        default: /* nothing at all */
            break;
        }
        assert_int_equal(mur_json_finish(&writer, NULL), MUR_INTERNAL);
    }
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_json_writer writer;
    mur_json_init(&writer, mur_sink_buffer(&text));
    for (int i = 0; i < MUR_JSON_DEPTH + 1; i++)
        mur_json_begin_array(&writer);
    assert_int_equal(mur_json_finish(&writer, NULL), MUR_LIMIT);
}

static enum mur_status parse(struct mur_json **out, const char *text, struct mur_error *error)
{
    return mur_json_parse(out, mur_slice_of(text), 1000, error);
}

struct walk {
    char text[100];
};

static bool append_key(void *user, const char *key, const struct mur_json *value)
{
    struct walk *walk = user;
    size_t used = strlen(walk->text);
    (void)snprintf(walk->text + used, sizeof walk->text - used, "%s%d,", key,
                   (int)mur_json_type(value));
    return strcmp(key, "stop") != 0;
}

static void documents_are_read_by_key_index_and_order(void **state)
{
    (void)state;
    MUR_AUTO(mur_json) *json = NULL;
    assert_int_equal(parse(&json,
                           "{\"z\":null,\"b\":true,\"i\":5,\"d\":1.5,\"s\":\"x\",\"a\":[1,2],"
                           "\"stop\":{},\"after\":1}",
                           NULL),
                     MUR_OK);
    struct walk walk = {.text = ""};
    mur_json_each(json, append_key, &walk);
    assert_string_equal(walk.text, "z0,b1,i2,d3,s4,a5,stop6,");
    assert_int_equal(mur_json_count(json), 8);
    int64_t integer = 0;
    double number = 0;
    bool flag = false;
    assert_int_equal(mur_json_get_int(&integer, mur_json_at(mur_json_get(json, "a"), 1), NULL),
                     MUR_OK);
    assert_int_equal(integer, 2);
    assert_int_equal(mur_json_get_int(&integer, mur_json_get(json, "d"), NULL), MUR_MISMATCH);
    assert_int_equal(mur_json_get_int(&integer, mur_json_get(json, "none"), NULL), MUR_MISMATCH);
    assert_int_equal(mur_json_get_double(&number, mur_json_get(json, "i"), NULL), MUR_OK);
    assert_true(number == 5.0);
    assert_int_equal(mur_json_get_double(&number, mur_json_get(json, "s"), NULL), MUR_MISMATCH);
    assert_int_equal(mur_json_get_bool(&flag, mur_json_get(json, "b"), NULL), MUR_OK);
    assert_true(flag);
    assert_int_equal(mur_json_get_bool(&flag, mur_json_get(json, "i"), NULL), MUR_MISMATCH);
    assert_string_equal(mur_json_text(mur_json_get(json, "s")), "x");
    assert_null(mur_json_text(mur_json_get(json, "i")));
    assert_null(mur_json_at(mur_json_get(json, "a"), 2));
    assert_null(mur_json_get(mur_json_get(json, "a"), "x"));
    assert_int_equal(mur_json_count(NULL), 0);
}

static void damaged_deep_and_long_documents_are_refused(void **state)
{
    (void)state;
    struct mur_json *json = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(parse(&json, "{\"a\":\n 1,}", &error), MUR_PARSE);
    assert_non_null(strstr(error.message, "line 2"));
    static const char *const wrong[] = {
        "", "{\"a\":1,\"a\":2}", "[1] 2", "\"\xFF\"", "[\"\\u0000\"]", "{\"a\\u0000\":1}", "nul",
        "{"};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++)
        assert_int_equal(parse(&json, wrong[i], NULL), MUR_PARSE);
    char deep[403];
    memset(deep, '[', 201);
    memset(deep + 201, ']', 201);
    deep[402] = '\0';
    assert_int_equal(parse(&json, deep, NULL), MUR_LIMIT);
    assert_int_equal(mur_json_parse(&json, mur_slice_of("[1,2,3]"), 6, NULL), MUR_LIMIT);
    assert_null(json);
    assert_int_equal(parse(&json, "[\"[[[\\\"[[[\"]", NULL), MUR_OK);
    mur_json_free(json);
    mur_json_free(NULL);
}

static bool is_short(void *user, struct mur_slice key)
{
    (*(int *)user)++;
    return key.length == 1;
}

static void members_are_chosen_without_reading_the_others(void **state)
{
    (void)state;
    static const struct {
        const char *text, *chosen;
        int members;
    } cases[] = {
        {"{}", "{}", 0},
        {" { } ", "{}", 0},
        {"{\"a\":1}", "{\"a\":1}", 1},
        {"{ \"a\" : [1, {\"bb\": \"}\"}] ,\n\"cc\": {\"d\":[]}, \"e\":\"\\\"]\" }",
         "{\"a\" : [1, {\"bb\": \"}\"}] ,\"e\":\"\\\"]\" }", 3},
        {"{\"aa\":what is this?,\"b\":null}", "{\"b\":null}", 2},
        {"", NULL, 0},
        {"[1]", NULL, 0},
        {"{", NULL, 0},
        {"{\"a", NULL, 0},
        {"{\"a\\", NULL, 0},
        {"{\"a\"", NULL, 0},
        {"{\"a\":", NULL, 0},
        {"{\"a\":\"", NULL, 0},
        {"{\"a\":[}", NULL, 0},
        {"{\"a\":1]", NULL, 0},
        {"{\"a\":1,}", NULL, 1},
        {"{a:1}", NULL, 0},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        MUR_AUTO_BUFFER struct mur_buffer out = MUR_BUFFER_INIT;
        int members = 0;
        enum mur_status status =
            mur_json_select(&out, mur_slice_of(cases[i].text), is_short, &members, NULL);
        if (status != (cases[i].chosen != NULL ? MUR_OK : MUR_PARSE) ||
            members != cases[i].members ||
            (status == MUR_OK && strcmp(mur_buffer_text(&out), cases[i].chosen) != 0))
            fail_msg("%s: %d members, %s", cases[i].text, members, mur_buffer_text(&out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_separated_and_nested),
        cmocka_unit_test(strings_are_escaped_and_repaired),
        cmocka_unit_test(doubles_are_shortest_and_come_back),
        cmocka_unit_test(a_large_document_goes_out_in_blocks),
        cmocka_unit_test(strings_come_whole_over_the_end_of_a_block),
        cmocka_unit_test(the_first_failure_sticks),
        cmocka_unit_test(wrong_order_is_refused),
        cmocka_unit_test(documents_are_read_by_key_index_and_order),
        cmocka_unit_test(members_are_chosen_without_reading_the_others),
        cmocka_unit_test(damaged_deep_and_long_documents_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

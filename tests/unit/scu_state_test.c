/* The file that says what a peer acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "scu/send_state.h"

#define PEER "PACS at localhost port 104"

static char path[32];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "state_test.XXXXXX");
    int descriptor = mkstemp(path);
    if (descriptor < 0)
        return -1;
    (void)close(descriptor);
    return unlink(path);
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return 0;
}

static const struct mur_sent first = {.uid = "1.2.3", .size = 100, .modified_ns = 17};
static const struct mur_sent second = {.uid = "1.2.4", .size = 100, .modified_ns = 17};

static struct mur_send_state *open_state(void)
{
    struct mur_send_state *state = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_send_state_open(&state, path, PEER, &error) != MUR_OK)
        fail_msg("%s", error.message);
    return state;
}

static void add_both(void)
{
    struct mur_send_state *state = open_state();
    assert_false(mur_send_state_has(state, &first));
    assert_int_equal(mur_send_state_add(state, &second, 0, NULL), MUR_OK);
    assert_int_equal(mur_send_state_add(state, &first, 0xB000, NULL), MUR_OK);
    mur_send_state_free(state);
}

static void what_was_acknowledged_is_known_when_it_is_opened_again(void **unused)
{
    (void)unused;
    add_both();
    MUR_AUTO(mur_send_state) *state = open_state();
    assert_true(mur_send_state_has(state, &first));
    assert_true(mur_send_state_has(state, &second));
    struct mur_sent other = first;
    other.size++;
    assert_false(mur_send_state_has(state, &other));
    other = first;
    other.modified_ns++;
    assert_false(mur_send_state_has(state, &other));
}

static void a_torn_last_line_is_cut_off_and_the_rest_stands(void **unused)
{
    (void)unused;
    add_both();
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    assert_int_equal(mur_file_read_all(&text, path, 10000, NULL), MUR_OK);
    /* at each place where a crash may have stopped the last line */
    size_t last = text.length - 1;
    while (text.data[last - 1] != '\n')
        last--;
    for (size_t length = last; length < text.length; length++) {
        assert_int_equal(mur_file_write_all(path, text.data, length, 0644, NULL), MUR_OK);
        struct mur_send_state *state = open_state();
        assert_true(mur_send_state_has(state, &second));
        assert_false(mur_send_state_has(state, &first));
        assert_int_equal(mur_send_state_add(state, &first, 0, NULL), MUR_OK);
        mur_send_state_free(state);
        state = open_state();
        assert_true(mur_send_state_has(state, &first));
        mur_send_state_free(state);
    }
}

static void a_torn_first_line_begins_anew(void **unused)
{
    (void)unused;
    assert_int_equal(mur_file_write_all(path, "{\"mur", 5, 0644, NULL), MUR_OK);
    add_both();
    MUR_AUTO(mur_send_state) *state = open_state();
    assert_true(mur_send_state_has(state, &first));
}

static void the_file_of_another_peer_is_refused(void **unused)
{
    (void)unused;
    add_both();
    struct mur_send_state *state = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_send_state_open(&state, path, "OTHER at localhost port 104", &error),
                     MUR_MISMATCH);
    assert_non_null(strstr(error.message, PEER));
}

static void something_else_is_refused_and_left_alone(void **unused)
{
    (void)unused;
    static const char *const texts[] = {"my diary, without end of line", "my diary\n", "{}\n",
                                        "{\"murpacs\":\"store\",\"version\":2,\"peer\":\"x\"}\n"};
    for (size_t i = 0; i < 4; i++) {
        struct mur_send_state *state = NULL;
        MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
        assert_int_equal(mur_file_write_all(path, texts[i], strlen(texts[i]), 0644, NULL), MUR_OK);
        assert_int_equal(mur_send_state_open(&state, path, PEER, NULL), MUR_MISMATCH);
        assert_int_equal(mur_file_read_all(&text, path, 10000, NULL), MUR_OK);
        assert_string_equal(mur_buffer_text(&text), texts[i]);
    }
}

static void two_cannot_send_by_one_file(void **unused)
{
    (void)unused;
    MUR_AUTO(mur_send_state) *one = open_state();
    struct mur_send_state *other = NULL;
    assert_int_equal(mur_send_state_open(&other, path, PEER, NULL), MUR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_is_known_when_it_is_opened_again,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_torn_last_line_is_cut_off_and_the_rest_stands, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_torn_first_line_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_of_another_peer_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(something_else_is_refused_and_left_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(two_cannot_send_by_one_file, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

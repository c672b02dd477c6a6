/* The n-th call that writes, syncs, links, renames, makes or removes something fails, for every n
 * of what one C-STORE or a removal does, with each error and for good or once: in the store and in
 * SQLite alike. Afterwards the archive must hold what was said to be stored, and nothing else. */
#include <errno.h>

#include "archive/backup.h"
#include "archive/reindex.h"
#include "archive_support.h"
#include "disk_support.h"

static struct mur_archive *open_durable(const char *folder)
{
    return open_archive_as(folder, MUR_DURABILITY_DURABLE, MUR_DUPLICATES_KEEP);
}

static int set_up(void **state)
{
    if (archive_set_up(state) != 0)
        return -1;
    struct archive_fixture *f = *state;
    mur_archive_close(f->archive);
    f->archive = open_durable(f->folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)disarm();
    return archive_tear_down(state);
}

enum { MOST_CALLS = 400 };

struct uid {
    char text[32];
};

static struct uid uid_of(int with, bool stays, int n)
{
    struct uid uid;
    (void)snprintf(uid.text, sizeof uid.text, "1.2.%d.%d.%d", with + 2, stays ? 1 : 2, n + 1);
    return uid;
}

static void fail_each_call_of_a_store(struct archive_fixture *f, int with, bool stays)
{
    struct mur_counts counts;
    assert_int_equal(mur_archive_count(&counts, f->archive, NULL), MUR_OK);
    int stored = (int)counts.instances;
    bool reached = true;
    int n = 0;
    for (; reached; n++) {
        char when[96];
        struct uid uid = uid_of(with, stays, n);
        struct uid series = uid_of(with, stays, n); /* a folder of its own: all calls are made */
        struct object object = make_object("P1", "1.2.1", series.text, uid.text);
        enum mur_ingest_outcome outcome;
        struct mur_error error = MUR_ERROR_INIT;
        (void)snprintf(when, sizeof when, "call %d, error %d, %s", n, with,
                       stays ? "for good" : "once");
        assert_true(n < MOST_CALLS);
        arm(n, with, stays);
        enum mur_status status = ingest_object(&outcome, f->archive, &object, &error);
        reached = disarm();
        bool known = is_stored(f, uid.text);
        if (status == MUR_OK && !known)
            fail_msg("%s: said to be stored, but is not", when);
        if (status == MUR_NOT_FOUND || status == MUR_PARSE || status == MUR_INTERNAL)
            fail_msg("%s: the sender would be blamed: %s", when, error.message);
        /* It works again without a restart, and what was refused can be sent again. */
        if (ingest_object(&outcome, f->archive, &object, &error) != MUR_OK)
            fail_msg("%s: not stored afterwards: %s", when, error.message);
        stored++;
        if (n % 8 == 0) {
            mur_archive_close(f->archive);
            f->archive = open_durable(f->folder);
        }
        assert_holds(f, stored, stored, when);
    }
    print_message("error %d, %s: %d calls failed\n", with, stays ? "for good" : "once", n - 1);
    assert_true(n > 10); /* else nothing was put in place of the C library's */
}

static void a_store_whose_disk_fails_once(void **state)
{
    static const int errors[] = {EIO, ENOSPC, SHORT_WRITE};
    for (size_t i = 0; i < MUR_COUNT(errors); i++)
        fail_each_call_of_a_store(*state, errors[i], false);
}

static void a_store_whose_disk_fails_for_good(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EROFS};
    for (size_t i = 0; i < MUR_COUNT(errors); i++)
        fail_each_call_of_a_store(*state, errors[i], true);
}

/* As if the process ended at this call: what it would have done to tidy up fails too, and another
 * one opens what is left. */
static void who_opens_it_next_finds_what_was_promised(void **state)
{
    struct archive_fixture *f = *state;
    int stored = 0;
    bool reached = true;
    int n = 0;
    for (; reached; n++) {
        char when[64];
        struct uid uid = uid_of(EIO, true, n);
        struct object object = make_object("P1", "1.2.1", uid.text, uid.text);
        enum mur_ingest_outcome outcome;
        (void)snprintf(when, sizeof when, "end at call %d", n);
        assert_true(n < MOST_CALLS);
        arm(n, EIO, true);
        enum mur_status status = ingest_object(&outcome, f->archive, &object, NULL);
        mur_archive_close(f->archive);
        reached = disarm();
        f->archive = open_durable(f->folder);
        bool known = is_stored(f, uid.text);
        if (status == MUR_OK && !known)
            fail_msg("%s: said to be stored, but is not", when);
        stored += known ? 1 : 0;
        assert_holds(f, stored, stored, when);
    }
    print_message("another opens it: %d calls failed\n", n - 1);
}

static void a_removal_happens_or_does_not(void **state)
{
    struct archive_fixture *f = *state;
    static const int errors[] = {EIO, ENOSPC};
    for (size_t i = 0; i < MUR_COUNT(errors); i++) {
        bool reached = true;
        int n = 0;
        for (; reached; n++) {
            char when[64];
            struct uid uid = uid_of(errors[i], true, n);
            struct object object = make_object("P1", "1.2.1", uid.text, uid.text);
            const char *const uids[] = {uid.text};
            (void)snprintf(when, sizeof when, "removal, call %d, error %d", n, errors[i]);
            assert_true(n < MOST_CALLS);
            store(f->archive, &object);
            arm(n, errors[i], true);
            enum mur_status status = mur_archive_remove(f->archive, uids, 1, "test", NULL);
            reached = disarm();
            bool known = is_stored(f, uid.text);
            if (status == MUR_OK && known)
                fail_msg("%s: said to be removed, but is there", when);
            assert_holds(f, known ? 1 : 0, known ? 1 : 0, when);
            if (known)
                assert_int_equal(mur_archive_remove(f->archive, uids, 1, "test", NULL), MUR_OK);
        }
        print_message("removal, error %d: %d calls failed\n", errors[i], n - 1);
    }
}

static void store_some(struct archive_fixture *f)
{
    for (int i = 0; i < 3; i++) {
        struct uid uid = uid_of(1, true, i);
        struct object object = make_object("P1", "1.2.1", uid.text, uid.text);
        store(f->archive, &object);
    }
}

/* What is written last goes from a log into the new index: without it that would be an empty file
 * under the name of the old one. */
static void an_index_made_anew_is_whole_or_the_old_one_stays(void **state)
{
    struct archive_fixture *f = *state;
    static const int errors[] = {EIO, ENOSPC};
    store_some(f);
    for (size_t i = 0; i < MUR_COUNT(errors); i++) {
        bool stays = errors[i] == EIO;
        bool reached = true;
        int n = 0;
        for (; reached; n++) {
            char when[64];
            struct mur_reindex_summary summary = {0};
            const struct mur_archive_options options = {.directory = f->folder};
            (void)snprintf(when, sizeof when, "reindex, call %d, error %d, %s", n, errors[i],
                           stays ? "for good" : "once");
            assert_true(n < MOST_CALLS);
            mur_archive_close(f->archive);
            arm(n, errors[i], stays);
            enum mur_status status = mur_archive_reindex(&summary, &options, NULL, NULL, NULL);
            reached = disarm();
            if (status == MUR_OK && (summary.instances != 3 || summary.lost != 0))
                fail_msg("%s: %zu instances, %zu lost", when, summary.instances, summary.lost);
            f->archive = open_durable(f->folder);
            assert_holds(f, 3, 3, when);
        }
        print_message("reindex, error %d: %d calls failed\n", errors[i], n - 1);
    }
}

static void a_copy_is_whole_when_it_is_said_to_be(void **state)
{
    struct archive_fixture *f = *state;
    struct archive_fixture copy;
    static const int errors[] = {EIO, ENOSPC};
    store_some(f);
    (void)snprintf(copy.folder, sizeof copy.folder, "%.40s.copy", f->folder);
    for (size_t i = 0; i < MUR_COUNT(errors); i++) {
        bool reached = true;
        int n = 0;
        for (; reached; n++) {
            char when[64];
            struct mur_backup_summary summary = {0};
            (void)snprintf(when, sizeof when, "copy, call %d, error %d", n, errors[i]);
            assert_true(n < MOST_CALLS);
            arm(n, errors[i], false);
            enum mur_status status =
                mur_archive_backup(&summary, f->archive, copy.folder, NULL, NULL, NULL, NULL);
            reached = disarm();
            if (status == MUR_OK) {
                copy.archive = open_durable(copy.folder);
                assert_holds(&copy, 3, 3, when);
                mur_archive_close(copy.archive);
            }
            mur_directory_remove(copy.folder);
        }
        print_message("copy, error %d: %d calls failed\n", errors[i], n - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_whose_disk_fails_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_whose_disk_fails_for_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_opens_it_next_finds_what_was_promised, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_removal_happens_or_does_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_index_made_anew_is_whole_or_the_old_one_stays, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_copy_is_whole_when_it_is_said_to_be, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

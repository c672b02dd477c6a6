/* The n-th call that writes, syncs, links, renames, makes or removes something fails, for every n
 * of what one C-STORE or a removal does, with each error and for good or once: in the store and in
 * SQLite alike. Afterwards the archive must hold what was said to be stored, and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "archive/verify.h"
#include "archive_support.h"
#include "core/file.h"

/* ---- a disk that fails -------------------------------------------------------------------------
 */

enum { SHORT_WRITE = -1 };

static atomic_int calls_to_come; /* before the first that fails */
static atomic_int calls_seen;
static atomic_bool armed, for_good;
static atomic_int failure; /* errno, or SHORT_WRITE */

/* @return whether this call is to fail */
static bool strikes(void)
{
    if (!atomic_load(&armed))
        return false;
    atomic_fetch_add(&calls_seen, 1);
    int left = atomic_fetch_sub(&calls_to_come, 1);
    return left == 0 || (left < 0 && atomic_load(&for_good));
}

/* @return -1 with errno, or 0 for a short write */
static int fail_now(bool writes)
{
    int with = atomic_load(&failure);
    if (with == SHORT_WRITE && writes)
        return 0;
    errno = with == SHORT_WRITE ? ENOSPC : with;
    return -1;
}

/* In place of the C library's, for the store and for SQLite. Cut in half, a write goes on with the
 * next call. */
ssize_t write(int descriptor, const void *bytes, size_t length)
{
    if (descriptor > STDERR_FILENO && strikes()) {
        if (fail_now(true) != 0)
            return -1;
        length = (length + 1) / 2;
    }
    return syscall(SYS_write, descriptor, bytes, length);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset)
{
    if (strikes()) {
        if (fail_now(true) != 0)
            return -1;
        length = (length + 1) / 2;
    }
    return syscall(SYS_pwrite64, descriptor, bytes, length, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    if (strikes()) {
        if (fail_now(true) != 0)
            return -1;
        return syscall(SYS_write, descriptor, parts[0].iov_base, (parts[0].iov_len + 1) / 2);
    }
    return syscall(SYS_writev, descriptor, parts, count);
}

int fdatasync(int descriptor)
{
    return strikes() ? (errno = EIO, -1) : (int)syscall(SYS_fdatasync, descriptor);
}

int fsync(int descriptor)
{
    return strikes() ? (errno = EIO, -1) : (int)syscall(SYS_fsync, descriptor);
}

int link(const char *from, const char *to)
{
    return strikes() && fail_now(false) != 0
               ? -1
               : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int rename(const char *from, const char *to)
{
    return strikes() && fail_now(false) != 0 ? -1 : (int)syscall(SYS_rename, from, to);
}

int mkdir(const char *path, mode_t mode)
{
    return strikes() && fail_now(false) != 0 ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    return strikes() && fail_now(false) != 0 ? -1 : (int)syscall(SYS_mkdirat, folder, path, mode);
}

int ftruncate(int descriptor, off_t length)
{
    return strikes() && fail_now(false) != 0 ? -1 : (int)syscall(SYS_ftruncate, descriptor, length);
}

static void arm(int nth, int with, bool stays)
{
    atomic_store(&calls_to_come, nth);
    atomic_store(&calls_seen, 0);
    atomic_store(&failure, with);
    atomic_store(&for_good, stays);
    atomic_store(&armed, true);
}

/* @return whether the call that was to fail was reached */
static bool disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&calls_to_come) < 0;
}

/* ---- what must hold ----------------------------------------------------------------------------
 */

static struct mur_archive *open_durable(const char *folder)
{
    struct mur_archive *archive = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_archive_options options = {.directory = folder,
                                                .durability = MUR_DURABILITY_DURABLE};
    if (mur_archive_open(&archive, &options, &error) != MUR_OK)
        fail_msg("cannot open the archive: %s", error.message);
    return archive;
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

static void print_found(void *user, const struct mur_finding *finding)
{
    (void)user;
    print_error("%s %s: %s\n", mur_finding_name(finding->kind), finding->path, finding->text);
}

static enum mur_status count_file(void *user, const struct mur_walk_entry *entry, bool *skip,
                                  struct mur_error *error)
{
    (void)skip;
    (void)error;
    if (entry->kind != MUR_WALK_DIRECTORY && strstr(entry->path, "/owner") == NULL)
        ++*(int *)user;
    return MUR_OK;
}

/* Files, rows and manifest agree; there are so many instances, and no other file. */
static void assert_holds(struct archive_fixture *f, int instances, const char *when)
{
    struct mur_verify_summary summary = {0};
    const struct mur_verify_options options = {.found = print_found};
    struct mur_error error = MUR_ERROR_INIT;
    char objects[96];
    int files = 0;
    if (mur_archive_verify(&summary, f->archive, &options, NULL, &error) != MUR_OK)
        fail_msg("%s: cannot verify: %s", when, error.message);
    (void)snprintf(objects, sizeof objects, "%s/objects", f->folder);
    assert_int_equal(mur_directory_walk(objects, count_file, &files, NULL), MUR_OK);
    if (summary.findings != 0 || summary.instances != (size_t)instances || files != instances)
        fail_msg("%s: %zu findings, %zu instances, %d files of %d", when, summary.findings,
                 summary.instances, files, instances);
}

static bool is_stored(struct archive_fixture *f, const char *uid)
{
    struct mur_instance instance;
    bool found = false;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_archive_look_up(&found, &instance, f->archive, uid, &error) != MUR_OK)
        fail_msg("cannot ask: %s", error.message);
    return found;
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
        assert_holds(f, stored, when);
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
        assert_holds(f, stored, when);
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
            assert_holds(f, known ? 1 : 0, when);
            if (known)
                assert_int_equal(mur_archive_remove(f->archive, uids, 1, "test", NULL), MUR_OK);
        }
        print_message("removal, error %d: %d calls failed\n", errors[i], n - 1);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

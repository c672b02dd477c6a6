/* kill -9 before the n-th call that changes something on disk, for every n of what a process does
 * with the archive; then the next one, which opens it, is killed too. Who comes after them finds
 * what was acknowledged, all or nothing of the rest, and no other file. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "archive_support.h"
#include "disk_support.h"

enum { MOST_CALLS = 400, OF_THE_NEXT = 14 };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEP = 5 }; /* fork() is slow with these */
#else
enum { STEP = 1 };
#endif

/* With a header that the index does not hold: two files. Its siblings have one. */
#define LARGE "1.2.1.1.1"
#define SMALL "1.2.1.1.2"

static void ingest_large(struct mur_archive *archive, const char *description)
{
    enum { ELEMENTS_OF_60_KB = 5, LENGTH = 60000 };
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", LARGE);
    set_text(&object, MUR_TAG_StudyDescription, MUR_VR_LO, description);
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode(&bytes, &object);
    static char text[LENGTH + 1];
    memset(text, 'x', LENGTH);
    struct mur_encoder encoder;
    assert_int_equal(mur_encoder_init(&encoder, &bytes, mur_uid_ExplicitVRLittleEndian, NULL),
                     MUR_OK);
    for (uint32_t i = 0; i < ELEMENTS_OF_60_KB; i++)
        assert_int_equal(mur_encode_text(&encoder, 0x00411001 + i, MUR_VR_LT, text, NULL), MUR_OK);
    enum mur_ingest_outcome outcome;
    struct mur_error error = MUR_ERROR_INIT;
    if (ingest_bytes(&outcome, archive, LARGE, mur_uid_ExplicitVRLittleEndian, bytes.data,
                     bytes.length, &error) != MUR_OK)
        fail_msg("not stored: %s", error.message);
}

static void ingest_small(struct mur_archive *archive)
{
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", SMALL);
    store(archive, &object);
}

/* ---- stories -----------------------------------------------------------------------------------
 */

static atomic_int *done; /* how many steps the killed process got an answer to */

struct story {
    const char *name;
    void (*before)(struct archive_fixture *f);
    void (*act)(struct mur_archive *archive);
    void (*after)(struct archive_fixture *f, const char *when);
};

static void nothing_before(struct archive_fixture *f)
{
    assert_int_equal(stored_files(f), 0);
}

static void both_before(struct archive_fixture *f)
{
    ingest_large(f->archive, "old");
    ingest_small(f->archive);
}

static void path_of_certificate(char out[128], const struct archive_fixture *f)
{
    (void)snprintf(out, 128, "%s/certificates/1.2.1.1.json", f->folder);
}

static void both_and_a_certificate_before(struct archive_fixture *f)
{
    static const char text[] =
        "{\"Verdict\": \"pass\", \"Converted\": {\"SeriesInstanceUID\": \"1.2.1.1\"}}";
    char path[128];
    both_before(f);
    (void)snprintf(path, sizeof path, "%s/certificates", f->folder);
    assert_int_equal(mur_directory_create(path, 0750, NULL), MUR_OK);
    path_of_certificate(path, f);
    assert_int_equal(mur_file_write_all(path, text, strlen(text), 0640, NULL), MUR_OK);
}

static void store_both(struct mur_archive *archive)
{
    ingest_large(archive, "new");
    atomic_store(done, 1);
    ingest_small(archive);
    atomic_store(done, 2);
}

static void remove_both(struct mur_archive *archive)
{
    const char *const uids[] = {LARGE, SMALL};
    assert_int_equal(mur_archive_remove(archive, uids, 2, "test", NULL), MUR_OK);
    atomic_store(done, 1);
}

static void each_is_there_once_answered(struct archive_fixture *f, const char *when)
{
    bool large = is_stored(f, LARGE);
    bool small = is_stored(f, SMALL);
    if ((!large && atomic_load(done) > 0) || (!small && atomic_load(done) > 1))
        fail_msg("%s: what was stored is gone", when);
    assert_holds(f, large + small, 2 * large + small, when);
}

static void either_is_there(struct archive_fixture *f, const char *when)
{
    if (!is_stored(f, LARGE) || !is_stored(f, SMALL))
        fail_msg("%s: neither the old one nor the new", when);
    assert_holds(f, 2, 3, when);
}

static void both_are_gone_or_none(struct archive_fixture *f, const char *when)
{
    bool large = is_stored(f, LARGE);
    if (large != is_stored(f, SMALL))
        fail_msg("%s: half was removed", when);
    if (large && atomic_load(done) > 0)
        fail_msg("%s: what was removed is there again", when);
    char path[128];
    path_of_certificate(path, f);
    if (mur_file_exists(path) != large)
        fail_msg("%s: the certificate %s", when, large ? "is gone" : "stays");
    assert_holds(f, large ? 2 : 0, large ? 3 : 0, when);
}

/* As another would have left it that wrote over the file. */
static void damaged_before(struct archive_fixture *f)
{
    ingest_large(f->archive, "new");
    ingest_small(f->archive);
    struct mur_instance instance;
    bool found = false;
    MUR_AUTO_CLOSE int file = -1;
    char path[64];
    assert_int_equal(mur_archive_look_up(&found, &instance, f->archive, LARGE, NULL), MUR_OK);
    assert_int_equal(mur_archive_open_item(&file, f->archive, &instance, NULL), MUR_OK);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    assert_int_equal(truncate(path, 5000), 0);
}

static void it_is_mended_once_answered(struct archive_fixture *f, const char *when)
{
    if (atomic_load(done) == 0)
        ingest_large(f->archive, "new");
    assert_holds(f, 2, 3, when);
}

static const struct story storing = {"storing", nothing_before, store_both,
                                     each_is_there_once_answered};
static const struct story replacing = {"replacing", both_before, store_both, either_is_there};
static const struct story mending = {"mending", damaged_before, store_both,
                                     it_is_mended_once_answered};
static const struct story removing = {"removing", both_and_a_certificate_before, remove_both,
                                      both_are_gone_or_none};

/* ---- telling them ------------------------------------------------------------------------------
 */

/* @param act  NULL: the archive is opened alone, which is what ends then
 * @return whether the process was killed */
static bool run_killed(const struct archive_fixture *f, enum mur_durability durability,
                       void (*act)(struct mur_archive *archive), int nth)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (act == NULL)
            arm(nth, THE_END, false);
        struct mur_archive *archive =
            open_archive_as(f->folder, durability, MUR_DUPLICATES_REPLACE_CHANGED);
        if (act != NULL) {
            arm(nth, THE_END, false);
            act(archive);
        }
        mur_archive_close(archive);
        (void)disarm();
        _exit(0);
    }
    int how = 0;
    while (waitpid(child, &how, 0) < 0)
        assert_int_equal(errno, EINTR);
    if (!WIFSIGNALED(how))
        assert_int_equal(how, 0);
    else
        assert_int_equal(WTERMSIG(how), SIGKILL);
    return WIFSIGNALED(how);
}

static void tell(const struct story *story, enum mur_durability durability)
{
    bool killed = true;
    int n = 0;
    for (; killed; n += STEP) {
        void *state = NULL; /* an archive for each: a folder that is there need not be made */
        assert_int_equal(archive_set_up(&state), 0);
        struct archive_fixture *f = state;
        char when[96];
        int next = n % OF_THE_NEXT;
        assert_true(n < MOST_CALLS);
        (void)snprintf(when, sizeof when, "%s, killed before call %d, the next one before %d",
                       story->name, n, next);
        story->before(f);
        mur_archive_close(f->archive);
        f->archive = NULL;
        atomic_store(done, 0);
        killed = run_killed(f, durability, story->act, n);
        if (killed)
            (void)run_killed(f, durability, NULL, next);
        f->archive = open_archive_as(f->folder, durability, MUR_DUPLICATES_KEEP);
        story->after(f, when);
        assert_int_equal(archive_tear_down(&state), 0);
    }
    print_message("%s, %s: killed before %d calls\n", story->name,
                  durability == MUR_DURABILITY_DURABLE ? "durable" : "not synced", n / STEP - 1);
    assert_true(n > 10); /* else nothing was put in place of the C library's */
}

static void stored_or_not(void **state)
{
    (void)state;
    tell(&storing, MUR_DURABILITY_DURABLE);
    tell(&storing, MUR_DURABILITY_PROCESS);
}

static void the_old_one_or_the_new(void **state)
{
    (void)state;
    tell(&replacing, MUR_DURABILITY_DURABLE);
}

static void damaged_or_mended(void **state)
{
    (void)state;
    tell(&mending, MUR_DURABILITY_DURABLE);
}

static void removed_or_not(void **state)
{
    (void)state;
    tell(&removing, MUR_DURABILITY_DURABLE);
}

static int share(void **state)
{
    (void)state;
    done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return done == MAP_FAILED ? -1 : 0;
}

static int unshare_it(void **state)
{
    (void)state;
    return munmap(done, sizeof *done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_or_not),
        cmocka_unit_test(the_old_one_or_the_new),
        cmocka_unit_test(damaged_or_mended),
        cmocka_unit_test(removed_or_not),
    };
    return cmocka_run_group_tests(tests, share, unshare_it);
}

/* What is committed before it is on disk: a sync that fails leaves nothing, and of the last batch
 * of a process that is gone only what is whole stays. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/commitment.h"
#include "archive/internal.h"
#include "archive_support.h"
#include "core/file.h"
#include "db/connection.h"

/* ---- a disk that fails -------------------------------------------------------------------------
 */

static const char *failing; /* files with this in their names cannot be synced */
static atomic_int failures_to_come;
static atomic_int syncs_of_objects;

static int sync_or_fail(int descriptor, long call)
{
    char link[64];
    char path[256] = "";
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    if (readlink(link, path, sizeof path - 1) < 0)
        return -1;
    if (strstr(path, "/objects/") != NULL && strstr(path, "/.incoming-") == NULL)
        atomic_fetch_add(&syncs_of_objects, 1);
    if (failing != NULL && strstr(path, failing) != NULL &&
        atomic_fetch_sub(&failures_to_come, 1) > 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, descriptor);
}

/* In place of the C library's, for the store and for SQLite. */
int fdatasync(int descriptor)
{
    return sync_or_fail(descriptor, SYS_fdatasync);
}

int fsync(int descriptor)
{
    return sync_or_fail(descriptor, SYS_fsync);
}

static void fail_syncs(const char *of, int times)
{
    failing = of;
    atomic_store(&failures_to_come, times);
}

/* ---- support -----------------------------------------------------------------------------------
 */

static struct mur_archive *open_durable(const char *folder, enum mur_duplicates duplicates)
{
    return open_archive_as(folder, MUR_DURABILITY_DURABLE, duplicates);
}

static int set_up(void **state)
{
    fail_syncs(NULL, 0);
    if (archive_set_up(state) != 0)
        return -1;
    struct archive_fixture *f = *state;
    mur_archive_close(f->archive);
    f->archive = open_durable(f->folder, MUR_DUPLICATES_KEEP);
    return 0;
}

static void reopen(struct archive_fixture *f)
{
    mur_archive_close(f->archive);
    f->archive = open_durable(f->folder, MUR_DUPLICATES_KEEP);
}

static struct object number(int i)
{
    static char uids[10][32];
    (void)snprintf(uids[i], sizeof uids[i], "1.2.1.1.%d", i);
    return make_object("P1", "1.2.1", "1.2.1.1", uids[i]);
}

static void path_of(char out[256], struct archive_fixture *f, int i)
{
    struct object object = number(i);
    struct mur_instance instance;
    bool found = false;
    char *path = NULL;
    assert_int_equal(mur_archive_look_up(&found, &instance, f->archive,
                                         object_text(&object, MUR_TAG_SOPInstanceUID), NULL),
                     MUR_OK);
    assert_true(found);
    struct mur_object_name name = mur_name_of(&instance);
    assert_int_equal(mur_store_object_path(&path, f->archive->store, &name, ".dcm", NULL), MUR_OK);
    (void)snprintf(out, 256, "%s", path);
    free(path);
}

static void assert_stored(struct archive_fixture *f, int instances)
{
    assert_counts(f->archive, instances > 0, instances > 0, instances > 0, instances);
    assert_int_equal(stored_files(f), instances);
}

/* As if the process of @p token had committed these rows last and were gone. */
static void claim(struct archive_fixture *f, const char *token, int64_t first, int64_t last)
{
    struct mur_settling settling = {.first = first, .last = last};
    (void)snprintf(settling.token, sizeof settling.token, "%s", token);
    assert_int_equal(mur_database_begin(f->archive->writer, NULL), MUR_OK);
    assert_int_equal(mur_database_put_settling(f->archive->writer, &settling, NULL), MUR_OK);
    assert_int_equal(mur_database_commit(f->archive->writer, NULL), MUR_OK);
}

static size_t claims(struct archive_fixture *f)
{
    struct mur_settling *list = NULL;
    size_t count = 0;
    assert_int_equal(mur_database_list_settling(&list, &count, f->archive->writer, NULL), MUR_OK);
    free(list);
    return count;
}

static const char dead[] = "00000000deadbeef";

/* ---- tests -------------------------------------------------------------------------------------
 */

static void what_is_not_whole_in_the_last_batch_of_a_dead_process_goes_and_nothing_else(
    void **state)
{
    struct archive_fixture *f = *state;
    char path[256];
    for (int i = 1; i <= 6; i++) {
        struct object object = number(i);
        store(f->archive, &object);
    }
    claim(f, dead, 2, 5); /* 1 and 6 are no business of it */
    path_of(path, f, 2);
    assert_int_equal(unlink(path), 0);
    path_of(path, f, 3);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size - 1), 0);
    path_of(path, f, 4);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "?", 1, info.st_size - 2), 1);
    (void)close(fd);
    path_of(path, f, 6);
    assert_int_equal(truncate(path, 10), 0);
    reopen(f);
    assert_int_equal(claims(f), 0);
    assert_stored(f, 3);
    const struct element keys[] = {{MUR_TAG_SOPInstanceUID, MUR_VR_UI, ""}, {0}};
    assert_answer(f->archive, MUR_LEVEL_IMAGE, keys, "1.2.1.1.1|1.2.1.1.5|1.2.1.1.6");
    struct object object = number(3); /* the sender comes again */
    store(f->archive, &object);
    assert_stored(f, 4);
}

static void the_last_batch_of_a_living_process_is_left_alone(void **state)
{
    struct archive_fixture *f = *state;
    char path[256];
    struct object object = number(1);
    store(f->archive, &object);
    assert_int_equal(claims(f), 1);
    path_of(path, f, 1);
    assert_int_equal(truncate(path, 10), 0);
    struct mur_archive *other = open_durable(f->folder, MUR_DUPLICATES_KEEP);
    assert_counts(other, 1, 1, 1, 1);
    mur_archive_close(other);
    assert_int_equal(claims(f), 1);
    mur_archive_close(f->archive); /* a clean end takes its claim away */
    f->archive = open_durable(f->folder, MUR_DUPLICATES_KEEP);
    assert_int_equal(claims(f), 0);
    assert_counts(f->archive, 1, 1, 1, 1);
}

static void a_sync_that_fails_leaves_nothing_and_the_next_one_stores(void **state)
{
    struct archive_fixture *f = *state;
    static const char *const places[] = {"/.incoming-", "index.sqlite-wal", "/objects/"};
    enum mur_ingest_outcome outcome;
    struct object object = number(1);
    store(f->archive, &object);
    object = number(2);
    for (size_t i = 0; i < MUR_COUNT(places); i++) {
        struct mur_error error = MUR_ERROR_INIT;
        fail_syncs(places[i], 1);
        assert_int_equal(ingest_object(&outcome, f->archive, &object, &error), MUR_IO);
        assert_non_null(strstr(error.message, "sync"));
        fail_syncs(NULL, 0);
        assert_stored(f, 1);
    }
    store(f->archive, &object);
    assert_stored(f, 2);
    reopen(f);
    assert_stored(f, 2);
}

static void what_cannot_be_taken_back_at_once_goes_before_the_next_is_stored(void **state)
{
    struct archive_fixture *f = *state;
    enum mur_ingest_outcome outcome;
    struct object object = number(1);
    store(f->archive, &object);
    object = number(2);
    fail_syncs("index.sqlite", 1000);
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_IO);
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_IO);
    fail_syncs(NULL, 0);
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_OK);
    assert_int_equal(outcome, MUR_STORED);
    assert_stored(f, 2);
    reopen(f);
    assert_stored(f, 2);
}

static void what_cannot_be_taken_back_at_all_is_looked_at_when_opened_next(void **state)
{
    struct archive_fixture *f = *state;
    enum mur_ingest_outcome outcome;
    struct object object = number(1);
    store(f->archive, &object);
    object = number(2);
    fail_syncs("index.sqlite", 1000);
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_IO);
    mur_archive_close(f->archive);
    fail_syncs(NULL, 0);
    f->archive = open_durable(f->folder, MUR_DUPLICATES_KEEP);
    assert_stored(f, 1);
}

static void one_file_that_cannot_be_synced_does_not_spoil_those_beside_it(void **state)
{
    struct archive_fixture *f = *state;
    struct mur_ingest *ingests[3] = {NULL};
    const struct mur_origin origin = {.how = "test"};
    int failed = 0;
    (void)pthread_mutex_lock(&f->archive->write_mutex); /* so that they make one batch */
    fail_syncs("/.incoming-", 1);
    for (int i = 0; i < 3; i++) {
        struct object object = number(i);
        MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
        encode(&bytes, &object);
        assert_int_equal(mur_ingest_begin(&ingests[i], f->archive, "1.2.840.10008.5.1.4.1.1.4",
                                          object_text(&object, MUR_TAG_SOPInstanceUID),
                                          mur_uid_ExplicitVRLittleEndian, &origin, NULL),
                         MUR_OK);
        assert_int_equal(mur_ingest_write(ingests[i], bytes.data, bytes.length, NULL), MUR_OK);
        assert_int_equal(mur_ingest_submit(ingests[i], NULL), MUR_OK);
    }
    (void)pthread_mutex_unlock(&f->archive->write_mutex);
    for (int i = 0; i < 3; i++) {
        enum mur_ingest_outcome outcome;
        failed += mur_ingest_wait(&outcome, ingests[i], NULL) != MUR_OK ? 1 : 0;
        mur_ingest_free(ingests[i]);
    }
    assert_int_equal(failed, 1);
    assert_stored(f, 2);
}

static void a_replaced_object_stays_when_the_new_one_cannot_be_synced(void **state)
{
    struct archive_fixture *f = *state;
    static const char *const places[] = {"/.incoming-", "index.sqlite-wal", "/objects/"};
    enum mur_ingest_outcome outcome;
    struct object object = number(1);
    mur_archive_close(f->archive);
    f->archive = open_durable(f->folder, MUR_DUPLICATES_REPLACE);
    store(f->archive, &object);
    set_text(&object, MUR_TAG_StudyDescription, MUR_VR_LO, "another");
    const struct element keys[] = {{MUR_TAG_StudyDescription, MUR_VR_LO, ""}, {0}};
    for (size_t i = 0; i < MUR_COUNT(places); i++) {
        fail_syncs(places[i], 2); /* each is tried once more by itself */
        assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_IO);
        fail_syncs(NULL, 0);
        assert_stored(f, 1);
        assert_answer(f->archive, MUR_LEVEL_IMAGE, keys, "a study");
    }
    store(f->archive, &object);
    assert_stored(f, 1);
    assert_answer(f->archive, MUR_LEVEL_IMAGE, keys, "another");
}

/* The same object comes by another process, which has not got it on disk yet. */
static void what_another_process_has_not_on_disk_is_waited_for(void **state)
{
    struct archive_fixture *f = *state;
    enum mur_ingest_outcome outcome;
    struct object object = number(1);
    store(f->archive, &object);
    struct mur_archive *other = open_durable(f->folder, MUR_DUPLICATES_KEEP);
    atomic_store(&syncs_of_objects, 0);
    assert_int_equal(ingest_object(&outcome, other, &object, NULL), MUR_OK);
    assert_int_equal(outcome, MUR_UNCHANGED);
    assert_true(atomic_load(&syncs_of_objects) >= 4); /* file, series, study, digits */
    char path[256];
    path_of(path, f, 1);
    assert_int_equal(unlink(path), 0); /* it was displaced: its own process could not sync it */
    assert_int_equal(ingest_object(&outcome, other, &object, NULL), MUR_OK);
    assert_int_equal(outcome, MUR_MENDED); /* with a file of our own */
    assert_true(access(path, F_OK) != 0);
    mur_archive_close(other);
    assert_stored(f, 1);
}

/* Its own process takes its rows back later: one that another has mended meanwhile stays. */
static void what_another_process_mends_is_not_taken_back(void **state)
{
    struct archive_fixture *f = *state;
    enum mur_ingest_outcome outcome;
    struct object object = number(1);
    struct object next = number(2);
    struct mur_archive *other = open_durable(f->folder, MUR_DUPLICATES_KEEP);
    fail_syncs("index.sqlite-wal", 3); /* of the batch, and of what takes it back */
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_IO);
    fail_syncs(NULL, 0);
    assert_int_equal(ingest_object(&outcome, other, &object, NULL), MUR_OK);
    store(f->archive, &next);
    mur_archive_close(other);
    assert_stored(f, 2);
}

static void nothing_is_promised_that_another_process_has_not_on_disk(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = number(1);
    store(f->archive, &object);
    struct mur_archive *other = open_durable(f->folder, MUR_DUPLICATES_KEEP);
    MUR_AUTO_COMMITMENT struct mur_commitment commitment = {.count = 0};
    assert_int_equal(
        mur_commitment_add(&commitment, "1.2.840.10008.5.1.4.1.1.4", "1.2.1.1.1", NULL), MUR_OK);
    fail_syncs(".dcm", 1);
    assert_int_equal(mur_archive_commit(&commitment, other, NULL, NULL, NULL), MUR_OK);
    assert_int_equal(commitment.references[0].failure, MUR_REFERENCE_PROCESSING_FAILURE);
    fail_syncs(NULL, 0);
    assert_int_equal(mur_archive_commit(&commitment, other, NULL, NULL, NULL), MUR_OK);
    assert_int_equal(commitment.references[0].failure, MUR_REFERENCE_KEPT);
    mur_archive_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            what_is_not_whole_in_the_last_batch_of_a_dead_process_goes_and_nothing_else, set_up,
            archive_tear_down),
        cmocka_unit_test_setup_teardown(the_last_batch_of_a_living_process_is_left_alone, set_up,
                                        archive_tear_down),
        cmocka_unit_test_setup_teardown(a_sync_that_fails_leaves_nothing_and_the_next_one_stores,
                                        set_up, archive_tear_down),
        cmocka_unit_test_setup_teardown(
            what_cannot_be_taken_back_at_once_goes_before_the_next_is_stored, set_up,
            archive_tear_down),
        cmocka_unit_test_setup_teardown(
            what_cannot_be_taken_back_at_all_is_looked_at_when_opened_next, set_up,
            archive_tear_down),
        cmocka_unit_test_setup_teardown(
            one_file_that_cannot_be_synced_does_not_spoil_those_beside_it, set_up,
            archive_tear_down),
        cmocka_unit_test_setup_teardown(a_replaced_object_stays_when_the_new_one_cannot_be_synced,
                                        set_up, archive_tear_down),
        cmocka_unit_test_setup_teardown(what_another_process_has_not_on_disk_is_waited_for, set_up,
                                        archive_tear_down),
        cmocka_unit_test_setup_teardown(what_another_process_mends_is_not_taken_back, set_up,
                                        archive_tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_promised_that_another_process_has_not_on_disk,
                                        set_up, archive_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

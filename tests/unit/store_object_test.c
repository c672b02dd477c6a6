/* Objects of the store: written, placed, given up, recovered. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "store/store.h"

struct fixture {
    char folder[64];
    struct mur_store *store;
    struct mur_error error;
};

static struct mur_store *open_store(const char *folder, uint64_t min_free)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_store *store = NULL;
    struct mur_store_options options = {.directory = folder, .sync = true, .min_free = min_free};
    assert_int_equal(mur_store_open(&store, &options, &error), MUR_OK);
    return store;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/murpacs-store-XXXXXX"); /* ci-allow: fixed text that fits */
    assert_non_null(mkdtemp(f->folder));
    f->store = open_store(f->folder, 0);
    *state = f;
    return 0;
}

static enum mur_status remove_entry(void *user, const struct mur_walk_entry *entry, bool *skip,
                                    struct mur_error *error)
{
    (void)skip;
    (void)error;
    if (entry->kind != MUR_WALK_DIRECTORY)
        ++*(int *)user;
    return MUR_OK;
}

static int files_below(const char *folder)
{
    int count = 0;
    assert_int_equal(mur_directory_walk(folder, remove_entry, &count, NULL), MUR_OK);
    return count;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mur_store_close(f->store);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r '%s'", f->folder);
    int result = system(command); /* ci-allow: a test cleans its own folder */
    free(f);
    return result;
}

static const struct mur_object_name one = {"1.2.3", "1.2.3.4", "1.2.3.4.5", 0};

static struct mur_object *write_object(struct mur_store *store, size_t length)
{
    struct mur_object *object = NULL;
    assert_int_equal(mur_object_create(&object, store, NULL), MUR_OK);
    char *bytes = malloc(length);
    memset(bytes, 'x', length);
    assert_int_equal(mur_object_write(object, "head", 4, NULL), MUR_OK);
    assert_int_equal(mur_object_write(object, bytes, length, NULL), MUR_OK);
    free(bytes);
    assert_int_equal(mur_object_finish(object, NULL), MUR_OK);
    assert_int_equal(mur_store_sync(store, &object, 1, NULL, NULL, NULL), MUR_OK);
    return object;
}

static void a_placed_object_is_read_back_and_leaves_no_other_file(void **state)
{
    struct fixture *f = *state;
    struct mur_object *object = write_object(f->store, 100000);
    assert_int_equal(mur_object_place(object, &one, ".dcm", &f->error), MUR_OK);
    assert_int_equal(mur_store_sync(f->store, NULL, 0, NULL, NULL, &f->error), MUR_OK);
    assert_int_equal(mur_object_length(object), 100004);
    mur_object_free(object);
    int fd = -1;
    assert_int_equal(mur_store_open_object(&fd, f->store, &one, ".dcm", &f->error), MUR_OK);
    char bytes[8] = "";
    assert_int_equal(read(fd, bytes, 6), 6);
    assert_string_equal(bytes, "headxx");
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_size, 100004);
    assert_int_equal(info.st_mode & 0777, 0640);
    (void)close(fd);
    mur_store_close(f->store);
    assert_int_equal(files_below(f->folder), 1);
    f->store = open_store(f->folder, 0);
}

static void an_object_given_up_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    mur_object_free(write_object(f->store, 10));
    bool empty = false;
    assert_int_equal(mur_store_is_empty(&empty, f->store, &f->error), MUR_OK);
    assert_true(empty);
    mur_store_close(f->store);
    assert_int_equal(files_below(f->folder), 0);
    f->store = open_store(f->folder, 0);
}

static void a_displaced_object_is_gone_and_its_place_can_be_taken_again(void **state)
{
    struct fixture *f = *state;
    struct mur_object *object = write_object(f->store, 10);
    assert_int_equal(mur_object_place(object, &one, ".dcm", &f->error), MUR_OK);
    mur_object_displace(object);
    int fd = -1;
    assert_int_equal(mur_store_open_object(&fd, f->store, &one, ".dcm", &f->error), MUR_NOT_FOUND);
    assert_int_equal(mur_object_place(object, &one, ".dcm", &f->error), MUR_OK);
    mur_object_free(object);
    assert_int_equal(mur_store_remove(f->store, &one, ".dcm", &f->error), MUR_OK);
    bool empty = false;
    assert_int_equal(mur_store_is_empty(&empty, f->store, &f->error), MUR_OK);
    assert_true(empty);
}

static ino_t what_stands_at_one(struct fixture *f)
{
    int fd = -1;
    struct stat info;
    assert_int_equal(mur_store_open_object(&fd, f->store, &one, ".dcm", &f->error), MUR_OK);
    assert_int_equal(fstat(fd, &info), 0);
    (void)close(fd);
    return info.st_ino;
}

static void what_is_placed_early_takes_nobodys_place(void **state)
{
    struct fixture *f = *state;
    struct mur_object *stored = write_object(f->store, 10);
    assert_int_equal(mur_object_place(stored, &one, ".dcm", &f->error), MUR_OK);
    ino_t before = what_stands_at_one(f);
    struct mur_object *object = write_object(f->store, 20);
    mur_object_place_early(object, &one, ".dcm");
    assert_int_equal(what_stands_at_one(f), before);
    mur_object_displace(object);
    assert_int_equal(what_stands_at_one(f), before);
    mur_object_free(object);
    mur_object_free(stored);
}

static void what_was_placed_early_gives_way_and_leaves_the_others_place_alone(void **state)
{
    struct fixture *f = *state;
    struct mur_object *first = write_object(f->store, 10);
    mur_object_place_early(first, &one, ".dcm");
    ino_t before = what_stands_at_one(f);
    struct mur_object *second = write_object(f->store, 20);
    assert_int_equal(mur_object_place(second, &one, ".dcm", &f->error), MUR_OK);
    ino_t after = what_stands_at_one(f);
    assert_int_not_equal(after, before);
    mur_object_displace(first);
    assert_int_equal(what_stands_at_one(f), after);
    mur_object_free(first);
    mur_object_free(second);
    assert_int_equal(what_stands_at_one(f), after);
}

static void what_was_placed_early_and_lost_its_place_is_placed_again(void **state)
{
    struct fixture *f = *state;
    struct mur_object *object = write_object(f->store, 10);
    mur_object_place_early(object, &one, ".dcm");
    ino_t before = what_stands_at_one(f);
    assert_int_equal(mur_object_place(object, &one, ".dcm", &f->error), MUR_OK);
    assert_int_equal(what_stands_at_one(f), before);
    assert_int_equal(mur_store_remove(f->store, &one, ".dcm", &f->error), MUR_OK);
    assert_int_equal(mur_object_place(object, &one, ".dcm", &f->error), MUR_OK);
    assert_int_equal(what_stands_at_one(f), before);
    mur_object_free(object);
}

static void a_folder_that_is_gone_again_needs_no_sync(void **state)
{
    struct fixture *f = *state;
    struct mur_object *object = write_object(f->store, 10);
    assert_int_equal(mur_object_place(object, &one, ".dcm", &f->error), MUR_OK);
    mur_object_displace(object);
    assert_int_equal(mur_store_sync(f->store, &object, 1, NULL, NULL, &f->error), MUR_OK);
    mur_object_free(object);
}

static void uids_never_become_paths(void **state)
{
    struct fixture *f = *state;
    const struct mur_object_name evil = {"../../..", "..", "../../../../etc/passwd", 0};
    char *path = NULL;
    assert_int_equal(mur_store_object_path(&path, f->store, &evil, ".dcm", &f->error), MUR_OK);
    assert_null(strstr(path, ".."));
    assert_memory_equal(path, f->folder, strlen(f->folder));
    free(path);
}

static void too_little_space_is_refused(void **state)
{
    struct fixture *f = *state;
    struct mur_store *greedy = open_store(f->folder, UINT64_MAX);
    assert_int_equal(mur_store_check_space(greedy, &f->error), MUR_NO_SPACE);
    assert_non_null(strstr(f->error.message, "store.min_free"));
    mur_store_close(greedy);
    assert_int_equal(mur_store_check_space(f->store, &f->error), MUR_OK);
}

static void the_reserve_is_kept_while_an_object_grows(void **state)
{
    struct fixture *f = *state;
    struct mur_store *greedy = open_store(f->folder, UINT64_MAX);
    struct mur_object *object = NULL;
    assert_int_equal(mur_object_create(&object, greedy, &f->error), MUR_OK);
    static const char bytes[1 << 16];
    enum mur_status status = MUR_OK;
    size_t written = 0;
    for (; status == MUR_OK && written < 4 << 20; written += sizeof bytes)
        status = mur_object_write(object, bytes, sizeof bytes, &f->error);
    assert_int_equal(status, MUR_NO_SPACE);
    assert_true(written <= 1 << 20);
    mur_object_free(object);
    mur_store_close(greedy);
    assert_int_equal(files_below(f->folder), 0);
}

struct knowledge {
    bool known;
    int asked;
};

static enum mur_status ask(struct mur_store_leftover *out, const char *path, void *user,
                           struct mur_error *error)
{
    (void)path;
    (void)error;
    struct knowledge *knowledge = user;
    knowledge->asked++;
    out->named = true;
    out->known = knowledge->known;
    out->name = one;
    return MUR_OK;
}

/* A child writes and dies without a word, as kill -9 would have it. */
static void die_while_storing(const char *folder, bool placed)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct mur_store *store = open_store(folder, 0);
        struct mur_object *object = write_object(store, 5000);
        if (placed && mur_object_place(object, &one, ".dcm", NULL) != MUR_OK)
            _exit(1);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void what_a_dead_process_did_not_finish_is_taken_away(void **state)
{
    struct fixture *f = *state;
    struct knowledge knowledge = {.known = false};
    die_while_storing(f->folder, false);
    assert_int_equal(files_below(f->folder), 2); /* the object and the owner's lock */
    assert_int_equal(mur_store_recover(f->store, ask, &knowledge, &f->error), MUR_OK);
    assert_int_equal(knowledge.asked, 0);
    assert_int_equal(files_below(f->folder), 0);
    die_while_storing(f->folder, true);
    assert_int_equal(mur_store_recover(f->store, ask, &knowledge, &f->error), MUR_OK);
    assert_int_equal(knowledge.asked, 1);
    assert_int_equal(files_below(f->folder), 0);
}

static void what_a_dead_process_had_committed_is_kept(void **state)
{
    struct fixture *f = *state;
    struct knowledge knowledge = {.known = true};
    die_while_storing(f->folder, true);
    assert_int_equal(mur_store_recover(f->store, ask, &knowledge, &f->error), MUR_OK);
    assert_int_equal(files_below(f->folder), 1);
}

static int entries_of(const char *folder)
{
    int count = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries))
        count += entry->d_name[0] == '.' && strlen(entry->d_name) < 3 ? 0 : 1;
    (void)closedir(entries);
    return count;
}

/* It may end before its folder has a lock that is locked, or any. */
static void a_process_that_just_began_when_it_ended_leaves_nothing_either(void **state)
{
    struct fixture *f = *state;
    static const char *const files[] = {"", "/owner.new", "/owner"};
    for (size_t i = 0; i < MUR_COUNT(files); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/.incoming-0123456789abcdef", f->folder);
        assert_int_equal(mkdir(path, 0750), 0);
        if (files[i][0] != '\0') {
            (void)snprintf(path, sizeof path, "%s/.incoming-0123456789abcdef%s", f->folder,
                           files[i]);
            assert_int_equal(mur_file_write_all(path, "", 0, 0640, &f->error), MUR_OK);
        }
        struct knowledge knowledge = {.known = false};
        assert_int_equal(mur_store_recover(f->store, ask, &knowledge, &f->error), MUR_OK);
        assert_int_equal(entries_of(f->folder), 0);
    }
}

static void a_condemned_object_goes_or_stays_as_its_owner_says(void **state)
{
    struct fixture *f = *state;
    struct mur_object *object = write_object(f->store, 10);
    assert_int_equal(mur_object_place(object, &one, ".dcm", &f->error), MUR_OK);
    mur_object_free(object);
    struct mur_object *condemned = NULL;
    assert_int_equal(mur_object_condemn(&condemned, f->store, &one, ".dcm", &f->error), MUR_OK);
    mur_object_free(condemned);
    int fd = -1;
    assert_int_equal(mur_store_open_object(&fd, f->store, &one, ".dcm", &f->error), MUR_OK);
    (void)close(fd);
    assert_int_equal(mur_object_condemn(&condemned, f->store, &one, ".dcm", &f->error), MUR_OK);
    mur_object_displace(condemned);
    mur_object_free(condemned);
    assert_int_equal(mur_store_open_object(&fd, f->store, &one, ".dcm", &f->error), MUR_NOT_FOUND);
    assert_int_equal(mur_object_condemn(&condemned, f->store, &one, ".dcm", &f->error),
                     MUR_NOT_FOUND);
}

static enum mur_status know_nothing(struct mur_store_leftover *out, const char *path, void *user,
                                    struct mur_error *error)
{
    (void)out;
    (void)path;
    (void)user;
    (void)error;
    return MUR_OK;
}

/* One of many that begin beside one that recovers: none may lose the folder that it works in. */
static int begin_beside_others(const char *folder)
{
    struct mur_store_options options = {.directory = folder, .sync = false};
    for (int i = 0; i < 60; i++) {
        struct mur_store *store = NULL;
        struct mur_object *object = NULL;
        struct mur_error error = MUR_ERROR_INIT;
        bool good = mur_store_open(&store, &options, &error) == MUR_OK &&
                    mur_store_recover(store, know_nothing, NULL, &error) == MUR_OK &&
                    mur_object_create(&object, store, &error) == MUR_OK;
        if (!good)
            (void)fprintf(stderr, "%s\n", error.message);
        mur_object_free(object);
        mur_store_close(store);
        if (!good)
            return 1;
    }
    return 0;
}

static void who_begins_beside_one_that_recovers_keeps_its_folder(void **state)
{
    struct fixture *f = *state;
    enum { PROCESSES = 6 };
    pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(begin_beside_others(f->folder));
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(files_below(f->folder), 0);
}

static void what_a_living_process_is_at_is_not_touched(void **state)
{
    struct fixture *f = *state;
    struct mur_object *object = write_object(f->store, 10);
    struct mur_store *other = open_store(f->folder, 0);
    struct knowledge knowledge = {.known = false};
    assert_int_equal(mur_store_recover(other, ask, &knowledge, &f->error), MUR_OK);
    mur_store_close(other);
    assert_int_equal(access(mur_object_path(object), F_OK), 0);
    mur_object_free(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_placed_object_is_read_back_and_leaves_no_other_file,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_object_given_up_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_displaced_object_is_gone_and_its_place_can_be_taken_again,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_placed_early_takes_nobodys_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            what_was_placed_early_gives_way_and_leaves_the_others_place_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_placed_early_and_lost_its_place_is_placed_again,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_is_gone_again_needs_no_sync, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(uids_never_become_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_little_space_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_reserve_is_kept_while_an_object_grows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_dead_process_did_not_finish_is_taken_away, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_dead_process_had_committed_is_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_process_that_just_began_when_it_ended_leaves_nothing_either, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_condemned_object_goes_or_stays_as_its_owner_says, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_begins_beside_one_that_recovers_keeps_its_folder,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_living_process_is_at_is_not_touched, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

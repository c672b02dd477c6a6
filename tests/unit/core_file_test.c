/* Files, walks, and paths that try to get out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "core/file.h"
#include "core/own.h"
#include "core/text.h"

struct fixture {
    char root[32];
};

static char *in(struct fixture *fixture, const char *name)
{
    char *path = NULL;
    assert_int_equal(mur_path_join(&path, fixture->root, name, NULL), MUR_OK);
    return path;
}

static void put(struct fixture *fixture, const char *name, const char *text)
{
    MUR_AUTO_FREE char *path = in(fixture, name);
    assert_int_equal(mur_file_write_all(path, text, strlen(text), 0644, NULL), MUR_OK);
}

static void make_folder(struct fixture *fixture, const char *name)
{
    MUR_AUTO_FREE char *path = in(fixture, name);
    assert_int_equal(mur_directory_create(path, 0755, NULL), MUR_OK);
}

static void make_link(struct fixture *fixture, const char *target, const char *name)
{
    MUR_AUTO_FREE char *path = in(fixture, name);
    assert_int_equal(symlink(target, path), 0);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL)
        return -1;
    (void)snprintf(fixture->root, sizeof fixture->root, "file_test.XXXXXX");
    *state = fixture;
    return mkdtemp(fixture->root) != NULL ? 0 : -1;
}

/* Folders come before what is in them, so several rounds empty the tree from its leaves. */
static enum mur_status remove_one(void *user, const struct mur_walk_entry *entry, bool *skip,
                                  struct mur_error *error)
{
    (void)error;
    bool *left = user;
    *skip = remove(entry->path) == 0;
    *left = !*skip || *left;
    return MUR_OK;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    bool left = true;
    for (int round = 0; left && round < 100; round++) {
        left = false;
        if (mur_directory_walk(fixture->root, remove_one, &left, NULL) != MUR_OK)
            return -1;
    }
    int result = rmdir(fixture->root);
    free(fixture);
    return result;
}

static void a_file_is_replaced_whole_and_leaves_nothing_beside_it(void **state)
{
    struct fixture *fixture = *state;
    make_folder(fixture, "a/b/c");
    make_folder(fixture, "a/b//c/");
    put(fixture, "a/b/file", "first");
    put(fixture, "a/b/file", "second");
    MUR_AUTO_FREE char *path = in(fixture, "a/b/file");
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    assert_int_equal(mur_file_read_all(&text, path, 6, NULL), MUR_OK);
    assert_string_equal(mur_buffer_text(&text), "second");
    struct stat details;
    assert_int_equal(stat(path, &details), 0);
    assert_int_equal(details.st_mode & 0777, 0644);
    assert_int_equal(unlink(path), 0);
    MUR_AUTO_FREE char *inner = in(fixture, "a/b/c");
    MUR_AUTO_FREE char *outer = in(fixture, "a/b");
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(rmdir(outer), 0); /* else a temporary file was left */
}

static void what_a_killed_writer_left_is_swept_and_nothing_else(void **state)
{
    static const char *const names[] = {".a.json.AbC123", ".a.json.Locked", "a.json",
                                        ".json.AbC123",   ".a.text.AbC123", "a.json.AbC123"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        MUR_AUTO_FREE char *path = in(fixture, names[i]);
        MUR_AUTO_CLOSE int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(file >= 0);
    }
    MUR_AUTO_FREE char *path = in(fixture, names[1]);
    MUR_AUTO_CLOSE int writer = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(flock(writer, LOCK_EX), 0);
    mur_file_sweep(fixture->root, ".json");
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        MUR_AUTO_FREE char *one = in(fixture, names[i]);
        assert_int_equal(mur_file_exists(one), i != 0);
    }
}

static void reading_has_a_limit_and_wants_a_regular_file(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "file", "123456");
    MUR_AUTO_FREE char *path = in(fixture, "file");
    MUR_AUTO_FREE char *fifo = in(fixture, "fifo");
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_file_read_all(&text, path, 5, &error), MUR_LIMIT);
    assert_int_equal(text.length, 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(mur_file_read_all(&text, fifo, 5, &error), MUR_INVALID);
    assert_int_equal(mur_file_read_all(&text, fixture->root, 5, &error), MUR_INVALID);
    assert_int_equal(mur_file_read_all(&text, "/proc/self/cmdline", 1 << 16, &error), MUR_OK);
    assert_true(text.length > 0); /* although its size is said to be 0 */
}

static void a_folder_in_a_file_s_place_is_told(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "file", "x");
    MUR_AUTO_FREE char *below = in(fixture, "file/below");
    MUR_AUTO_FREE char *same = in(fixture, "file");
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_directory_create(same, 0755, &error), MUR_EXISTS);
    assert_int_equal(mur_directory_create(below, 0755, &error), MUR_EXISTS);
    assert_int_equal(mur_directory_create("", 0755, &error), MUR_INVALID);
    assert_int_equal(mur_file_write_all(below, "x", 1, 0644, &error), MUR_IO);
}

static void long_vectors_are_written_over_short_writes(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    int size = 4096;
    assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    /* The writer's end blocks; the reader's end does not. */
    assert_int_equal(fcntl(pair[0], F_SETFL, 0), 0);
    pid_t child = fork();
    if (child == 0) {
        static char zeros[100000];
        struct iovec vectors[] = {{zeros, 3}, {zeros, 0}, {zeros, 99990}, {zeros, 7}};
        _exit(mur_pwritev_full(pair[0], vectors, 4, -1, "pipe", NULL) == MUR_OK ? 0 : 1);
    }
    (void)close(pair[0]);
    assert_int_equal(fcntl(pair[1], F_SETFL, 0), 0);
    char bytes[100001];
    size_t got = 0;
    assert_int_equal(mur_read_full(&got, pair[1], bytes, sizeof bytes, "pipe", NULL), MUR_OK);
    (void)close(pair[1]);
    assert_int_equal(got, 100000);
}

static void positioned_reads_and_writes_meet(void **state)
{
    struct fixture *fixture = *state;
    MUR_AUTO_FREE char *path = in(fixture, "file");
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char first[] = "ab";
    char second[] = "cd";
    struct iovec vectors[] = {{first, 2}, {second, 2}};
    assert_int_equal(mur_pwritev_full(descriptor, vectors, 2, 10, path, NULL), MUR_OK);
    assert_int_equal(mur_pwrite_full(descriptor, "X", 1, 11, path, NULL), MUR_OK);
    char bytes[10];
    size_t got = 0;
    assert_int_equal(mur_pread_full(&got, descriptor, bytes, sizeof bytes, 10, path, NULL), MUR_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(bytes, "aXcd", 4);
    assert_int_equal(mur_write_full(-1, "x", 1, "nothing", NULL), MUR_IO);
}

static void paths_join_with_one_slash(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a//", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        MUR_AUTO_FREE char *path = NULL;
        assert_int_equal(mur_path_join(&path, cases[i][0], cases[i][1], NULL), MUR_OK);
        assert_string_equal(path, cases[i][2]);
    }
    assert_string_equal(mur_path_base("a/b"), "b");
    assert_string_equal(mur_path_base("b"), "b");
}

static void paths_from_outside_stay_beneath_their_root(void **state)
{
    struct fixture *fixture = *state;
    make_folder(fixture, "root/sub");
    put(fixture, "secret", "s");
    put(fixture, "root/file", "f");
    put(fixture, "root/sub/file", "g");
    make_link(fixture, "../file", "root/sub/inside");
    make_link(fixture, "../secret", "root/outside");
    make_link(fixture, "/etc/passwd", "root/absolute");
    make_link(fixture, "..", "root/up");
    make_link(fixture, "nothing", "root/dangling");
    MUR_AUTO_FREE char *root = in(fixture, "root");

    static const char *const right[] = {"file", "sub/file", "./sub//file", "sub/../file",
                                        "sub/inside"};
    for (size_t i = 0; i < MUR_COUNT(right); i++) {
        MUR_AUTO_FREE char *path = NULL;
        MUR_AUTO_CLOSE int descriptor = -1;
        assert_int_equal(mur_path_beneath(&path, root, right[i], NULL), MUR_OK);
        assert_true(mur_file_exists(path));
        assert_int_equal(mur_open_beneath(&descriptor, root, right[i], NULL), MUR_OK);
    }
    static const char *const wrong[] = {
        "",         "/etc/passwd", "../secret", "sub/../../secret", "C:\\file", "c:file", "outside",
        "absolute", "up/secret",   "..",        "up/root/file"};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++) {
        char *path = NULL;
        int descriptor = -1;
        assert_int_equal(mur_path_beneath(&path, root, wrong[i], NULL), MUR_DENIED);
        assert_int_equal(mur_open_beneath(&descriptor, root, wrong[i], NULL), MUR_DENIED);
        assert_null(path);
        assert_int_equal(descriptor, -1);
    }
    char *path = NULL;
    int descriptor = -1;
    assert_int_equal(mur_path_beneath(&path, root, "none", NULL), MUR_NOT_FOUND);
    assert_int_equal(mur_path_beneath(&path, root, "dangling", NULL), MUR_NOT_FOUND);
    assert_int_equal(mur_open_beneath(&descriptor, root, "sub", NULL), MUR_INVALID);
}

static void a_name_is_found_in_its_other_unicode_normalisation(void **state)
{
    struct fixture *fixture = *state;
    MUR_AUTO_FREE char *root = in(fixture, "spelt");
    static const char composed[] = "d\xC3\xA4t\xC3\xA4/\xC3\xA9.nii";
    static const char decomposed[] = "da\xCC\x88ta\xCC\x88/e\xCC\x81.nii";
    const char *const spellings[] = {composed, decomposed, "d\xC3\xA4t\xC3\xA4/e\xCC\x81.nii"};
    for (size_t i = 0; i < MUR_COUNT(spellings); i++) { /* the last one is written in both */
        MUR_AUTO_FREE char *folder = NULL;
        MUR_AUTO_FREE char *file = NULL;
        MUR_AUTO_FREE char *path = NULL;
        assert_int_equal(mur_path_join(&file, root, spellings[i], NULL), MUR_OK);
        assert_int_equal(mur_text_copy(&folder, mur_slice_of(file), NULL), MUR_OK);
        *strrchr(folder, '/') = '\0';
        assert_int_equal(mur_directory_create(folder, 0700, NULL), MUR_OK);
        assert_int_equal(mur_file_write_all(file, "x", 1, 0600, NULL), MUR_OK);
        for (size_t asked = 0; asked < MUR_COUNT(spellings); asked++) {
            MUR_AUTO_FREE char *found = NULL;
            MUR_AUTO_FREE char *where = NULL;
            assert_int_equal(mur_path_spelling(&found, root, spellings[asked], NULL), MUR_OK);
            assert_string_equal(found, spellings[i]);
            assert_int_equal(mur_path_beneath(&where, root, spellings[asked], NULL), MUR_OK);
            assert_string_equal(where, file);
        }
        assert_int_equal(mur_path_spelling(&path, root, "d\xC3\xA4t\xC3\xA4/none", NULL),
                         MUR_NOT_FOUND);
        assert_int_equal(mur_path_spelling(&path, root, "\xC3\xA4\xFF", NULL), MUR_NOT_FOUND);
        mur_directory_remove(root);
    }
}

static enum mur_status list(void *user, const struct mur_walk_entry *entry, bool *skip,
                            struct mur_error *error)
{
    static const char kinds[] = {'f', 'd', 'o'};
    *skip = strcmp(entry->relative, "z/skipped") == 0;
    return mur_buffer_append_format(user, error, "%c%u:%s ", kinds[entry->kind], entry->depth,
                                    entry->relative);
}

static enum mur_status stop(void *user, const struct mur_walk_entry *entry, bool *skip,
                            struct mur_error *error)
{
    (void)entry;
    (void)skip;
    ++*(int *)user;
    return mur_error_set(error, MUR_CANCELLED, "enough");
}

static void a_walk_is_sorted_and_follows_no_link_outside(void **state)
{
    struct fixture *fixture = *state;
    make_folder(fixture, "z/skipped/x");
    put(fixture, "z/b", "");
    put(fixture, "B", "");
    put(fixture, "a", "");
    make_link(fixture, "a", "link");
    make_link(fixture, "z", "loop");
    make_link(fixture, "/etc/passwd", "out");
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    assert_int_equal(mur_directory_walk(fixture->root, list, &text, NULL), MUR_OK);
    assert_string_equal(mur_buffer_text(&text),
                        "f0:B f0:a f0:link o0:loop o0:out d0:z f1:z/b d1:z/skipped ");
    int count = 0;
    assert_int_equal(mur_directory_walk(fixture->root, stop, &count, NULL), MUR_CANCELLED);
    assert_int_equal(count, 1);
    assert_int_equal(mur_directory_walk("no/such/folder", stop, &count, NULL), MUR_NOT_FOUND);
}

static enum mur_status ignore(void *user, const struct mur_walk_entry *entry, bool *skip,
                              struct mur_error *error)
{
    (void)user;
    (void)entry;
    (void)skip;
    (void)error;
    return MUR_OK;
}

static void a_bottomless_tree_ends_the_walk(void **state)
{
    struct fixture *fixture = *state;
    MUR_AUTO_BUFFER struct mur_buffer path = MUR_BUFFER_INIT;
    for (int i = 0; i <= MUR_WALK_DEPTH; i++)
        assert_int_equal(mur_buffer_append_text(&path, i == 0 ? "d" : "/d", NULL), MUR_OK);
    make_folder(fixture, mur_buffer_text(&path));
    assert_int_equal(mur_directory_walk(fixture->root, ignore, NULL, NULL), MUR_LIMIT);
    /* So that the tree can be taken down by walking it. */
    MUR_AUTO_FREE char *deepest = in(fixture, mur_buffer_text(&path));
    assert_int_equal(rmdir(deepest), 0);
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_file_is_replaced_whole_and_leaves_nothing_beside_it),
        WITH_FOLDER(what_a_killed_writer_left_is_swept_and_nothing_else),
        WITH_FOLDER(reading_has_a_limit_and_wants_a_regular_file),
        WITH_FOLDER(a_folder_in_a_file_s_place_is_told),
        cmocka_unit_test(long_vectors_are_written_over_short_writes),
        WITH_FOLDER(positioned_reads_and_writes_meet),
        cmocka_unit_test(paths_join_with_one_slash),
        WITH_FOLDER(paths_from_outside_stay_beneath_their_root),
        WITH_FOLDER(a_name_is_found_in_its_other_unicode_normalisation),
        WITH_FOLDER(a_walk_is_sorted_and_follows_no_link_outside),
        WITH_FOLDER(a_bottomless_tree_ends_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

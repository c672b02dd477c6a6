/* ZIP files of every kind that must not get out of their folder, written byte by byte. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "core/buffer.h"
#include "core/file.h"
#include "core/text.h"
#include "isa/isa.h"
#include "isa/unpack.h"

/* ---- a ZIP file (APPNOTE.TXT 4.3), nothing compressed ---------------------------------------- */

struct entry {
    const char *name;
    const char *content;
    uint32_t mode;  /* of Unix; 0 = a regular file */
    uint16_t flags; /* 1 = encrypted */
    uint32_t size;  /* claimed; 0 = the content's own */
    uint32_t wrong_crc;
};

static void add16(struct mur_buffer *out, uint32_t value)
{
    const char bytes[] = {(char)(value & 0xFF), (char)(value >> 8 & 0xFF)};
    assert_int_equal(mur_buffer_append(out, bytes, sizeof bytes, NULL), MUR_OK);
}

static void add32(struct mur_buffer *out, uint32_t value)
{
    add16(out, value & 0xFFFF);
    add16(out, value >> 16);
}

static void add_text(struct mur_buffer *out, const char *text)
{
    assert_int_equal(mur_buffer_append_text(out, text, NULL), MUR_OK);
}

/* What local header and central directory have in common. */
static void add_common(struct mur_buffer *out, const struct entry *entry)
{
    uint32_t length = (uint32_t)strlen(entry->content);
    uLong crc = crc32(0, (const Bytef *)entry->content, length) ^ entry->wrong_crc;
    add16(out, 20);
    add16(out, entry->flags);
    add16(out, 0);          /* stored */
    add32(out, 0x5A210000); /* 1 Jan 2025 */
    add32(out, (uint32_t)crc);
    add32(out, length);
    add32(out, entry->size != 0 ? entry->size : length);
    add16(out, (uint32_t)strlen(entry->name));
    add16(out, 0);
}

static void put_zip(const char *path, const struct entry *entries, size_t count)
{
    MUR_AUTO_BUFFER struct mur_buffer file = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer directory = MUR_BUFFER_INIT;
    for (size_t i = 0; i < count; i++) {
        uint32_t mode = entries[i].mode != 0 ? entries[i].mode : S_IFREG | 0644;
        uint32_t offset = (uint32_t)file.length;
        add_text(&file, "PK\3\4");
        add_common(&file, &entries[i]);
        add_text(&file, entries[i].name);
        add_text(&file, entries[i].content);
        add_text(&directory, "PK\1\2");
        add16(&directory, 0x0314); /* made on Unix */
        add_common(&directory, &entries[i]);
        add16(&directory, 0); /* comment */
        add16(&directory, 0);
        add16(&directory, 0);
        add32(&directory, mode << 16);
        add32(&directory, offset);
        add_text(&directory, entries[i].name);
    }
    uint32_t offset = (uint32_t)file.length;
    assert_int_equal(mur_buffer_append(&file, directory.data, directory.length, NULL), MUR_OK);
    add_text(&file, "PK\5\6");
    add32(&file, 0);
    add16(&file, (uint32_t)count);
    add16(&file, (uint32_t)count);
    add32(&file, (uint32_t)directory.length);
    add32(&file, offset);
    add16(&file, 0);
    assert_int_equal(mur_file_write_all(path, file.data, file.length, 0644, NULL), MUR_OK);
}

/* ---- the folder of one test ------------------------------------------------------------------ */

struct fixture {
    char *folder;
    char *zip;
    char *parent;
    struct mur_isa_diagnostics diagnostics;
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *base = getenv("TMPDIR");
    if (f == NULL ||
        mur_path_join(&f->folder, base == NULL ? "/tmp" : base, "murpacs-zip-XXXXXX", NULL) ||
        mkdtemp(f->folder) == NULL || mur_path_join(&f->zip, f->folder, "mice.zip", NULL) ||
        mur_path_join(&f->parent, f->folder, "work", NULL))
        return -1;
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    (void)unlink(f->zip);
    int left = rmdir(f->parent); /* fails when something of a test is still in it */
    (void)rmdir(f->folder);
    mur_isa_diagnostics_free(&f->diagnostics);
    free(f->folder);
    free(f->zip);
    free(f->parent);
    free(f);
    return left;
}

static enum mur_status unpack_within(struct mur_unpacked **out, struct fixture *f,
                                     struct mur_unpack_limits limits, struct mur_error *error)
{
    const struct mur_unpack_options options = {.parent = f->parent, .limits = limits};
    return mur_unpack(out, f->zip, &options, &f->diagnostics, error);
}

static struct mur_unpacked *unpack(struct fixture *f)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_unpacked *unpacked = NULL;
    if (unpack_within(&unpacked, f, (struct mur_unpack_limits){0}, &error) != MUR_OK)
        fail_msg("%s", error.message);
    return unpacked;
}

static bool has(const struct mur_unpacked *unpacked, const char *name, const char *content)
{
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    return mur_path_join(&path, mur_unpacked_directory(unpacked), name, NULL) == MUR_OK &&
           mur_file_read_all(&text, path, 1 << 20, NULL) == MUR_OK &&
           strcmp(mur_buffer_text(&text), content) == 0;
}

static size_t diagnosed(const struct fixture *f, const char *code)
{
    size_t count = 0;
    for (size_t i = 0; i < f->diagnostics.count; i++)
        count += strcmp(f->diagnostics.items[i].code, code) == 0;
    return count;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_zip_reads_like_the_folder_that_was_packed(void **state)
{
    struct fixture *f = *state;
    static const struct entry entries[] = {
        {.name = "mice/", .content = "", .mode = S_IFDIR | 0755},
        {.name = "mice/i_inv.txt", .content = "STUDY\n"},
        {.name = "mice/images/b.nii", .content = "voxels"},
        {.name = "__MACOSX/mice/._i_inv.txt", .content = "litter"},
        {.name = "mice/.DS_Store", .content = "litter"},
    };
    put_zip(f->zip, entries, MUR_COUNT(entries));
    struct mur_unpacked *unpacked = unpack(f);
    assert_string_equal(mur_path_base(mur_unpacked_directory(unpacked)), "mice");
    assert_true(has(unpacked, "i_inv.txt", "STUDY\n"));
    assert_true(has(unpacked, "images/b.nii", "voxels"));
    assert_int_equal(f->diagnostics.count, 0);
    char *gone = strdup(mur_unpacked_directory(unpacked));
    mur_unpacked_free(unpacked);
    assert_false(mur_directory_exists(gone));
    free(gone);
}

static void a_zip_of_several_folders_is_called_as_its_file(void **state)
{
    struct fixture *f = *state;
    static const struct entry entries[] = {{.name = "one\\i_a.txt", .content = "1"},
                                           {.name = "two/i_b.txt", .content = "2"}};
    put_zip(f->zip, entries, MUR_COUNT(entries));
    struct mur_unpacked *unpacked = unpack(f);
    assert_string_equal(mur_path_base(mur_unpacked_directory(unpacked)), "mice");
    assert_true(has(unpacked, "one/i_a.txt", "1")); /* Windows wrote it */
    assert_true(has(unpacked, "two/i_b.txt", "2"));
    mur_unpacked_free(unpacked);
}

static void names_that_lead_out_are_left_out(void **state)
{
    struct fixture *f = *state;
    static const struct entry entries[] = {
        {.name = "../escaped.txt", .content = "x"},
        {.name = "images/../../escaped.txt", .content = "x"},
        {.name = "..\\escaped.txt", .content = "x"},
        {.name = "/tmp/murpacs-escaped.txt", .content = "x"},
        {.name = "C:\\escaped.txt", .content = "x"},
        {.name = "link", .content = "/etc", .mode = S_IFLNK | 0777},
        {.name = "link/passwd", .content = "mine"}, /* lands in a folder of its own */
        {.name = "pipe", .content = "", .mode = S_IFIFO | 0666},
        {.name = "good.txt", .content = "good"},
    };
    put_zip(f->zip, entries, MUR_COUNT(entries));
    struct mur_unpacked *unpacked = unpack(f);
    assert_int_equal(diagnosed(f, "bad-path"), 7);
    assert_int_equal(f->diagnostics.counts[MUR_ISA_ERROR], 5);
    assert_true(has(unpacked, "good.txt", "good"));
    assert_true(has(unpacked, "link/passwd", "mine"));
    assert_false(mur_file_exists("/tmp/murpacs-escaped.txt"));
    mur_unpacked_free(unpacked);
    MUR_AUTO_FREE char *escaped = NULL;
    assert_int_equal(mur_path_join(&escaped, f->parent, "escaped.txt", NULL), MUR_OK);
    assert_false(mur_file_exists(escaped));
}

static void what_stands_twice_or_is_damaged_is_left_out_and_the_rest_goes_on(void **state)
{
    struct fixture *f = *state;
    static const struct entry entries[] = {
        {.name = "a", .content = "first"},
        {.name = "a", .content = "second"},
        {.name = "a/below", .content = "of a file"},
        {.name = "bad", .content = "bytes", .wrong_crc = 1},
        {.name = "z", .content = "last"},
    };
    put_zip(f->zip, entries, MUR_COUNT(entries));
    struct mur_unpacked *unpacked = unpack(f);
    assert_true(has(unpacked, "a", "first"));
    assert_true(has(unpacked, "z", "last"));
    assert_false(has(unpacked, "bad", "bytes"));
    assert_int_equal(diagnosed(f, "duplicate-entry"), 1);
    assert_int_equal(diagnosed(f, "damaged-entry"), 1);
    assert_int_equal(diagnosed(f, "bad-path"), 1);
    mur_unpacked_free(unpacked);
}

static void more_than_is_allowed_is_refused_before_anything_is_written(void **state)
{
    struct fixture *f = *state;
    static const struct entry entries[] = {
        {.name = "a", .content = "0123456789"},
        {.name = "bomb", .content = "0", .size = 0x7FFFFFFF},
    };
    put_zip(f->zip, entries, MUR_COUNT(entries));
    struct mur_unpacked *none = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(unpack_within(&none, f, (struct mur_unpack_limits){.entries = 1}, &error),
                     MUR_LIMIT);
    assert_non_null(strstr(error.message, "more than 1 files"));
    assert_int_equal(
        unpack_within(&none, f, (struct mur_unpack_limits){.total_bytes = 1 << 20}, &error),
        MUR_LIMIT);
    assert_int_equal(unpack_within(&none, f, (struct mur_unpack_limits){0}, &error), MUR_LIMIT);
    assert_non_null(strstr(error.message, "ZIP bomb"));
    assert_null(none);
    assert_int_equal(mur_directory_create(f->parent, 0700, &error), MUR_OK);
}

static void what_is_encrypted_or_no_zip_is_refused_with_the_reason(void **state)
{
    struct fixture *f = *state;
    static const struct entry secret = {.name = "a", .content = "0123456789abcdef", .flags = 1};
    put_zip(f->zip, &secret, 1);
    struct mur_unpacked *none = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_unpack_limits limits = {0};
    assert_int_equal(unpack_within(&none, f, limits, &error), MUR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "encrypted"));
    assert_int_equal(mur_file_write_all(f->zip, "PK\3\4 and no more", 16, 0644, &error), MUR_OK);
    assert_int_equal(unpack_within(&none, f, limits, &error), MUR_PARSE);
    assert_int_equal(mur_file_write_all(f->zip, "STUDY\n", 6, 0644, &error), MUR_OK);
    assert_int_equal(unpack_within(&none, f, limits, &error), MUR_PARSE);
    assert_non_null(strstr(error.message, "neither a folder nor a ZIP file"));
    assert_int_equal(unlink(f->zip), 0);
    assert_int_equal(unpack_within(&none, f, limits, &error), MUR_NOT_FOUND);
    assert_int_equal(mur_directory_create(f->parent, 0700, &error), MUR_OK);
}

static void who_reads_tables_alone_gets_the_other_files_by_name_and_size(void **state)
{
    struct fixture *f = *state;
    static const struct entry entries[] = {{.name = "i_inv.txt", .content = "STUDY\n"},
                                           {.name = "images/b.nii", .content = "voxels"}};
    put_zip(f->zip, entries, MUR_COUNT(entries));
    const struct mur_unpack_options options = {.parent = f->parent, .tables_only = true};
    struct mur_unpacked *unpacked = NULL;
    assert_int_equal(mur_unpack(&unpacked, f->zip, &options, &f->diagnostics, NULL), MUR_OK);
    assert_true(has(unpacked, "i_inv.txt", "STUDY\n"));
    MUR_AUTO_FREE char *image = NULL;
    assert_int_equal(mur_path_join(&image, mur_unpacked_directory(unpacked), "images/b.nii", NULL),
                     MUR_OK);
    struct stat details;
    assert_int_equal(stat(image, &details), 0);
    assert_int_equal(details.st_size, 6);
    assert_false(has(unpacked, "images/b.nii", "voxels"));
    mur_unpacked_free(unpacked);
}

static void what_a_killed_process_left_goes_and_what_a_live_one_has_stays(void **state)
{
    struct fixture *f = *state;
    static const struct entry entries[] = {{.name = "a.txt", .content = "a"},
                                           {.name = "b.txt", .content = "b"}};
    put_zip(f->zip, entries, MUR_COUNT(entries));
    MUR_AUTO_FREE char *left = NULL;
    assert_int_equal(mur_path_join(&left, f->parent, "unpacked-abcdef/deep", NULL), MUR_OK);
    assert_int_equal(mur_directory_create(left, 0700, NULL), MUR_OK);
    struct mur_unpacked *one = unpack(f);
    assert_false(mur_directory_exists(left));
    struct mur_unpacked *two = unpack(f);
    assert_true(has(one, "a.txt", "a"));
    assert_true(has(two, "a.txt", "a"));
    mur_unpacked_free(one);
    mur_unpacked_free(two);
}

static void a_folder_is_its_own_place_and_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mur_directory_create(f->parent, 0700, NULL), MUR_OK);
    const struct mur_unpack_options options = {.parent = NULL};
    struct mur_unpacked *unpacked = NULL;
    assert_int_equal(mur_unpack(&unpacked, f->parent, &options, NULL, NULL), MUR_OK);
    assert_string_equal(mur_unpacked_directory(unpacked), f->parent);
    assert_false(mur_unpacked_is_copy(unpacked));
    mur_unpacked_free(unpacked);
    assert_true(mur_directory_exists(f->parent));
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_zip_reads_like_the_folder_that_was_packed),
        IN_FOLDER(a_zip_of_several_folders_is_called_as_its_file),
        IN_FOLDER(names_that_lead_out_are_left_out),
        IN_FOLDER(what_stands_twice_or_is_damaged_is_left_out_and_the_rest_goes_on),
        IN_FOLDER(more_than_is_allowed_is_refused_before_anything_is_written),
        IN_FOLDER(what_is_encrypted_or_no_zip_is_refused_with_the_reason),
        IN_FOLDER(who_reads_tables_alone_gets_the_other_files_by_name_and_size),
        IN_FOLDER(what_a_killed_process_left_goes_and_what_a_live_one_has_stays),
        IN_FOLDER(a_folder_is_its_own_place_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

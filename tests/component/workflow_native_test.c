#include <unistd.h>

#include "archive_support.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/part10.h"
#include "workflow/intake.h"

enum { FILES = 3 };
static const char *const uids[FILES] = {"1.2.3.1", "1.2.3.2", "1.2.3.3"};
#define SERIES "1.2.3"

struct fixture {
    struct archive_fixture *archive;
    char files[FILES][96];
    char certificate[128];
    struct mur_error error;
};

/* The file of an instance; @return SHA-256 of its Data Set */
static char *write_object(struct fixture *f, int index, const char *transfer_syntax)
{
    struct object object = make_object("M1", "1.2", SERIES, uids[index]);
    object.transfer_syntax = transfer_syntax;
    struct mur_part10 head = {.sop_class = "1.2.840.10008.5.1.4.1.1.4"};
    (void)snprintf(head.sop_instance, sizeof head.sop_instance, "%s", uids[index]);
    (void)snprintf(head.transfer_syntax, sizeof head.transfer_syntax, "%s", transfer_syntax);
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer data_set = MUR_BUFFER_INIT;
    assert_int_equal(mur_part10_write(&bytes, &head, NULL), MUR_OK);
    encode(&data_set, &object);
    assert_int_equal(mur_buffer_append(&bytes, data_set.data, data_set.length, NULL), MUR_OK);
    assert_int_equal(mur_file_write_all(f->files[index], bytes.data, bytes.length, 0600, NULL),
                     MUR_OK);
    uint8_t digest[MUR_SHA256_SIZE];
    char *text = malloc(MUR_SHA256_TEXT_SIZE);
    assert_non_null(text);
    assert_int_equal(mur_sha256_of(digest, data_set.data, data_set.length, NULL), MUR_OK);
    mur_hex_write(text, digest, sizeof digest);
    return text;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(archive_set_up(state), 0);
    f->archive = *state;
    for (int index = 0; index < FILES; index++) {
        (void)snprintf(f->files[index], sizeof f->files[index], "%s/IM%d.dcm", f->archive->folder,
                       index + 1);
        free(write_object(f, index, mur_uid_ExplicitVRLittleEndian));
    }
    (void)snprintf(f->certificate, sizeof f->certificate, "%s/certificates/" SERIES ".json",
                   f->archive->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    void *archive = f->archive;
    free(f);
    return archive_tear_down(&archive);
}

/* As an import of a scan does it. */
static enum mur_status import_files(struct fixture *f)
{
    MUR_AUTO(mur_intake) *intake = NULL;
    uint64_t count = 0;
    bool changed = false;
    assert_int_equal(mur_intake_create(&intake, f->archive->archive, NULL, &f->error), MUR_OK);
    mur_intake_source(intake, "sub/scan", false);
    for (int index = FILES; index-- > 0;) /* in any order */
        assert_int_equal(mur_intake_file(intake, f->files[index], true, &f->error), MUR_OK);
    enum mur_status status = mur_intake_certify(intake, &f->error);
    if (status != MUR_OK)
        return status;
    size_t series = 0;
    assert_true(mur_intake_series(intake, &series)->certified);
    assert_int_equal(series, 1);
    return mur_intake_commit(intake, &count, &changed, &f->error);
}

static char *read_certificate(struct fixture *f)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    char *out = NULL;
    assert_int_equal(mur_file_read_all(&text, f->certificate, 1 << 20, &f->error), MUR_OK);
    assert_int_equal(mur_buffer_take(&out, &text, NULL), MUR_OK);
    return out;
}

static struct mur_instance stored(struct fixture *f, const char *uid, bool wanted)
{
    struct mur_instance item = {0};
    bool found = false;
    assert_int_equal(mur_archive_look_up(&found, &item, f->archive->archive, uid, &f->error),
                     MUR_OK);
    assert_int_equal(found, wanted);
    return item;
}

static void damage(struct fixture *f, const char *uid)
{
    const struct mur_instance item = stored(f, uid, true);
    MUR_AUTO_FREE char *path = NULL;
    assert_int_equal(mur_archive_item_path(&path, f->archive->archive, &item, &f->error), MUR_OK);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    assert_int_equal(fputc('x', file), 'x');
    assert_int_equal(fclose(file), 0);
}

static void files_that_are_stored_as_they_came_get_a_certificate(void **state)
{
    struct fixture *f = *state;
    if (import_files(f) != MUR_OK)
        fail_msg("%s", f->error.message);
    MUR_AUTO_FREE char *text = read_certificate(f);
    assert_non_null(strstr(text, "{\"Verdict\":\"pass\",\"Kind\":\"native\","));
    assert_non_null(strstr(text, "\"Files\":[\"IM1.dcm\",\"IM2.dcm\",\"IM3.dcm\"]"));
    assert_non_null(strstr(text, "\"SeriesInstanceUID\":\"" SERIES "\""));
    assert_non_null(strstr(text, "\"Instances\":3"));
    assert_null(strstr(text, "Stored")); /* nothing differs */
    for (int index = 0; index < FILES; index++) {
        MUR_AUTO_FREE char *digest = write_object(f, index, mur_uid_ExplicitVRLittleEndian);
        assert_non_null(strstr(text, digest));
    }

    /* the same again changes nothing; a certificate that is lost is made again */
    assert_int_equal(unlink(f->certificate), 0);
    assert_int_equal(import_files(f), MUR_OK);
    MUR_AUTO_FREE char *again = read_certificate(f);
    assert_string_equal(again, text);
}

static void a_file_that_is_damaged_in_the_archive_is_made_whole_and_certified(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(import_files(f), MUR_OK);
    MUR_AUTO_FREE char *before = read_certificate(f);
    damage(f, uids[1]);
    assert_int_equal(unlink(f->certificate), 0);
    if (import_files(f) != MUR_OK) /* what is certified is read again out of the archive */
        fail_msg("%s", f->error.message);
    MUR_AUTO_FREE char *again = read_certificate(f);
    assert_string_equal(again, before);
}

static void the_same_content_in_other_bytes_is_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(import_files(f), MUR_OK);
    MUR_AUTO_FREE char *digest = write_object(f, 1, mur_uid_ImplicitVRLittleEndian);
    assert_int_equal(unlink(f->certificate), 0);
    if (import_files(f) != MUR_OK)
        fail_msg("%s", f->error.message);
    MUR_AUTO_FREE char *text = read_certificate(f);
    assert_non_null(strstr(text, digest));
    const char *differs = strstr(text, "\"SameContent\":true");
    assert_non_null(differs);
    assert_null(strstr(differs + sizeof "SameContent", "SameContent")); /* of others nothing */
}

static void the_certificate_goes_with_the_last_instance(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(import_files(f), MUR_OK);
    assert_int_equal(mur_archive_remove(f->archive->archive, uids, 2, "test", &f->error), MUR_OK);
    assert_true(mur_file_exists(f->certificate));
    assert_int_equal(mur_archive_remove(f->archive->archive, uids + 2, 1, "test", &f->error),
                     MUR_OK);
    assert_false(mur_file_exists(f->certificate));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_that_are_stored_as_they_came_get_a_certificate,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_file_that_is_damaged_in_the_archive_is_made_whole_and_certified, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_content_in_other_bytes_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_certificate_goes_with_the_last_instance, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

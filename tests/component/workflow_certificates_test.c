#include <unistd.h>

#include <nifti2_io.h>

#include "archive_support.h"
#include "converters/nii_to_dicom.h"
#include "core/file.h"
#include "core/own.h"
#include "core/text.h"
#include "workflow/intake.h"

enum { COLUMNS = 6, ROWS = 5, SLICES = 4, VOXELS = COLUMNS * ROWS * SLICES };

struct fixture {
    struct archive_fixture *archive;
    char image[96];
    struct mur_conversion_report report;
    struct mur_error error;
};

static void write_image(const char *path)
{
    int16_t voxels[VOXELS];
    for (int index = 0; index < VOXELS; index++)
        voxels[index] = (int16_t)(index * 3);
    nifti_1_header header = {.sizeof_hdr = 348,
                             .magic = "n+1",
                             .datatype = NIFTI_TYPE_INT16,
                             .bitpix = 16,
                             .dim = {3, COLUMNS, ROWS, SLICES, 1, 1, 1, 1},
                             .pixdim = {1, 0.2f, 0.3f, 0.4f},
                             .vox_offset = 352,
                             .xyzt_units = NIFTI_UNITS_MM,
                             .sform_code = 1,
                             .srow_x = {0.2f, 0, 0, 1},
                             .srow_y = {0, 0.3f, 0, 2},
                             .srow_z = {0, 0, 0.4f, 3}};
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(&header, sizeof header, 1, file), 1);
    assert_int_equal(fwrite("\0\0\0", 4, 1, file), 1);
    assert_int_equal(fwrite(voxels, sizeof voxels, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(archive_set_up(state), 0);
    f->archive = *state;
    (void)snprintf(f->image, sizeof f->image, "%s/image.nii", f->archive->folder);
    write_image(f->image);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    void *archive = f->archive;
    mur_conversion_report_free(&f->report);
    free(f);
    return archive_tear_down(&archive);
}

/* A conversion that goes wrong at one bit of one instance. */
struct faulty {
    struct mur_output output;
    uint32_t instance; /* from 1; 0: none */
    uint32_t number;
    uint64_t left; /* bytes of the instance that are still to come */
};

static enum mur_status begin_faulty(void *user, const struct mur_made_instance *instance,
                                    struct mur_error *error)
{
    struct faulty *faulty = user;
    faulty->number = instance->number;
    faulty->left = instance->data_set_length;
    return faulty->output.begin(faulty->output.user, instance, error);
}

static enum mur_status write_faulty(void *user, const void *bytes, size_t length,
                                    struct mur_error *error)
{
    struct faulty *faulty = user;
    faulty->left -= length;
    if (faulty->number != faulty->instance || faulty->left > 0)
        return faulty->output.write(faulty->output.user, bytes, length, error);
    MUR_AUTO_FREE uint8_t *copy = malloc(length);
    memcpy(copy, bytes, length);
    copy[length - 2] ^= 1; /* the low byte of the last pixel */
    return faulty->output.write(faulty->output.user, copy, length, error);
}

static enum mur_status end_faulty(void *user, struct mur_error *error)
{
    struct faulty *faulty = user;
    return faulty->output.end(faulty->output.user, error);
}

/* Converts into the archive, as an import does, up to the certificate. */
static enum mur_status import_image(struct fixture *f, struct mur_intake **intake,
                                    uint32_t faulty_instance)
{
    const char *path = f->image;
    struct mur_conversion_options options = {.modality = MUR_CONVERT_TO_MR};
    mur_conversion_report_free(&f->report);
    assert_int_equal(mur_intake_create(intake, f->archive->archive, NULL, &f->error), MUR_OK);
    mur_intake_source(*intake, "sub/image.nii", false);
    struct faulty faulty = {.output = mur_intake_output(*intake), .instance = faulty_instance};
    const struct mur_output output = {
        .begin = begin_faulty, .write = write_faulty, .end = end_faulty, .user = &faulty};
    if (mur_nii_to_dicom(&f->report, path, &options, &output, &f->error) != MUR_OK)
        fail_msg("%s", f->error.message);
    const struct mur_made_series made = {
        .sources = &path,
        .source_count = 1,
        .instances = (const char *const *)f->report.series->instances,
        .instance_count = f->report.series->instance_count,
        .series = f->report.series->series_instance,
        .voxels = f->report.made[0].voxels,
    };
    assert_int_equal(mur_intake_made(*intake, &made, &f->error), MUR_OK);
    return mur_intake_certify(*intake, &f->error);
}

static bool is_indexed(const struct fixture *f, size_t index)
{
    struct mur_instance instance;
    struct mur_error error = MUR_ERROR_INIT;
    bool found = false;
    assert_int_equal(mur_archive_look_up(&found, &instance, f->archive->archive,
                                         f->report.series->instances[index], &error),
                     MUR_OK);
    return found;
}

static char *certificate_path(const struct fixture *f)
{
    char *path = NULL;
    assert_int_equal(mur_text_format(&path, NULL, "%s/certificates/%s.json", f->archive->folder,
                                     f->report.series->series_instance),
                     MUR_OK);
    return path;
}

static void a_good_conversion_gets_a_certificate(void **state)
{
    struct fixture *f = *state;
    MUR_AUTO(mur_intake) *intake = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    uint64_t count = 0;
    bool changed = false;
    assert_int_equal(import_image(f, &intake, 0), MUR_OK);
    assert_int_equal(mur_intake_commit(intake, &count, &changed, &f->error), MUR_OK);
    assert_int_equal(count, SLICES);
    MUR_AUTO_FREE char *path = certificate_path(f);
    assert_int_equal(mur_file_read_all(&text, path, 1 << 20, &f->error), MUR_OK);
    assert_non_null(strstr(mur_buffer_text(&text), "\"Verdict\":\"pass\""));
    assert_non_null(strstr(mur_buffer_text(&text), f->report.made[0].voxels));

    /* the same again changes nothing; a certificate that is lost is made again */
    assert_int_equal(unlink(path), 0);
    MUR_AUTO(mur_intake) *again = NULL;
    assert_int_equal(import_image(f, &again, 0), MUR_OK);
    assert_int_equal(mur_intake_commit(again, &count, &changed, &f->error), MUR_OK);
    assert_int_equal(count, 0);
    assert_true(mur_file_exists(path));
}

static void one_wrong_bit_keeps_a_scan_out(void **state)
{
    struct fixture *f = *state;
    struct mur_intake *intake = NULL;
    assert_int_equal(import_image(f, &intake, 2), MUR_MISMATCH);
    assert_non_null(strstr(f->error.message, "sub/image.nii: converted back it is not the same"));
    assert_non_null(strstr(f->error.message, "slice k=1: 1 voxel differs"));
    assert_non_null(strstr(f->error.message, f->report.series->instances[1]));
    mur_intake_free(intake);
    for (size_t index = 0; index < SLICES; index++)
        assert_false(is_indexed(f, index));
    MUR_AUTO_FREE char *path = certificate_path(f);
    assert_false(mur_file_exists(path));
}

static void an_object_that_is_damaged_in_the_archive_is_made_whole(void **state)
{
    struct fixture *f = *state;
    MUR_AUTO(mur_intake) *first = NULL;
    uint64_t count = 0;
    bool changed = false;
    assert_int_equal(import_image(f, &first, 0), MUR_OK);
    assert_int_equal(mur_intake_commit(first, &count, &changed, &f->error), MUR_OK);
    struct mur_instance item;
    bool found = false;
    MUR_AUTO_FREE char *file = NULL;
    assert_int_equal(mur_archive_look_up(&found, &item, f->archive->archive,
                                         f->report.series->instances[3], &f->error),
                     MUR_OK);
    assert_int_equal(mur_archive_item_path(&file, f->archive->archive, &item, &f->error), MUR_OK);
    FILE *stream = fopen(file, "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, -2, SEEK_END), 0);
    int byte = fgetc(stream);
    assert_int_equal(fseek(stream, -2, SEEK_END), 0);
    assert_int_equal(fputc(byte ^ 4, stream), byte ^ 4);
    assert_int_equal(fclose(stream), 0);

    MUR_AUTO_FREE char *path = certificate_path(f);
    assert_int_equal(unlink(path), 0);
    MUR_AUTO(mur_intake) *again = NULL;
    assert_int_equal(import_image(f, &again, 0), MUR_OK);
    assert_int_equal(mur_intake_commit(again, &count, &changed, &f->error), MUR_OK);
    MUR_AUTO_FREE char *now = NULL; /* a repaired object may have another file */
    assert_int_equal(mur_archive_look_up(&found, &item, f->archive->archive,
                                         f->report.series->instances[3], &f->error),
                     MUR_OK);
    assert_int_equal(mur_archive_item_path(&now, f->archive->archive, &item, &f->error), MUR_OK);
    stream = fopen(now, "rb");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, -2, SEEK_END), 0);
    assert_int_equal(fgetc(stream), byte);
    assert_int_equal(fclose(stream), 0);
    assert_true(mur_file_exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_conversion_gets_a_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_wrong_bit_keeps_a_scan_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_object_that_is_damaged_in_the_archive_is_made_whole,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

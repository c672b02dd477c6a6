#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <nifti2_io.h>

#include "converters/nii_to_dicom.h"
#include "core/buffer.h"
#include "core/file.h"

/* Large enough that a second thread is worth it. */
enum { SIDE = 256, SLICES = 33, VOLUMES = 2, VOXELS = SIDE * SIDE * SLICES * VOLUMES };

struct fixture {
    char folder[64];
    char path[96];
    struct mur_error error;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/mur_threads_XXXXXX");
    if (f == NULL || mkdtemp(f->folder) == NULL)
        return -1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)unlink(f->path);
    (void)rmdir(f->folder);
    free(f);
    return 0;
}

static void write_nifti(struct fixture *f, const char *name, int16_t datatype, const void *voxels,
                        size_t size)
{
    const nifti_1_header header = {.sizeof_hdr = 348,
                                   .magic = "n+1",
                                   .datatype = datatype,
                                   .bitpix = (int16_t)(8 * size),
                                   .dim = {4, SIDE, SIDE, SLICES, VOLUMES, 1, 1, 1},
                                   .pixdim = {1, 0.2f, 0.3f, 0.4f, 2},
                                   .vox_offset = 352,
                                   .xyzt_units = NIFTI_UNITS_MM | NIFTI_UNITS_SEC,
                                   .sform_code = 1,
                                   .srow_x = {0.2f, 0, 0, 1},
                                   .srow_y = {0, 0.3f, 0, 2},
                                   .srow_z = {0, 0, -0.4f, 3}};
    (void)snprintf(f->path, sizeof f->path, "%s/%s", f->folder, name);
    znzFile file = znzopen(f->path, "wb1", strstr(name, ".gz") != NULL);
    assert_non_null(file);
    assert_int_equal(znzwrite(&header, 1, sizeof header, file), sizeof header);
    assert_int_equal(znzwrite("\0\0\0", 1, 4, file), 4);
    assert_int_equal(znzwrite(voxels, size, VOXELS, file), VOXELS);
    assert_int_equal(znzclose(file), 0);
}

/* Keeps each instance at its number; two threads never have the same one. */
struct shelf {
    struct mur_buffer instances[SLICES * VOLUMES];
    uint32_t ended[2];
    bool second_fails;
    struct hand {
        struct shelf *shelf;
        unsigned which;
        uint32_t number;
    } hands[2];
};

static enum mur_status begin_instance(void *user, const struct mur_made_instance *instance,
                                      struct mur_error *error)
{
    struct hand *hand = user;
    hand->number = instance->number;
    return mur_buffer_append_text(&hand->shelf->instances[hand->number - 1], instance->sop_instance,
                                  error);
}

static enum mur_status write_instance(void *user, const void *bytes, size_t length,
                                      struct mur_error *error)
{
    struct hand *hand = user;
    if (hand->which == 1 && hand->shelf->second_fails)
        return mur_error_set(error, MUR_NO_SPACE, "the disk is full");
    return mur_buffer_append(&hand->shelf->instances[hand->number - 1], bytes, length, error);
}

static enum mur_status end_instance(void *user, struct mur_error *error)
{
    struct hand *hand = user;
    (void)error;
    hand->shelf->ended[hand->which]++;
    return MUR_OK;
}

static enum mur_status second_output(struct mur_output *out, void *user, struct mur_error *error)
{
    struct shelf *shelf = ((struct hand *)user)->shelf;
    (void)error;
    shelf->hands[1] = (struct hand){.shelf = shelf, .which = 1};
    *out = (struct mur_output){.begin = begin_instance,
                               .write = write_instance,
                               .end = end_instance,
                               .user = &shelf->hands[1]};
    return MUR_OK;
}

static enum mur_status convert(struct fixture *f, struct shelf *shelf, bool two_threads)
{
    const struct mur_conversion_options options = {.modality = MUR_CONVERT_TO_MR,
                                                   .two_threads = two_threads};
    MUR_AUTO_CONVERSION_REPORT struct mur_conversion_report report = MUR_CONVERSION_REPORT_INIT;
    shelf->hands[0] = (struct hand){.shelf = shelf, .which = 0};
    const struct mur_output output = {.begin = begin_instance,
                                      .write = write_instance,
                                      .end = end_instance,
                                      .second = second_output,
                                      .user = &shelf->hands[0]};
    enum mur_status status = mur_nii_to_dicom(&report, f->path, &options, &output, &f->error);
    if (status == MUR_OK)
        assert_int_equal(report.instances, SLICES * VOLUMES);
    return status;
}

static void free_shelf(struct shelf *shelf)
{
    for (size_t index = 0; index < SLICES * VOLUMES; index++)
        mur_buffer_free(&shelf->instances[index]);
    free(shelf);
}

static void check_same_bytes(struct fixture *f)
{
    struct shelf *one = calloc(1, sizeof *one), *two = calloc(1, sizeof *two);
    assert_true(one != NULL && two != NULL);
    assert_int_equal(convert(f, one, false), MUR_OK);
    assert_int_equal(convert(f, two, true), MUR_OK);
    assert_int_equal(one->ended[0], SLICES * VOLUMES);
    assert_int_equal(two->ended[0], SLICES / 2 * VOLUMES);
    assert_int_equal(two->ended[1], (SLICES + 1) / 2 * VOLUMES);
    for (size_t index = 0; index < SLICES * VOLUMES; index++) {
        assert_int_equal(one->instances[index].length, two->instances[index].length);
        assert_memory_equal(one->instances[index].data, two->instances[index].data,
                            one->instances[index].length);
    }
    free_shelf(one);
    free_shelf(two);
}

static void one_or_two_threads_write_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    int16_t *voxels = malloc(VOXELS * sizeof *voxels);
    assert_non_null(voxels);
    for (int index = 0; index < VOXELS; index++)
        voxels[index] = (int16_t)(index * 7);
    write_nifti(f, "a.nii", NIFTI_TYPE_INT16, voxels, sizeof *voxels);
    check_same_bytes(f);
    assert_int_equal(unlink(f->path), 0);
    write_nifti(f, "a.nii.gz", NIFTI_TYPE_INT16, voxels, sizeof *voxels);
    check_same_bytes(f);
    free(voxels);
}

static void one_or_two_threads_map_floats_alike(void **state)
{
    struct fixture *f = *state;
    float *voxels = malloc(VOXELS * sizeof *voxels);
    assert_non_null(voxels);
    for (int index = 0; index < VOXELS; index++)
        voxels[index] = (float)(index % 1000) / 7;
    write_nifti(f, "a.nii", NIFTI_TYPE_FLOAT32, voxels, sizeof *voxels);
    check_same_bytes(f);
    free(voxels);
}

static void a_full_disk_on_the_other_thread_ends_the_conversion(void **state)
{
    struct fixture *f = *state;
    int16_t *voxels = calloc(VOXELS, sizeof *voxels);
    struct shelf *shelf = calloc(1, sizeof *shelf);
    assert_true(voxels != NULL && shelf != NULL);
    write_nifti(f, "a.nii", NIFTI_TYPE_INT16, voxels, sizeof *voxels);
    shelf->second_fails = true;
    assert_int_equal(convert(f, shelf, true), MUR_NO_SPACE);
    assert_string_equal(f->error.message, "the disk is full");
    assert_true(shelf->ended[0] <= SLICES / 2); /* nothing of the second volume */
    free_shelf(shelf);
    free(voxels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_or_two_threads_write_the_same_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_or_two_threads_map_floats_alike, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_on_the_other_thread_ends_the_conversion, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

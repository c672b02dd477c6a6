/* NIfTI files as they are written: headers say where voxels lie, in both ways that NIfTI knows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "converters/nifti.h"
#include "converters/nifti_write.h"
#include "core/buffer.h"
#include "core/file.h"

static const struct mur_nifti_shape plain = {
    .geometry = {.row_dir_lps = {1, 0, 0},
                 .column_dir_lps = {0, 1, 0},
                 .slice_dir_lps = {0, 0, 1},
                 .spacing_mm = {0.2, 0.3, 0.7},
                 .origin_lps_mm = {-12.5, 4.25, 78},
                 .dims = {7, 5, 4}},
    .type = MUR_PIXEL_INT16,
    .volumes = 1,
    .slope = 1,
};

/* The axes turned by three angles; any rotation can be had so. */
static void turn(struct mur_volume_geometry *geometry, double a, double b, double c)
{
    const double x[3] = {cos(a) * cos(b), sin(a) * cos(b), -sin(b)};
    const double y[3] = {cos(a) * sin(b) * sin(c) - sin(a) * cos(c),
                         sin(a) * sin(b) * sin(c) + cos(a) * cos(c), cos(b) * sin(c)};
    memcpy(geometry->row_dir_lps, x, sizeof x);
    memcpy(geometry->column_dir_lps, y, sizeof y);
    mur_geometry_normal(geometry->slice_dir_lps, geometry);
}

static void check_place(const struct mur_nifti_shape *shape, bool prefer_qform)
{
    uint8_t bytes[MUR_NIFTI_PROLOGUE_SIZE];
    size_t length = 0;
    struct mur_nifti *nifti = NULL;
    struct mur_volume_geometry read;
    const struct mur_orientation_options options = {.prefer_qform = prefer_qform};
    assert_int_equal(mur_nifti_prologue(bytes, &length, shape, NULL), MUR_OK);
    assert_int_equal(mur_nifti_of_header(&nifti, bytes, length - 4, "made", NULL), MUR_OK);
    assert_int_equal(mur_nifti_geometry(&read, nifti, &options, NULL, NULL), MUR_OK);
    assert_true(mur_geometry_corner_distance(&read, &shape->geometry) < 2e-5);
    mur_nifti_free(nifti);
}

static void qform_and_sform_say_the_same_of_any_rotation(void **state)
{
    (void)state;
    static const double angles[] = {0, 0.3, M_PI / 2, 2.2, M_PI, -M_PI / 2, -1.1};
    enum { ANGLES = sizeof angles / sizeof angles[0] };
    for (unsigned index = 0; index < ANGLES * ANGLES * ANGLES; index++)
        for (int hand = 0; hand < 2; hand++) {
            struct mur_nifti_shape shape = plain;
            turn(&shape.geometry, angles[index % ANGLES], angles[index / ANGLES % ANGLES],
                 angles[index / ANGLES / ANGLES]);
            for (unsigned axis = 0; hand == 1 && axis < 3; axis++)
                shape.geometry.slice_dir_lps[axis] = -shape.geometry.slice_dir_lps[axis];
            check_place(&shape, false);
            check_place(&shape, true);
        }
}

static void oblique_steps_have_no_qform(void **state)
{
    (void)state;
    uint8_t bytes[MUR_NIFTI_PROLOGUE_SIZE];
    size_t length = 0;
    struct mur_nifti *nifti = NULL;
    struct mur_nifti_shape shape = plain;
    shape.geometry.slice_dir_lps[0] = sin(0.01);
    shape.geometry.slice_dir_lps[2] = cos(0.01);
    check_place(&shape, false);
    assert_int_equal(mur_nifti_prologue(bytes, &length, &shape, NULL), MUR_OK);
    assert_int_equal(mur_nifti_of_header(&nifti, bytes, length - 4, "made", NULL), MUR_OK);
    assert_int_equal(mur_nifti_header(nifti)->qform_code, 0);
    assert_int_equal(mur_nifti_header(nifti)->sform_code, 1);
    mur_nifti_free(nifti);
}

static void more_than_32767_of_anything_makes_nifti_2(void **state)
{
    (void)state;
    uint8_t bytes[MUR_NIFTI_PROLOGUE_SIZE];
    size_t length = 0;
    struct mur_nifti *nifti = NULL;
    struct mur_nifti_shape shape = plain;
    shape.volumes = 32767;
    assert_int_equal(mur_nifti_prologue(bytes, &length, &shape, NULL), MUR_OK);
    assert_int_equal(length, 352);
    shape.volumes++;
    check_place(&shape, false);
    check_place(&shape, true);
    assert_int_equal(mur_nifti_prologue(bytes, &length, &shape, NULL), MUR_OK);
    assert_int_equal(length, 544);
    assert_int_equal(mur_nifti_of_header(&nifti, bytes, 540, "made", NULL), MUR_OK);
    assert_int_equal(mur_nifti_header(nifti)->kind, MUR_NIFTI_2);
    assert_int_equal(mur_nifti_header(nifti)->volumes, 32768);
    mur_nifti_free(nifti);
    shape.volumes = 0;
    assert_int_equal(mur_nifti_prologue(bytes, &length, &shape, NULL), MUR_INVALID);
}

struct folder {
    char path[64], plain[96], packed[96];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/mur_nifti_write_XXXXXX");
    if (mkdtemp(folder->path) == NULL)
        return -1;
    (void)snprintf(folder->plain, sizeof folder->plain, "%s/a.nii", folder->path);
    (void)snprintf(folder->packed, sizeof folder->packed, "%s/a.nii.gz", folder->path);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    (void)unlink(folder->plain);
    (void)unlink(folder->packed);
    int result = rmdir(folder->path); /* nothing else is left */
    free(folder);
    return result;
}

static void write_twice(const char *path)
{
    struct mur_file_set *files = NULL;
    struct mur_nifti_writer *writer = NULL;
    assert_int_equal(mur_file_set_create(&files, NULL), MUR_OK);
    assert_int_equal(mur_nifti_writer_create(&writer, files, path, 0, NULL), MUR_OK);
    assert_int_equal(mur_nifti_writer_write(writer, "something longer", 16, NULL), MUR_OK);
    assert_int_equal(mur_nifti_writer_restart(writer, NULL), MUR_OK);
    assert_int_equal(mur_nifti_writer_write(writer, "an", 2, NULL), MUR_OK);
    assert_int_equal(mur_nifti_writer_write(writer, "ew", 2, NULL), MUR_OK);
    assert_int_equal(mur_nifti_writer_finish(writer, NULL), MUR_OK);
    mur_nifti_writer_free(writer);
    assert_false(mur_file_exists(path));
    assert_int_equal(mur_file_set_commit(files, NULL), MUR_OK);
    mur_file_set_free(files);
}

static void restart_forgets_what_was_written(void **state)
{
    struct folder *folder = *state;
    struct mur_buffer bytes = MUR_BUFFER_INIT;
    write_twice(folder->plain);
    assert_int_equal(mur_file_read_all(&bytes, folder->plain, 100, NULL), MUR_OK);
    assert_string_equal(mur_buffer_text(&bytes), "anew");
    mur_buffer_clear(&bytes);
    write_twice(folder->packed);
    assert_int_equal(mur_file_read_all(&bytes, folder->packed, 100, NULL), MUR_OK);
    assert_memory_equal(bytes.data, "\x1f\x8b", 2);
    assert_memory_equal(bytes.data + bytes.length - 4, "\4\0\0\0", 4); /* bytes within */
    mur_buffer_free(&bytes);
}

static void without_a_commit_nothing_is_left(void **state)
{
    struct folder *folder = *state;
    struct mur_file_set *files = NULL;
    struct mur_nifti_writer *writer = NULL;
    assert_int_equal(mur_file_set_create(&files, NULL), MUR_OK);
    assert_int_equal(mur_nifti_writer_create(&writer, files, folder->packed, 0, NULL), MUR_OK);
    assert_int_equal(mur_nifti_writer_write(writer, "voxels", 6, NULL), MUR_OK);
    mur_nifti_writer_free(writer);
    mur_file_set_free(files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qform_and_sform_say_the_same_of_any_rotation),
        cmocka_unit_test(oblique_steps_have_no_qform),
        cmocka_unit_test(more_than_32767_of_anything_makes_nifti_2),
        cmocka_unit_test_setup_teardown(restart_forgets_what_was_written, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(without_a_commit_nothing_is_left, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

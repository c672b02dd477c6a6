#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "converters/volumes.h"
#include "core/file.h"
#include "core/own.h"

struct fixture {
    char folder[64];
    char values[128], vectors[128];
    struct mur_gradients gradients;
    struct mur_warnings warnings;
    struct mur_dataset *dataset;
    struct mur_error error;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -1;
    *state = f;
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/mur_volumes_XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    (void)snprintf(f->values, sizeof f->values, "%s/bval", f->folder);
    (void)snprintf(f->vectors, sizeof f->vectors, "%s/bvec", f->folder);
    return mur_dataset_create(&f->dataset, NULL) == MUR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)unlink(f->values);
    (void)unlink(f->vectors);
    (void)rmdir(f->folder);
    mur_gradients_free(&f->gradients);
    mur_warnings_free(&f->warnings);
    mur_dataset_free(f->dataset);
    free(f);
    return 0;
}

static enum mur_status read_gradients(struct fixture *f, const char *values, const char *vectors)
{
    mur_gradients_free(&f->gradients);
    assert_int_equal(mur_file_write_all(f->values, values, strlen(values), 0600, NULL), MUR_OK);
    if (vectors != NULL)
        assert_int_equal(mur_file_write_all(f->vectors, vectors, strlen(vectors), 0600, NULL),
                         MUR_OK);
    return mur_gradients_read(&f->gradients, f->values, vectors != NULL ? f->vectors : NULL,
                              &f->error);
}

static void directions_are_read_by_rows_and_by_columns(void **state)
{
    struct fixture *f = *state;
    static const char *const layouts[] = {"0 1 0\n0 0 1\n0 0 0\n", "0,0,0\r\n1,0,0\r\n0,1,0\r\n"};
    for (size_t index = 0; index < MUR_COUNT(layouts); index++) {
        /* Three of three are taken as FSL's three rows. */
        assert_int_equal(read_gradients(f, "0 1000\t2e3\n\n", layouts[index]), MUR_OK);
        assert_int_equal(f->gradients.count, 3);
        assert_true(f->gradients.has_directions);
        assert_true(f->gradients.items[2].b_value == 2000);
        assert_true(f->gradients.items[1].direction[index == 0 ? 0 : 2] == 1);
    }
    assert_int_equal(read_gradients(f, "0\n5\n", "0 0 0\n0 0 1\n"), MUR_OK);
    assert_true(f->gradients.items[1].direction[2] == 1);
}

static void wrong_gradient_files_are_named(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *values, *vectors, *words;
        enum mur_status status;
    } cases[] = {
        {"", NULL, "bval: no b-values", MUR_PARSE},
        {"0 x", NULL, "bval: row 1: \"x\" is no number", MUR_PARSE},
        {"0 nan", NULL, "is no number", MUR_PARSE},
        {"0 -1", NULL, "b-value of -1", MUR_INVALID},
        {"0 1 2\n3", NULL, "bval: row 2 has 1 numbers, the first 3", MUR_PARSE},
        {"0 1", "1 0\n0 1\n", "bvec: three rows of 2 numbers", MUR_PARSE},
        {"0 1", "1 0 0\n0 1 0\n0 0 1\n", "bvec: three rows of 2 numbers", MUR_PARSE},
    };
    for (size_t index = 0; index < MUR_COUNT(cases); index++) {
        assert_int_equal(read_gradients(f, cases[index].values, cases[index].vectors),
                         cases[index].status);
        assert_non_null(strstr(f->error.message, cases[index].words));
    }
    assert_int_equal(mur_gradients_read(&f->gradients, "/nowhere/bval", NULL, &f->error),
                     MUR_NOT_FOUND);
}

/* Axes of voxels along x and y of the patient, k along +z or -z. */
static struct mur_volume_geometry grid(double k)
{
    return (struct mur_volume_geometry){.row_dir_lps = {1, 0, 0},
                                        .column_dir_lps = {0, 1, 0},
                                        .slice_dir_lps = {0, 0, k},
                                        .spacing_mm = {1, 1, 1},
                                        .dims = {2, 2, 2}};
}

static double put_direction(struct fixture *f, double handedness, size_t axis)
{
    const struct mur_volume_options options = {.gradients = &f->gradients};
    const struct mur_volume_plan plan = {
        .kind = MUR_VOLUMES_DIFFUSION, .volumes = 1, .series = 1, .options = &options};
    const struct mur_volume_clock clock = {.date = ""};
    const struct mur_volume_geometry voxels = grid(handedness);
    struct mur_put put = {.dataset = f->dataset, .status = MUR_OK, .error = &f->error};
    mur_volume_put(&put, &plan, &clock, &voxels, 0);
    assert_int_equal(put.status, MUR_OK);
    double value = 0;
    assert_int_equal(mur_dataset_get_double(&value, f->dataset,
                                            MUR_TAG_DiffusionGradientOrientation, axis, NULL),
                     MUR_OK);
    return value;
}

/* A grid that is right-handed in LPS is so in RAS, where FSL reverses i then. */
static void directions_follow_the_handedness_of_the_grid(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_gradients(f, "1000", "2\n0\n0\n"), MUR_OK);
    assert_true(put_direction(f, 1, 0) == -1);
    assert_true(put_direction(f, -1, 0) == 1);
    assert_int_equal(read_gradients(f, "1000", "0\n0\n3\n"), MUR_OK);
    assert_true(put_direction(f, 1, 2) == 1);
    assert_true(put_direction(f, -1, 2) == -1);
}

static enum mur_status plan_for(struct fixture *f, struct mur_volume_plan *out, uint32_t volumes,
                                unsigned time_unit, const struct mur_volume_options *options)
{
    const struct mur_nifti_header header = {.dims = {4, 4, 4},
                                            .volumes = volumes,
                                            .dim = {4, 4, 4, 4, volumes, 1, 1, 1},
                                            .pixdim = {1, 1, 1, 1, 2},
                                            .time_unit = time_unit};
    return mur_volume_plan_make(out, &header, options, "a.nii", &f->warnings, &f->error);
}

static void several_volumes_are_points_in_time_unless_said_otherwise(void **state)
{
    struct fixture *f = *state;
    static const double echoes[] = {1, 2, 3};
    static const char *const names[] = {"WATER", "FAT", "FAT"};
    struct mur_volume_options options = {.kind = MUR_VOLUMES_UNSAID};
    struct mur_volume_plan plan;
    assert_int_equal(plan_for(f, &plan, 1, 8, &options), MUR_OK);
    assert_int_equal(plan.kind, MUR_VOLUMES_UNSAID);
    assert_int_equal(plan_for(f, &plan, 3, 8, &options), MUR_OK);
    assert_int_equal(plan.kind, MUR_VOLUMES_TIME);
    assert_true(plan.time_step_ms == 2000);
    assert_int_equal(f->warnings.count, 0);
    assert_int_equal(plan_for(f, &plan, 3, 0, &options), MUR_OK);
    assert_int_equal(f->warnings.count, 1);                                 /* how long a step is */
    assert_int_equal(plan_for(f, &plan, 3, 32, &options), MUR_UNSUPPORTED); /* Hz */

    options.echo_times_ms = echoes;
    options.echo_count = 3;
    assert_int_equal(plan_for(f, &plan, 3, 32, &options), MUR_OK);
    assert_int_equal(plan.kind, MUR_VOLUMES_ECHO);
    assert_int_equal(plan_for(f, &plan, 4, 8, &options), MUR_INVALID);
    options.kind = MUR_VOLUMES_TIME;
    assert_int_equal(plan_for(f, &plan, 3, 8, &options), MUR_INVALID);

    options = (struct mur_volume_options){.contrasts = names, .contrast_count = 2};
    assert_int_equal(plan_for(f, &plan, 2, 8, &options), MUR_OK);
    assert_int_equal(plan.series, 2);
    options.contrast_count = 3;
    assert_int_equal(plan_for(f, &plan, 3, 8, &options), MUR_INVALID);
    assert_non_null(strstr(f->error.message, "named twice"));

    options = (struct mur_volume_options){.kind = MUR_VOLUMES_DIFFUSION};
    assert_int_equal(plan_for(f, &plan, 3, 8, &options), MUR_INVALID);
}

static void time_goes_over_midnight_and_to_the_microsecond(void **state)
{
    struct fixture *f = *state;
    const struct mur_volume_options options = {.kind = MUR_VOLUMES_TIME};
    const struct mur_volume_plan plan = {.kind = MUR_VOLUMES_TIME,
                                         .volumes = 3,
                                         .series = 1,
                                         .time_step_ms = 0.0015,
                                         .options = &options};
    struct mur_volume_clock clock;
    assert_int_equal(
        mur_dataset_put_string(f->dataset, MUR_TAG_AcquisitionDate, MUR_VR_DA, "20241231", NULL),
        MUR_OK);
    assert_int_equal(mur_dataset_put_string(f->dataset, MUR_TAG_AcquisitionTime, MUR_VR_TM,
                                            "235959.999999", NULL),
                     MUR_OK);
    mur_volume_clock_read(&clock, f->dataset);
    const struct mur_volume_geometry voxels = grid(1);
    struct mur_put put = {.dataset = f->dataset, .status = MUR_OK, .error = &f->error};
    mur_volume_put(&put, &plan, &clock, &voxels, 2);
    assert_int_equal(put.status, MUR_OK);
    const char *text = NULL;
    assert_int_equal(mur_dataset_get_string(&text, f->dataset, MUR_TAG_AcquisitionDate, NULL),
                     MUR_OK);
    assert_string_equal(text, "20250101");
    assert_int_equal(mur_dataset_get_string(&text, f->dataset, MUR_TAG_AcquisitionTime, NULL),
                     MUR_OK);
    assert_string_equal(text, "000000.000002");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(directions_are_read_by_rows_and_by_columns),
        IN_FOLDER(wrong_gradient_files_are_named),
        IN_FOLDER(directions_follow_the_handedness_of_the_grid),
        IN_FOLDER(several_volumes_are_points_in_time_unless_said_otherwise),
        IN_FOLDER(time_goes_over_midnight_and_to_the_microsecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

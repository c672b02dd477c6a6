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
#include "core/own.h"
#include "dicom/attribute.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum { COLUMNS = 5, ROWS = 4, SLICES = 3, VOXELS = COLUMNS * ROWS * SLICES };

struct fixture {
    char path[64];
    struct mur_source_plane planes[SLICES];
    char *instances[SLICES];
    struct mur_source_series images;
    struct mur_conversion_options options;
    struct mur_conversion_report report;
    struct mur_buffer bytes;
    struct mur_dataset *made;
    struct mur_error error;
};

static void write_floats(const char *path)
{
    nifti_1_header header = {.sizeof_hdr = 348,
                             .magic = "n+1",
                             .datatype = NIFTI_TYPE_FLOAT32,
                             .bitpix = 32,
                             .dim = {3, COLUMNS, ROWS, SLICES, 1, 1, 1, 1},
                             .pixdim = {1, 0.2f, 0.3f, 0.4f},
                             .vox_offset = 352,
                             .xyzt_units = NIFTI_UNITS_MM,
                             .sform_code = 1,
                             .srow_x = {0.2f, 0, 0, 1},
                             .srow_y = {0, 0.3f, 0, 2},
                             .srow_z = {0, 0, 0.4f, 3}};
    float voxels[VOXELS];
    for (int index = 0; index < VOXELS; index++)
        voxels[index] = (float)index / 7;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(&header, sizeof header, 1, file), 1);
    assert_int_equal(fwrite("\0\0\0", 4, 1, file), 1);
    assert_int_equal(fwrite(voxels, sizeof *voxels, VOXELS, file), VOXELS);
    assert_int_equal(fclose(file), 0);
}

/* Images on the file's own grid, which no screen would show so: rows run to the right. */
static int set_up(void **state)
{
    static char uids[SLICES][8] = {"1.2.3.1", "1.2.3.2", "1.2.3.3"};
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -1;
    *state = f;
    (void)snprintf(f->path, sizeof f->path, "/tmp/mur_map_XXXXXX");
    int descriptor = mkstemp(f->path);
    if (descriptor < 0 || close(descriptor) != 0)
        return -1;
    write_floats(f->path);
    f->images = (struct mur_source_series){.study_instance = "1.2.1",
                                           .series_instance = "1.2.2",
                                           .frame_of_reference = "1.2.4",
                                           .geometry = {.origin_lps_mm = {-1, -2, 3},
                                                        .row_dir_lps = {-1, 0, 0},
                                                        .column_dir_lps = {0, -1, 0},
                                                        .slice_dir_lps = {0, 0, 1},
                                                        .spacing_mm = {0.2, 0.3, 0.4},
                                                        .dims = {COLUMNS, ROWS, SLICES}},
                                           .planes = f->planes,
                                           .instances = f->instances,
                                           .instance_count = SLICES,
                                           .volumes = 1};
    (void)snprintf(f->images.sop_class, sizeof f->images.sop_class, "%s", mur_uid_MRImageStorage);
    for (uint32_t slice = 0; slice < SLICES; slice++) {
        f->instances[slice] = uids[slice];
        memcpy(f->planes[slice].sop_instance, uids[slice], sizeof uids[slice]);
        mur_geometry_format_position(f->planes[slice].position, &f->images.geometry, slice);
    }
    f->options = (struct mur_conversion_options){.modality = MUR_CONVERT_TO_MR,
                                                 .study_instance = "1.2.1",
                                                 .lossless = true,
                                                 .images = &f->images};
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)unlink(f->path);
    mur_conversion_report_free(&f->report);
    mur_buffer_free(&f->bytes);
    mur_dataset_free(f->made);
    free(f);
    return 0;
}

static enum mur_status begin_map(void *user, const struct mur_made_instance *instance,
                                 struct mur_error *error)
{
    (void)user;
    (void)instance;
    (void)error;
    return MUR_OK;
}

static enum mur_status write_map(void *user, const void *bytes, size_t length,
                                 struct mur_error *error)
{
    return mur_buffer_append(user, bytes, length, error);
}

static enum mur_status end_map(void *user, struct mur_error *error)
{
    (void)user;
    (void)error;
    return MUR_OK;
}

static void convert(struct fixture *f)
{
    const struct mur_output output = {
        .begin = begin_map, .write = write_map, .end = end_map, .user = &f->bytes};
    mur_conversion_report_free(&f->report);
    mur_buffer_free(&f->bytes);
    mur_dataset_free(f->made);
    f->made = NULL;
    assert_int_equal(mur_nii_to_dicom(&f->report, f->path, &f->options, &output, &f->error),
                     MUR_OK);
    assert_int_equal(mur_dataset_read(&f->made, f->bytes.data, f->bytes.length,
                                      mur_uid_ExplicitVRLittleEndian, &f->error),
                     MUR_OK);
}

static size_t count_of(struct mur_dataset *dataset, uint32_t tag)
{
    size_t count = 0;
    if (mur_dataset_has_value(dataset, tag))
        assert_int_equal(mur_dataset_item_count(&count, dataset, tag, NULL), MUR_OK);
    return count;
}

static struct mur_dataset *item_of(struct mur_dataset *dataset, uint32_t tag, size_t index)
{
    struct mur_dataset *item = NULL;
    assert_int_equal(mur_dataset_get_item(&item, dataset, tag, index, NULL), MUR_OK);
    return item;
}

static const char *text_of(struct mur_dataset *dataset, uint32_t tag)
{
    const char *text = NULL;
    assert_int_equal(mur_dataset_get_string(&text, dataset, tag, NULL), MUR_OK);
    return text;
}

static struct mur_dataset *frame_of(struct fixture *f, size_t index)
{
    return item_of(f->made, MUR_TAG_PerFrameFunctionalGroupsSequence, index);
}

static void slices_are_turned_as_their_images_and_name_them(void **state)
{
    struct fixture *f = *state;
    convert(f);
    assert_false(f->report.order.flip_i || f->report.order.flip_j);
    assert_string_equal(text_of(f->made, MUR_TAG_FrameOfReferenceUID), "1.2.4");
    assert_string_equal(f->report.series->frame_of_reference, "1.2.4");
    struct mur_dataset *series = item_of(f->made, MUR_TAG_ReferencedSeriesSequence, 0);
    assert_string_equal(text_of(series, MUR_TAG_SeriesInstanceUID), "1.2.2");
    assert_int_equal(count_of(series, MUR_TAG_ReferencedInstanceSequence), SLICES);
    for (size_t slice = 0; slice < SLICES; slice++) {
        struct mur_dataset *derivation =
            item_of(frame_of(f, slice), MUR_TAG_DerivationImageSequence, 0);
        assert_int_equal(count_of(derivation, MUR_TAG_SourceImageSequence), 1);
        assert_string_equal(text_of(item_of(derivation, MUR_TAG_SourceImageSequence, 0),
                                    MUR_TAG_ReferencedSOPInstanceUID),
                            f->instances[slice]);
    }
    assert_false(mur_dataset_has(item_of(f->made, MUR_TAG_SharedFunctionalGroupsSequence, 0),
                                 MUR_TAG_DerivationImageSequence));
    assert_int_equal(f->report.warnings.count, 0);
}

static void slices_without_an_image_name_none(void **state)
{
    struct fixture *f = *state;
    (void)snprintf(f->planes[1].position, sizeof f->planes[1].position, "-1\\-2\\3.6");
    (void)snprintf(f->planes[2].position, sizeof f->planes[2].position, "-1\\-2\\1e300");
    convert(f);
    assert_int_equal(count_of(frame_of(f, 0), MUR_TAG_DerivationImageSequence), 1);
    for (size_t slice = 1; slice < SLICES; slice++) { /* the group is there, and empty */
        assert_true(mur_dataset_has(frame_of(f, slice), MUR_TAG_DerivationImageSequence));
        assert_int_equal(count_of(frame_of(f, slice), MUR_TAG_DerivationImageSequence), 0);
    }
}

static void shift_image(struct fixture *f)
{
    for (size_t slice = 0; slice < SLICES; slice++)
        (void)snprintf(f->planes[slice].position, sizeof f->planes[slice].position, "-1.03\\-2\\%g",
                       3 + 0.4 * (double)slice);
    f->images.geometry.origin_lps_mm[0] = -1.03;
}

static void exchange_axes(struct fixture *f)
{
    struct mur_volume_geometry *grid = &f->images.geometry;
    const struct mur_volume_geometry was = *grid;
    memcpy(grid->row_dir_lps, was.column_dir_lps, sizeof grid->row_dir_lps);
    memcpy(grid->column_dir_lps, was.row_dir_lps, sizeof grid->column_dir_lps);
    grid->spacing_mm[0] = was.spacing_mm[1];
    grid->spacing_mm[1] = was.spacing_mm[0];
    grid->dims[0] = ROWS;
    grid->dims[1] = COLUMNS;
}

static void crop_image(struct fixture *f)
{
    f->images.geometry.dims[0] = COLUMNS - 1;
}

static void reverse_rows_of_image(struct fixture *f)
{
    struct mur_volume_geometry *grid = &f->images.geometry;
    const struct mur_voxel_order order = {.flip_i = true};
    mur_geometry_turn(grid, &order);
    for (uint32_t slice = 0; slice < SLICES; slice++)
        mur_geometry_format_position(f->planes[slice].position, grid, slice);
    f->options.keep_order = true;
}

static void a_map_beside_the_images_names_them_all_at_once(void **state)
{
    struct fixture *f = *state;
    const struct mur_source_series images = f->images;
    struct mur_source_plane planes[SLICES];
    memcpy(planes, f->planes, sizeof planes);
    static void (*const changes[])(struct fixture *) = {shift_image, exchange_axes, crop_image,
                                                        reverse_rows_of_image};
    for (size_t change = 0; change < MUR_COUNT(changes); change++) {
        f->images = images;
        memcpy(f->planes, planes, sizeof planes);
        changes[change](f);
        convert(f);
        assert_int_not_equal(f->report.order.flip_i, f->options.keep_order); /* as for a screen */
        assert_string_not_equal(text_of(f->made, MUR_TAG_FrameOfReferenceUID), "1.2.4");
        assert_int_equal(count_of(f->made, MUR_TAG_ReferencedSeriesSequence), 1);
        struct mur_dataset *shared = item_of(f->made, MUR_TAG_SharedFunctionalGroupsSequence, 0);
        for (size_t item = 0; item < 2; item++)
            assert_int_equal(count_of(item_of(shared, MUR_TAG_DerivationImageSequence, item),
                                      MUR_TAG_SourceImageSequence),
                             item * SLICES);
        assert_false(mur_dataset_has(frame_of(f, 0), MUR_TAG_DerivationImageSequence));
        assert_int_equal(f->report.warnings.count, 1);
        assert_non_null(strstr(f->report.warnings.texts[0], "series 1.2.2"));
    }
}

static void frames_of_an_image_are_named_by_number(void **state)
{
    struct fixture *f = *state;
    f->images.instance_count = 1;
    for (uint32_t slice = 0; slice < SLICES; slice++) {
        (void)snprintf(f->planes[slice].sop_instance, sizeof f->planes[slice].sop_instance,
                       "1.2.3.1");
        f->planes[slice].frame = SLICES - slice;
    }
    convert(f);
    for (size_t slice = 0; slice < SLICES; slice++) {
        struct mur_dataset *derivation =
            item_of(frame_of(f, slice), MUR_TAG_DerivationImageSequence, 0);
        int64_t frame = 0;
        assert_int_equal(mur_dataset_get_int(&frame,
                                             item_of(derivation, MUR_TAG_SourceImageSequence, 0),
                                             MUR_TAG_ReferencedFrameNumber, 0, NULL),
                         MUR_OK);
        assert_int_equal(frame, SLICES - slice);
    }
}

static void images_of_another_study_are_named_apart(void **state)
{
    struct fixture *f = *state;
    f->options.study_instance = "1.2.9";
    convert(f);
    assert_false(mur_dataset_has(f->made, MUR_TAG_ReferencedSeriesSequence));
    struct mur_dataset *study =
        item_of(f->made, MUR_TAG_StudiesContainingOtherReferencedInstancesSequence, 0);
    assert_string_equal(text_of(study, MUR_TAG_StudyInstanceUID), "1.2.1");
    assert_int_equal(count_of(item_of(study, MUR_TAG_ReferencedSeriesSequence, 0),
                              MUR_TAG_ReferencedInstanceSequence),
                     SLICES);
}

static void what_is_named_enters_the_uids(void **state)
{
    struct fixture *f = *state;
    char with[MUR_UID_TEXT_SIZE];
    convert(f);
    memcpy(with, f->report.series->series_instance, sizeof with);
    convert(f);
    assert_string_equal(f->report.series->series_instance, with);
    f->instances[1] = f->instances[0];
    convert(f);
    assert_string_not_equal(f->report.series->series_instance, with);
}

static void a_given_frame_of_reference_holds(void **state)
{
    struct fixture *f = *state;
    f->options.frame_of_reference = "1.2.5";
    convert(f);
    assert_string_equal(text_of(f->made, MUR_TAG_FrameOfReferenceUID), "1.2.5");
}

static void only_maps_name_images(void **state)
{
    struct fixture *f = *state;
    f->options.lossless = false;
    const struct mur_output output = {
        .begin = begin_map, .write = write_map, .end = end_map, .user = &f->bytes};
    assert_int_equal(mur_nii_to_dicom(&f->report, f->path, &f->options, &output, &f->error),
                     MUR_OK);
    assert_true(f->report.order.flip_i && f->report.order.flip_j);
    assert_string_not_equal(f->report.series->frame_of_reference, "1.2.4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slices_are_turned_as_their_images_and_name_them, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(slices_without_an_image_name_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_map_beside_the_images_names_them_all_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(frames_of_an_image_are_named_by_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(images_of_another_study_are_named_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_named_enters_the_uids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_given_frame_of_reference_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_maps_name_images, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

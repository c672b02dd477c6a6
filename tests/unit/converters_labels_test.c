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
#include <nifti2_io.h>

#include "converters/identity.h"
#include "converters/labels_to_seg.h"
#include "converters/nii_to_dicom.h"
#include "core/buffer.h"
#include "core/file.h"

enum { COLUMNS = 9, ROWS = 5, SLICES = 4, VOXELS = COLUMNS * ROWS * SLICES };

struct fixture {
    char folder[64];
    char image[96], labels[96], series_folder[96];
    struct mur_conversion_report image_report;
    struct mur_seg_report report;
    struct mur_error error;
};

static void write_volume(const char *path, int16_t datatype, const void *voxels, size_t size)
{
    nifti_1_header header = {.sizeof_hdr = 348,
                             .magic = "n+1",
                             .datatype = datatype,
                             .bitpix = (int16_t)(8 * size),
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
    assert_int_equal(fwrite(voxels, size, VOXELS, file), VOXELS);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/mur_labels_XXXXXX");
    if (f == NULL || mkdtemp(f->folder) == NULL)
        return -1;
    (void)snprintf(f->image, sizeof f->image, "%s/image.nii", f->folder);
    (void)snprintf(f->labels, sizeof f->labels, "%s/labels.nii", f->folder);
    (void)snprintf(f->series_folder, sizeof f->series_folder, "%s/dicom", f->folder);
    int16_t image[VOXELS];
    uint8_t labels[VOXELS] = {0};
    for (int index = 0; index < VOXELS; index++)
        image[index] = (int16_t)index;
    labels[COLUMNS * ROWS] = 1; /* the first voxel of the second slice */
    labels[COLUMNS * ROWS + 1] = 4;
    labels[VOXELS - 1] = 4;
    write_volume(f->image, NIFTI_TYPE_INT16, image, sizeof *image);
    write_volume(f->labels, NIFTI_TYPE_UINT8, labels, sizeof *labels);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    for (int number = 1; number <= SLICES; number++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/IM%04d.dcm", f->series_folder, number);
        (void)unlink(path);
    }
    (void)rmdir(f->series_folder);
    (void)unlink(f->image);
    (void)unlink(f->labels);
    (void)rmdir(f->folder);
    mur_conversion_report_free(&f->image_report);
    mur_seg_report_free(&f->report);
    free(f);
    return 0;
}

/* An output that keeps bytes, and fails at a call if told. */
struct memory {
    struct mur_buffer bytes;
    unsigned instances;
    unsigned fail_at; /* write number, from 1; 0 = never */
    unsigned writes, ends;
};

static enum mur_status begin_memory(void *user, const struct mur_made_instance *instance,
                                    struct mur_error *error)
{
    (void)instance;
    (void)error;
    ((struct memory *)user)->instances++;
    return MUR_OK;
}

static enum mur_status write_memory(void *user, const void *bytes, size_t length,
                                    struct mur_error *error)
{
    struct memory *memory = user;
    if (++memory->writes == memory->fail_at)
        return mur_error_set(error, MUR_NO_SPACE, "the disk is full");
    return mur_buffer_append(&memory->bytes, bytes, length, error);
}

static enum mur_status end_memory(void *user, struct mur_error *error)
{
    (void)error;
    ((struct memory *)user)->ends++;
    return MUR_OK;
}

static struct mur_output memory_output(struct memory *memory)
{
    return (struct mur_output){
        .begin = begin_memory, .write = write_memory, .end = end_memory, .user = memory};
}

static const struct mur_label_segment two_segments[] = {
    {.file = 0,
     .value = 1,
     .segment = {.label = "Liver",
                 .category = {"91723000", "SCT", "Anatomical Structure"},
                 .type = {"10200004", "SCT", "Liver"}}},
    {.file = 0,
     .value = 4,
     .segment = {.label = "Heart",
                 .category = {"91723000", "SCT", "Anatomical Structure"},
                 .type = {"80891009", "SCT", "Heart"}}},
};

static enum mur_status convert_image(struct fixture *f, const struct mur_output *output)
{
    const struct mur_conversion_options options = {.modality = MUR_CONVERT_TO_MR};
    return mur_nii_to_dicom(&f->image_report, f->image, &options, output, &f->error);
}

static enum mur_status make_seg(struct fixture *f, const struct mur_source_series *source,
                                struct memory *memory)
{
    const char *files[] = {f->labels};
    const struct mur_seg_options options = {.source = source,
                                            .files = files,
                                            .file_count = 1,
                                            .segments = two_segments,
                                            .segment_count = 2};
    struct mur_output output = memory_output(memory);
    mur_seg_report_free(&f->report);
    return mur_labels_to_seg(&f->report, &options, &output, &f->error);
}

static void a_series_read_back_gives_the_same_segmentation(void **state)
{
    struct fixture *f = *state;
    MUR_AUTO(mur_file_output) *files = NULL;
    assert_int_equal(mur_file_output_create(&files, f->series_folder, NULL, &f->error), MUR_OK);
    struct mur_output output = mur_file_output_of(files);
    assert_int_equal(convert_image(f, &output), MUR_OK);
    assert_int_equal(mur_file_output_commit(files, &f->error), MUR_OK);

    struct memory made = {.bytes = MUR_BUFFER_INIT}, read = {.bytes = MUR_BUFFER_INIT};
    assert_int_equal(make_seg(f, f->image_report.series, &made), MUR_OK);
    assert_int_equal(f->report.frames, 3);
    assert_int_equal(f->report.segments[1].voxels, 2);
    assert_true(fabs(f->report.segments[1].volume_ml - 2 * 0.2 * 0.3 * 0.4 / 1000) < 1e-9);
    assert_int_equal(f->report.bytes, made.bytes.length);
    MUR_AUTO(mur_source_series) *series = NULL;
    assert_int_equal(mur_source_series_read_path(&series, f->series_folder, NULL, NULL, &f->error),
                     MUR_OK);
    assert_int_equal(make_seg(f, series, &read), MUR_OK);
    assert_int_equal(made.bytes.length, read.bytes.length);
    assert_memory_equal(made.bytes.data, read.bytes.data, read.bytes.length);
    mur_buffer_free(&made.bytes);
    mur_buffer_free(&read.bytes);
}

static void a_full_disk_ends_the_conversion(void **state)
{
    struct fixture *f = *state;
    for (unsigned at = 1; at <= 3; at++) {
        struct memory memory = {.bytes = MUR_BUFFER_INIT, .fail_at = at};
        struct mur_output output = memory_output(&memory);
        assert_int_equal(convert_image(f, &output), MUR_NO_SPACE);
        assert_int_equal(memory.ends, (at - 1) / 2); /* two writes an instance */
        assert_null(f->image_report.series);
        mur_buffer_free(&memory.bytes);
    }
    struct memory memory = {.bytes = MUR_BUFFER_INIT};
    struct mur_output output = memory_output(&memory);
    assert_int_equal(convert_image(f, &output), MUR_OK);
    for (unsigned at = 1; at <= 2; at++) {
        struct memory seg = {.bytes = MUR_BUFFER_INIT, .fail_at = at};
        assert_int_equal(make_seg(f, f->image_report.series, &seg), MUR_NO_SPACE);
        assert_int_equal(seg.ends, 0);
        mur_buffer_free(&seg.bytes);
    }
    mur_buffer_free(&memory.bytes);
}

static void files_without_a_commit_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct mur_file_output *files = NULL;
    assert_int_equal(mur_file_output_create(&files, f->series_folder, NULL, &f->error), MUR_OK);
    struct mur_output output = mur_file_output_of(files);
    assert_int_equal(convert_image(f, &output), MUR_OK);
    mur_file_output_free(files);
    assert_false(mur_directory_exists(f->series_folder));
}

static void labels_are_listed(void **state)
{
    struct fixture *f = *state;
    MUR_AUTO_LABEL_LIST struct mur_label_list labels = {.items = NULL};
    assert_int_equal(mur_label_list_read(&labels, f->labels, NULL, &f->error), MUR_OK);
    assert_int_equal(labels.count, 2);
    assert_int_equal(labels.items[0].value, 1);
    assert_int_equal(labels.items[1].value, 4);
    mur_label_list_free(&labels);
    int16_t many[VOXELS];
    for (int index = 0; index < VOXELS; index++)
        many[index] = (int16_t)(index * 100);
    write_volume(f->labels, NIFTI_TYPE_INT16, many, sizeof *many);
    assert_int_equal(mur_label_list_read(&labels, f->labels, NULL, &f->error), MUR_OK);
    assert_int_equal(labels.count, VOXELS - 1);
    assert_int_equal(labels.items[VOXELS - 2].value, 100 * (VOXELS - 1));
    mur_label_list_free(&labels);
    for (int index = 0; index < VOXELS; index++)
        many[index] = (int16_t)-index;
    write_volume(f->labels, NIFTI_TYPE_INT16, many, sizeof *many);
    assert_int_equal(mur_label_list_read(&labels, f->labels, NULL, &f->error), MUR_LIMIT);
    assert_non_null(strstr(f->error.message, "(1,0,0) has label -1"));
}

static void the_same_voxels_cannot_be_two_segments(void **state)
{
    struct fixture *f = *state;
    struct memory memory = {.bytes = MUR_BUFFER_INIT};
    struct mur_output output = memory_output(&memory);
    assert_int_equal(convert_image(f, &output), MUR_OK);
    struct mur_label_segment segments[2] = {two_segments[0], two_segments[1]};
    static const int64_t pairs[][2] = {
        {1, 1}, {MUR_LABEL_ANY, 4}, {4, MUR_LABEL_ANY}, {MUR_LABEL_ANY, MUR_LABEL_ANY}};
    for (size_t index = 0; index < MUR_COUNT(pairs); index++) {
        segments[0].value = pairs[index][0];
        segments[1].value = pairs[index][1];
        const char *files[] = {f->labels};
        const struct mur_seg_options options = {.source = f->image_report.series,
                                                .files = files,
                                                .file_count = 1,
                                                .segments = segments,
                                                .segment_count = 2};
        assert_int_equal(mur_labels_to_seg(&f->report, &options, &output, &f->error), MUR_INVALID);
    }
    mur_buffer_free(&memory.bytes);
}

/* Other UIDs for the same input would double every archive: these may change only together with
 * MUR_CONVERTER_FORMAT. */
static void uids_stay_what_they_were(void **state)
{
    (void)state;
    char uid[MUR_UID_TEXT_SIZE], other[MUR_UID_TEXT_SIZE];
    assert_int_equal(mur_identity_study(uid, "10.1000/x", "S1", "mouse 1", "week 0", NULL), MUR_OK);
    assert_string_equal(uid, "2.25.266331476075827915905414288615064871146");
    assert_int_equal(mur_identity_instance(uid, "1.2.3", 0, 7, NULL), MUR_OK);
    assert_string_equal(uid, "2.25.318422238175003312678279645952310022451");
    assert_int_equal(mur_identity_study(uid, "a", "b|c", "d", "", NULL), MUR_OK);
    assert_int_equal(mur_identity_study(other, "a|b", "c", "d", "", NULL), MUR_OK);
    assert_string_not_equal(uid, other);
}

static void colours_are_those_that_others_write(void **state)
{
    (void)state;
    static const struct {
        uint8_t rgb[3];
        uint16_t lab[MUR_CIELAB_VALUES];
    } known[] = {
        {{255, 255, 255}, {65535, 32896, 32896}},
        {{0, 0, 0}, {0, 32896, 32896}},
        {{221, 130, 101}, {41661, 41167, 40792}}, /* the liver of dcmqi's example */
    };
    for (size_t index = 0; index < MUR_COUNT(known); index++) {
        uint16_t lab[MUR_CIELAB_VALUES];
        mur_cielab_from_rgb(lab, known[index].rgb);
        for (unsigned value = 0; value < MUR_CIELAB_VALUES; value++)
            assert_true(abs((int)lab[value] - known[index].lab[value]) <= 40);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_series_read_back_gives_the_same_segmentation),
        IN_FOLDER(a_full_disk_ends_the_conversion),
        IN_FOLDER(files_without_a_commit_leave_nothing),
        IN_FOLDER(labels_are_listed),
        IN_FOLDER(the_same_voxels_cannot_be_two_segments),
        cmocka_unit_test(uids_stay_what_they_were),
        cmocka_unit_test(colours_are_those_that_others_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

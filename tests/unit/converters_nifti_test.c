#include <fcntl.h>
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

#include "converters/nifti.h"

struct fixture {
    char folder[64];
    char path[128];
    struct mur_nifti *nifti;
    struct mur_warnings warnings;
    struct mur_error error;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/mur_nifti_XXXXXX");
    if (f == NULL || mkdtemp(f->folder) == NULL)
        return -1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"a.nii", "a.nii.gz", "a.hdr", "a.img", "a.img.gz"};
    for (size_t index = 0; index < MUR_COUNT(names); index++) {
        (void)snprintf(f->path, sizeof f->path, "%s/%s", f->folder, names[index]);
        (void)unlink(f->path);
    }
    (void)rmdir(f->folder);
    mur_nifti_free(f->nifti);
    mur_warnings_free(&f->warnings);
    free(f);
    return 0;
}

/* 3 x 2 x 2 int16 with an sform of 0.2 x 0.3 x 0.4 mm. */
static nifti_1_header good_header(void)
{
    nifti_1_header header = {.sizeof_hdr = 348,
                             .magic = "n+1",
                             .datatype = NIFTI_TYPE_INT16,
                             .bitpix = 16,
                             .dim = {3, 3, 2, 2, 1, 1, 1, 1},
                             .pixdim = {1, 0.2f, 0.3f, 0.4f},
                             .vox_offset = 352,
                             .xyzt_units = NIFTI_UNITS_MM,
                             .sform_code = 1,
                             .srow_x = {0.2f, 0, 0, 1},
                             .srow_y = {0, 0.3f, 0, 2},
                             .srow_z = {0, 0, 0.4f, 3}};
    return header;
}

static void write_file(struct fixture *f, const char *name, const void *bytes, size_t length,
                       const void *more, size_t more_length)
{
    (void)snprintf(f->path, sizeof f->path, "%s/%s", f->folder, name);
    znzFile file = znzopen(f->path, "wb", strstr(name, ".gz") != NULL);
    assert_non_null(file);
    assert_int_equal(znzwrite(bytes, 1, length, file), length);
    if (more_length > 0)
        assert_int_equal(znzwrite(more, 1, more_length, file), more_length);
    assert_int_equal(znzclose(file), 0);
}

static void write_single(struct fixture *f, const char *name, const nifti_1_header *header,
                         size_t voxel_bytes)
{
    uint8_t bytes[1024] = {0};
    int16_t voxels[64];
    for (int index = 0; index < 64; index++)
        voxels[index] = (int16_t)(index - 5);
    memcpy(bytes + 4, voxels, sizeof voxels); /* after the extender */
    write_file(f, name, header, sizeof *header, bytes, 4 + voxel_bytes);
}

static enum mur_status open_it(struct fixture *f)
{
    f->error = (struct mur_error)MUR_ERROR_INIT;
    return mur_nifti_open(&f->nifti, f->path, &f->warnings, &f->error);
}

static void slices_are_read_in_any_order(void **state)
{
    struct fixture *f = *state;
    nifti_1_header header = good_header();
    static const char *const names[] = {"a.nii", "a.nii.gz"};
    for (size_t index = 0; index < 2; index++) {
        write_single(f, names[index], &header, 24);
        assert_int_equal(open_it(f), MUR_OK);
        const void *voxels = NULL;
        for (unsigned slice = 2; slice-- > 0;) {
            assert_int_equal(mur_nifti_read_slice(&voxels, f->nifti, 0, slice, &f->error), MUR_OK);
            assert_int_equal(((const int16_t *)voxels)[0], -5 + 6 * (int)slice);
            assert_int_equal(((const int16_t *)voxels)[5], 6 * (int)slice);
        }
        assert_int_equal(mur_nifti_hold(f->nifti, 0, &f->error), MUR_OK);
        assert_int_equal(mur_nifti_read_slice(&voxels, f->nifti, 0, 1, &f->error), MUR_OK);
        assert_int_equal(((const int16_t *)voxels)[5], 6);
        assert_int_equal(mur_nifti_read_slice(&voxels, f->nifti, 0, 2, &f->error), MUR_INVALID);
        assert_int_equal(mur_nifti_check_unchanged(f->nifti, &f->error), MUR_OK);
        mur_nifti_free(f->nifti);
        f->nifti = NULL;
    }
    assert_int_equal(f->warnings.count, 0);
}

static void a_pair_is_opened_by_either_name(void **state)
{
    struct fixture *f = *state;
    nifti_1_header header = good_header();
    memcpy(header.magic, "ni1", 4);
    header.vox_offset = 0;
    int16_t voxels[12] = {7};
    write_file(f, "a.img.gz", voxels, sizeof voxels, NULL, 0);
    write_file(f, "a.hdr", &header, sizeof header, NULL, 0);
    assert_int_equal(open_it(f), MUR_OK);
    const void *slice = NULL;
    assert_int_equal(mur_nifti_read_slice(&slice, f->nifti, 0, 0, &f->error), MUR_OK);
    assert_int_equal(((const int16_t *)slice)[0], 7);
    mur_nifti_free(f->nifti);
    f->nifti = NULL;
    (void)snprintf(f->path, sizeof f->path, "%s/a.img.gz", f->folder);
    assert_int_equal(open_it(f), MUR_OK);
    mur_nifti_free(f->nifti);
    f->nifti = NULL;
    assert_int_equal(unlink(f->path), 0);
    (void)snprintf(f->path, sizeof f->path, "%s/a.hdr", f->folder);
    assert_int_equal(open_it(f), MUR_NOT_FOUND);
    assert_non_null(strstr(f->error.message, "a.img is missing"));
}

static void big_endian_is_read(void **state)
{
    struct fixture *f = *state;
    nifti_1_header header = good_header();
    nifti_swap_as_nifti1(&header);
    uint8_t bytes[28] = {0};
    bytes[4] = 1; /* 258 */
    bytes[5] = 2;
    write_file(f, "a.nii", &header, sizeof header, bytes, sizeof bytes);
    assert_int_equal(open_it(f), MUR_OK);
    const void *slice = NULL;
    assert_int_equal(mur_nifti_read_slice(&slice, f->nifti, 0, 0, &f->error), MUR_OK);
    assert_int_equal(((const int16_t *)slice)[0], 258);
    assert_memory_equal(mur_nifti_header(f->nifti)->raw, &header, sizeof header);
}

static void nifti_2_is_read(void **state)
{
    struct fixture *f = *state;
    nifti_2_header header = {.sizeof_hdr = 540,
                             .magic = "n+2\0\r\n\032\n",
                             .datatype = NIFTI_TYPE_UINT8,
                             .bitpix = 8,
                             .dim = {2, 4, 2, 1, 1, 1, 1, 1},
                             .pixdim = {1, 1, 1, 1},
                             .vox_offset = 544,
                             .xyzt_units = NIFTI_UNITS_MICRON,
                             .qform_code = 1};
    uint8_t bytes[12] = {0, 0, 0, 0, 9};
    write_file(f, "a.nii", &header, sizeof header, bytes, sizeof bytes);
    assert_int_equal(open_it(f), MUR_OK);
    const void *slice = NULL;
    assert_int_equal(mur_nifti_read_slice(&slice, f->nifti, 0, 0, &f->error), MUR_OK);
    assert_int_equal(((const uint8_t *)slice)[0], 9);
    struct mur_volume_geometry geometry;
    assert_int_equal(mur_nifti_geometry(&geometry, f->nifti, &(struct mur_orientation_options){0},
                                        &f->warnings, &f->error),
                     MUR_OK);
    assert_true(geometry.spacing_mm[0] == 0.001);
}

static void wrong_headers_are_refused_with_the_field(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *what;
        enum mur_status status;
        const char *says;
    } cases[] = {
        {"size", MUR_PARSE, "sizeof_hdr"},
        {"dim0", MUR_PARSE, "dim[0] is 8"},
        {"dim0-", MUR_PARSE, "dim[0] is -1"},
        {"dim2", MUR_PARSE, "dim[2] is 0"},
        {"claim", MUR_PARSE, "claim"},
        {"huge", MUR_LIMIT, "1 GiB"},
        {"offset nan", MUR_PARSE, "vox_offset"},
        {"offset low", MUR_PARSE, "vox_offset is 100"},
        {"offset far", MUR_PARSE, "vox_offset"},
        {"type", MUR_UNSUPPORTED, "colour"},
        {"type?", MUR_UNSUPPORTED, "datatype 77"},
        {"magic", MUR_PARSE, "magic"},
        {"inter", MUR_PARSE, "scl_inter"},
    };
    for (size_t index = 0; index < MUR_COUNT(cases); index++) {
        nifti_1_header header = good_header();
        const char *what = cases[index].what;
        if (strcmp(what, "size") == 0)
            header.sizeof_hdr = 349;
        if (strcmp(what, "dim0") == 0)
            header.dim[0] = 8;
        if (strcmp(what, "dim0-") == 0)
            header.dim[0] = -1;
        if (strcmp(what, "dim2") == 0)
            header.dim[2] = 0;
        if (strcmp(what, "claim") == 0)
            header.dim[3] = 3;
        if (strcmp(what, "huge") == 0)
            header.dim[1] = header.dim[2] = header.dim[3] = 32000;
        if (strcmp(what, "offset nan") == 0)
            header.vox_offset = NAN;
        if (strcmp(what, "offset low") == 0)
            header.vox_offset = 100;
        if (strcmp(what, "offset far") == 0)
            header.vox_offset = 1e12f;
        if (strcmp(what, "type") == 0)
            header.datatype = NIFTI_TYPE_RGB24;
        if (strcmp(what, "type?") == 0)
            header.datatype = 77;
        if (strcmp(what, "magic") == 0)
            header.magic[0] = 'x';
        if (strcmp(what, "inter") == 0) {
            header.scl_slope = 2;
            header.scl_inter = INFINITY;
        }
        write_single(f, "a.nii", &header, 24);
        assert_int_equal(open_it(f), cases[index].status);
        assert_null(f->nifti);
        assert_non_null(strstr(f->error.message, f->path));
        assert_non_null(strstr(f->error.message, cases[index].says));
    }
}

static void a_small_gzip_cannot_claim_gigabytes(void **state)
{
    struct fixture *f = *state;
    nifti_1_header header = good_header();
    header.dim[1] = header.dim[2] = 3000;
    header.dim[3] = 1000;
    write_single(f, "a.nii.gz", &header, 24);
    assert_int_equal(open_it(f), MUR_PARSE);
    assert_non_null(strstr(f->error.message, "of gzip cannot hold"));
}

static void a_cut_or_damaged_gzip_is_noticed(void **state)
{
    struct fixture *f = *state;
    nifti_1_header header = good_header();
    header.dim[3] = 4; /* 48 bytes wanted, 24 there */
    write_single(f, "a.nii.gz", &header, 24);
    assert_int_equal(open_it(f), MUR_OK);
    assert_int_equal(mur_nifti_hold(f->nifti, 0, &f->error), MUR_PARSE);
    assert_non_null(strstr(f->error.message, "truncated"));
    mur_nifti_free(f->nifti);
    f->nifti = NULL;

    static const long from_end[] = {3, 8}; /* without the end; with another checksum */
    for (unsigned kind = 0; kind < 2; kind++) {
        header = good_header();
        write_single(f, "a.nii.gz", &header, 24);
        FILE *file = fopen(f->path, "r+b");
        assert_non_null(file);
        assert_int_equal(fseek(file, -from_end[kind], SEEK_END), 0);
        if (kind == 0)
            assert_int_equal(ftruncate(fileno(file), ftell(file)), 0);
        else
            assert_int_equal(fwrite("\0\0\0\0", 1, 4, file), 4);
        assert_int_equal(fclose(file), 0);
        const void *slice = NULL;
        enum mur_status status = open_it(f); /* zlib may see the end of so small a file already */
        for (unsigned index = 0; status == MUR_OK && index < 2; index++)
            status = mur_nifti_read_slice(&slice, f->nifti, 0, index, &f->error);
        assert_int_equal(status, MUR_PARSE);
        mur_nifti_free(f->nifti);
        f->nifti = NULL;
    }
}

static void a_file_cut_while_it_is_read_is_an_error(void **state)
{
    struct fixture *f = *state;
    nifti_1_header header = good_header();
    write_single(f, "a.nii", &header, 24);
    assert_int_equal(open_it(f), MUR_OK);
    assert_int_equal(truncate(f->path, 360), 0);
    const void *slice = NULL;
    assert_int_equal(mur_nifti_read_slice(&slice, f->nifti, 0, 1, &f->error), MUR_PARSE);
    assert_int_equal(mur_nifti_check_unchanged(f->nifti, &f->error), MUR_MISMATCH);
}

static struct mur_volume_geometry geometry_of(struct fixture *f, const nifti_1_header *header,
                                              const struct mur_orientation_options *options)
{
    struct mur_volume_geometry geometry;
    write_single(f, "a.nii", header, 24);
    assert_int_equal(open_it(f), MUR_OK);
    assert_int_equal(mur_nifti_geometry(&geometry, f->nifti, options, &f->warnings, &f->error),
                     MUR_OK);
    mur_nifti_free(f->nifti);
    f->nifti = NULL;
    return geometry;
}

static void sform_goes_before_qform_and_pixdim(void **state)
{
    struct fixture *f = *state;
    struct mur_orientation_options options = {0};
    nifti_1_header header = good_header();
    header.qform_code = 1;
    header.quatern_b = 1; /* y and z turned round */
    header.qoffset_x = 5;
    struct mur_volume_geometry g = geometry_of(f, &header, &options);
    assert_true(g.column_dir_lps[1] < -0.99 && g.origin_lps_mm[0] == -1);
    assert_int_equal(f->warnings.count, 1);
    assert_non_null(strstr(f->warnings.texts[0], "sform is used"));
    options.prefer_qform = true;
    g = geometry_of(f, &header, &options);
    assert_true(g.column_dir_lps[1] > 0.99 && g.origin_lps_mm[0] == -5);
    options.prefer_qform = false;
    header.sform_code = 0;
    header.pixdim[0] = -1; /* left-handed */
    g = geometry_of(f, &header, &options);
    assert_true(g.column_dir_lps[1] > 0.99 && g.slice_dir_lps[2] > 0.99);
    assert_true(fabs(g.spacing_mm[1] - (double)0.3f) < 1e-12);
}

static void without_forms_pixdim_is_taken_with_a_warning(void **state)
{
    struct fixture *f = *state;
    struct mur_orientation_options options = {0};
    nifti_1_header header = good_header();
    header.sform_code = 0;
    header.xyzt_units = 0;
    struct mur_volume_geometry g = geometry_of(f, &header, &options);
    assert_true(g.row_dir_lps[0] < -0.99 && g.origin_lps_mm[0] == 0);
    assert_int_equal(f->warnings.count, 2);
    options.spm_when_unset = true;
    g = geometry_of(f, &header, &options);
    assert_true(g.row_dir_lps[0] > 0.99);
    assert_true(fabs(g.origin_lps_mm[0] + (double)0.2f) < 1e-12);
    assert_true(fabs(g.origin_lps_mm[1] - 0.15) < 1e-6);
}

static void analyze_wants_its_order_stated(void **state)
{
    struct fixture *f = *state;
    nifti_1_header header = good_header();
    memset(header.magic, 0, 4);
    header.vox_offset = 0;
    int16_t voxels[12] = {0};
    write_file(f, "a.img", voxels, sizeof voxels, NULL, 0);
    write_file(f, "a.hdr", &header, sizeof header, NULL, 0);
    assert_int_equal(open_it(f), MUR_OK);
    struct mur_volume_geometry g;
    struct mur_orientation_options options = {0};
    assert_int_equal(mur_nifti_geometry(&g, f->nifti, &options, &f->warnings, &f->error),
                     MUR_INVALID);
    options.analyze_order = MUR_ANALYZE_LAS;
    assert_int_equal(mur_nifti_geometry(&g, f->nifti, &options, &f->warnings, &f->error), MUR_OK);
    assert_true(g.row_dir_lps[0] > 0.99);
    options.analyze_order = MUR_ANALYZE_RAS;
    assert_int_equal(mur_nifti_geometry(&g, f->nifti, &options, &f->warnings, &f->error), MUR_OK);
    assert_true(g.row_dir_lps[0] < -0.99);
}

static void extensions_are_kept(void **state)
{
    struct fixture *f = *state;
    nifti_1_header header = good_header();
    header.vox_offset = 368;
    uint8_t bytes[20 + 24] = {1, 0, 0, 0, 16, 0, 0, 0, 6, 0, 0, 0, 'h', 'e', 'l', 'l', 'o', '!'};
    write_file(f, "a.nii", &header, sizeof header, bytes, sizeof bytes);
    assert_int_equal(open_it(f), MUR_OK);
    size_t length = 0;
    const uint8_t *kept = mur_nifti_extensions(&length, f->nifti);
    assert_int_equal(length, 20);
    assert_memory_equal(kept, bytes, 20);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Fields that decide are hit often: dim, datatype, pixdim, offset, scaling, forms. */
static void any_bytes_are_refused_or_give_a_grid(void **state)
{
    enum { ROUNDS = 20000, CHANGES = 4 };
    static const uint16_t places[] = {0, 40, 42, 70, 76, 80, 108, 112, 123, 252, 256, 280, 344};
    static const uint8_t bytes[] = {0x00, 0x01, 0x7F, 0x80, 0xC0, 0xFF};
    struct fixture *f = *state;
    uint32_t seed = 7;
    for (int round = 0; round < ROUNDS; round++) {
        const nifti_1_header header = good_header();
        uint8_t raw[MUR_NIFTI_HEADER_SIZE] = {0};
        memcpy(raw, &header, sizeof header);
        bool wide = round % 3 == 0;
        if (wide) { /* the same bytes with the other magic: most fields are wild */
            raw[0] = 0x1C;
            raw[1] = 0x02;
            memcpy(raw + 4, "n+2\0\r\n\032\n", 8);
        }
        for (uint32_t change = 0; change < 1 + next_random(&seed) % CHANGES; change++) {
            size_t place = places[next_random(&seed) % MUR_COUNT(places)];
            raw[place + next_random(&seed) % 4] = bytes[next_random(&seed) % sizeof bytes];
        }
        struct mur_nifti *nifti = NULL;
        struct mur_volume_geometry grid;
        size_t length = wide ? 540 : 348;
        const char *name = round % 2 == 0 ? "a.nii" : "a.hdr";
        if (mur_nifti_of_header(&nifti, raw, length, name, &f->error) != MUR_OK) {
            assert_null(nifti);
            assert_non_null(strstr(f->error.message, name));
            continue;
        }
        const struct mur_orientation_options options = {.analyze_order = MUR_ANALYZE_LAS};
        if (mur_nifti_geometry(&grid, nifti, &options, NULL, &f->error) == MUR_OK)
            for (unsigned axis = 0; axis < 3; axis++) {
                assert_true(grid.dims[axis] > 0);
                assert_true(grid.spacing_mm[axis] > 0);
                assert_true(isfinite(grid.origin_lps_mm[axis]));
            }
        mur_nifti_free(nifti);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(slices_are_read_in_any_order),
        IN_FOLDER(a_pair_is_opened_by_either_name),
        IN_FOLDER(big_endian_is_read),
        IN_FOLDER(nifti_2_is_read),
        IN_FOLDER(wrong_headers_are_refused_with_the_field),
        IN_FOLDER(a_small_gzip_cannot_claim_gigabytes),
        IN_FOLDER(a_cut_or_damaged_gzip_is_noticed),
        IN_FOLDER(a_file_cut_while_it_is_read_is_an_error),
        IN_FOLDER(sform_goes_before_qform_and_pixdim),
        IN_FOLDER(without_forms_pixdim_is_taken_with_a_warning),
        IN_FOLDER(analyze_wants_its_order_stated),
        IN_FOLDER(extensions_are_kept),
        IN_FOLDER(any_bytes_are_refused_or_give_a_grid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

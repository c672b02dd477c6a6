#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converters/seg_grid.h"
#include "converters/seg_pixels.h"
#include "core/own.h"

/* ---- bits ----------------------------------------------------------------------------------- */

enum { FRAMES = 5, LARGEST_FRAME = 200 };

/* Something that has no period of a byte. */
static bool is_set(size_t frame, size_t pixel)
{
    return (frame * 7 + pixel * pixel + pixel / 3) % 5 < 2;
}

static void frames_of_any_size_are_unpacked_where_they_begin(void **state)
{
    (void)state;
    for (size_t count = 1; count <= LARGEST_FRAME; count++) { /* modulo 8 and 64: all of them */
        uint8_t packed[FRAMES * LARGEST_FRAME / 8 + 1] = {0};
        for (size_t bit = 0; bit < FRAMES * count; bit++)
            packed[bit / 8] =
                (uint8_t)(packed[bit / 8] | is_set(bit / count, bit % count) << bit % 8);
        struct mur_seg_pixels pixels = {.path = "memory",
                                        .memory = packed,
                                        .length = (FRAMES * count + 7) / 8,
                                        .frame_pixels = count,
                                        .bits = 1};
        struct mur_error error = MUR_ERROR_INIT;
        uint64_t mask[LARGEST_FRAME / 64 + 1];
        for (size_t frame = FRAMES; frame-- > 0;) {
            assert_int_equal(mur_seg_pixels_bits(mask, &pixels, frame, &error), MUR_OK);
            for (size_t pixel = 0; pixel < mur_seg_pixels_words(&pixels) * 64; pixel++) {
                bool wanted = pixel < count && is_set(frame, pixel);
                assert_int_equal(mask[pixel / 64] >> pixel % 64 & 1, wanted);
            }
        }
        mur_seg_pixels_free(&pixels);
    }
}

static void damaged_run_lengths_are_refused(void **state)
{
    (void)state;
    /* header: one segment at byte 64; then runs for 8 pixels */
    uint8_t fragment[64 + 4] = {1, 0, 0, 0, 64};
    struct mur_pixel_fragment where = {.offset = 0, .length = sizeof fragment};
    struct mur_seg_pixels pixels = {.path = "memory",
                                    .memory = fragment,
                                    .length = sizeof fragment,
                                    .packing = MUR_PIXELS_RLE,
                                    .fragments = &where,
                                    .fragment_count = 1,
                                    .frame_pixels = 8,
                                    .bits = 8};
    static const struct {
        uint8_t bytes[4];
        enum mur_status status;
    } cases[] = {
        {{253, 9, 253, 7}, MUR_OK},      /* four of 9, four of 7 */
        {{249, 9, 0, 0}, MUR_OK},        /* eight of 9, padded */
        {{253, 9, 128, 128}, MUR_PARSE}, /* ends early */
        {{248, 9, 0, 0}, MUR_PARSE},     /* nine of 9 */
        {{7, 1, 2, 3}, MUR_PARSE},       /* eight literal bytes, of which three are there */
    };
    for (size_t index = 0; index < MUR_COUNT(cases); index++) {
        const uint8_t *values = NULL;
        struct mur_error error = MUR_ERROR_INIT;
        memcpy(fragment + 64, cases[index].bytes, 4);
        assert_int_equal(mur_seg_pixels_bytes(&values, &pixels, 0, &error), cases[index].status);
        if (cases[index].status == MUR_OK)
            assert_int_equal(values[0], 9);
        else
            assert_non_null(strstr(error.message, "frame 1"));
    }
    pixels.fragments = NULL; /* not from malloc() */
    mur_seg_pixels_free(&pixels);
}

/* ---- grids ---------------------------------------------------------------------------------- */

static struct mur_seg_info info_of(struct mur_seg_frame *frames, size_t count,
                                   const double heights[])
{
    struct mur_seg_info info = {
        .rows = 4,
        .columns = 6,
        .orientation = {1, 0, 0, 0, 1, 0},
        .spacing = {0.5, 0.25},
        .frames = frames,
        .frame_count = count,
    };
    for (size_t index = 0; index < count; index++)
        frames[index] = (struct mur_seg_frame){.position = {-10, 20, heights[index]}};
    return info;
}

static void planes_without_frames_have_slices_too(void **state)
{
    (void)state;
    static const struct {
        double heights[4];
        double stated; /* Spacing Between Slices */
        double step;
        uint32_t slices;
    } cases[] = {
        {{0, 0.4, 0.8, 1.2}, 0, 0.4, 4},       {{2, 1.6, 0.8, 0}, 0, 0.4, 6},
        {{0, 0.8, 2.0, 4.4}, 0, 0.4, 12},      {{0, 0.8, 1.6, 2.4}, 0.4, 0.4, 7},
        {{0, 0.1001, 0.2, 0.2999}, 0, 0.1, 4}, {{0, 0, 0.7, 0.7}, 0, 0.7, 2},
        {{0, 0.8, 1.6, 2.4}, 0.3, 0.8, 4},     {{5, 5, 5, 5}, 0.3, 0.3, 1},
    };
    for (size_t index = 0; index < MUR_COUNT(cases); index++) {
        struct mur_seg_frame frames[4];
        struct mur_seg_info info = info_of(frames, 4, cases[index].heights);
        struct mur_volume_geometry grid;
        struct mur_error error = MUR_ERROR_INIT;
        info.slice_spacing = cases[index].stated;
        assert_int_equal(mur_seg_own_grid(&grid, &info, NULL, &error), MUR_OK);
        assert_int_equal(grid.dims[2], cases[index].slices);
        assert_true(fabs(grid.spacing_mm[2] - cases[index].step) < 1e-3);
        assert_true(grid.slice_dir_lps[2] > 0.999);
    }
}

static void uneven_positions_make_no_grid(void **state)
{
    (void)state;
    static const double heights[][4] = {{0, 0.4, 0.8, 1.37}, {0, 1, 2, 2.01}, {0, 0.4, 0.8, 1e9}};
    for (size_t index = 0; index < MUR_COUNT(heights); index++) {
        struct mur_seg_frame frames[4];
        struct mur_seg_info info = info_of(frames, 4, heights[index]);
        struct mur_volume_geometry grid;
        struct mur_error error = MUR_ERROR_INIT;
        assert_int_equal(mur_seg_own_grid(&grid, &info, NULL, &error), MUR_MISMATCH);
        assert_non_null(strstr(error.message, "even grid"));
    }
}

/* The grid of the frames with its axes in another order, some of them reversed. */
static struct mur_volume_geometry turned(const struct mur_volume_geometry *grid,
                                         const unsigned order[3], unsigned flips)
{
    const double *directions[3] = {grid->row_dir_lps, grid->column_dir_lps, grid->slice_dir_lps};
    struct mur_volume_geometry out = *grid;
    double *turned_directions[3] = {out.row_dir_lps, out.column_dir_lps, out.slice_dir_lps};
    for (unsigned axis = 0; axis < 3; axis++) {
        unsigned from = order[axis];
        bool flip = (flips >> axis & 1) != 0;
        out.dims[axis] = grid->dims[from];
        out.spacing_mm[axis] = grid->spacing_mm[from];
        for (unsigned row = 0; row < 3; row++) {
            turned_directions[axis][row] = flip ? -directions[from][row] : directions[from][row];
            if (flip)
                out.origin_lps_mm[row] +=
                    directions[from][row] * grid->spacing_mm[from] * (grid->dims[from] - 1.0);
        }
    }
    return out;
}

static void frames_find_their_place_on_any_order_of_axes(void **state)
{
    (void)state;
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const double heights[4] = {2, 1.6, 0.8, 0};
    struct mur_seg_frame frames[4];
    struct mur_seg_info info = info_of(frames, 4, heights);
    struct mur_volume_geometry grid;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_seg_own_grid(&grid, &info, NULL, &error), MUR_OK);
    for (unsigned which = 0; which < 6 * 8; which++) {
        struct mur_volume_geometry other = turned(&grid, orders[which / 8], which % 8);
        struct mur_seg_placement placement;
        assert_int_equal(mur_seg_place(&placement, &info, &other, &error), MUR_OK);
        assert_true(placement.error_voxels < 1e-6);
        for (unsigned frame = 0; frame < 4; frame++) {
            /* pixel (5, 3), the last one, by the placement and by its position */
            uint32_t voxel[3];
            double at[3];
            const uint32_t last[2] = {5, 3};
            for (unsigned side = 0; side < 2; side++)
                voxel[placement.axis[side]] = placement.flip[side]
                                                  ? placement.start[side] - last[side]
                                                  : placement.start[side] + last[side];
            voxel[placement.axis[2]] = placement.slices[frame];
            mur_geometry_position(at, &other, voxel[0], voxel[1], voxel[2]);
            assert_true(fabs(at[0] - (-10 + 5 * 0.25)) < 1e-6);
            assert_true(fabs(at[1] - (20 + 3 * 0.5)) < 1e-6);
            assert_true(fabs(at[2] - heights[frame]) < 1e-6);
        }
        free(placement.slices);
    }
}

static void a_grid_that_is_too_small_or_beside_is_refused(void **state)
{
    (void)state;
    static const double heights[4] = {2, 1.6, 0.8, 0};
    struct mur_seg_frame frames[4];
    struct mur_seg_info info = info_of(frames, 4, heights);
    struct mur_volume_geometry grid, other;
    struct mur_seg_placement placement;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_seg_own_grid(&grid, &info, NULL, &error), MUR_OK);
    other = grid;
    other.dims[2]--;
    assert_int_equal(mur_seg_place(&placement, &info, &other, &error), MUR_MISMATCH);
    assert_non_null(strstr(error.message, "frame 1 reaches beyond"));
    other = grid;
    other.origin_lps_mm[0] += 0.05; /* a fifth of a voxel */
    assert_int_equal(mur_seg_place(&placement, &info, &other, &error), MUR_MISMATCH);
    other = grid;
    other.spacing_mm[1] *= 1.05; /* the far corner is off, the first voxel is not */
    assert_int_equal(mur_seg_place(&placement, &info, &other, &error), MUR_MISMATCH);
    assert_non_null(strstr(error.message, "voxels away"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_any_size_are_unpacked_where_they_begin),
        cmocka_unit_test(damaged_run_lengths_are_refused),
        cmocka_unit_test(planes_without_frames_have_slices_too),
        cmocka_unit_test(uneven_positions_make_no_grid),
        cmocka_unit_test(frames_find_their_place_on_any_order_of_axes),
        cmocka_unit_test(a_grid_that_is_too_small_or_beside_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

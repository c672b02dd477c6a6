/* NIfTI-1, NIfTI-2 and Analyze: header, grid and voxels of a file that somebody made up, and the
 * DICOM images that it becomes. */
#include "converters/nii_to_dicom.h"
#include "dicom/data_set.h"
#include "dicom/transfer_syntax.h"
#include "fuzz.h"

enum { SLICES = 8, HELD_LIMIT = 1 << 20, MADE_LIMIT = 1 << 14, INSTANCE_LIMIT = 64 };

/* A gzip stream can stand for far more than its own bytes; the caller says how much it will take,
 * and so do we. */
static bool is_small(const struct mur_nifti_header *header)
{
    return (uint64_t)header->dims[0] * header->dims[1] * header->dims[2] * header->voxel_size <=
           HELD_LIMIT;
}

static void look_at_slices(struct mur_nifti *nifti)
{
    const struct mur_nifti_header *header = mur_nifti_header(nifti);
    struct mur_error error = MUR_ERROR_INIT;
    size_t length = (size_t)header->dims[0] * header->dims[1] * header->voxel_size;
    uint32_t volume = header->volumes - 1;
    unsigned sum = 0;
    if (is_small(header))
        fuzz_check_status(mur_nifti_hold(nifti, volume, &error), &error);
    for (uint32_t slice = 0; slice < header->dims[2] && slice < SLICES; slice++) {
        const void *voxels = NULL;
        enum mur_status status =
            mur_nifti_read_slice(&voxels, nifti, slice % 2 == 0 ? 0 : volume, slice, &error);
        fuzz_check_status(status, &error);
        if (status != MUR_OK)
            return;
        for (size_t i = 0; i < length; i++)
            sum += ((const uint8_t *)voxels)[i];
    }
    fuzz_check(sum < UINT32_MAX, "the sum is used");
}

/* ---- the images that it becomes -------------------------------------------------------------- */

/* What an output was given; checked as it comes. */
struct made {
    struct mur_buffer data_set; /* of the instance that is being written */
    uint64_t announced;
    uint32_t instances, count;
    bool open;
};

static enum mur_status on_begin(void *user, const struct mur_made_instance *instance,
                                struct mur_error *error)
{
    (void)error;
    struct made *made = user;
    fuzz_check(!made->open, "an instance within an instance");
    fuzz_check(instance->number == made->instances + 1 && instance->number <= instance->count,
               "instance %u of %u after %u", instance->number, instance->count, made->instances);
    fuzz_check(mur_uid_acceptable(mur_slice_of(instance->sop_instance)) &&
                   mur_uid_acceptable(mur_slice_of(instance->series_instance)) &&
                   mur_uid_acceptable(mur_slice_of(instance->study_instance)),
               "what should be UIDs: %s, %s, %s", instance->sop_instance, instance->series_instance,
               instance->study_instance);
    mur_buffer_clear(&made->data_set);
    made->announced = instance->data_set_length;
    made->count = instance->count;
    made->open = true;
    return MUR_OK;
}

static enum mur_status on_write(void *user, const void *bytes, size_t length,
                                struct mur_error *error)
{
    struct made *made = user;
    fuzz_check(made->open, "bytes of no instance");
    return mur_buffer_append(&made->data_set, bytes, length, error);
}

/* The first instance, which holds the header that came, is read again. */
static enum mur_status on_end(void *user, struct mur_error *error)
{
    struct made *made = user;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    fuzz_check(made->open && made->data_set.length == made->announced,
               "%zu bytes, %llu were announced", made->data_set.length,
               (unsigned long long)made->announced);
    made->open = false;
    if (made->instances++ > 0)
        return MUR_OK;
    fuzz_check(mur_dataset_read(&dataset, made->data_set.data, made->data_set.length,
                                mur_uid_ExplicitVRLittleEndian, error) == MUR_OK,
               "what was written is no Data Set: %s", error->message);
    return MUR_OK;
}

/* Bytes of the description, which the geometry does not need, choose the options. */
static struct mur_conversion_options choose_options(const struct mur_nifti_header *header)
{
    enum { NIFTI_2 = 540, DESCRIPTION_1 = 148, DESCRIPTION_2 = 240 };
    const uint8_t *free_bytes =
        header->raw + (header->raw_length == NIFTI_2 ? DESCRIPTION_2 : DESCRIPTION_1);
    static const double echoes[] = {2.5, 5};
    static const char *const contrasts[] = {"WATER", "FAT"};
    uint8_t choice = free_bytes[0], kind = free_bytes[1];
    struct mur_conversion_options options = {
        .modality = (choice & 1) != 0 ? MUR_CONVERT_TO_CT : MUR_CONVERT_TO_MR,
        .lossless = (choice & 2) != 0,
        .keep_order = (choice & 4) != 0,
        .allow_shear = (choice & 8) != 0,
        .hounsfield = (choice & 16) != 0,
        .orientation = {.prefer_qform = (choice & 32) != 0,
                        .spm_when_unset = (choice & 64) != 0,
                        .analyze_order = MUR_ANALYZE_LAS},
        .values = {.nan = kind % 3 == 0   ? MUR_NAN_REFUSE
                          : kind % 3 == 1 ? MUR_NAN_PAD
                                          : MUR_NAN_REPLACE,
                   .nan_value = (double)kind - 128,
                   .round_integers = (choice & 128) != 0},
        .volumes = {.kind = (enum mur_volume_kind)(kind / 3 % 5)},
    };
    if (options.volumes.kind == MUR_VOLUMES_ECHO) {
        options.volumes.echo_times_ms = echoes;
        options.volumes.echo_count = MUR_COUNT(echoes);
    } else if (options.volumes.kind == MUR_VOLUMES_DIXON) {
        options.volumes.contrasts = contrasts;
        options.volumes.contrast_count = MUR_COUNT(contrasts);
    } else if (options.volumes.kind == MUR_VOLUMES_DIFFUSION) {
        options.volumes.kind = MUR_VOLUMES_TIME; /* gradients come from files of their own */
    }
    return options;
}

static void make_images(const char *path, const struct mur_nifti_header *header)
{
    uint64_t slices = (uint64_t)header->dims[2] * header->volumes;
    uint64_t slice = (uint64_t)header->dims[0] * header->dims[1] * header->voxel_size;
    if (slices > INSTANCE_LIMIT || slices * slice > MADE_LIMIT)
        return;
    struct made made = {.data_set = MUR_BUFFER_INIT};
    const struct mur_conversion_options options = choose_options(header);
    const struct mur_output output = {
        .begin = on_begin, .write = on_write, .end = on_end, .user = &made};
    MUR_AUTO_CONVERSION_REPORT struct mur_conversion_report report = MUR_CONVERSION_REPORT_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_nii_to_dicom(&report, path, &options, &output, &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK) {
        fuzz_check(made.instances == made.count && made.instances == report.instances,
                   "%u instances of %u, the report says %u", made.instances, made.count,
                   report.instances);
        fuzz_check(report.values.error_bound >= 0, "a bound of %g", report.values.error_bound);
    }
    mur_buffer_free(&made.data_set);
}

static void check_file(const char *path)
{
    MUR_AUTO(mur_nifti) *nifti = NULL;
    MUR_AUTO_WARNINGS struct mur_warnings warnings = MUR_WARNINGS_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_nifti_open_image(&nifti, path, &warnings, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    const struct mur_nifti_header *header = mur_nifti_header(nifti);
    for (int i = 0; i < 3; i++)
        fuzz_check(header->dims[i] > 0 && header->dims[i] <= MUR_NIFTI_SIDE_LIMIT, "side %d", i);
    fuzz_check(header->volumes > 0, "no volume");
    const struct mur_orientation_options options = {.prefer_qform = header->raw_length % 2 == 1,
                                                    .analyze_order = MUR_ANALYZE_RAS};
    struct mur_volume_geometry geometry;
    fuzz_check_status(mur_nifti_geometry(&geometry, nifti, &options, &warnings, &error), &error);
    double step_ms = mur_nifti_time_step_ms(header);
    fuzz_check(step_ms - step_ms == 0, "a time step that is not finite");
    look_at_slices(nifti);
    fuzz_check_status(mur_nifti_check_unchanged(nifti, &error), &error);
    make_images(path, header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { PAIR_HEADER = 348 };
    bool compressed = size > 2 && data[0] == 0x1F && data[1] == 0x8B;
    check_file(fuzz_file(compressed ? "input.nii.gz" : "input.nii", data, size));
    if (compressed || size < PAIR_HEADER)
        return 0;
    (void)fuzz_file("pair.img", data + PAIR_HEADER, size - PAIR_HEADER);
    check_file(fuzz_file("pair.hdr", data, PAIR_HEADER));
    return 0;
}

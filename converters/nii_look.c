/* The first look at the voxels: their range, their window, their digest. */
#include <inttypes.h>
#include <stdlib.h>

#include "converters/conversion.h"
#include "core/beside.h"
#include "core/digest.h"
#include "core/own.h"
#include "dicom/dictionary.h"

/* Hands all slices of a part to @p look, in the order of the file. */
static enum mur_status each_slice(struct mur_conversion *c, struct mur_conversion_part *part,
                                  enum mur_status (*look)(struct mur_conversion *c,
                                                          struct mur_conversion_part *part,
                                                          const void *voxels, void *user,
                                                          struct mur_error *error),
                                  void *user, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t volume = part->first; volume < part->first + part->count; volume++) {
        status = mur_nifti_hold(c->nifti, volume, error);
        for (uint32_t slice = 0; status == MUR_OK && slice < c->header->dims[2]; slice++) {
            const void *voxels = NULL;
            status = mur_conversion_read(&voxels, c, c->nifti, volume, slice, error);
            if (status == MUR_OK)
                status = look(c, part, voxels, user, error);
        }
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

static enum mur_status check_opaque(const struct mur_conversion *c, const uint8_t *voxels,
                                    struct mur_error *error)
{
    size_t count = mur_conversion_slice_voxels(c);
    for (size_t index = 0; index < count; index++)
        if (voxels[4 * index + 3] != 255)
            return mur_error_set(error, MUR_UNSUPPORTED,
                                 "%s: datatype rgba32 with voxels that are not opaque; DICOM has "
                                 "no transparency, so it would be lost",
                                 c->path);
    return MUR_OK;
}

static enum mur_status look_first(struct mur_conversion *c, struct mur_conversion_part *part,
                                  const void *voxels, void *digest, struct mur_error *error)
{
    size_t count = mur_conversion_slice_voxels(c);
    if (part->scan != NULL)
        mur_value_scan_add(part->scan, voxels, count);
    enum mur_status status = c->header->samples == 4 ? check_opaque(c, voxels, error) : MUR_OK;
    return status == MUR_OK && digest != NULL
               ? mur_sha256_update(digest, voxels, count * c->header->voxel_size, error)
               : status;
}

/* The digest takes longer than all else that is done with a voxel. */
struct hash_job {
    const struct mur_conversion *c;
    const struct mur_conversion_part *part;
    struct mur_sha256 *digest;
    struct mur_nifti *nifti;
    enum mur_status status;
    struct mur_error error;
};

static void hash_part(void *user)
{
    struct hash_job *job = user;
    const struct mur_nifti_header *header = job->c->header;
    size_t length = mur_conversion_slice_voxels(job->c) * header->voxel_size;
    uint32_t end = job->part->first + job->part->count;
    for (uint32_t volume = job->part->first; volume < end; volume++)
        for (uint32_t slice = 0; job->status == MUR_OK && slice < header->dims[2]; slice++) {
            const void *voxels = NULL;
            job->status = mur_nifti_read_slice(&voxels, job->nifti, volume, slice, &job->error);
            if (job->status == MUR_OK)
                job->status = mur_sha256_update(job->digest, voxels, length, &job->error);
        }
}

/* A plain file is read twice rather than handed from one processor to the other. */
static enum mur_status look_beside(struct mur_conversion *c, struct mur_conversion_part *part,
                                   struct mur_sha256 *digest, struct mur_error *error)
{
    struct hash_job job = {.c = c, .part = part, .digest = digest, .error = MUR_ERROR_INIT};
    MUR_AUTO(mur_nifti) *nifti = NULL;
    enum mur_status status = mur_nifti_open_again(&nifti, c->nifti, error);
    if (status != MUR_OK)
        return status;
    job.nifti = nifti;
    struct mur_beside *beside = mur_beside_start(hash_part, &job);
    status = each_slice(c, part, look_first, NULL, error);
    if (status == MUR_OK)
        (void)mur_dictionary_vr(MUR_TAG_Modality, NULL); /* loads it, while there is time */
    mur_beside_wait(beside);
    if (status != MUR_OK || job.status == MUR_OK)
        return status;
    if (error != NULL)
        *error = job.error;
    return job.status;
}

static enum mur_status look_again(struct mur_conversion *c, struct mur_conversion_part *part,
                                  const void *voxels, void *user, struct mur_error *error)
{
    (void)user;
    (void)error;
    mur_value_scan_add_window(part->scan, voxels, mur_conversion_slice_voxels(c));
    return MUR_OK;
}

/* Of a gzip stream both would wait for the same bytes. */
static bool is_worth_a_thread(const struct mur_conversion *c,
                              const struct mur_conversion_part *part)
{
    uint64_t voxels = (uint64_t)mur_conversion_slice_voxels(c) * c->header->dims[2] * part->count;
    return c->options->two_threads && !mur_nifti_is_compressed(c->nifti) &&
           voxels * c->header->voxel_size >= MUR_CONVERSION_BESIDE;
}

/* First pass: digest and range; second pass, where the range was needed before: window. */
static enum mur_status look_at_part(struct mur_conversion *c, struct mur_conversion_part *part,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    enum mur_status status = mur_sha256_create(&digest, error);
    struct mur_value_options values = c->options->values;
    if (c->form == MUR_PIXELS_FLOAT) /* looked at for the window alone */
        values.nan = MUR_NAN_PAD;
    if (status == MUR_OK && c->form != MUR_PIXELS_COLOUR)
        status = mur_value_scan_create(&part->scan, c->header->type, c->header->slope,
                                       c->header->intercept, &values, error);
    if (status == MUR_OK && is_worth_a_thread(c, part))
        status = look_beside(c, part, digest, error);
    else if (status == MUR_OK)
        status = each_slice(c, part, look_first, digest, error);
    if (status == MUR_OK)
        status = mur_sha256_finish(part->voxel_digest, digest, error);
    if (status != MUR_OK || part->scan == NULL)
        return status;
    bool again = false, lossless = c->form == MUR_PIXELS_FLOAT;
    if (mur_value_scan_map(&part->values, &again, part->scan, lossless ? NULL : error) != MUR_OK)
        return lossless ? MUR_OK : mur_error_prefix(error, "%s", c->path);
    if (again)
        c->slices_to_read += (uint64_t)part->count * c->header->dims[2];
    if (again)
        status = each_slice(c, part, look_again, NULL, error);
    mur_value_scan_window(&part->values, part->scan);
    if (status == MUR_OK && part->values.padded > 0 && mur_conversion_named_images(c) != NULL)
        status =
            mur_warn(&c->report.warnings, error,
                     "%s: %" PRIu64 " voxels hold no number, and stay so: viewers that scale a "
                     "map by its values, such as OHIF, show nothing of it",
                     c->path, part->values.padded);
    if (lossless) {
        part->values.error_bound = 0;
        part->values.padded = 0;
    }
    return status;
}

/* Of header, extensions and the digests of all voxels. */
static enum mur_status hash_content(struct mur_conversion *c, struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    uint8_t bytes[MUR_SHA256_SIZE];
    size_t length = 0;
    const uint8_t *extensions = mur_nifti_extensions(&length, c->nifti);
    enum mur_status status = mur_sha256_create(&digest, error);
    if (status == MUR_OK)
        status = mur_sha256_update(digest, c->header->raw, c->header->raw_length, error);
    if (status == MUR_OK && length > 0)
        status = mur_sha256_update(digest, extensions, length, error);
    for (uint32_t part = 0; status == MUR_OK && part < c->part_count; part++)
        status = mur_sha256_update(digest, c->parts[part].voxel_digest, MUR_SHA256_SIZE, error);
    if (status == MUR_OK)
        status = mur_sha256_finish(bytes, digest, error);
    if (status != MUR_OK)
        return status;
    mur_hex_write(c->report.content, bytes, sizeof bytes);
    return MUR_OK;
}

enum mur_status mur_conversion_look(struct mur_conversion *c, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t part = 0; status == MUR_OK && part < c->part_count; part++)
        status = look_at_part(c, &c->parts[part], error);
    if (status != MUR_OK)
        return status;
    c->report.values = c->parts[0].values;
    for (uint32_t part = 1; part < c->part_count; part++)
        if (c->parts[part].values.error_bound > c->report.values.error_bound)
            c->report.values.error_bound = c->parts[part].values.error_bound;
    return hash_content(c, error);
}

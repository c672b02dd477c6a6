/* Label maps against their segmentation, slice by slice. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/certify_labels_internal.h"
#include "converters/label_bits.h"
#include "converters/label_values.h"
#include "core/file.h"
#include "core/own.h"

enum {
    VALUES = 65536,
    UNLISTED = 0x10000, /* flag of an entry: no segment was made of the label */
};
#define ALL_LAYERS UINT32_MAX /* instead of one of them */

/* ---- slices ---------------------------------------------------------------------------------- */

/* Whether a label is one of a layer, from 0, of a file. */
static bool belongs(const struct mur_certificate_label *label, size_t file, uint32_t layer)
{
    return label->file == file &&
           (label->layer == 0 || layer == ALL_LAYERS || label->layer == layer + 1);
}

/* The label of a segment that lies in a layer of the segmentation and came of a layer of a file;
 * NULL: it does not. */
static const struct mur_certificate_label *label_of(const struct mur_label_check *c, size_t segment,
                                                    size_t file, uint32_t layer)
{
    uint32_t place = c->index_of[c->info->segments[segment].number];
    return place > 0 && belongs(&c->out->labels[place - 1], file, layer)
               ? &c->out->labels[place - 1]
               : NULL;
}

/* Which segments of a layer of the segmentation came of a layer of a file. */
static void keep_segments(struct mur_label_check *c, size_t file, uint32_t layer, uint32_t target)
{
    const struct mur_seg_label *of = mur_seg_volume_labels(c->files[file].volume);
    memset(c->kept, 0, VALUES * sizeof *c->kept);
    for (size_t index = 0; index < c->info->segment_count; index++)
        if (of[index].layer == target && label_of(c, index, file, layer) != NULL)
            c->kept[c->info->segments[index].number] = true;
}

/* What the labels of a layer of a file are in a layer of the segmentation. */
static void make_entries(struct mur_label_check *c, size_t file_index, uint32_t layer,
                         uint32_t target)
{
    const struct mur_label_side *file = &c->files[file_index];
    const struct mur_label_map_header *header = file->header;
    const struct mur_seg_label *of = mur_seg_volume_labels(file->volume);
    uint32_t none = c->job->options->ignore_unlisted ? 0 : UNLISTED;
    for (uint32_t value = 1; value < VALUES; value++)
        c->entries[value] = none;
    c->entries[0] = 0;
    for (size_t index = 0; index < c->info->segment_count; index++) {
        const struct mur_certificate_label *label = label_of(c, index, file_index, layer);
        if (label == NULL)
            continue;
        uint32_t entry = of[index].layer == target ? label->segment : 0; /* else another one's */
        if (label->value > 0)
            c->entries[label->value] = entry;
        for (uint32_t value = 1; label->value == 0 && value < VALUES; value++)
            c->entries[value] = entry;
    }
    for (uint32_t code = 0; header->voxel_size <= 2 && code < VALUES; code++) {
        uint16_t voxel = (uint16_t)code;
        double value = mur_label_value_at(header, &voxel, 0), whole = rint(value);
        bool is_label = fabs(value - whole) < 1e-3 && whole >= 0 && whole < VALUES;
        c->raw[code] = is_label ? c->entries[(uint32_t)whole] : UNLISTED;
    }
}

static uint32_t entry_of(const struct mur_label_check *c, const struct mur_label_map_header *header,
                         const void *voxels, size_t index)
{
    double value = mur_label_value_at(header, voxels, index), whole = rint(value);
    return fabs(value - whole) < 1e-3 && whole >= 0 && whole < VALUES ? c->entries[(uint32_t)whole]
                                                                      : UNLISTED;
}

#define TRANSLATE(type, entry)                                                                     \
    do {                                                                                           \
        type *to_ = (type *)(void *)c->wanted;                                                     \
        for (size_t index = 0; index < c->slice_voxels; index++) {                                 \
            uint32_t entry_ = (entry);                                                             \
            to_[index] = (type)entry_;                                                             \
            seen |= entry_;                                                                        \
        }                                                                                          \
    } while (0)

/* The slice as the segmentation should have it. @return whether some labels are unlisted */
static bool translate(struct mur_label_check *c, const struct mur_label_side *file,
                      const void *voxels)
{
    const struct mur_label_map_header *header = file->header;
    const uint8_t *bytes = voxels;
    const uint16_t *words = voxels;
    unsigned size = mur_seg_volume_voxel_size(file->volume);
    uint32_t seen = 0;
    if (header->voxel_size == 1 && size == 1)
        TRANSLATE(uint8_t, c->raw[bytes[index]]);
    else if (header->voxel_size == 1)
        TRANSLATE(uint16_t, c->raw[bytes[index]]);
    else if (header->voxel_size == 2 && size == 1)
        TRANSLATE(uint8_t, c->raw[words[index]]);
    else if (header->voxel_size == 2)
        TRANSLATE(uint16_t, c->raw[words[index]]);
    else if (size == 1)
        TRANSLATE(uint8_t, entry_of(c, header, voxels, index));
    else
        TRANSLATE(uint16_t, entry_of(c, header, voxels, index));
    return (seen & UNLISTED) != 0;
}

static void note_unlisted(const struct mur_label_check *c, struct mur_label_side *file,
                          const void *voxels, uint32_t slice)
{
    for (size_t index = 0; index < c->slice_voxels; index++) {
        double value = mur_label_value_at(file->header, voxels, index);
        if ((entry_of(c, file->header, voxels, index) & UNLISTED) == 0)
            continue;
        size_t place = 0;
        while (place < file->unlisted_count && file->unlisted[place].value != value)
            place++;
        if (place == MUR_LISTED_LABELS)
            continue;
        struct mur_unlisted_label *known = &file->unlisted[place];
        if (place == file->unlisted_count) {
            file->unlisted_count++;
            *known = (struct mur_unlisted_label){
                .value = value,
                .first = {(uint32_t)(index % file->header->dims[0]),
                          (uint32_t)(index / file->header->dims[0]), slice}};
        }
        known->count++;
    }
}

static unsigned number_at(const uint8_t *voxels, unsigned size, size_t index)
{
    return size == 1 ? voxels[index] : ((const uint16_t *)(const void *)voxels)[index];
}

/* The slice of the segmentation, without segments of other layers; padded to 8 voxels. */
static enum mur_status read_found(struct mur_label_check *c, const struct mur_label_side *file,
                                  uint32_t target, uint32_t slice, struct mur_error *error)
{
    const void *voxels = NULL;
    unsigned size = mur_seg_volume_voxel_size(file->volume);
    enum mur_status status = mur_seg_volume_slice(&voxels, file->volume, target, slice, error);
    if (status != MUR_OK)
        return status;
    memcpy(c->found, voxels, c->slice_voxels * size);
    uint16_t *words = (uint16_t *)(void *)c->found;
    for (size_t index = 0; index < c->slice_voxels; index++)
        if (size == 1)
            c->found[index] = c->kept[c->found[index]] ? c->found[index] : 0;
        else
            words[index] = c->kept[words[index]] ? words[index] : 0;
    return MUR_OK;
}

/* Bits of each label into its digest, and how many they are. */
static enum mur_status digest_labels(struct mur_label_check *c, const uint8_t *voxels,
                                     unsigned size, unsigned side, struct mur_error *error)
{
    size_t padded = (c->slice_voxels + 7) / 8 * 8;
    bool present[MUR_BYTE_VALUES] = {false};
    enum mur_status status = MUR_OK;
    if (size == 1)
        mur_bytes_present(present, voxels, padded);
    for (size_t index = 0; status == MUR_OK && index < c->out->label_count; index++) {
        struct mur_certificate_label *label = &c->out->labels[index];
        if (!c->kept[label->segment])
            continue;
        if (size == 1 && present[label->segment]) {
            label->voxels[side] += mur_bits_equal(c->bits, voxels, padded, (uint8_t)label->segment);
        } else {
            memset(c->bits, 0, padded / 8);
            for (size_t at = 0; size == 2 && at < c->slice_voxels; at++)
                c->bits[at / 8] = (uint8_t)(c->bits[at / 8] |
                                            (number_at(voxels, 2, at) == label->segment) << at % 8);
            label->voxels[side] += size == 2 ? mur_bits_count(c->bits, padded / 8) : 0;
        }
        status = mur_sha256_update(c->digests[index], c->bits, padded / 8, error);
    }
    return status;
}

static enum mur_status compare_slice(struct mur_label_check *c, const struct mur_label_side *file,
                                     uint32_t layer, uint32_t slice, struct mur_error *error)
{
    unsigned size = mur_seg_volume_voxel_size(file->volume);
    if (memcmp(c->wanted, c->found, c->slice_voxels * size) == 0)
        return MUR_OK;
    uint64_t count = 0;
    size_t first = 0;
    for (size_t index = c->slice_voxels; index-- > 0;)
        if (number_at(c->wanted, size, index) != number_at(c->found, size, index)) {
            first = index;
            count++;
        }
    c->out->differing += count;
    char which[64] = "";
    if (file->header->layers > 1 && layer != ALL_LAYERS)
        (void)snprintf(which, sizeof which, " of layer %" PRIu32, layer + 1);
    uint32_t columns = file->header->dims[0];
    return mur_certificate_fail(
        c->out, error,
        "slice k=%" PRIu32 "%s of %s: %" PRIu64 " voxel%s, the first at (%zu, %zu, %" PRIu32
        "): segment %u by the label map, %u in the segmentation",
        slice, which, mur_path_base(mur_label_map_path(file->map)), count,
        count == 1 ? " differs" : "s differ", first % columns, first / columns, slice,
        number_at(c->wanted, size, first), number_at(c->found, size, first));
}

/* ---- files ----------------------------------------------------------------------------------- */

static enum mur_status reserve_slice(struct mur_label_check *c, const struct mur_label_side *file,
                                     struct mur_error *error)
{
    c->slice_voxels = (size_t)file->header->dims[0] * file->header->dims[1];
    size_t padded = (c->slice_voxels + 7) / 8 * 8;
    free(c->wanted);
    free(c->found);
    free(c->bits);
    c->wanted = calloc(padded, 2);
    c->found = calloc(padded, 2);
    c->bits = calloc(padded / 8, 1);
    return c->wanted == NULL || c->found == NULL || c->bits == NULL ? mur_error_no_memory(error)
                                                                    : MUR_OK;
}

/* One slice of a layer against one layer of the segmentation. @param[in] voxels  NULL: only the
 * segmentation's digests are wanted */
static enum mur_status look_at_slice(struct mur_label_check *c, struct mur_label_side *file,
                                     uint32_t layer, uint32_t target, uint32_t slice,
                                     const void *voxels, struct mur_error *error)
{
    unsigned size = mur_seg_volume_voxel_size(file->volume);
    if (voxels != NULL && translate(c, file, voxels) && target == 0)
        note_unlisted(c, file, voxels, slice);
    enum mur_status status = read_found(c, file, target, slice, error);
    if (status != MUR_OK)
        return status;
    if (voxels == NULL)
        return digest_labels(c, c->found, size, c->dicom, error);
    status = digest_labels(c, c->wanted, size, c->plain, error);
    return status == MUR_OK ? compare_slice(c, file, layer, slice, error) : status;
}

/* Whether segments of a layer of the segmentation came of this layer of the file. */
static bool feeds(const struct mur_label_check *c, size_t file_index, uint32_t layer,
                  uint32_t target)
{
    const struct mur_seg_label *of = mur_seg_volume_labels(c->files[file_index].volume);
    for (size_t index = 0; index < c->info->segment_count; index++)
        if (of[index].layer == target && label_of(c, index, file_index, layer) != NULL)
            return true;
    return target == 0; /* for the sake of labels that no segment was made of */
}

/* A layer of a file against a layer of the segmentation. @param[in] digest  the file's voxels enter
 * the digest of all */
static enum mur_status look_at_layer(struct mur_label_check *c, size_t file_index, uint32_t layer,
                                     uint32_t target, bool compare, bool digest,
                                     struct mur_error *error)
{
    struct mur_label_side *file = &c->files[file_index];
    const struct mur_label_map_header *header = file->header;
    uint64_t total = (uint64_t)header->layers * header->dims[2];
    enum mur_status status = MUR_OK;
    make_entries(c, file_index, layer, target);
    keep_segments(c, file_index, layer, target);
    for (uint32_t slice = 0; status == MUR_OK && slice < header->dims[2]; slice++) {
        const void *voxels = NULL;
        status = mur_certify_go_on(c->job, (uint64_t)layer * header->dims[2] + slice, total, error);
        if (status == MUR_OK && compare)
            status = mur_label_map_read_slice(&voxels, file->map, layer, slice, error);
        if (status == MUR_OK && digest)
            status =
                mur_sha256_update(c->voxels, voxels, c->slice_voxels * header->voxel_size, error);
        if (status == MUR_OK)
            status = look_at_slice(c, file, layer, target, slice, voxels, error);
    }
    if (compare && status == MUR_OK)
        c->out->voxels += digest ? (uint64_t)c->slice_voxels * header->dims[2] : 0;
    return status;
}

/* What all layers together want of a layer of the segmentation, as a volume. */
static enum mur_status unite_layers(uint8_t *out, struct mur_label_check *c, size_t index,
                                    uint32_t target, struct mur_error *error)
{
    struct mur_label_side *file = &c->files[index];
    const struct mur_label_map_header *header = file->header;
    unsigned size = mur_seg_volume_voxel_size(file->volume);
    uint64_t total = (uint64_t)header->layers * header->dims[2];
    enum mur_status status = MUR_OK;
    for (uint64_t at = 0; status == MUR_OK && at < total; at++) {
        uint32_t layer = (uint32_t)(at / header->dims[2]), slice = (uint32_t)(at % header->dims[2]);
        uint8_t *bytes = out + slice * c->slice_voxels * size;
        uint16_t *words = (uint16_t *)(void *)bytes;
        const void *voxels = NULL;
        if (slice == 0)
            make_entries(c, index, layer, target);
        status = mur_certify_go_on(c->job, at, total, error);
        if (status == MUR_OK)
            status = mur_label_map_read_slice(&voxels, file->map, layer, slice, error);
        if (status == MUR_OK && target == 0)
            status =
                mur_sha256_update(c->voxels, voxels, c->slice_voxels * header->voxel_size, error);
        if (status == MUR_OK && translate(c, file, voxels) && target == 0)
            note_unlisted(c, file, voxels, slice);
        for (size_t voxel = 0; status == MUR_OK && voxel < c->slice_voxels; voxel++) {
            unsigned number = number_at(c->wanted, size, voxel);
            if (number != 0 && size == 1)
                bytes[voxel] = (uint8_t)number;
            else if (number != 0)
                words[voxel] = (uint16_t)number;
        }
    }
    return status;
}

static enum mur_status look_at_united(struct mur_label_check *c, size_t index, uint32_t target,
                                      bool compare, struct mur_error *error)
{
    struct mur_label_side *file = &c->files[index];
    uint32_t slices = file->header->dims[2];
    size_t bytes = c->slice_voxels * mur_seg_volume_voxel_size(file->volume);
    if (bytes > MUR_NIFTI_HELD_LIMIT / slices)
        return mur_error_set(error, MUR_LIMIT, "%s: too large to be held in memory",
                             mur_label_map_path(file->map));
    MUR_AUTO_FREE uint8_t *volume = calloc(slices, bytes);
    if (volume == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = compare ? unite_layers(volume, c, index, target, error) : MUR_OK;
    keep_segments(c, index, ALL_LAYERS, target);
    for (uint32_t slice = 0; status == MUR_OK && slice < slices; slice++) {
        status = read_found(c, file, target, slice, error);
        if (status == MUR_OK && !compare) {
            status = digest_labels(c, c->found, mur_seg_volume_voxel_size(file->volume), c->dicom,
                                   error);
            continue;
        }
        memcpy(c->wanted, volume + slice * bytes, bytes);
        if (status == MUR_OK)
            status = digest_labels(c, c->wanted, mur_seg_volume_voxel_size(file->volume), c->plain,
                                   error);
        if (status == MUR_OK)
            status = compare_slice(c, file, ALL_LAYERS, slice, error);
    }
    return status;
}

static enum mur_status look_at_file(struct mur_label_check *c, size_t index, bool compare,
                                    struct mur_error *error)
{
    struct mur_label_side *file = &c->files[index];
    uint32_t targets = mur_seg_volume_layers(file->volume);
    enum mur_status status = reserve_slice(c, file, error);
    for (uint32_t target = 0; status == MUR_OK && file->united && target < targets; target++)
        if (feeds(c, index, ALL_LAYERS, target))
            status = look_at_united(c, index, target, compare, error);
    if (file->united && compare)
        c->out->voxels += (uint64_t)c->slice_voxels * file->header->dims[2] * file->header->layers;
    if (file->united)
        return status;
    for (uint32_t layer = 0; status == MUR_OK && layer < file->header->layers; layer++) {
        bool digest = compare;
        for (uint32_t target = 0; status == MUR_OK && target < mur_seg_volume_layers(file->volume);
             target++) {
            if (!feeds(c, index, layer, target))
                continue;
            status = look_at_layer(c, index, layer, target, compare, digest, error);
            digest = false;
        }
    }
    return status;
}

static enum mur_status tell_unlisted(struct mur_label_check *c, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t file = 0; file < c->job->plain_count; file++)
        for (size_t index = 0; status == MUR_OK && index < c->files[file].unlisted_count; index++) {
            const struct mur_unlisted_label *one = &c->files[file].unlisted[index];
            c->out->differing += one->count;
            status = mur_certificate_fail(c->out, error,
                                          "%s: no segment is its label %g: %" PRIu64
                                          " voxels, the first at (%" PRIu32 ", %" PRIu32
                                          ", %" PRIu32 ")",
                                          c->out->files[file], one->value, one->count,
                                          one->first[0], one->first[1], one->first[2]);
        }
    return status;
}

static enum mur_status finish_digests(struct mur_label_check *c, unsigned side,
                                      struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < c->out->label_count; index++) {
        uint8_t bytes[MUR_SHA256_SIZE];
        status = mur_sha256_finish(bytes, c->digests[index], error);
        if (status == MUR_OK)
            mur_hex_write(c->out->labels[index].sha256[side], bytes, sizeof bytes);
    }
    return status;
}

/* All labels are equal, and so are their digests; all voxels too, if each has its label's value. */
static void copy_digests(struct mur_label_check *c)
{
    bool values = true;
    for (size_t index = 0; index < c->out->label_count; index++) {
        struct mur_certificate_label *label = &c->out->labels[index];
        memcpy(label->sha256[c->dicom], label->sha256[c->plain], sizeof label->sha256[0]);
        label->voxels[c->dicom] = label->voxels[c->plain];
        values = values && label->value > 0;
    }
    if (values && !c->job->options->ignore_unlisted)
        memcpy(c->out->sha256[c->dicom], c->out->sha256[c->plain], MUR_SHA256_TEXT_SIZE);
}

enum mur_status mur_certify_label_files(struct mur_label_check *c, struct mur_error *error)
{
    uint8_t bytes[MUR_SHA256_SIZE];
    enum mur_status status = mur_sha256_create(&c->voxels, error);
    for (size_t index = 0; status == MUR_OK && index < c->job->plain_count; index++)
        status = look_at_file(c, index, true, error);
    if (status == MUR_OK)
        status = tell_unlisted(c, error);
    if (status == MUR_OK)
        status = finish_digests(c, c->plain, error);
    if (status == MUR_OK)
        status = mur_sha256_finish(bytes, c->voxels, error);
    if (status != MUR_OK)
        return status;
    if (c->voxels_known)
        mur_hex_write(c->out->sha256[c->plain], bytes, sizeof bytes);
    if (c->out->differing == 0) {
        copy_digests(c);
        return MUR_OK;
    }
    for (size_t index = 0; status == MUR_OK && index < c->job->plain_count; index++)
        status = look_at_file(c, index, false, error);
    return status == MUR_OK ? finish_digests(c, c->dicom, error) : status;
}

#include "converters/nrrd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/compress.h"
#include "core/file.h"
#include "core/own.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "voxels are handed out as they lie");

enum {
    GZIP_RATIO_LIMIT = 1032, /* deflate cannot do better */
    GZIP_SLACK = 4096,
    GZIP_PIECE = 4096, /* so that at most 4 MB come out of one */
};
static const uint64_t SLICE_LIMIT = UINT64_C(1) << 30;

struct mur_nrrd {
    struct mur_nrrd_header header;
    char *path;
    char *voxel_path;
    int descriptor;
    struct stat opened;
    uint64_t voxel_offset; /* in the file; of gzip where the stream begins */
    uint64_t total;        /* bytes of all voxels */
    uint64_t slice_size;   /* of one layer */
    uint64_t read_size;    /* of what is read at once: with all layers if they are interleaved */
    uint8_t *read;
    uint64_t read_number; /* which of them stands in read */
    uint8_t *layer;       /* one layer of it */
    struct mur_inflate *inflater;
    uint64_t inflated;         /* bytes handed out so far */
    uint64_t input_at;         /* in the file */
    struct mur_buffer surplus; /* inflated, not handed out from surplus_at on */
    size_t surplus_at;
};

void mur_nrrd_free(struct mur_nrrd *nrrd)
{
    if (nrrd == NULL)
        return;
    if (nrrd->descriptor >= 0)
        (void)close(nrrd->descriptor);
    mur_nrrd_header_free(&nrrd->header);
    mur_inflate_free(nrrd->inflater);
    mur_buffer_free(&nrrd->surplus);
    free(nrrd->path);
    free(nrrd->voxel_path);
    free(nrrd->read);
    free(nrrd->layer);
    free(nrrd);
}

const struct mur_nrrd_header *mur_nrrd_header(const struct mur_nrrd *nrrd)
{
    return &nrrd->header;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static enum mur_status open_regular(int *out, struct stat *details, const char *path,
                                    struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0 || fstat(descriptor, details) != 0)
        return mur_error_set_errno(error, errno, "%s", path);
    if (!S_ISREG(details->st_mode))
        return mur_error_set(error, MUR_INVALID, "%s: not a regular file", path);
    *out = mur_steal_descriptor(&descriptor);
    return MUR_OK;
}

static enum mur_status read_header(struct mur_nrrd *nrrd, struct mur_warnings *warnings,
                                   struct mur_error *error)
{
    size_t size = MUR_NRRD_HEADER_LIMIT;
    if ((uint64_t)nrrd->opened.st_size < size)
        size = (size_t)nrrd->opened.st_size;
    MUR_AUTO_FREE char *text = malloc(size + 1);
    if (text == NULL)
        return mur_error_no_memory(error);
    size_t got = 0;
    enum mur_status status =
        mur_pread_full(&got, nrrd->descriptor, text, size, 0, nrrd->path, error);
    if (status != MUR_OK)
        return status;
    return mur_nrrd_header_parse(&nrrd->header, (struct mur_slice){.data = text, .length = got},
                                 nrrd->path, warnings, error);
}

/* The file of the voxels: beside the header or beneath its folder, never elsewhere. */
static enum mur_status open_voxels(struct mur_nrrd *nrrd, struct mur_error *error)
{
    if (nrrd->header.data_file == NULL) {
        nrrd->voxel_offset = nrrd->header.length;
        return mur_text_copy(&nrrd->voxel_path, mur_slice_of(nrrd->path), error);
    }
    MUR_AUTO_FREE char *folder = NULL;
    size_t length = (size_t)(mur_path_base(nrrd->path) - nrrd->path);
    struct mur_slice part = {.data = nrrd->path, .length = length > 1 ? length - 1 : length};
    enum mur_status status = mur_text_copy(&folder, length == 0 ? mur_slice_of(".") : part, error);
    if (status == MUR_OK)
        status = mur_path_beneath(&nrrd->voxel_path, folder, nrrd->header.data_file, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "%s: data file", nrrd->path);
    (void)close(mur_steal_descriptor(&nrrd->descriptor));
    return open_regular(&nrrd->descriptor, &nrrd->opened, nrrd->voxel_path, error);
}

/* Compares the claim with what the file holds, or at most can hold. */
static enum mur_status check_claim(struct mur_nrrd *nrrd, struct mur_error *error)
{
    const struct mur_nrrd_header *header = &nrrd->header;
    nrrd->slice_size = (uint64_t)header->dims[0] * header->dims[1] * header->voxel_size;
    nrrd->read_size = nrrd->slice_size * (header->interleaved ? header->layers : 1);
    if (nrrd->read_size > SLICE_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "%s: one slice exceeds 1 GiB", nrrd->path);
    uint64_t held = (uint64_t)nrrd->opened.st_size, limit = held;
    nrrd->total = nrrd->slice_size * header->layers; /* at most 2^30 * 2^16 */
    if (header->gzip)
        limit =
            (held - (nrrd->voxel_offset < held ? nrrd->voxel_offset : held)) * GZIP_RATIO_LIMIT +
            GZIP_SLACK;
    uint64_t offset = header->gzip ? 0 : nrrd->voxel_offset + header->byte_skip;
    if (__builtin_mul_overflow(nrrd->total, (uint64_t)header->dims[2], &nrrd->total) ||
        nrrd->total > limit || (!header->from_end && offset > limit - nrrd->total))
        return mur_error_set(error, MUR_PARSE,
                             "%s: truncated, or sizes are wrong: they claim more than the %" PRIu64
                             " bytes of the file can hold",
                             nrrd->voxel_path, held);
    if (header->from_end)
        offset = held - nrrd->total;
    if (!header->gzip)
        nrrd->voxel_offset = offset;
    return MUR_OK;
}

enum mur_status mur_nrrd_open(struct mur_nrrd **out, const char *path,
                              struct mur_warnings *warnings, struct mur_error *error)
{
    MUR_AUTO(mur_nrrd) *nrrd = calloc(1, sizeof *nrrd);
    if (nrrd == NULL)
        return mur_error_no_memory(error);
    nrrd->descriptor = -1;
    nrrd->read_number = UINT64_MAX;
    enum mur_status status = mur_text_copy(&nrrd->path, mur_slice_of(path), error);
    if (status == MUR_OK)
        status = open_regular(&nrrd->descriptor, &nrrd->opened, path, error);
    if (status == MUR_OK)
        status = read_header(nrrd, warnings, error);
    if (status == MUR_OK)
        status = open_voxels(nrrd, error);
    if (status == MUR_OK)
        status = check_claim(nrrd, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(nrrd);
    return status;
}

/* ---- voxels -----------------------------------------------------------------------------------
 */

static enum mur_status cut_short(const struct mur_nrrd *nrrd, uint64_t bytes,
                                 struct mur_error *error)
{
    return mur_error_set(error, MUR_PARSE,
                         "%s: truncated: voxels end after %" PRIu64 " of %" PRIu64 " bytes",
                         nrrd->voxel_path, bytes, nrrd->total);
}

static enum mur_status restart(struct mur_nrrd *nrrd, struct mur_error *error)
{
    mur_inflate_free(nrrd->inflater);
    nrrd->inflater = NULL;
    nrrd->inflated = 0;
    nrrd->input_at = nrrd->voxel_offset;
    mur_buffer_clear(&nrrd->surplus);
    nrrd->surplus_at = 0;
    return mur_gunzip_create(&nrrd->inflater, nrrd->total + MUR_NRRD_HEADER_LIMIT, error);
}

/* Inflates one more piece into the surplus. */
static enum mur_status inflate_more(struct mur_nrrd *nrrd, bool *ended, struct mur_error *error)
{
    uint8_t piece[GZIP_PIECE];
    size_t got = 0;
    enum mur_status status = mur_pread_full(&got, nrrd->descriptor, piece, sizeof piece,
                                            (off_t)nrrd->input_at, nrrd->voxel_path, error);
    if (status != MUR_OK)
        return status;
    nrrd->input_at += got;
    mur_buffer_clear(&nrrd->surplus);
    nrrd->surplus_at = 0;
    status = mur_inflate_write(nrrd->inflater, mur_sink_buffer(&nrrd->surplus), piece, got, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "%s", nrrd->voxel_path);
    *ended = got < sizeof piece || mur_inflate_ended(nrrd->inflater);
    return MUR_OK;
}

/* Hands out the next bytes of the stream. */
static enum mur_status inflate_next(uint8_t *out, struct mur_nrrd *nrrd, uint64_t length,
                                    struct mur_error *error)
{
    bool ended = false;
    while (length > 0) {
        size_t have = nrrd->surplus.length - nrrd->surplus_at;
        have = have < length ? have : (size_t)length;
        if (have > 0) {
            memcpy(out, nrrd->surplus.data + nrrd->surplus_at, have);
            nrrd->surplus_at += have;
            nrrd->inflated += have;
            out += have;
            length -= have;
            continue;
        }
        if (ended)
            return cut_short(nrrd, nrrd->inflated, error);
        enum mur_status status = inflate_more(nrrd, &ended, error);
        if (status != MUR_OK)
            return status;
    }
    if (nrrd->inflated < nrrd->total)
        return MUR_OK;
    while (!ended && !mur_inflate_ended(nrrd->inflater)) { /* up to the checksum */
        enum mur_status status = inflate_more(nrrd, &ended, error);
        if (status != MUR_OK)
            return status;
    }
    if (!mur_inflate_ended(nrrd->inflater))
        return mur_error_set(error, MUR_PARSE, "%s: the gzip stream ends before its checksum",
                             nrrd->voxel_path);
    return MUR_OK;
}

static void swap_bytes(uint8_t *bytes, uint64_t length, unsigned size)
{
    for (uint64_t at = 0; at < length; at += size)
        for (unsigned low = 0, high = size - 1; low < high; low++, high--) {
            uint8_t byte = bytes[at + low];
            bytes[at + low] = bytes[at + high];
            bytes[at + high] = byte;
        }
}

static enum mur_status read_number(struct mur_nrrd *nrrd, uint64_t number, struct mur_error *error)
{
    if (nrrd->read_number == number)
        return MUR_OK;
    nrrd->read_number = UINT64_MAX;
    if (nrrd->read == NULL)
        nrrd->read = malloc((size_t)nrrd->read_size);
    if (nrrd->read == NULL)
        return mur_error_no_memory(error);
    uint64_t offset = number * nrrd->read_size;
    enum mur_status status = MUR_OK;
    if (nrrd->header.gzip) {
        if (nrrd->inflater == NULL || nrrd->inflated > offset)
            status = restart(nrrd, error);
        while (status == MUR_OK && nrrd->inflated < offset)
            status = inflate_next(nrrd->read, nrrd, nrrd->read_size, error);
        if (status == MUR_OK)
            status = inflate_next(nrrd->read, nrrd, nrrd->read_size, error);
    } else {
        size_t got = 0;
        status = mur_pread_full(&got, nrrd->descriptor, nrrd->read, (size_t)nrrd->read_size,
                                (off_t)(nrrd->voxel_offset + offset), nrrd->voxel_path, error);
        if (status == MUR_OK && got < nrrd->read_size)
            status = cut_short(nrrd, offset + got, error);
    }
    if (status != MUR_OK)
        return status;
    if (nrrd->header.big_endian)
        swap_bytes(nrrd->read, nrrd->read_size, nrrd->header.voxel_size);
    nrrd->read_number = number;
    return MUR_OK;
}

#define PICK_LAYER(ctype)                                                                          \
    do {                                                                                           \
        const ctype *from_ = (const ctype *)(const void *)nrrd->read + layer;                      \
        ctype *to_ = (ctype *)(void *)nrrd->layer;                                                 \
        for (size_t index_ = 0; index_ < count; index_++)                                          \
            to_[index_] = from_[index_ * layers];                                                  \
    } while (0)

enum mur_status mur_nrrd_read_slice(const void **out, struct mur_nrrd *nrrd, uint32_t layer,
                                    uint32_t slice, struct mur_error *error)
{
    const struct mur_nrrd_header *header = &nrrd->header;
    if (layer >= header->layers || slice >= header->dims[2])
        return mur_error_set(error, MUR_INVALID, "%s: slice %" PRIu32 " of layer %" PRIu32,
                             nrrd->path, slice + 1, layer + 1);
    bool interleaved = header->interleaved && header->layers > 1;
    uint64_t number =
        interleaved || header->interleaved ? slice : (uint64_t)layer * header->dims[2] + slice;
    enum mur_status status = read_number(nrrd, number, error);
    if (status != MUR_OK)
        return status;
    *out = nrrd->read;
    if (!interleaved)
        return MUR_OK;
    if (nrrd->layer == NULL)
        nrrd->layer = malloc((size_t)nrrd->slice_size);
    if (nrrd->layer == NULL)
        return mur_error_no_memory(error);
    size_t count = (size_t)header->dims[0] * header->dims[1], layers = header->layers;
    switch (header->voxel_size) {
    case 1:
        PICK_LAYER(uint8_t);
        break;
    case 2:
        PICK_LAYER(uint16_t);
        break;
    case 4:
        PICK_LAYER(uint32_t);
        break;
    default:
        PICK_LAYER(uint64_t);
        break;
    }
    *out = nrrd->layer;
    return MUR_OK;
}

enum mur_status mur_nrrd_check_unchanged(const struct mur_nrrd *nrrd, struct mur_error *error)
{
    struct stat now;
    if (stat(nrrd->voxel_path, &now) != 0)
        return mur_error_set_errno(error, errno, "%s", nrrd->voxel_path);
    if (now.st_size != nrrd->opened.st_size || now.st_ino != nrrd->opened.st_ino ||
        now.st_mtim.tv_sec != nrrd->opened.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != nrrd->opened.st_mtim.tv_nsec)
        return mur_error_set(error, MUR_MISMATCH, "%s: changed while it was read", nrrd->path);
    return MUR_OK;
}

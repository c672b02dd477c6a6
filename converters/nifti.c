#include "converters/nifti.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "converters/nifti_internal.h"
#include "core/file.h"
#include "core/text.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "voxels are handed out as they lie");

enum {
    GZIP_RATIO_LIMIT = 1032, /* deflate cannot do better */
    GZIP_SLACK = 4096,
    PIECE_SIZE = 16 * 1024 * 1024, /* read between two looks whether to stop */
};

/* ---- names of a pair ------------------------------------------------------------------------ */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length > wanted && strcasecmp(text + length - wanted, end) == 0;
}

/* "a/b.img.gz" -> "a/b.hdr" or "a/b.hdr.gz", whichever exists; the case of the letters is kept. */
static enum mur_status partner_of(char **out, const char *path, const char *extension,
                                  struct mur_error *error)
{
    size_t length = strlen(path);
    if (ends_with(path, ".gz"))
        length -= 3;
    if (length < 5)
        return mur_error_set(error, MUR_PARSE, "%s: not a name of a .hdr/.img pair", path);
    bool upper = path[length - 1] >= 'A' && path[length - 1] <= 'Z';
    char letters[4] = "";
    for (unsigned index = 0; index < 3; index++)
        letters[index] = (char)(upper ? extension[index] - 'a' + 'A' : extension[index]);
    MUR_AUTO_FREE char *plain = NULL;
    enum mur_status status =
        mur_text_format(&plain, error, "%.*s%s", (int)length - 3, path, letters);
    if (status != MUR_OK)
        return status;
    if (mur_file_exists(plain)) {
        *out = MUR_STEAL(plain);
        return MUR_OK;
    }
    MUR_AUTO_FREE char *compressed = NULL;
    status = mur_text_format(&compressed, error, "%s.gz", plain);
    if (status != MUR_OK)
        return status;
    if (!mur_file_exists(compressed))
        return mur_error_set(error, MUR_NOT_FOUND, "%s: its other half %s is missing", path, plain);
    *out = MUR_STEAL(compressed);
    return MUR_OK;
}

bool mur_nifti_is_pair_name(const char *path)
{
    return ends_with(path, ".hdr") || ends_with(path, ".hdr.gz") || ends_with(path, ".img") ||
           ends_with(path, ".img.gz");
}

/* ---- opening -------------------------------------------------------------------------------- */

static enum mur_status read_extensions(struct mur_nifti *nifti, struct mur_nifti_stream *stream,
                                       const uint8_t *head, size_t head_length, bool single,
                                       uint64_t header_file_size, struct mur_warnings *warnings,
                                       struct mur_error *error)
{
    size_t begin = nifti->header.raw_length;
    if (nifti->header.kind == MUR_ANALYZE_75 || head_length < begin + MUR_NIFTI_EXTENDER_SIZE ||
        head[begin] == 0)
        return MUR_OK;
    uint64_t end = single ? nifti->voxel_offset : header_file_size;
    if (end <= begin + MUR_NIFTI_EXTENDER_SIZE)
        return MUR_OK;
    uint64_t length = end - begin;
    if (length > MUR_NIFTI_EXTENSION_LIMIT)
        return mur_warn(warnings, error, "%s: header extensions of %llu bytes are not kept",
                        nifti->header_path, (unsigned long long)length);
    uint8_t *bytes = malloc((size_t)length);
    if (bytes == NULL)
        return mur_error_no_memory(error);
    nifti->extensions = bytes;
    size_t have = head_length - begin < length ? head_length - begin : (size_t)length;
    memcpy(bytes, head + begin, have);
    size_t got = 0;
    enum mur_status status = mur_nifti_stream_read(
        &got, stream, bytes + have, (size_t)length - have, nifti->header_path, error);
    if (status != MUR_OK)
        return status;
    if (have + got < length && single)
        return mur_nifti_stream_too_short(error, nifti->header_path, stream, end);
    nifti->extension_length = have + got;
    return MUR_OK;
}

/* Compares the claim with what the voxel file holds, or at most can hold. */
static enum mur_status check_claim(const struct mur_nifti *nifti, const struct stat *details,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    uint64_t claimed = 0;
    if (__builtin_mul_overflow(nifti->volume_size, (uint64_t)nifti->header.volumes, &claimed) ||
        __builtin_add_overflow(claimed, nifti->voxel_offset, &claimed) || claimed > INT64_MAX)
        return mur_error_set(error, MUR_PARSE,
                             "%s: dim[1] to dim[7] claim more than any file holds",
                             nifti->header_path);
    uint64_t held = (uint64_t)details->st_size;
    if (!nifti->compressed && claimed > held)
        return mur_error_set(
            error, MUR_PARSE,
            "%s: truncated, or dim[] and vox_offset are wrong: they claim %llu bytes "
            "where the file has %llu",
            nifti->voxel_path, (unsigned long long)claimed, (unsigned long long)held);
    if (nifti->compressed && claimed > held * GZIP_RATIO_LIMIT + GZIP_SLACK)
        return mur_error_set(error, MUR_PARSE,
                             "%s: dim[] and vox_offset claim %llu bytes; %llu bytes of gzip cannot "
                             "hold them",
                             nifti->voxel_path, (unsigned long long)claimed,
                             (unsigned long long)held);
    if (!nifti->compressed && claimed < held)
        return mur_warn(warnings, error, "%s: %llu bytes after the last voxel are ignored",
                        nifti->voxel_path, (unsigned long long)(held - claimed));
    return MUR_OK;
}

static enum mur_status open_voxels(struct mur_nifti *nifti, struct mur_nifti_stream *header_stream,
                                   const struct stat *header_details, bool single,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (single) {
        nifti->voxel_path = strdup(nifti->header_path);
        if (nifti->voxel_path == NULL)
            return mur_error_no_memory(error);
        nifti->stream = *header_stream;
        nifti->opened = *header_details;
        *header_stream = (struct mur_nifti_stream){.gzip = NULL, .descriptor = -1, .at = 0};
    } else {
        status = partner_of(&nifti->voxel_path, nifti->header_path, "img", error);
        if (status == MUR_OK)
            status =
                mur_nifti_stream_open(&nifti->stream, &nifti->opened, nifti->voxel_path, error);
        if (status != MUR_OK)
            return status;
    }
    nifti->compressed = nifti->stream.gzip != NULL;
    return check_claim(nifti, &nifti->opened, warnings, error);
}

static enum mur_status open_files(struct mur_nifti *nifti, struct mur_nifti_stream *stream,
                                  struct mur_warnings *warnings, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (ends_with(nifti->path, ".img") || ends_with(nifti->path, ".img.gz"))
        status = partner_of(&nifti->header_path, nifti->path, "hdr", error);
    else
        status = mur_text_copy(&nifti->header_path, mur_slice_of(nifti->path), error);
    struct stat details;
    if (status == MUR_OK)
        status = mur_nifti_stream_open(stream, &details, nifti->header_path, error);
    if (status != MUR_OK)
        return status;
    uint8_t head[MUR_NIFTI_HEADER_2_SIZE + MUR_NIFTI_EXTENDER_SIZE];
    size_t length = 0;
    status = mur_nifti_stream_read(&length, stream, head,
                                   MUR_NIFTI_HEADER_1_SIZE + MUR_NIFTI_EXTENDER_SIZE,
                                   nifti->header_path, error);
    if (status != MUR_OK)
        return status;
    int32_t size = 0;
    memcpy(&size, head, sizeof size);
    if (length == MUR_NIFTI_HEADER_1_SIZE + MUR_NIFTI_EXTENDER_SIZE &&
        (size == MUR_NIFTI_HEADER_2_SIZE ||
         (int32_t)__builtin_bswap32((uint32_t)size) == MUR_NIFTI_HEADER_2_SIZE)) {
        size_t more = 0;
        status = mur_nifti_stream_read(&more, stream, head + length, sizeof head - length,
                                       nifti->header_path, error);
        if (status != MUR_OK)
            return status;
        length += more;
    }
    bool single = false;
    status = mur_nifti_parse_header(nifti, &single, head, length, warnings, error);
    if (status != MUR_OK)
        return status;
    nifti->single = single;
    uint64_t header_file_size = (uint64_t)details.st_size;
    if (stream->gzip != NULL)
        header_file_size = MUR_NIFTI_EXTENSION_LIMIT; /* unknown until it ends */
    /* What the voxel file cannot hold is refused before its extensions are read. */
    if (single) {
        nifti->compressed = stream->gzip != NULL;
        nifti->voxel_path = NULL;
        uint64_t can_hold = (uint64_t)details.st_size;
        if (nifti->compressed)
            can_hold = can_hold * GZIP_RATIO_LIMIT + GZIP_SLACK;
        if (nifti->voxel_offset > can_hold)
            return mur_error_set(error, MUR_PARSE,
                                 "%s: vox_offset is %llu, beyond the end of the file",
                                 nifti->header_path, (unsigned long long)nifti->voxel_offset);
    }
    status =
        read_extensions(nifti, stream, head, length, single, header_file_size, warnings, error);
    if (status != MUR_OK)
        return status;
    return open_voxels(nifti, stream, &details, single, warnings, error);
}

static enum mur_status open_any(struct mur_nifti **out, const char *path, bool takes_colour,
                                struct mur_warnings *warnings, struct mur_error *error)
{
    MUR_AUTO(mur_nifti) *nifti = calloc(1, sizeof *nifti);
    if (nifti == NULL)
        return mur_error_no_memory(error);
    nifti->takes_colour = takes_colour;
    nifti->stream.descriptor = -1;
    struct mur_nifti_stream header_stream = {.gzip = NULL, .descriptor = -1, .at = 0};
    enum mur_status status = mur_text_copy(&nifti->path, mur_slice_of(path), error);
    if (status == MUR_OK)
        status = open_files(nifti, &header_stream, warnings, error);
    mur_nifti_stream_close(&header_stream);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(nifti);
    return MUR_OK;
}

enum mur_status mur_nifti_of_header(struct mur_nifti **out, const uint8_t *bytes, size_t length,
                                    const char *name, struct mur_error *error)
{
    MUR_AUTO(mur_nifti) *nifti = calloc(1, sizeof *nifti);
    if (nifti == NULL)
        return mur_error_no_memory(error);
    nifti->stream.descriptor = -1;
    nifti->takes_colour = true;
    enum mur_status status = mur_text_copy(&nifti->path, mur_slice_of(name), error);
    if (status == MUR_OK)
        status = mur_text_copy(&nifti->header_path, mur_slice_of(name), error);
    if (status == MUR_OK)
        status = mur_nifti_parse_header(nifti, &nifti->single, bytes, length, NULL, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(nifti);
    return status;
}

enum mur_status mur_nifti_open(struct mur_nifti **out, const char *path,
                               struct mur_warnings *warnings, struct mur_error *error)
{
    return open_any(out, path, false, warnings, error);
}

enum mur_status mur_nifti_open_image(struct mur_nifti **out, const char *path,
                                     struct mur_warnings *warnings, struct mur_error *error)
{
    return open_any(out, path, true, warnings, error);
}

void mur_nifti_free(struct mur_nifti *nifti)
{
    if (nifti == NULL)
        return;
    mur_nifti_stream_close(&nifti->stream);
    free(nifti->path);
    free(nifti->header_path);
    free(nifti->voxel_path);
    free(nifti->extensions);
    free(nifti->slice);
    free(nifti->held);
    free(nifti);
}

void mur_nifti_stop_when(struct mur_nifti *nifti, const bool *cancelled)
{
    nifti->cancelled = cancelled;
}

const struct mur_nifti_header *mur_nifti_header(const struct mur_nifti *nifti)
{
    return &nifti->header;
}

const char *mur_nifti_path(const struct mur_nifti *nifti)
{
    return nifti->path;
}

uint64_t mur_nifti_voxel_offset(const struct mur_nifti *nifti)
{
    return nifti->single ? nifti->voxel_offset : 0;
}

const uint8_t *mur_nifti_extensions(size_t *length, const struct mur_nifti *nifti)
{
    *length = nifti->extension_length;
    return nifti->extensions;
}

/* ---- voxels --------------------------------------------------------------------------------- */

static void swap_bytes(void *bytes, uint64_t count, unsigned size)
{
    if (size == 2) {
        uint16_t *values = bytes;
        for (uint64_t index = 0; index < count; index++)
            values[index] = __builtin_bswap16(values[index]);
    } else if (size == 4) {
        uint32_t *values = bytes;
        for (uint64_t index = 0; index < count; index++)
            values[index] = __builtin_bswap32(values[index]);
    } else if (size == 8) {
        uint64_t *values = bytes;
        for (uint64_t index = 0; index < count; index++)
            values[index] = __builtin_bswap64(values[index]);
    }
}

static uint64_t claimed_size(const struct mur_nifti *nifti)
{
    return nifti->voxel_offset + nifti->volume_size * nifti->header.volumes;
}

static enum mur_status check_request(const struct mur_nifti *nifti, struct mur_error *error)
{
    if (nifti->cancelled == NULL || !__atomic_load_n(nifti->cancelled, __ATOMIC_RELAXED))
        return MUR_OK;
    return mur_error_set(error, MUR_CANCELLED, "%s: stopped by request", nifti->path);
}

static enum mur_status read_at(struct mur_nifti *nifti, uint64_t offset, uint8_t *bytes,
                               uint64_t length, struct mur_error *error)
{
    struct mur_nifti_stream *stream = &nifti->stream;
    enum mur_status status = MUR_OK;
    if (nifti->compressed && (stream->gzip == NULL || stream->at > offset)) {
        mur_nifti_stream_close(stream);
        status = mur_nifti_stream_open(stream, &(struct stat){0}, nifti->voxel_path, error);
        if (status == MUR_OK && stream->gzip == NULL)
            status = mur_error_set(error, MUR_MISMATCH, "%s: changed while it was read",
                                   nifti->voxel_path);
    }
    if (!nifti->compressed)
        stream->at = offset;
    else if (status == MUR_OK)
        status = mur_nifti_stream_skip(stream, offset - stream->at, nifti->voxel_path,
                                       claimed_size(nifti), error);
    for (uint64_t done = 0; status == MUR_OK && done < length; done += PIECE_SIZE) {
        size_t got = 0, piece = length - done < PIECE_SIZE ? (size_t)(length - done) : PIECE_SIZE;
        status = check_request(nifti, error);
        if (status == MUR_OK)
            status =
                mur_nifti_stream_read(&got, stream, bytes + done, piece, nifti->voxel_path, error);
        if (status == MUR_OK && got < piece)
            return mur_nifti_stream_too_short(error, nifti->voxel_path, stream,
                                              claimed_size(nifti));
    }
    if (status != MUR_OK)
        return status;
    if (nifti->header.big_endian)
        swap_bytes(bytes, length / nifti->header.voxel_size,
                   nifti->header.samples > 1 ? 1 : nifti->header.voxel_size);
    return stream->at == claimed_size(nifti)
               ? mur_nifti_stream_finish(stream, nifti->voxel_path, error)
               : MUR_OK;
}

static enum mur_status check_volume(const struct mur_nifti *nifti, uint32_t volume,
                                    struct mur_error *error)
{
    if (volume < nifti->header.volumes)
        return MUR_OK;
    return mur_error_set(error, MUR_INVALID, "%s: volume %u of %u", nifti->path, volume + 1,
                         nifti->header.volumes);
}

enum mur_status mur_nifti_hold(struct mur_nifti *nifti, uint32_t volume, struct mur_error *error)
{
    enum mur_status status = check_volume(nifti, volume, error);
    if (status != MUR_OK || !nifti->compressed ||
        (nifti->held != NULL && nifti->held_volume == volume))
        return status;
    if (nifti->volume_size > MUR_NIFTI_HELD_LIMIT)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: one volume has %llu bytes, more than the %llu that are held in "
                             "memory for gzip input; uncompress the file first",
                             nifti->path, (unsigned long long)nifti->volume_size,
                             (unsigned long long)MUR_NIFTI_HELD_LIMIT);
    if (nifti->held == NULL)
        nifti->held = malloc((size_t)nifti->volume_size);
    if (nifti->held == NULL)
        return mur_error_no_memory(error);
    status = read_at(nifti, nifti->voxel_offset + volume * nifti->volume_size, nifti->held,
                     nifti->volume_size, error);
    if (status != MUR_OK) {
        free(nifti->held);
        nifti->held = NULL;
        return status;
    }
    nifti->held_volume = volume;
    return MUR_OK;
}

enum mur_status mur_nifti_read_slice(const void **out, struct mur_nifti *nifti, uint32_t volume,
                                     uint32_t slice, struct mur_error *error)
{
    enum mur_status status = check_volume(nifti, volume, error);
    if (status != MUR_OK)
        return status;
    if (slice >= nifti->header.dims[2])
        return mur_error_set(error, MUR_INVALID, "%s: slice %u of %u", nifti->path, slice + 1,
                             nifti->header.dims[2]);
    if (nifti->held != NULL && nifti->held_volume == volume) {
        status = check_request(nifti, error);
        if (status == MUR_OK)
            *out = nifti->held + slice * nifti->slice_size;
        return status;
    }
    if (nifti->slice == NULL)
        nifti->slice = malloc((size_t)nifti->slice_size);
    if (nifti->slice == NULL)
        return mur_error_no_memory(error);
    status = read_at(nifti,
                     nifti->voxel_offset + volume * nifti->volume_size + slice * nifti->slice_size,
                     nifti->slice, nifti->slice_size, error);
    if (status == MUR_OK)
        *out = nifti->slice;
    return status;
}

enum mur_status mur_nifti_check_unchanged(const struct mur_nifti *nifti, struct mur_error *error)
{
    struct stat now;
    if (stat(nifti->voxel_path, &now) != 0)
        return mur_error_set_errno(error, errno, "%s", nifti->voxel_path);
    if (now.st_size != nifti->opened.st_size || now.st_ino != nifti->opened.st_ino ||
        now.st_mtim.tv_sec != nifti->opened.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != nifti->opened.st_mtim.tv_nsec)
        return mur_error_set(error, MUR_MISMATCH, "%s: changed while it was read", nifti->path);
    return MUR_OK;
}

/* Bytes of a NIfTI file in their order. */
#include <errno.h>
#include <fcntl.h>
#include <nifti2_io.h>
#include <stdlib.h>
#include <unistd.h>

#include "converters/nifti_internal.h"
#include "core/file.h"
#include "core/own.h"

enum {
    SKIP_SIZE = 256 * 1024,
    TAIL_SIZE = 64 * 1024, /* read beyond the voxels to reach the checksum */
};

void mur_nifti_stream_close(struct mur_nifti_stream *stream)
{
    if (stream->gzip != NULL)
        (void)znzclose(stream->gzip);
    if (stream->descriptor >= 0)
        (void)close(stream->descriptor);
    *stream = (struct mur_nifti_stream){.gzip = NULL, .descriptor = -1, .at = 0};
}

enum mur_status mur_nifti_stream_open(struct mur_nifti_stream *out, struct stat *details,
                                      const char *path, struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0 || fstat(descriptor, details) != 0)
        return mur_error_set_errno(error, errno, "%s", path);
    if (!S_ISREG(details->st_mode))
        return mur_error_set(error, MUR_INVALID, "%s: not a regular file", path);
    uint8_t magic[2] = {0, 0};
    size_t got = 0;
    enum mur_status status = mur_pread_full(&got, descriptor, magic, sizeof magic, 0, path, error);
    if (status != MUR_OK)
        return status;
    struct mur_nifti_stream stream = {.gzip = NULL, .descriptor = -1, .at = 0};
    if (got == 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
        stream.gzip = znzopen(path, "rb", 1);
        if (stream.gzip == NULL)
            return mur_error_set(error, MUR_IO, "%s: cannot be opened as gzip", path);
    } else {
        stream.descriptor = mur_steal_descriptor(&descriptor);
    }
    *out = stream;
    return MUR_OK;
}

enum mur_status mur_nifti_stream_read(size_t *out, struct mur_nifti_stream *stream, void *bytes,
                                      size_t length, const char *path, struct mur_error *error)
{
    size_t got = 0;
    if (stream->gzip != NULL) {
        got = znzread(bytes, 1, length, stream->gzip);
        if (got > length) /* a negative count */
            return mur_error_set(error, MUR_PARSE,
                                 "%s: the gzip stream is damaged after %llu bytes", path,
                                 (unsigned long long)stream->at);
    } else {
        enum mur_status status =
            mur_pread_full(&got, stream->descriptor, bytes, length, (off_t)stream->at, path, error);
        if (status != MUR_OK)
            return status;
    }
    stream->at += got;
    *out = got;
    return MUR_OK;
}

enum mur_status mur_nifti_stream_too_short(struct mur_error *error, const char *path,
                                           const struct mur_nifti_stream *stream, uint64_t claimed)
{
    return mur_error_set(error, MUR_PARSE,
                         "%s: truncated: ends after %llu%s bytes, its header claims %llu", path,
                         (unsigned long long)stream->at,
                         stream->gzip != NULL ? " uncompressed" : "", (unsigned long long)claimed);
}

enum mur_status mur_nifti_stream_skip(struct mur_nifti_stream *stream, uint64_t length,
                                      const char *path, uint64_t claimed, struct mur_error *error)
{
    if (stream->gzip == NULL) {
        stream->at += length;
        return MUR_OK;
    }
    MUR_AUTO_FREE uint8_t *waste = malloc(SKIP_SIZE);
    if (waste == NULL)
        return mur_error_no_memory(error);
    while (length > 0) {
        size_t got = 0;
        size_t wanted = length < SKIP_SIZE ? (size_t)length : SKIP_SIZE;
        enum mur_status status = mur_nifti_stream_read(&got, stream, waste, wanted, path, error);
        if (status != MUR_OK)
            return status;
        if (got < wanted)
            return mur_nifti_stream_too_short(error, path, stream, claimed);
        length -= got;
    }
    return MUR_OK;
}

enum mur_status mur_nifti_stream_finish(struct mur_nifti_stream *stream, const char *path,
                                        struct mur_error *error)
{
    if (stream->gzip == NULL)
        return MUR_OK;
    MUR_AUTO_FREE uint8_t *tail = malloc(TAIL_SIZE);
    if (tail == NULL)
        return mur_error_no_memory(error);
    size_t got = 0;
    enum mur_status status = mur_nifti_stream_read(&got, stream, tail, TAIL_SIZE, path, error);
    if (status != MUR_OK || got == TAIL_SIZE)
        return status;
    int closed = znzclose(stream->gzip);
    stream->gzip = NULL;
    if (closed != 0)
        return mur_error_set(error, MUR_PARSE, "%s: the gzip stream ends before its checksum",
                             path);
    return MUR_OK;
}

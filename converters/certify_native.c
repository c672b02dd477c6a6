#include "converters/certify_native.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "core/file.h"
#include "core/own.h"
#include "core/text.h"

enum { PIECE = 256 * 1024 };

/* Bytes and digest from the Data Set's first byte to the end of the file. */
static enum mur_status digest_stored(struct mur_certificate_object *object,
                                     const struct mur_native_file *file, uint8_t *piece,
                                     struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    uint8_t bytes[MUR_SHA256_SIZE];
    uint64_t length = 0;
    MUR_AUTO_CLOSE int descriptor = open(file->stored, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return mur_error_set_errno(error, errno, "%s", file->stored);
    enum mur_status status = mur_sha256_create(&digest, error);
    for (size_t got = PIECE; status == MUR_OK && got == PIECE;) {
        status = mur_pread_full(&got, descriptor, piece, PIECE, (off_t)(file->offset + length),
                                file->stored, error);
        length += got;
        if (status == MUR_OK)
            status = mur_sha256_update(digest, piece, got, error);
    }
    if (status == MUR_OK)
        status = mur_sha256_finish(bytes, digest, error);
    if (status != MUR_OK)
        return status;
    object->bytes[MUR_SIDE_CONVERTED] = length;
    mur_hex_write(object->sha256[MUR_SIDE_CONVERTED], bytes, sizeof bytes);
    return MUR_OK;
}

static enum mur_status compare(struct mur_certificate *out,
                               const struct mur_certificate_object *object, const char *name,
                               struct mur_error *error)
{
    if (object->same_content ||
        strcmp(object->sha256[MUR_SIDE_ORIGINAL], object->sha256[MUR_SIDE_CONVERTED]) == 0)
        return MUR_OK;
    return mur_certificate_fail(out, error,
                                "%s: instance %s is stored with other bytes: %" PRIu64
                                " with SHA-256 %s, the file has %" PRIu64 " with %s",
                                name, object->sop_instance, object->bytes[MUR_SIDE_CONVERTED],
                                object->sha256[MUR_SIDE_CONVERTED],
                                object->bytes[MUR_SIDE_ORIGINAL],
                                object->sha256[MUR_SIDE_ORIGINAL]);
}

enum mur_status mur_certify_native(struct mur_certificate *out, const struct mur_native_file *files,
                                   size_t count, struct mur_error *error)
{
    MUR_AUTO_FREE uint8_t *piece = malloc(PIECE);
    out->kind = MUR_CERTIFIES_NATIVE;
    out->passed = true;
    out->files = calloc(count + 1, sizeof *out->files);
    out->objects = calloc(count + 1, sizeof *out->objects);
    if (piece == NULL || out->files == NULL || out->objects == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < count; index++) {
        struct mur_certificate_object *object = &out->objects[index];
        *object = files[index].object;
        status = digest_stored(object, &files[index], piece, error);
        if (status == MUR_OK)
            status = mur_text_copy(&out->files[index], mur_slice_of(files[index].name), error);
        if (status != MUR_OK)
            return status;
        out->file_count = out->object_count = index + 1;
        /* A folder may hold a file twice. */
        if (index == 0 || strcmp(object->sop_instance, object[-1].sop_instance) != 0)
            out->instances++;
        status = compare(out, object, files[index].name, error);
    }
    return status;
}

#include "archive/stored_header.h"

#include <stdint.h>

#include "archive/internal.h"
#include "core/compress.h"

enum { HEADER_LIMIT_GIB = 8 };

enum mur_status mur_archive_read_header(bool *complete, struct mur_buffer *out,
                                        struct mur_archive *archive,
                                        const struct mur_instance *instance,
                                        struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_read_header(complete, out, reader, instance->id, error);
    mur_reader_return(archive, reader);
    return status;
}

static enum mur_status drop_bytes(void *user, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    (void)user;
    (void)bytes;
    (void)length;
    (void)error;
    return MUR_OK;
}

enum mur_status mur_sidecar_read(int descriptor, struct mur_error *error)
{
    return mur_zstd_read((struct mur_sink){.write = drop_bytes}, descriptor, UINT64_MAX, error);
}

enum mur_status mur_sidecar_is_whole(bool *out, const struct mur_archive *archive,
                                     const struct mur_instance *instance, struct mur_error *error)
{
    struct mur_object_name name = mur_name_of(instance);
    struct mur_error reason = MUR_ERROR_INIT;
    MUR_AUTO_CLOSE int file = -1;
    enum mur_status status =
        mur_store_open_object(&file, archive->store, &name, ".json.zst", &reason);
    if (status == MUR_OK)
        status = mur_sidecar_read(file, &reason);
    if (status == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    *out = status == MUR_OK;
    return MUR_OK;
}

/* The file beside the object. */
static enum mur_status write_sidecar(struct mur_sink sink, struct mur_archive *archive,
                                     const struct mur_instance *instance, struct mur_error *error)
{
    struct mur_object_name name = mur_name_of(instance);
    MUR_AUTO_CLOSE int file = -1;
    enum mur_status status =
        mur_store_open_object(&file, archive->store, &name, ".json.zst", error);
    if (status == MUR_NOT_FOUND)
        return mur_error_set(error, MUR_CORRUPT, "the header of instance %s is missing",
                             instance->sop_instance);
    if (status == MUR_OK)
        status = mur_zstd_read(sink, file, (uint64_t)HEADER_LIMIT_GIB << 30, error);
    return status;
}

enum mur_status mur_archive_write_header(struct mur_sink sink, struct mur_archive *archive,
                                         const struct mur_instance *instance,
                                         struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer kept = MUR_BUFFER_INIT;
    bool complete = false;
    enum mur_status status = mur_archive_read_header(&complete, &kept, archive, instance, error);
    if (status != MUR_OK)
        return status;
    return complete ? sink.write(sink.user, kept.data, kept.length, error)
                    : write_sidecar(sink, archive, instance, error);
}

enum mur_status mur_archive_series_state(int64_t state[2], struct mur_archive *archive,
                                         const char *study_uid, const char *series_uid,
                                         struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status =
            mur_database_series_state(&state[0], &state[1], reader, study_uid, series_uid, error);
    mur_reader_return(archive, reader);
    return status;
}

/* Runs of a Data Set, whatever its encoding. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "core/compress.h"
#include "core/file.h"
#include "dicom/transfer_syntax.h"
#include "web/wado.h"

enum { BLOCK = 64 * 1024 }; /* whole numbers of any width */

/* Lets a run of what passes through to another sink. */
struct window {
    struct mur_sink sink;
    uint64_t position, begin, end;
};

static enum mur_status take_window(void *user, const void *bytes, size_t length,
                                   struct mur_error *error)
{
    struct window *window = user;
    uint64_t from = window->position > window->begin ? window->position : window->begin;
    uint64_t to = window->position + length < window->end ? window->position + length : window->end;
    const char *at = (const char *)bytes + (from - window->position);
    window->position += length;
    return from < to ? window->sink.write(window->sink.user, at, (size_t)(to - from), error)
                     : MUR_OK;
}

static enum mur_status inflate_run(struct mur_sink sink, const struct mur_instance *instance,
                                   int descriptor, const struct mur_run *run,
                                   struct mur_error *error)
{
    struct window window = {.sink = sink, .begin = run->offset, .end = run->offset + run->length};
    const struct mur_sink through = {.write = take_window, .user = &window};
    MUR_AUTO(mur_inflate) *inflater = NULL;
    MUR_AUTO_FREE char *block = malloc(BLOCK);
    if (block == NULL)
        return mur_error_no_memory(error);
    /* It was scanned when it came: a block beyond the run is the most that it yields too much. */
    enum mur_status status = mur_inflate_create(&inflater, UINT64_MAX, error);
    for (uint64_t done = 0;
         status == MUR_OK && done < instance->length && window.position < window.end;) {
        size_t got = 0;
        size_t wanted = instance->length - done < BLOCK ? (size_t)(instance->length - done) : BLOCK;
        status = mur_pread_full(&got, descriptor, block, wanted, (off_t)(instance->offset + done),
                                instance->sop_instance, error);
        if (status == MUR_OK)
            status = mur_inflate_write(inflater, through, block, got, error);
        done += got == 0 ? instance->length : got;
    }
    if (status == MUR_OK && window.position < window.end)
        status = mur_error_set(error, MUR_CORRUPT, "instance %s inflates to too little",
                               instance->sop_instance);
    return status;
}

static void swap(char *bytes, size_t length, unsigned width)
{
    for (size_t i = 0; i + width <= length; i += width)
        for (size_t k = 0; k < width / 2; k++) {
            char kept = bytes[i + k];
            bytes[i + k] = bytes[i + width - 1 - k];
            bytes[i + width - 1 - k] = kept;
        }
}

static enum mur_status swap_run(struct mur_sink sink, const struct mur_instance *instance,
                                int descriptor, const struct mur_run *run, unsigned width,
                                struct mur_error *error)
{
    MUR_AUTO_FREE char *block = malloc(BLOCK);
    if (block == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (uint64_t done = 0; status == MUR_OK && done < run->length;) {
        size_t got = 0;
        size_t wanted = run->length - done < BLOCK ? (size_t)(run->length - done) : BLOCK;
        status = mur_pread_full(&got, descriptor, block, wanted,
                                (off_t)(instance->offset + run->offset + done),
                                instance->sop_instance, error);
        if (status == MUR_OK && got != wanted)
            status = mur_error_set(error, MUR_CORRUPT, "instance %s is cut short",
                                   instance->sop_instance);
        if (status != MUR_OK)
            break;
        swap(block, got, width);
        status = sink.write(sink.user, block, got, error);
        done += got;
    }
    return status;
}

enum mur_status mur_wado_value(struct mur_body *out, const struct mur_exchange *exchange,
                               const struct mur_instance *instance, int descriptor,
                               const struct mur_run *run, unsigned width, struct mur_error *error)
{
    unsigned flags = mur_transfer_syntax_flags(instance->transfer_syntax);
    bool swapped = (flags & MUR_TS_BIG_ENDIAN) != 0 && width > 1;
    if ((flags & MUR_TS_DEFLATED) == 0 && !swapped) {
        int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
        if (own < 0)
            return mur_error_set_errno(error, errno, "%s", instance->sop_instance);
        *out = (struct mur_body){
            .memory = MUR_BUFFER_INIT,
            .descriptor = own,
            .run = {.offset = instance->offset + run->offset, .length = run->length}};
        return MUR_OK;
    }
    if (!swapped && run->length > exchange->config->dicom_transcode_memory)
        return mur_error_set(
            error, MUR_LIMIT, "%.1f MB to be inflated, dicom.transcode_memory is %.1f MB",
            (double)run->length / 1e6, (double)exchange->config->dicom_transcode_memory / 1e6);
    MUR_AUTO_SPOOL struct mur_spool spool =
        MUR_SPOOL_INIT(mur_archive_directory(exchange->archive));
    struct mur_sink sink = mur_spool_sink(&spool);
    enum mur_status status = swapped ? swap_run(sink, instance, descriptor, run, width, error)
                                     : inflate_run(sink, instance, descriptor, run, error);
    if (status == MUR_OK)
        *out = mur_spool_take(&spool);
    return status;
}

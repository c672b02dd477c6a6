#include "web/wado_object.h"

#include <stdio.h>
#include <string.h>

#include "archive/coerce.h"
#include "dicom/part10.h"
#include "dicom/transfer_syntax.h"

enum mur_status mur_wado_measure(struct mur_measure *out, const struct mur_exchange *exchange,
                                 const struct mur_instance *instance, int descriptor,
                                 struct mur_error *error)
{
    enum mur_status status =
        mur_measure_file(out, descriptor, instance->offset, instance->transfer_syntax,
                         exchange->config->dicom_transcode_memory, instance->sop_instance, error);
    return status == MUR_LIMIT ? mur_error_prefix(error, "dicom.transcode_memory") : status;
}

enum mur_status mur_wado_load(struct mur_dataset **out, int descriptor,
                              enum mur_dataset_extent extent, struct mur_error *error)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return mur_dataset_load(out, path, extent, error);
}

/* What converting takes: values of native objects stay in the file until they are written, a few at
 * a time; those that are decoded, inflated or swapped are held as a whole. */
static uint64_t memory_for(const struct mur_measure *measure, const struct mur_instance *instance,
                           bool as_stored)
{
    enum { VALUES_UNDER_WAY = 1 << 20 };
    unsigned flags = mur_transfer_syntax_flags(instance->transfer_syntax);
    if ((flags & (MUR_TS_ENCAPSULATED | MUR_TS_DEFLATED | MUR_TS_BIG_ENDIAN)) != 0)
        return as_stored ? mur_measure_written(measure) : mur_measure_decoded(measure);
    uint64_t memory = mur_measure_loaded(measure);
    return memory < UINT64_MAX - VALUES_UNDER_WAY ? memory + VALUES_UNDER_WAY : memory;
}

static enum mur_status write_file(struct mur_sink sink, struct mur_dataset *dataset,
                                  const struct mur_instance *instance, const char *syntax,
                                  struct mur_error *error)
{
    struct mur_part10 head = {.offset = 0};
    (void)snprintf(head.transfer_syntax, sizeof head.transfer_syntax, "%s", syntax);
    (void)snprintf(head.sop_class, sizeof head.sop_class, "%s", instance->sop_class);
    (void)snprintf(head.sop_instance, sizeof head.sop_instance, "%s", instance->sop_instance);
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    enum mur_status status = mur_part10_write(&bytes, &head, error);
    if (status == MUR_OK)
        status = sink.write(sink.user, bytes.data, bytes.length, error);
    return status == MUR_OK ? mur_dataset_write(dataset, syntax, sink, error) : status;
}

/* The header tells whether the rest is needed. */
static enum mur_status would_change(bool *out, const struct mur_exchange *exchange,
                                    const struct mur_instance *instance, int descriptor,
                                    const struct mur_measure *size, struct mur_error *error)
{
    uint64_t memory = mur_measure_loaded(size);
    MUR_AUTO(mur_dataset) *header = NULL;
    enum mur_status status = mur_wado_take_memory(exchange, memory, error);
    if (status != MUR_OK)
        return status;
    status = mur_wado_load(&header, descriptor, MUR_HEADER, error);
    if (status == MUR_OK)
        status = mur_archive_coerce(out, header, exchange->archive, instance, error);
    mur_dataset_free(MUR_STEAL(header));
    mur_wado_give_memory(exchange, memory);
    return status;
}

/* @param[out] made  false: the file says all that, nothing was made */
static enum mur_status convert(bool *made, struct mur_spool *spool,
                               const struct mur_exchange *exchange,
                               const struct mur_instance *instance, int descriptor,
                               const char *syntax, struct mur_error *error)
{
    bool as_stored = strcmp(syntax, instance->transfer_syntax) == 0;
    bool changed = false;
    struct mur_measure size = {.length = 0};
    enum mur_status status = mur_wado_measure(&size, exchange, instance, descriptor, error);
    if (status == MUR_OK && as_stored) {
        status = would_change(&changed, exchange, instance, descriptor, &size, error);
        if (status != MUR_OK || !changed)
            return status;
    }
    uint64_t memory = memory_for(&size, instance, as_stored);
    if (status == MUR_OK)
        status = mur_wado_take_memory(exchange, memory, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    status = mur_wado_load(&dataset, descriptor, MUR_WHOLE, error);
    if (status == MUR_OK && exchange->config->export_coerce)
        status = mur_archive_coerce(&changed, dataset, exchange->archive, instance, error);
    if (status == MUR_OK)
        status = write_file(mur_spool_sink(spool), dataset, instance, syntax, error);
    mur_dataset_free(MUR_STEAL(dataset));
    mur_wado_give_memory(exchange, memory);
    if (status == MUR_OK)
        *made = true;
    return status;
}

enum mur_status mur_wado_object(struct mur_body *out, const struct mur_exchange *exchange,
                                const struct mur_instance *instance, const char *transfer_syntax,
                                struct mur_error *error)
{
    MUR_AUTO_CLOSE int file = -1;
    MUR_AUTO_SPOOL struct mur_spool spool =
        MUR_SPOOL_INIT(mur_archive_directory(exchange->archive));
    bool made = false;
    enum mur_status status = mur_wado_open(&file, exchange, instance, error);
    if (status == MUR_OK && (exchange->config->export_coerce ||
                             strcmp(transfer_syntax, instance->transfer_syntax) != 0))
        status = convert(&made, &spool, exchange, instance, file, transfer_syntax, error);
    if (status != MUR_OK)
        return status;
    if (made)
        *out = mur_spool_take(&spool);
    else
        *out =
            (struct mur_body){.memory = MUR_BUFFER_INIT,
                              .descriptor = mur_steal_descriptor(&file),
                              .run = {.offset = 0, .length = instance->offset + instance->length}};
    return MUR_OK;
}

#include "scu/retrieve.h"

#include <stdlib.h>

#include "core/own.h"
#include "core/text.h"
#include "dicom/attribute.h"
#include "dicom/data_set.h"

void mur_retrieval_result_free(struct mur_retrieval_result *result)
{
    free(result->failed_uids);
    result->failed_uids = NULL;
}

/* Failed SOP Instance UID List (0008,0058); a list that is no Data Set is passed over. */
static enum mur_status take_list(struct mur_retrieval_result *result, struct mur_exchange *exchange,
                                 uint8_t context_id, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    bool too_long = false;
    enum mur_status status =
        mur_message_read_identifier(&data, &too_long, exchange->association, context_id,
                                    MUR_ANSWER_LIMIT, exchange->client->dimse_ms, error);
    const char *list = NULL;
    if (status != MUR_OK || too_long || context_id != exchange->context.id ||
        mur_dataset_read(&dataset, mur_buffer_text(&data), data.length,
                         exchange->context.accepted_transfer_syntax, NULL) != MUR_OK ||
        mur_dataset_get_string(&list, dataset, MUR_TAG_FailedSOPInstanceUIDList, NULL) != MUR_OK)
        return status;
    free(result->failed_uids);
    result->failed_uids = NULL;
    return mur_text_copy(&result->failed_uids, mur_slice_of(list), error);
}

enum mur_status mur_retrieval_take(struct mur_retrieval_result *result, bool *last,
                                   struct mur_exchange *exchange,
                                   const struct mur_command *response, uint8_t context_id,
                                   const struct mur_progress *progress, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (response->has_data_set)
        status = take_list(result, exchange, context_id, error);
    if (status != MUR_OK)
        return status;
    /* Counts are optional in some responses: what is not told stays as it was. */
    if ((response->has & MUR_HAS_COMPLETED) != 0)
        result->completed = response->completed;
    if ((response->has & MUR_HAS_FAILED) != 0)
        result->failed = response->failed;
    if ((response->has & MUR_HAS_WARNING) != 0)
        result->warning = response->warning;
    *last = !mur_dimse_status_is_pending(response->status);
    if ((response->has & MUR_HAS_REMAINING) != 0)
        result->remaining = response->remaining;
    else if (*last)
        result->remaining = 0;
    uint64_t done = (uint64_t)result->completed + result->failed + result->warning;
    mur_progress_update(progress, done, done + result->remaining, NULL);
    if (*last)
        mur_exchange_end(&result->outcome, exchange, response);
    return MUR_OK;
}

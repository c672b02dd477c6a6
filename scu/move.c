#include "scu/move.h"

#include <stdio.h>

#include "core/own.h"
#include "dicom/transfer_syntax.h"
#include "scu/extended.h"
#include "scu/find.h"

/* @return other than MUR_OK: the association is over */
static enum mur_status take_responses(struct mur_retrieval_result *result,
                                      struct mur_exchange *exchange,
                                      const struct mur_move_options *options,
                                      struct mur_error *error)
{
    const struct mur_receiver *receiver = options->receiver;
    for (bool last = false; !last;) {
        struct mur_command response;
        uint8_t context_id = 0;
        enum mur_status status = mur_exchange_next(&response, &context_id, exchange, error);
        if (status == MUR_OK && !mur_exchange_is_answer(exchange, &response))
            return mur_exchange_breach(exchange, &response, error);
        if (status == MUR_OK)
            status = mur_retrieval_take(result, &last, exchange, &response, context_id,
                                        &options->progress, error);
        if (status == MUR_OK && !last && receiver != NULL && mur_receiver_is_full(receiver))
            status = mur_exchange_cancel(exchange, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

enum mur_status mur_scu_move(struct mur_retrieval_result *out,
                             const struct mur_move_options *options, struct mur_error *error)
{
    static const char *const syntaxes[] = {mur_uid_ExplicitVRLittleEndian,
                                           mur_uid_ImplicitVRLittleEndian};
    const char *model = mur_model_sop_class(options->model, MUR_C_MOVE_RQ);
    const struct mur_context_proposal context = {
        .abstract_syntax = model,
        .transfer_syntaxes = syntaxes,
        .transfer_syntax_count = MUR_COUNT(syntaxes),
    };
    struct mur_exchange exchange = {.client = &options->client, .message_id = 1};
    struct mur_command request = {.field = MUR_C_MOVE_RQ, .has = MUR_HAS_MOVE_DESTINATION};
    (void)snprintf(request.affected_sop_class_uid, sizeof request.affected_sop_class_uid, "%s",
                   model);
    (void)snprintf(request.move_destination, sizeof request.move_destination, "%s",
                   options->destination);
    struct mur_extended_proposal extended;
    uint8_t bytes[MUR_EXTENDED_SIZE];
    unsigned needs = mur_retrieval_needs(options->identifier, options->model);
    bool proposes = mur_extended_propose(&extended, bytes, model, needs);
    *out = (struct mur_retrieval_result){.completed = 0};
    enum mur_status status = mur_client_connect(&exchange.association, &options->client, &context,
                                                1, proposes ? &extended : NULL, error);
    if (status == MUR_OK)
        out->relational_not_agreed =
            mur_extended_unmet(exchange.association, model, needs) != MUR_NEED_NONE;
    if (status == MUR_OK)
        status = mur_exchange_begin(&exchange, &request, options->identifier, error);
    if (status == MUR_OK)
        status = take_responses(out, &exchange, options, error);
    mur_client_release(exchange.association, &options->client);
    return status;
}

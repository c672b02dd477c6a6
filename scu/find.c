#include "scu/find.h"

#include <stdio.h>

#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"
#include "scu/extended.h"

struct query {
    const struct mur_find_options *options;
    struct mur_find_result *result;
    struct mur_exchange *exchange;
    struct mur_buffer data;
    uint64_t answers;     /* of this query */
    enum mur_status told; /* what on_answer returned; no more answers are handed to it then */
    struct mur_error reason;
};

const char *mur_model_sop_class(enum mur_model model, uint16_t field)
{
    bool study = model == MUR_MODEL_STUDY_ROOT;
    if (field == MUR_C_FIND_RQ)
        return study ? mur_uid_StudyRootQueryRetrieveInformationModelFind
                     : mur_uid_PatientRootQueryRetrieveInformationModelFind;
    if (field == MUR_C_MOVE_RQ)
        return study ? mur_uid_StudyRootQueryRetrieveInformationModelMove
                     : mur_uid_PatientRootQueryRetrieveInformationModelMove;
    return study ? mur_uid_StudyRootQueryRetrieveInformationModelGet
                 : mur_uid_PatientRootQueryRetrieveInformationModelGet;
}

/* @return other than MUR_OK: the association is over */
static enum mur_status take_answer(struct query *query, const struct mur_command *response,
                                   struct mur_error *error)
{
    struct mur_exchange *exchange = query->exchange;
    bool too_long = false;
    enum mur_status status = mur_message_read_identifier(
        &query->data, &too_long, exchange->association, exchange->context.id, MUR_ANSWER_LIMIT,
        exchange->client->dimse_ms, error);
    uint64_t limit = query->options->limit;
    if (status != MUR_OK || query->told != MUR_OK || (limit > 0 && query->answers == limit))
        return status; /* answers that were under way when the query was cancelled */
    struct mur_find_answer answer = {
        .bytes = mur_buffer_text(&query->data),
        .length = query->data.length,
        .transfer_syntax = exchange->context.accepted_transfer_syntax,
        .unsupported_keys = response->status == 0xFF01,
    };
    if (too_long)
        query->told = mur_error_set(&query->reason, MUR_LIMIT, "an answer is longer than %d bytes",
                                    MUR_ANSWER_LIMIT);
    else
        query->told = query->options->on_answer(query->options->user, &answer, &query->reason);
    query->answers++;
    query->result->answers++;
    query->result->unsupported_keys |= answer.unsupported_keys;
    if (query->told != MUR_OK || query->answers == limit)
        return mur_exchange_cancel(exchange, error);
    return MUR_OK;
}

/* @return other than MUR_OK: the association is over */
static enum mur_status take_answers(struct query *query, struct mur_error *error)
{
    struct mur_exchange *exchange = query->exchange;
    for (;;) {
        struct mur_command response;
        uint8_t context_id = 0;
        enum mur_status status = mur_exchange_next(&response, &context_id, exchange, error);
        if (status != MUR_OK)
            return status;
        bool pending = mur_dimse_status_is_pending(response.status);
        if (!mur_exchange_is_answer(exchange, &response) || context_id != exchange->context.id ||
            (pending && !response.has_data_set))
            return mur_exchange_breach(exchange, &response, error);
        if (pending) {
            status = take_answer(query, &response, error);
            if (status != MUR_OK)
                return status;
            continue;
        }
        bool too_long = false;
        if (response.has_data_set)
            status = mur_message_read_identifier(&query->data, &too_long, exchange->association,
                                                 context_id, MUR_ANSWER_LIMIT,
                                                 exchange->client->dimse_ms, error);
        if (status == MUR_OK)
            mur_exchange_end(&query->result->outcome, exchange, &response);
        return status;
    }
}

static enum mur_status ask(struct mur_find_result *result, struct mur_exchange *exchange,
                           const struct mur_find_options *options, struct mur_dataset *identifier,
                           struct mur_error *error)
{
    struct query query = {.options = options, .result = result, .exchange = exchange};
    struct mur_command request = {.field = MUR_C_FIND_RQ};
    (void)snprintf(request.affected_sop_class_uid, sizeof request.affected_sop_class_uid, "%s",
                   mur_model_sop_class(options->model, MUR_C_FIND_RQ));
    enum mur_status status = mur_exchange_begin(exchange, &request, identifier, error);
    if (status == MUR_OK)
        status = take_answers(&query, error);
    mur_buffer_free(&query.data);
    if (query.told == MUR_OK)
        return status;
    if (error != NULL)
        *error = query.reason;
    return query.told;
}

/* A peer without agreement to relational queries may well answer them; dates and times it would
 * match in another way than was meant. */
static enum mur_status judge_agreement(struct mur_find_result *result,
                                       const struct mur_association *association,
                                       const char *sop_class, unsigned needs,
                                       struct mur_error *error)
{
    unsigned unmet = mur_extended_unmet(association, sop_class, needs);
    struct mur_presentation_context context;
    result->relational_not_agreed = (unmet & MUR_NEED_RELATIONAL) != 0;
    enum mur_status status = mur_client_find_context(&context, association, sop_class, error);
    if (status == MUR_OK && (unmet & MUR_NEED_DATETIME) != 0)
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "the peer does not match a date and a time as one; ask for the dates "
                             "alone, or for each day by itself");
    return status;
}

enum mur_status mur_scu_find(struct mur_find_result *out, const struct mur_find_options *options,
                             struct mur_error *error)
{
    static const char *const syntaxes[] = {mur_uid_ExplicitVRLittleEndian,
                                           mur_uid_ImplicitVRLittleEndian};
    const struct mur_context_proposal context = {
        .abstract_syntax = mur_model_sop_class(options->model, MUR_C_FIND_RQ),
        .transfer_syntaxes = syntaxes,
        .transfer_syntax_count = MUR_COUNT(syntaxes),
    };
    struct mur_find_result result = {.answers = 0};
    struct mur_exchange exchange = {.client = &options->client};
    struct mur_extended_proposal extended;
    uint8_t bytes[MUR_EXTENDED_SIZE];
    unsigned needs = MUR_NEED_NONE;
    for (size_t i = 0; i < options->identifier_count; i++)
        needs |=
            mur_query_needs(options->identifiers[i], options->model, options->combined_datetime);
    bool proposes = mur_extended_propose(&extended, bytes, context.abstract_syntax, needs);
    enum mur_status status = mur_client_connect(&exchange.association, &options->client, &context,
                                                1, proposes ? &extended : NULL, error);
    if (status == MUR_OK)
        status =
            judge_agreement(&result, exchange.association, context.abstract_syntax, needs, error);
    for (size_t i = 0; status == MUR_OK && i < options->identifier_count; i++) {
        if (result.outcome.status != 0 || mur_client_cancelled(&options->client))
            break;
        exchange.message_id = (uint16_t)(i + 1);
        status = ask(&result, &exchange, options, options->identifiers[i], error);
    }
    mur_client_release(exchange.association, &options->client);
    if (status == MUR_OK)
        *out = result;
    return status;
}

#include "scu/echo.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

/* @return other than MUR_OK: the association is over */
static enum mur_status echo_once(struct mur_outcome *out, struct mur_exchange *exchange,
                                 struct mur_error *error)
{
    struct mur_command request = {.field = MUR_C_ECHO_RQ};
    (void)snprintf(request.affected_sop_class_uid, sizeof request.affected_sop_class_uid, "%s",
                   mur_uid_Verification);
    struct mur_command response;
    uint8_t context_id = 0;
    enum mur_status status = mur_exchange_begin(exchange, &request, NULL, error);
    if (status == MUR_OK)
        status = mur_exchange_next(&response, &context_id, exchange, error);
    if (status != MUR_OK)
        return status;
    if (!mur_exchange_is_answer(exchange, &response) || response.has_data_set)
        return mur_exchange_breach(exchange, &response, error);
    mur_exchange_end(out, exchange, &response);
    return MUR_OK;
}

static enum mur_status echo_all(struct mur_echo_result *result, struct mur_association *association,
                                const struct mur_client *client, unsigned count,
                                struct mur_error *error)
{
    struct mur_exchange exchange = {.client = client, .association = association};
    int64_t sum_us = 0;
    while (result->count < count && !mur_client_cancelled(client)) {
        int64_t begun_us = mur_clock_now_us();
        exchange.message_id++;
        enum mur_status status = echo_once(&result->outcome, &exchange, error);
        if (status != MUR_OK)
            return status;
        int64_t took_us = mur_clock_now_us() - begun_us;
        result->count++;
        sum_us += took_us;
        result->mean_us = sum_us / result->count;
        if (result->count == 1 || took_us < result->least_us)
            result->least_us = took_us;
        if (result->outcome.status != 0)
            break;
    }
    result->outcome.cancelled = result->count < count && mur_client_cancelled(client);
    return MUR_OK;
}

enum mur_status mur_scu_echo(struct mur_echo_result *out, const struct mur_client *client,
                             unsigned count, struct mur_error *error)
{
    static const char *const syntaxes[] = {mur_uid_ImplicitVRLittleEndian,
                                           mur_uid_ExplicitVRLittleEndian};
    const struct mur_context_proposal context = {
        .abstract_syntax = mur_uid_Verification,
        .transfer_syntaxes = syntaxes,
        .transfer_syntax_count = MUR_COUNT(syntaxes),
    };
    struct mur_association *association = NULL;
    struct mur_echo_result result = {.count = 0};
    int64_t begun_us = mur_clock_now_us();
    enum mur_status status = mur_client_connect(&association, client, &context, 1, NULL, error);
    if (status != MUR_OK)
        return status;
    result.associate_us = mur_clock_now_us() - begun_us;
    result.max_pdu = mur_association_peer_max_pdu(association);
    (void)snprintf(result.implementation, sizeof result.implementation, "%s",
                   mur_association_peer_implementation(association));
    status = echo_all(&result, association, client, count, error);
    mur_client_release(association, client);
    if (status == MUR_OK)
        *out = result;
    return status;
}

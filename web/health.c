/* Whether the node works, for whoever supervises it. */
#include <microhttpd.h>

#include "archive/overview.h"
#include "core/json_write.h"
#include "web/route.h"

static enum mur_status answer(struct mur_exchange *exchange, unsigned code, const char *state,
                              const char *reason, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&body));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "status", state);
    if (reason != NULL)
        mur_json_member_string(&json, "reason", reason);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    if (status == MUR_OK)
        status = mur_answer_buffer(exchange, code, "application/json", &body, error);
    return status == MUR_OK ? mur_answer_header(exchange, "Cache-Control", "no-store", error)
                            : status;
}

/* It runs. */
enum mur_status mur_web_health_live(struct mur_exchange *exchange, struct mur_error *error)
{
    return answer(exchange, MHD_HTTP_OK, "live", NULL, error);
}

/* It can answer questions. */
enum mur_status mur_web_health(struct mur_exchange *exchange, struct mur_error *error)
{
    struct mur_arrivals arrivals; /* the cheapest question to the index */
    struct mur_error reason = MUR_ERROR_INIT;
    if (mur_archive_arrivals(&arrivals, exchange->archive, INT64_MAX, &reason) != MUR_OK)
        return answer(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready", reason.message, error);
    return answer(exchange, MHD_HTTP_OK, "ready", NULL, error);
}

/* C-GET (PS3.4 C.4.3): instances come back over the association that asked for them. */
#include "scp/retrieve.h"

static enum mur_status prepare(struct mur_retrieval *retrieval, size_t index,
                               struct mur_error *reason)
{
    (void)index;
    if (retrieval->sender != NULL)
        return MUR_OK;
    return mur_store_sender_create(&retrieval->sender, retrieval->target, reason);
}

static enum mur_status lost(struct mur_retrieval *retrieval, struct mur_error *error)
{
    (void)retrieval;
    return error->status;
}

enum mur_status mur_session_get(struct mur_session *session, const struct mur_request *request,
                                struct mur_error *error)
{
    static const struct mur_delivery delivery = {.prepare = prepare, .lost = lost};
    struct mur_retrieval retrieval = {.target = session->association};
    bool refused = false;
    enum mur_status status =
        mur_retrieval_begin(&retrieval, &refused, session, request, &delivery, error);
    if (status == MUR_OK && !refused)
        status = mur_retrieval_run(&retrieval, error);
    mur_retrieval_end(&retrieval);
    return status;
}

/* The Data Set of a request as a whole: identifiers, and what is to be committed. Peers may begin
 * as many as there are associations, and take their time: all together have a limit of memory. */
#include "scp/identifier.h"
#include "scp/session.h"

enum {
    SMALL = 64 * 1024, /* what each association may have without asking */
    STEP = 1024 * 1024,
    ALL_LIMIT = 64 * 1024 * 1024,
};

struct gathering {
    struct mur_session *session;
    struct mur_buffer bytes;
};

static enum mur_status take_memory(struct mur_session *session, struct mur_error *reason)
{
    struct mur_scp *scp = session->scp;
    (void)pthread_mutex_lock(&scp->mutex);
    bool room = scp->gathered + STEP <= ALL_LIMIT;
    if (room)
        scp->gathered += STEP;
    (void)pthread_mutex_unlock(&scp->mutex);
    if (!room)
        return mur_error_set(reason, MUR_BUSY, "long requests of others take all memory for them");
    session->gathered += STEP;
    return MUR_OK;
}

static enum mur_status take_piece(void *user, const uint8_t *data, size_t length,
                                  struct mur_error *reason)
{
    struct gathering *gathering = user;
    if (length > MUR_IDENTIFIER_LIMIT - gathering->bytes.length)
        return mur_error_set(reason, MUR_LIMIT, "a Data Set of more than %d bytes",
                             MUR_IDENTIFIER_LIMIT);
    enum mur_status status = MUR_OK;
    while (status == MUR_OK &&
           gathering->bytes.length + length > SMALL + gathering->session->gathered)
        status = take_memory(gathering->session, reason);
    return status == MUR_OK ? mur_buffer_append(&gathering->bytes, data, length, reason) : status;
}

enum mur_status mur_session_gather(struct mur_buffer *out, struct mur_session *session,
                                   const struct mur_request *request, struct mur_error *reason,
                                   struct mur_error *error)
{
    struct gathering gathering = {.session = session, .bytes = MUR_BUFFER_INIT};
    struct mur_error told = MUR_ERROR_INIT;
    enum mur_status sunk = MUR_OK;
    enum mur_status status =
        mur_message_read_data(&sunk, session->association, request->context.id, take_piece,
                              &gathering, session->timeout_ms, &told);
    if (status == MUR_OK && sunk == MUR_OK) {
        mur_buffer_free(out);
        *out = gathering.bytes;
        return MUR_OK;
    }
    mur_buffer_free(&gathering.bytes);
    *(status != MUR_OK ? error : reason) = told;
    return status;
}

void mur_session_forget_gathered(struct mur_session *session)
{
    if (session->gathered == 0)
        return;
    (void)pthread_mutex_lock(&session->scp->mutex);
    session->scp->gathered -= session->gathered;
    (void)pthread_mutex_unlock(&session->scp->mutex);
    session->gathered = 0;
}

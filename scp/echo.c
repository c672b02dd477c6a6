/* C-ECHO (PS3.4 Annex A, PS3.7 9.1.5) */
#include "scp/session.h"

enum mur_status mur_session_echo(struct mur_session *session, const struct mur_request *request,
                                 struct mur_error *error)
{
    if (request->command.has_data_set) {
        mur_association_abort(session->association);
        return mur_error_set(error, MUR_PARSE, "a C-ECHO-RQ with a Data Set");
    }
    struct mur_command response;
    mur_command_init_response(&response, &request->command, 0);
    return mur_message_write(session->association, request->context.id, &response, NULL, 0,
                             session->timeout_ms, error);
}

/* A whole conversation, from the first PDU on: what a peer asks us (its first byte is that of an
 * A-ASSOCIATE-RQ), or what one answers us. dcmnet sees what the checks let pass. */
#include "dicom/association.h"
#include "dicom/association_internal.h"
#include "dicom/message.h"
#include "dicom/negotiation.h"
#include "dicom/pdu.h"
#include "dicom/transfer_syntax.h"
#include "socket_support.h"

enum { MESSAGES = 1000 };

static int listener = -1; /* as long as the process */
static struct sockaddr_in address = {.sin_family = AF_INET};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct mur_error error = MUR_ERROR_INIT;
    fuzz_check(mur_network_init(&error) == MUR_OK, "%s", error.message);
    (void)signal(SIGPIPE, SIG_IGN);
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fuzz_check(bind(listener, (struct sockaddr *)(void *)&address, sizeof address) == 0 &&
                   listen(listener, 8) == 0 &&
                   getsockname(listener, (struct sockaddr *)(void *)&address, &length) == 0,
               "no port");
    return 0;
}

/* A connection whose peer has said all of @p bytes and will say no more. */
static void connect_to(int pair[2], const uint8_t *bytes, size_t size)
{
    pair[1] = fuzz_connect(&address);
    (void)fuzz_wait(listener, POLLIN, -1);
    pair[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    fuzz_check(pair[0] >= 0, "no connection");
    fuzz_say(pair[1], bytes, size);
    (void)shutdown(pair[1], SHUT_WR);
}

static enum mur_status swallow(void *user, const uint8_t *data, size_t length,
                               struct mur_error *error)
{
    (void)error;
    for (size_t i = 0; i < length; i++) /* reads each byte that is handed out */
        *(unsigned *)user += data[i];
    return MUR_OK;
}

static void talk(struct mur_association *association)
{
    struct mur_error error = MUR_ERROR_INIT;
    unsigned sum = 0;
    for (int i = 0; i < MESSAGES; i++) {
        struct mur_command command;
        uint8_t context = 0;
        if (mur_message_read_command(&command, &context, association, 0, &error) != MUR_OK)
            break;
        enum mur_status sunk = MUR_OK;
        if (command.has_data_set &&
            mur_message_read_data(&sunk, association, context, swallow, &sum, 0, &error) != MUR_OK)
            break;
        struct mur_command answer;
        mur_command_init_response(&answer, &command, 0);
        (void)!mur_message_write(association, context, &answer, NULL, 0, 0, &error);
    }
    if (mur_association_end(association) == MUR_END_RELEASE_REQUESTED)
        mur_association_confirm_release(association);
    mur_association_abort(association);
}

static void be_asked(const uint8_t *data, size_t size)
{
    if (size < MUR_PDU_HEAD || mur_be32(data + 2) > size - MUR_PDU_HEAD)
        return;
    size_t length = MUR_PDU_HEAD + mur_be32(data + 2);
    struct mur_error error = MUR_ERROR_INIT;
    int pair[2];
    connect_to(pair, data + length, size - length);
    struct mur_stream ours;
    mur_stream_init(&ours, pair[0]);
    __attribute__((unused)) MUR_AUTO_CLOSE int theirs = pair[1];
    MUR_AUTO_FREE uint8_t *request = malloc(length);
    fuzz_check(request != NULL, "no memory");
    memcpy(request, data, length);
    MUR_AUTO(mur_association) *association = NULL;
    enum mur_status status = mur_association_receive(
        &association, &ours, request, length, (const struct sockaddr *)(const void *)&address,
        MUR_MAX_PDU_DEFAULT, &error);
    fuzz_check_status(status, &error);
    mur_stream_close(&ours); /* which is the association's now, unless that failed */
    if (status != MUR_OK)
        return;
    struct mur_presentation_context context;
    for (size_t i = 0; mur_association_get_context(&context, association, i); i++) {
        const uint8_t *bytes;
        size_t count;
        status = mur_association_accept_context(
            association, context.id, context.transfer_syntaxes[0], context.proposed_role, &error);
        fuzz_check(status == MUR_OK, "%s", error.message);
        if (mur_association_get_extended(&bytes, &count, association, context.abstract_syntax,
                                         NULL) == MUR_OK)
            (void)!mur_association_set_extended(
                association, context.abstract_syntax, bytes,
                count < MUR_EXTENDED_LIMIT ? count : MUR_EXTENDED_LIMIT, &error);
    }
    status = mur_association_acknowledge(association, 0, &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK)
        talk(association);
}

static void be_answered(const uint8_t *data, size_t size)
{
    static const char *const syntaxes[] = {mur_uid_ImplicitVRLittleEndian,
                                           mur_uid_ExplicitVRLittleEndian};
    static const uint8_t relational[] = {1};
    const struct mur_context_proposal contexts[] = {
        {"1.2.840.10008.1.1", syntaxes, 1, MUR_ROLE_DEFAULT},
        {"1.2.840.10008.5.1.4.1.2.2.1", syntaxes, 2, MUR_ROLE_DEFAULT},
        {"1.2.840.10008.5.1.4.1.1.4", syntaxes, 2, MUR_ROLE_SCP}};
    const struct mur_extended_proposal extended = {"1.2.840.10008.5.1.4.1.2.2.1", relational,
                                                   sizeof relational};
    const struct mur_association_options options = {.host = "peer",
                                                    .calling_ae_title = "FUZZ",
                                                    .called_ae_title = "PEER",
                                                    .contexts = contexts,
                                                    .context_count = MUR_COUNT(contexts),
                                                    .extended = &extended,
                                                    .extended_count = 1};
    struct mur_error error = MUR_ERROR_INIT;
    int pair[2];
    connect_to(pair, data, size);
    __attribute__((unused)) MUR_AUTO_CLOSE int theirs = pair[1];
    struct mur_stream stream;
    mur_stream_init(&stream, pair[0]);
    MUR_AUTO(mur_negotiated) *negotiated = NULL;
    enum mur_status status = mur_request_negotiate(&negotiated, &stream, &options, &error);
    fuzz_check_status(status, &error);
    mur_stream_close(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > FUZZ_SAID_LIMIT)
        return 0;
    if (data[0] == MUR_PDU_ASSOCIATE_RQ)
        be_asked(data, size);
    else
        be_answered(data, size);
    return 0;
}

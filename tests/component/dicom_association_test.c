/* Associations over loopback: our acceptor against our requestor, DCMTK's programs and raw sockets.
 */
#include "network_support.h"

#include "dicom/command.h"
#include "dicom/listener.h"
#include "dicom/message.h"
#include "dicom/pdu.h"
#include "dicom/store_sender.h"

enum { PATIENCE_MS = 10000, RECORDS = 64 };

/* ---- an acceptor that takes everything ---- */

struct acceptor {
    struct mur_listener *listener;
    pthread_t thread;
    bool reject; /* answer A-ASSOCIATE-RJ */
    uint32_t max_pdu;
    int read_timeout_ms;
    pthread_mutex_t mutex; /* for what follows */
    unsigned turned_away, associations, running;
    enum mur_association_end ends[RECORDS];
    unsigned end_count;
    uint64_t data_bytes, data_hash;
    struct mur_command last_store;
    char peer_address[64], calling[17];
    enum mur_role role;
};

struct served {
    struct acceptor *acceptor;
    struct mur_association *association;
};

struct digest {
    uint64_t bytes, hash;
};

static uint64_t hash_bytes(uint64_t hash, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ data[i]) * 1099511628211u;
    return hash;
}

static enum mur_status take_data(void *user, const uint8_t *data, size_t length,
                                 struct mur_error *error)
{
    (void)error;
    struct digest *digest = user;
    digest->bytes += length;
    digest->hash = hash_bytes(digest->hash, data, length);
    return MUR_OK;
}

static enum mur_status answer_one(struct acceptor *acceptor, struct mur_association *association)
{
    struct mur_command request, response;
    uint8_t context_id = 0;
    enum mur_status status = mur_message_read_command(&request, &context_id, association,
                                                      acceptor->read_timeout_ms, NULL);
    if (status != MUR_OK)
        return status;
    struct digest digest = {.hash = 14695981039346656037u};
    if (request.has_data_set) {
        enum mur_status sunk = MUR_OK;
        status = mur_message_read_data(&sunk, association, context_id, take_data, &digest,
                                       acceptor->read_timeout_ms, NULL);
        if (status != MUR_OK)
            return status;
        (void)pthread_mutex_lock(&acceptor->mutex);
        acceptor->data_bytes = digest.bytes;
        acceptor->data_hash = digest.hash;
        acceptor->last_store = request;
        (void)pthread_mutex_unlock(&acceptor->mutex);
    }
    mur_command_init_response(&response, &request, 0);
    return mur_message_write(association, context_id, &response, NULL, 0, PATIENCE_MS, NULL);
}

static void *serve(void *argument)
{
    struct served *served = argument;
    struct acceptor *acceptor = served->acceptor;
    struct mur_association *association = served->association;
    free(served);
    enum mur_status status = MUR_OK;
    if (acceptor->reject) {
        mur_association_reject(association, 2, 3, 2);
    } else {
        struct mur_presentation_context context;
        for (size_t i = 0; mur_association_get_context(&context, association, i); i++) {
            status = mur_association_accept_context(
                association, context.id, context.transfer_syntaxes[0], context.proposed_role, NULL);
            acceptor->role = context.proposed_role;
            const uint8_t *extended = NULL;
            size_t length = 0;
            if (mur_association_get_extended(&extended, &length, association,
                                             context.abstract_syntax, NULL) == MUR_OK)
                status = mur_association_set_extended(association, context.abstract_syntax,
                                                      extended, length, NULL);
        }
        (void)pthread_mutex_lock(&acceptor->mutex);
        (void)snprintf(acceptor->peer_address, sizeof(acceptor->peer_address), "%s",
                       mur_association_peer_address(association));
        (void)snprintf(acceptor->calling, sizeof(acceptor->calling), "%s",
                       mur_association_calling_ae_title(association));
        (void)pthread_mutex_unlock(&acceptor->mutex);
        if (status == MUR_OK)
            status = mur_association_acknowledge(association, PATIENCE_MS, NULL);
        while (status == MUR_OK)
            status = answer_one(acceptor, association);
        mur_association_confirm_release(association);
        mur_association_abort(association);
    }
    (void)pthread_mutex_lock(&acceptor->mutex);
    if (acceptor->end_count < RECORDS)
        acceptor->ends[acceptor->end_count++] = mur_association_end(association);
    acceptor->running--;
    (void)pthread_mutex_unlock(&acceptor->mutex);
    mur_association_free(association);
    return NULL;
}

static void *listen_on(void *argument)
{
    struct acceptor *acceptor = argument;
    for (;;) {
        struct mur_association *association = NULL;
        enum mur_status status = mur_listener_next(&association, acceptor->listener, -1, NULL);
        if (status == MUR_CANCELLED)
            return NULL;
        (void)pthread_mutex_lock(&acceptor->mutex);
        acceptor->turned_away += status != MUR_OK;
        acceptor->associations += status == MUR_OK;
        acceptor->running += status == MUR_OK;
        (void)pthread_mutex_unlock(&acceptor->mutex);
        if (status != MUR_OK)
            continue;
        struct served *served = malloc(sizeof(*served));
        *served = (struct served){.acceptor = acceptor, .association = association};
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, served) == 0)
            (void)pthread_detach(thread);
    }
}

static void start_at(struct acceptor *acceptor, const char *address, int artim_ms)
{
    allow_many_descriptors();
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_listener_options options = {.bind_address = address,
                                           .artim_timeout_ms = artim_ms,
                                           .max_pdu = acceptor->max_pdu,
                                           .max_pending = 1000};
    if (mur_listener_create(&acceptor->listener, &options, &error) != MUR_OK)
        fail_msg("%s", error.message);
    if (acceptor->read_timeout_ms == 0)
        acceptor->read_timeout_ms = PATIENCE_MS;
    (void)pthread_mutex_init(&acceptor->mutex, NULL);
    assert_int_equal(pthread_create(&acceptor->thread, NULL, listen_on, acceptor), 0);
}

static void start(struct acceptor *acceptor)
{
    start_at(acceptor, "127.0.0.1", PATIENCE_MS);
}

static unsigned port_of(const struct acceptor *acceptor)
{
    return mur_listener_port(acceptor->listener);
}

/* Waits until so many associations have ended. */
static void wait_for_ends(struct acceptor *acceptor, unsigned count)
{
    for (int i = 0; i < 400; i++) {
        (void)pthread_mutex_lock(&acceptor->mutex);
        bool there = acceptor->end_count >= count;
        (void)pthread_mutex_unlock(&acceptor->mutex);
        if (there)
            return;
        (void)usleep(25000);
    }
    fail_msg("an association did not end");
}

static unsigned running(struct acceptor *acceptor)
{
    (void)pthread_mutex_lock(&acceptor->mutex);
    unsigned count = acceptor->running;
    (void)pthread_mutex_unlock(&acceptor->mutex);
    return count;
}

static void stop(struct acceptor *acceptor)
{
    mur_listener_wake(acceptor->listener);
    (void)pthread_join(acceptor->thread, NULL);
    for (int i = 0; i < 400 && running(acceptor) > 0; i++)
        (void)usleep(25000);
    assert_int_equal(running(acceptor), 0);
    mur_listener_free(acceptor->listener);
}

/* ---- our requestor ---- */

static const char *const implicit_only[] = {IMPLICIT_LITTLE};
static const struct mur_context_proposal two_contexts[] = {
    {.abstract_syntax = VERIFICATION,
     .transfer_syntaxes = implicit_only,
     .transfer_syntax_count = 1},
    {.abstract_syntax = CT_STORAGE,
     .transfer_syntaxes = implicit_only,
     .transfer_syntax_count = 1,
     .role = MUR_ROLE_SCP},
};

static enum mur_status request_at(struct mur_association **out, const char *host, unsigned port,
                                  struct mur_error *error)
{
    struct mur_association_options options = {.host = host,
                                              .port = (uint16_t)port,
                                              .calling_ae_title = "REQUESTOR",
                                              .called_ae_title = "ACCEPTOR",
                                              .contexts = two_contexts,
                                              .context_count = 2,
                                              .timeout_ms = PATIENCE_MS};
    return mur_association_request(out, &options, error);
}

static struct mur_association *connect_to(unsigned port)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_association *association = NULL;
    if (request_at(&association, "127.0.0.1", port, &error) != MUR_OK)
        fail_msg("%s", error.message);
    return association;
}

static enum mur_status echo(struct mur_association *association)
{
    struct mur_command request = {.has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID,
                                  .field = MUR_C_ECHO_RQ,
                                  .affected_sop_class_uid = VERIFICATION,
                                  .message_id = 5};
    struct mur_command response = {.status = 0xFFFF};
    uint8_t id = 0;
    enum mur_status status =
        mur_message_write(association, 1, &request, NULL, 0, PATIENCE_MS, NULL);
    if (status == MUR_OK)
        status = mur_message_read_command(&response, &id, association, PATIENCE_MS, NULL);
    if (status == MUR_OK && (response.field != MUR_C_ECHO_RSP || response.status != 0 ||
                             response.responded_message_id != 5 || id != 1))
        return MUR_MISMATCH;
    return status;
}

static double time_of_echo(unsigned port)
{
    double begin = seconds_now();
    MUR_AUTO(mur_association) *association = connect_to(port);
    assert_int_equal(echo(association), MUR_OK);
    assert_int_equal(mur_association_release(association, PATIENCE_MS, NULL), MUR_OK);
    return seconds_now() - begin;
}

/* ---- tests ---- */

static void our_two_sides_talk(void **state)
{
    (void)state;
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    MUR_AUTO(mur_association) *association = connect_to(port_of(&acceptor));
    assert_string_equal(mur_association_peer_address(association), "127.0.0.1");
    assert_string_equal(mur_association_peer_implementation(association), "MURPACS_010");
    assert_int_equal(mur_association_peer_max_pdu(association), MUR_MAX_PDU_DEFAULT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(echo(association), MUR_OK);
    assert_int_equal(mur_association_release(association, PATIENCE_MS, NULL), MUR_OK);
    assert_int_equal(mur_association_end(association), MUR_END_RELEASED);
    wait_for_ends(&acceptor, 1);
    assert_int_equal(acceptor.ends[0], MUR_END_RELEASED);
    assert_string_equal(acceptor.peer_address, "127.0.0.1");
    assert_string_equal(acceptor.calling, "REQUESTOR");
    stop(&acceptor);
}

static void ipv6_is_accepted_and_named(void **state)
{
    (void)state;
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has_ipv6 = bind(probe, (struct sockaddr *)&address, sizeof(address)) == 0;
    (void)close(probe);
    if (!has_ipv6)
        skip();
    struct acceptor acceptor = {.reject = false};
    start_at(&acceptor, "::1", PATIENCE_MS);
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin6_port = htons((uint16_t)port_of(&acceptor));
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
    uint8_t bytes[4096];
    bool closed = false;
    assert_true(send_raw(descriptor, bytes, make_request(bytes, 16384)));
    assert_true(receive_raw(descriptor, bytes, 10, PATIENCE_MS, &closed) == 10);
    assert_int_equal(bytes[0], 2);
    (void)close(descriptor);
    wait_for_ends(&acceptor, 1);
    assert_string_equal(acceptor.peer_address, "::1");
    stop(&acceptor);

    /* "::" takes IPv4 as well, and calls it IPv4. */
    struct acceptor both = {.reject = false};
    start_at(&both, "::", PATIENCE_MS);
    assert_true(time_of_echo(port_of(&both)) < SOON_S);
    wait_for_ends(&both, 1);
    assert_string_equal(both.peer_address, "127.0.0.1");
    stop(&both);
}

/* Where localhost is ::1 as well, nobody is there. */
static void an_address_that_does_not_answer_is_not_told_of_where_another_does(void **state)
{
    (void)state;
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_association) *association = NULL;
    assert_int_equal(request_at(&association, "localhost", port_of(&acceptor), &error), MUR_OK);
    assert_int_equal(error.status, MUR_OK);
    assert_string_equal(error.message, "");
    assert_int_equal(mur_association_release(association, PATIENCE_MS, NULL), MUR_OK);
    wait_for_ends(&acceptor, 1);
    stop(&acceptor);
}

static void a_port_in_use_and_a_foreign_address_are_told_apart(void **state)
{
    (void)state;
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    struct mur_listener *listener = NULL;
    struct mur_listener_options options = {.bind_address = "127.0.0.1",
                                           .port = (uint16_t)port_of(&acceptor),
                                           .artim_timeout_ms = 1000,
                                           .max_pending = 10};
    assert_int_equal(mur_listener_create(&listener, &options, NULL), MUR_BUSY);
    options.bind_address = "192.0.2.1";
    options.port = 0;
    assert_int_equal(mur_listener_create(&listener, &options, NULL), MUR_INVALID);
    options.bind_address = "nonsense";
    assert_int_equal(mur_listener_create(&listener, &options, NULL), MUR_INVALID);
    assert_null(listener);
    stop(&acceptor);
}

static void a_role_is_negotiated(void **state)
{
    (void)state;
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    MUR_AUTO(mur_association) *association = connect_to(port_of(&acceptor));
    struct mur_presentation_context context;
    assert_true(mur_association_find_context_for(&context, association, CT_STORAGE, NULL));
    assert_int_equal(context.id, 3);
    assert_int_equal(context.accepted_role, MUR_ROLE_SCP);
    assert_string_equal(context.accepted_transfer_syntax, IMPLICIT_LITTLE);
    assert_false(mur_association_find_context_for(&context, association, "1.2.3", NULL));
    mur_association_abort(association);
    wait_for_ends(&acceptor, 1);
    assert_int_equal(acceptor.ends[0], MUR_END_ABORTED_BY_PEER);
    assert_int_equal(acceptor.role, MUR_ROLE_SCP);
    stop(&acceptor);
}

static void a_rejection_says_why(void **state)
{
    (void)state;
    struct acceptor acceptor = {.reject = true};
    start(&acceptor);
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_association *association = NULL;
    assert_int_equal(request_at(&association, "127.0.0.1", port_of(&acceptor), &error), MUR_DENIED);
    assert_non_null(strstr(error.message, "local limit exceeded"));
    assert_null(association);
    wait_for_ends(&acceptor, 1);
    stop(&acceptor);
}

static void nobody_there_is_an_error_with_a_name(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_association *association = NULL;
    assert_int_equal(mur_network_init(&error), MUR_OK);
    assert_int_equal(request_at(&association, "127.0.0.1", free_port(), &error), MUR_IO);
    assert_non_null(strstr(error.message, "refused"));
    assert_int_equal(request_at(&association, "no.such.host.invalid", 104, &error), MUR_NOT_FOUND);
}

static void data_arrive_whole_whatever_the_pdu_size(void **state)
{
    (void)state;
    enum { LENGTH = 3000001 + 1 };
    uint8_t *data = malloc(LENGTH);
    uint32_t seed = 1;
    for (size_t i = 0; i < LENGTH; i++)
        data[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    static const uint32_t sizes[] = {4096, 16384, 131072};
    for (size_t i = 0; i < 3; i++) {
        struct acceptor acceptor = {.max_pdu = sizes[i]};
        start(&acceptor);
        MUR_AUTO(mur_association) *association = connect_to(port_of(&acceptor));
        assert_int_equal(mur_association_peer_max_pdu(association), sizes[i]);
        MUR_AUTO(mur_store_sender) *sender = NULL;
        assert_int_equal(mur_store_sender_create(&sender, association, NULL), MUR_OK);
        struct mur_store_operation operation = {.context_id = 3,
                                                .message_id = 9,
                                                .sop_class_uid = CT_STORAGE,
                                                .sop_instance_uid = "1.2.3.4",
                                                .move_originator_ae_title = "MOVER",
                                                .move_originator_message_id = 77,
                                                .timeout_ms = PATIENCE_MS};
        struct mur_store_source source = {
            .fd = -1, .data = data, .offset = 1, .length = LENGTH - 2};
        struct mur_command response;
        assert_int_equal(mur_store_send(&response, sender, &operation, &source, NULL), MUR_OK);
        assert_int_equal(response.status, 0);
        assert_int_equal(acceptor.data_bytes, LENGTH - 2);
        assert_true(acceptor.data_hash == hash_bytes(14695981039346656037u, data + 1, LENGTH - 2));
        assert_string_equal(acceptor.last_store.affected_sop_instance_uid, "1.2.3.4");
        assert_string_equal(acceptor.last_store.move_originator_ae_title, "MOVER");
        assert_int_equal(acceptor.last_store.move_originator_message_id, 77);

        /* The same from a file; and one that is too short is noticed before anything is sent. */
        FILE *file = tmpfile();
        assert_int_equal(fwrite(data, 1, LENGTH, file), LENGTH);
        (void)fflush(file);
        acceptor.data_hash = 0;
        struct mur_store_source from_file = {.fd = fileno(file), .offset = 1, .length = LENGTH - 2};
        assert_int_equal(mur_store_send(&response, sender, &operation, &from_file, NULL), MUR_OK);
        assert_true(acceptor.data_hash == hash_bytes(14695981039346656037u, data + 1, LENGTH - 2));
        from_file.length = LENGTH;
        assert_int_equal(mur_store_send(&response, sender, &operation, &from_file, NULL),
                         MUR_CORRUPT);
        assert_int_equal(mur_association_end(association), MUR_END_NONE);
        assert_int_equal(echo(association), MUR_OK);
        (void)fclose(file);
        assert_int_equal(mur_association_release(association, PATIENCE_MS, NULL), MUR_OK);
        wait_for_ends(&acceptor, 1);
        stop(&acceptor);
    }
    free(data);
}

static void dcmtk_echoes_us_and_we_store_to_dcmtk(void **state)
{
    (void)state;
    if (!has_program("echoscu") || !has_program("storescp"))
        skip();
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    char port[8], output[4096];
    (void)snprintf(port, sizeof(port), "%u", port_of(&acceptor));
    const char *echoscu[] = {"echoscu", "--repeat", "20", "-v", "127.0.0.1", port, NULL};
    assert_int_equal(run_program(echoscu, 20, output, sizeof(output)), 0);
    const char *abort_it[] = {"echoscu", "--abort", "127.0.0.1", port, NULL};
    assert_int_equal(run_program(abort_it, 20, output, sizeof(output)), 0);
    const char *many[] = {"echoscu", "-ppc", "128", "-pts", "38", "127.0.0.1", port, NULL};
    assert_int_equal(run_program(many, 20, output, sizeof(output)), 0);
    wait_for_ends(&acceptor, 3);
    stop(&acceptor);

    unsigned theirs = free_port();
    (void)snprintf(port, sizeof(port), "%u", theirs);
    const char *storescp[] = {"storescp", "--ignore", port, NULL};
    pid_t pid = start_program(storescp);
    wait_for_port(theirs);
    MUR_AUTO(mur_association) *association = connect_to(theirs);
    MUR_AUTO(mur_store_sender) *sender = NULL;
    assert_int_equal(mur_store_sender_create(&sender, association, NULL), MUR_OK);
    struct mur_presentation_context context;
    assert_true(mur_association_find_context_for(&context, association, CT_STORAGE, NULL));
    /* A Data Set of SOP Class, SOP Instance and 300,000 bytes in a private element. */
    static uint8_t data[8 + 26 + 8 + 8 + 8 + 300000];
    uint8_t *at = data;
    memcpy(at, "\x08\0\x16\0\x1A\0\0\0" CT_STORAGE, 8 + 25);
    at += 8 + 26;
    memcpy(at,
           "\x08\0\x18\0\x08\0\0\0"
           "1.2.3.4",
           8 + 7);
    at += 8 + 8;
    memcpy(at, "\x11\0\x10\x10\xE0\x93\x04\0", 8);
    struct mur_store_operation operation = {.context_id = context.id,
                                            .message_id = 1,
                                            .sop_class_uid = CT_STORAGE,
                                            .sop_instance_uid = "1.2.3.4",
                                            .timeout_ms = PATIENCE_MS};
    struct mur_store_source source = {.fd = -1, .data = data, .length = sizeof(data)};
    struct mur_command response;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_store_send(&response, sender, &operation, &source, &error);
    if (status == MUR_OK)
        status = mur_association_release(association, PATIENCE_MS, &error);
    stop_program(pid);
    assert_string_equal(error.message, "");
    assert_int_equal(status, MUR_OK);
    assert_int_equal(response.status, 0);
}

static void bytes_may_come_one_by_one_and_values_in_pieces(void **state)
{
    (void)state;
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    int descriptor = connect_raw(port_of(&acceptor));
    uint8_t bytes[4096];
    bool closed = false;
    size_t length = make_request(bytes, 0); /* no limit on what it takes */
    for (size_t i = 0; i < length; i++)
        assert_true(send_raw(descriptor, bytes + i, 1));
    assert_true(receive_raw(descriptor, bytes, 6, PATIENCE_MS, &closed) == 6);
    assert_int_equal(bytes[0], 2);
    (void)receive_raw(descriptor, bytes, ((size_t)bytes[4] << 8) + bytes[5], PATIENCE_MS, &closed);

    /* The echo in fragments of two bytes, several in one PDU. */
    uint8_t echo_pdu[256], pieces[2048];
    size_t whole = make_echo(echo_pdu);
    size_t used = 6;
    for (size_t at = 12; at < whole; at += 2) {
        const uint8_t head[] = {0, 0, 0, 4, 1, (uint8_t)(at + 2 == whole ? 3 : 1)};
        memcpy(pieces + used, head, 6);
        memcpy(pieces + used + 6, echo_pdu + at, 2);
        used += 8;
    }
    memcpy(pieces, (uint8_t[]){4, 0, 0, 0, (uint8_t)((used - 6) >> 8), (uint8_t)(used - 6)}, 6);
    for (size_t i = 0; i < used; i++)
        assert_true(send_raw(descriptor, pieces + i, 1));
    assert_true(receive_raw(descriptor, bytes, 12, PATIENCE_MS, &closed) == 12);
    assert_int_equal(bytes[0], 4);
    (void)close(descriptor);
    wait_for_ends(&acceptor, 1);
    assert_int_equal(acceptor.ends[0], MUR_END_CONNECTION_LOST);
    stop(&acceptor);
}

/* Sends it as first bytes; true when the connection is ended soon. */
static bool is_turned_away(unsigned port, const void *bytes, size_t length)
{
    int descriptor = connect_raw(port);
    (void)send_raw(descriptor, bytes, length);
    uint8_t answer[512];
    bool closed = false;
    (void)receive_raw(descriptor, answer, sizeof(answer), SOON_MS, &closed);
    (void)close(descriptor);
    return closed;
}

static void malformed_first_pdus_are_turned_away(void **state)
{
    (void)state;
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    unsigned port = port_of(&acceptor);
    uint8_t good[4096], bad[4096];
    size_t length = make_request(good, 16384);
    assert_true(is_turned_away(port, "GET / HTTP/1.1\r\n\r\n", 18));
    assert_true(is_turned_away(port, "\x04\0\0\0\0\x04xxxx", 10));     /* data first */
    assert_true(is_turned_away(port, "\x01\0\xFF\xFF\xFF\xFF", 6));    /* 4 GB announced */
    assert_true(is_turned_away(port, "\x01\0\0\0\0\x04\0\0\0\0", 10)); /* too short */
    assert_true(is_turned_away(port, "\0\0\0\0\0\0", 6));
    memcpy(bad, good, length); /* protocol version 2 only */
    bad[7] = 2;
    assert_true(is_turned_away(port, bad, length));
    memcpy(bad, good, length); /* another application context */
    bad[78 + 20] = '9';
    assert_true(is_turned_away(port, bad, length));
    memcpy(bad, good, length); /* blank titles */
    memset(bad + 10, ' ', 32);
    assert_true(is_turned_away(port, bad, length));
    memcpy(bad, good, length); /* the first context is longer than the PDU */
    bad[78 + 21 + 2] = 0xFF;
    assert_true(is_turned_away(port, bad, length));
    size_t too_small = make_request(bad, 20); /* a peer that takes twenty bytes at a time */
    assert_true(is_turned_away(port, bad, too_small));
    assert_true(time_of_echo(port) < SOON_S);
    assert_int_equal(acceptor.turned_away, 9);
    stop(&acceptor);
}

static void malformed_pdus_of_an_association_are_answered_by_abort(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        uint8_t reason;
    } cases[] = {
        {"\x09\0\0\0\0\0", 6, 1},                            /* unknown type */
        {"\x02\0\0\0\0\0", 6, 2},                            /* A-ASSOCIATE-AC to an acceptor */
        {"\x06\0\0\0\0\x04\0\0\0\0", 10, 2},                 /* nobody asked for a release */
        {"\x04\0\xFF\xFF\xFF\xFF", 6, 6},                    /* 4 GB */
        {"\x04\0\0\x02\0\x01", 6, 6},                        /* one byte more than announced */
        {"\x04\0\0\0\0\0", 6, 6},                            /* no data value */
        {"\x04\0\0\0\0\x06\0\0\0\x01\x01\x03", 12, 6},       /* shorter than its head */
        {"\x04\0\0\0\0\x06\0\0\xFF\xFF\x01\x03", 12, 6},     /* longer than the PDU */
        {"\x04\0\0\0\0\x06\xFF\xFF\xFF\xFF\x01\x03", 12, 6}, /* likewise */
        {"\x04\0\0\0\0\x06\0\0\0\x02\x63\x03", 12, 6},       /* context 99 */
        {"\x05\0\0\0\0\x05\0\0\0\0\0", 11, 6},               /* release of five bytes */
        {"\x04\0\0\0\0\x06\0\0\0\x02\x01\x03", 12, 0},       /* an empty command set */
        {"\x04\0\0\0\0\x07\0\0\0\x03\x01\x03x", 13, 0},      /* a cut command set */
        {"\x04\0\0\0\0\x07\0\0\0\x03\x01\x02x", 13, 0},      /* a Data Set without command */
    };
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int descriptor = associate_raw(port_of(&acceptor), 16384);
        assert_true(send_raw(descriptor, cases[i].bytes, cases[i].length));
        uint8_t answer[64];
        bool closed = false;
        size_t length = receive_raw(descriptor, answer, sizeof(answer), SOON_MS, &closed);
        assert_true(closed);
        assert_int_equal(length, 10);
        assert_int_equal(answer[0], 7);
        assert_int_equal(answer[9], cases[i].reason);
        (void)close(descriptor);
    }
    assert_true(time_of_echo(port_of(&acceptor)) < SOON_S);
    stop(&acceptor);
}

static void silent_and_slow_peers_keep_nobody_waiting(void **state)
{
    (void)state;
    enum { SILENT = 500, SLOW = 50 };
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    unsigned port = port_of(&acceptor);
    int descriptors[SILENT + SLOW];
    uint8_t request[4096];
    size_t length = make_request(request, 16384);
    for (int i = 0; i < SILENT + SLOW; i++) {
        descriptors[i] = connect_raw(port);
        if (i >= SILENT)
            assert_true(send_raw(descriptors[i], request, 1 + (size_t)i % (length - 1)));
    }
    for (int i = 0; i < 3; i++)
        assert_true(time_of_echo(port) < SOON_S);
    for (int i = SILENT; i < SILENT + SLOW; i++) { /* another byte each */
        size_t sent = 1 + (size_t)i % (length - 1);
        if (sent + 1 < length)
            assert_true(send_raw(descriptors[i], request + sent, 1));
    }
    assert_true(time_of_echo(port) < SOON_S);
    assert_true(mur_listener_pending(acceptor.listener) >= SILENT);
    /* They were kept, not thrown out: one of them makes up its mind. */
    assert_true(send_raw(descriptors[0], request, length));
    bool closed = false;
    uint8_t answer[6];
    assert_true(receive_raw(descriptors[0], answer, 6, SOON_MS, &closed) == 6);
    assert_int_equal(answer[0], 2);
    for (int i = 0; i < SILENT + SLOW; i++)
        (void)close(descriptors[i]);
    stop(&acceptor);
}

static void a_connection_without_request_is_dropped_in_time(void **state)
{
    (void)state;
    struct acceptor acceptor = {.reject = false};
    start_at(&acceptor, "127.0.0.1", 300);
    int silent = connect_raw(port_of(&acceptor));
    int slow = connect_raw(port_of(&acceptor));
    assert_true(send_raw(slow, "\x01\0\0\0", 4));
    uint8_t answer[16];
    bool closed = false;
    double begin = seconds_now();
    (void)receive_raw(silent, answer, sizeof(answer), SOON_MS, &closed);
    assert_true(closed);
    (void)receive_raw(slow, answer, sizeof(answer), SOON_MS, &closed);
    assert_true(closed);
    assert_true(seconds_now() - begin < SOON_S);
    (void)close(silent);
    (void)close(slow);
    stop(&acceptor);
}

static void an_association_that_falls_silent_is_a_timeout(void **state)
{
    (void)state;
    struct acceptor acceptor = {.read_timeout_ms = 200};
    start(&acceptor);
    int descriptor = associate_raw(port_of(&acceptor), 16384);
    assert_true(send_raw(descriptor, "\x04\0\0\0\0\x20\0\0", 8)); /* and no more */
    uint8_t answer[64];
    bool closed = false;
    assert_int_equal(receive_raw(descriptor, answer, sizeof(answer), SOON_MS, &closed), 10);
    assert_true(closed);
    assert_int_equal(answer[0], 7);
    (void)close(descriptor);
    wait_for_ends(&acceptor, 1);
    assert_int_equal(acceptor.ends[0], MUR_END_ABORTED_BY_US);
    stop(&acceptor);
}

struct interrupted {
    struct mur_association *association;
    enum mur_status status;
};

static void *read_until_interrupted(void *argument)
{
    struct interrupted *interrupted = argument;
    struct mur_pdv pdv;
    interrupted->status =
        mur_association_read_pdv(&pdv, interrupted->association, PATIENCE_MS, NULL);
    return NULL;
}

static void an_interruption_ends_waiting_at_once(void **state)
{
    (void)state;
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    MUR_AUTO(mur_association) *association = connect_to(port_of(&acceptor));
    struct interrupted interrupted = {.association = association, .status = MUR_OK};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_until_interrupted, &interrupted), 0);
    (void)usleep(50000);
    double begin = seconds_now();
    mur_association_interrupt(association);
    (void)pthread_join(thread, NULL);
    assert_true(seconds_now() - begin < SOON_S);
    assert_int_equal(interrupted.status, MUR_CANCELLED);
    mur_association_abort(association);
    wait_for_ends(&acceptor, 1);
    assert_int_equal(acceptor.ends[0], MUR_END_ABORTED_BY_PEER);
    stop(&acceptor);
}

static void a_cancel_is_seen_without_waiting(void **state)
{
    (void)state;
    struct mur_listener *listener = NULL;
    struct mur_listener_options options = {
        .bind_address = "127.0.0.1", .artim_timeout_ms = PATIENCE_MS, .max_pending = 10};
    assert_int_equal(mur_listener_create(&listener, &options, NULL), MUR_OK);
    int descriptor = connect_raw(mur_listener_port(listener));
    uint8_t bytes[4096];
    assert_true(send_raw(descriptor, bytes, make_request(bytes, 16384)));
    MUR_AUTO(mur_association) *association = NULL;
    assert_int_equal(mur_listener_next(&association, listener, PATIENCE_MS, NULL), MUR_OK);
    assert_int_equal(
        mur_association_accept_context(association, 1, IMPLICIT_LITTLE, MUR_ROLE_DEFAULT, NULL),
        MUR_OK);
    assert_int_equal(
        mur_association_accept_context(association, 3, "1.2.3", MUR_ROLE_DEFAULT, NULL),
        MUR_INVALID);
    assert_int_equal(mur_association_acknowledge(association, PATIENCE_MS, NULL), MUR_OK);
    bool cancelled = false;
    assert_int_equal(mur_message_poll_cancel(&cancelled, association, 7, NULL), MUR_OK);
    assert_false(cancelled);
    for (uint16_t id = 6; id <= 7; id++) {
        struct mur_command cancel = {.has = MUR_HAS_RESPONDED_MESSAGE_ID,
                                     .field = MUR_C_CANCEL_RQ,
                                     .responded_message_id = id};
        MUR_AUTO_BUFFER struct mur_buffer encoded = MUR_BUFFER_INIT;
        assert_int_equal(mur_command_encode(&encoded, &cancel, NULL), MUR_OK);
        uint8_t head[] = {
            4, 0, 0, 0, 0, (uint8_t)(encoded.length + 6), 0, 0, 0, (uint8_t)(encoded.length + 2),
            1, 3};
        assert_true(send_raw(descriptor, head, sizeof(head)));
        assert_true(send_raw(descriptor, encoded.data, encoded.length));
        (void)mur_association_data_waiting(association, 1000);
        assert_int_equal(mur_message_poll_cancel(&cancelled, association, 7, NULL), MUR_OK);
        assert_int_equal(cancelled, id == 7);
    }
    /* Any other command now is a breach. */
    assert_true(send_raw(descriptor, bytes, make_echo(bytes)));
    (void)mur_association_data_waiting(association, 1000);
    assert_int_equal(mur_message_poll_cancel(&cancelled, association, 7, NULL), MUR_PARSE);
    assert_int_equal(mur_association_end(association), MUR_END_ABORTED_BY_US);
    (void)close(descriptor);
    mur_listener_free(listener);
}

static void nothing_is_left_after_many_associations(void **state)
{
    (void)state;
    struct acceptor acceptor = {.reject = false};
    start(&acceptor);
    unsigned port = port_of(&acceptor);
    (void)time_of_echo(port);
    int first = dup(0);
    (void)close(first);
    for (int i = 0; i < 100; i++) {
        (void)time_of_echo(port);
        assert_true(is_turned_away(port, "\x01\0\0\0\0\x04\0\0\0\0", 10));
    }
    wait_for_ends(&acceptor, RECORDS);
    stop(&acceptor);
    int last = dup(0);
    (void)close(last);
    assert_true(last <= first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_two_sides_talk),
        cmocka_unit_test(ipv6_is_accepted_and_named),
        cmocka_unit_test(an_address_that_does_not_answer_is_not_told_of_where_another_does),
        cmocka_unit_test(a_port_in_use_and_a_foreign_address_are_told_apart),
        cmocka_unit_test(a_role_is_negotiated),
        cmocka_unit_test(a_rejection_says_why),
        cmocka_unit_test(nobody_there_is_an_error_with_a_name),
        cmocka_unit_test(data_arrive_whole_whatever_the_pdu_size),
        cmocka_unit_test(dcmtk_echoes_us_and_we_store_to_dcmtk),
        cmocka_unit_test(bytes_may_come_one_by_one_and_values_in_pieces),
        cmocka_unit_test(malformed_first_pdus_are_turned_away),
        cmocka_unit_test(malformed_pdus_of_an_association_are_answered_by_abort),
        cmocka_unit_test(silent_and_slow_peers_keep_nobody_waiting),
        cmocka_unit_test(a_connection_without_request_is_dropped_in_time),
        cmocka_unit_test(an_association_that_falls_silent_is_a_timeout),
        cmocka_unit_test(an_interruption_ends_waiting_at_once),
        cmocka_unit_test(a_cancel_is_seen_without_waiting),
        cmocka_unit_test(nothing_is_left_after_many_associations),
    };
    return end_of_tests(cmocka_run_group_tests(tests, NULL, NULL));
}

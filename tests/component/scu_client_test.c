/* What all clients share: connecting, negotiating, and giving up. */
#include "scu_support.h"

#include <netinet/tcp.h>

#include "dicom/pdu.h"
#include "scu/echo.h"
#include "scu/find.h"
#include "scu/get.h"
#include "scu/move.h"

static bool has_ipv6(void)
{
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool bound = probe >= 0 && bind(probe, (struct sockaddr *)&address, sizeof address) == 0;
    (void)close(probe);
    return bound;
}

static void serve_requests(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request;
    uint8_t context_id = 0;
    (void)peer;
    while (read_request(&request, &context_id, association))
        if (!answer_request(association, context_id, &request, 0))
            return;
}

/* ---- connecting ---- */

static void peers_are_reached_over_ipv6(void **state)
{
    (void)state;
    if (!has_ipv6())
        skip();
    struct rude_peer peer = {.serve = serve_requests, .bind_address = "::1"};
    struct mur_client client = client_at(start_rude_peer(&peer));
    struct mur_echo_result result;
    struct mur_error error = MUR_ERROR_INIT;
    (void)snprintf(client.address.host, sizeof client.address.host, "::1");
    if (mur_scu_echo(&result, &client, 1, &error) != MUR_OK)
        fail_msg("%s", error.message);
    assert_int_equal(result.outcome.status, 0);
    stop_rude_peer(&peer);
}

static void objects_are_moved_to_a_destination_of_ipv6(void **state)
{
    (void)state;
    if (!has_ipv6())
        skip();
    struct node source, target;
    start_node(&source, NULL);
    start_node(&target, "dicom.bind=::1");
    fill_node(&source, 1, 3);
    add_peer_at(&source, "TARGET", "::1", mur_scp_port(target.scp), MUR_RIGHTS_BOTH);
    const char *const keys[] = {"QueryRetrieveLevel=STUDY", "StudyInstanceUID=1.2.3.1"};
    MUR_AUTO(mur_dataset) *identifier = identifier_of(keys, 2);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result;
    const struct mur_move_options options = {.client = client_of(&source),
                                             .model = MUR_MODEL_STUDY_ROOT,
                                             .identifier = identifier,
                                             .destination = "TARGET"};
    assert_int_equal(mur_scu_move(&result, &options, NULL), MUR_OK);
    assert_int_equal(result.completed, 3);
    assert_int_equal(instances_of(&target), 3);
    stop_node(&source);
    stop_node(&target);
}

struct sockets {
    unsigned port;
    unsigned found, without_delay;
};

/* Looks at the sockets of this process that are connected to the port. */
static void look_at_sockets(void *user, const struct mur_association *association)
{
    (void)association;
    struct sockets *sockets = user;
    for (int descriptor = 3; descriptor < 256; descriptor++) {
        struct sockaddr_in peer = {.sin_family = AF_UNSPEC};
        socklen_t length = sizeof peer;
        int value = 0;
        if (getpeername(descriptor, (struct sockaddr *)&peer, &length) != 0 ||
            peer.sin_family != AF_INET || ntohs(peer.sin_port) != sockets->port)
            continue;
        length = sizeof value;
        sockets->found++;
        sockets->without_delay +=
            getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &value, &length) == 0 && value != 0;
    }
}

static void small_messages_leave_at_once(void **state)
{
    (void)state;
    struct rude_peer peer = {.serve = serve_requests};
    struct sockets sockets = {.port = start_rude_peer(&peer)};
    struct mur_client client = client_at(sockets.port);
    struct mur_echo_result result;
    client.connected = look_at_sockets;
    client.user = &sockets;
    assert_int_equal(mur_scu_echo(&result, &client, 1, NULL), MUR_OK);
    assert_int_equal(sockets.found, 1);
    assert_int_equal(sockets.without_delay, 1);
    stop_rude_peer(&peer);
}

/* A listener whose queue is full: connections to it are neither made nor refused. */
struct full_queue {
    int listener, waiting[8];
    unsigned port;
};

static struct full_queue make_full_queue(void)
{
    struct full_queue queue = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(queue.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(queue.listener, 0), 0);
    assert_int_equal(getsockname(queue.listener, (struct sockaddr *)&address, &length), 0);
    queue.port = ntohs(address.sin_port);
    for (size_t i = 0; i < MUR_COUNT(queue.waiting); i++) {
        queue.waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(queue.waiting[i], (struct sockaddr *)&address, sizeof address);
    }
    return queue;
}

static void free_full_queue(const struct full_queue *queue)
{
    for (size_t i = 0; i < MUR_COUNT(queue->waiting); i++)
        (void)close(queue->waiting[i]);
    (void)close(queue->listener);
}

static void a_connection_that_does_not_come_about_is_given_up_in_time(void **state)
{
    (void)state;
    struct full_queue queue = make_full_queue();
    struct mur_client client = client_at(queue.port);
    struct mur_echo_result result;
    struct mur_error error = MUR_ERROR_INIT;
    client.connect_ms = 100;
    double begun = seconds_now();
    assert_int_equal(mur_scu_echo(&result, &client, 1, &error), MUR_TIMEOUT);
    assert_true(seconds_now() - begun < 3);
    assert_non_null(strstr(error.message, "-to"));
    free_full_queue(&queue);
}

static void *stop_soon(void *argument)
{
    (void)usleep(50000);
    (void)eventfd_write(*(const int *)argument, 1);
    return NULL;
}

static void who_wants_to_stop_need_not_wait_for_a_connection(void **state)
{
    (void)state;
    struct full_queue queue = make_full_queue();
    struct mur_client client = client_at(queue.port);
    struct mur_echo_result result;
    pthread_t thread;
    client.cancel_fd = eventfd(0, EFD_NONBLOCK);
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, &client.cancel_fd), 0);
    double begun = seconds_now();
    assert_int_equal(mur_scu_echo(&result, &client, 1, NULL), MUR_CANCELLED);
    assert_true(seconds_now() - begun < 3);
    (void)pthread_join(thread, NULL);
    (void)close(client.cancel_fd);
    free_full_queue(&queue);
}

/* ---- what a peer answers to the A-ASSOCIATE-RQ ---- */

struct answerer {
    int listener;
    const uint8_t *bytes;
    size_t length;
};

static void *answer_once(void *argument)
{
    const struct answerer *answerer = argument;
    uint8_t request[4096];
    int descriptor = accept(answerer->listener, NULL, NULL);
    if (descriptor >= 0 && recv(descriptor, request, sizeof request, 0) > 0)
        (void)send_raw(descriptor, answerer->bytes, answerer->length);
    (void)shutdown(descriptor, SHUT_WR);
    while (descriptor >= 0 && recv(descriptor, request, sizeof request, 0) > 0)
        continue;
    (void)close(descriptor);
    return NULL;
}

static enum mur_status echo_at_answer(const uint8_t *bytes, size_t length, struct mur_error *error)
{
    struct full_queue queue = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(queue.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(queue.listener, 4), 0);
    assert_int_equal(getsockname(queue.listener, (struct sockaddr *)&address, &size), 0);
    struct answerer answerer = {.listener = queue.listener, .bytes = bytes, .length = length};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_once, &answerer), 0);
    struct mur_client client = client_at(ntohs(address.sin_port));
    struct mur_echo_result result;
    enum mur_status status = mur_scu_echo(&result, &client, 1, error);
    (void)pthread_join(thread, NULL);
    (void)close(queue.listener);
    return status;
}

/* An acceptance of context 1 in Implicit VR Little Endian; @return its length */
static size_t make_acceptance(uint8_t *out, uint8_t context_id, uint8_t result)
{
    static const char application[] = "1.2.840.10008.3.1.1.1";
    uint8_t *at = out + MUR_PDU_HEAD + MUR_ASSOCIATE_FIXED_PART;
    memset(out, 0, 256);
    out[0] = MUR_PDU_ASSOCIATE_AC;
    out[7] = 1;
    at[0] = MUR_ITEM_APPLICATION_CONTEXT;
    at[3] = sizeof application - 1;
    memcpy(at + 4, application, sizeof application - 1);
    at += 4 + sizeof application - 1;
    at[0] = MUR_ITEM_CONTEXT_AC;
    at[3] = 4 + 4 + sizeof IMPLICIT_LITTLE - 1;
    at[4] = context_id;
    at[6] = result;
    at[8] = MUR_ITEM_TRANSFER_SYNTAX;
    at[11] = sizeof IMPLICIT_LITTLE - 1;
    memcpy(at + 12, IMPLICIT_LITTLE, sizeof IMPLICIT_LITTLE - 1);
    at += 12 + sizeof IMPLICIT_LITTLE - 1;
    at[0] = MUR_ITEM_USER_INFORMATION;
    at[3] = 8;
    at[4] = MUR_ITEM_MAXIMUM_LENGTH;
    at[7] = 4;
    at[10] = 0x40;
    at += 12;
    mur_put_be32(out + 2, (uint32_t)(at - out) - MUR_PDU_HEAD);
    return (size_t)(at - out);
}

static void answers_that_are_none_are_told_apart(void **state)
{
    (void)state;
    static const uint8_t rejection[] = {3, 0, 0, 0, 0, 4, 0, 1, 1, 3};
    static const uint8_t aborted[] = {7, 0, 0, 0, 0, 4, 0, 0, 2, 0};
    static const uint8_t data[] = {4, 0, 0, 0, 0, 4, 0, 0, 0, 0};
    static const uint8_t endless[] = {2, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1};
    static const uint8_t empty[] = {2, 0, 0, 0, 0, 0};
    uint8_t acceptance[256];
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(echo_at_answer(rejection, sizeof rejection, &error), MUR_DENIED);
    assert_non_null(strstr(error.message, "calling AE title not recognized"));
    assert_int_equal(echo_at_answer(aborted, sizeof aborted, &error), MUR_CLOSED);
    assert_int_equal(echo_at_answer(NULL, 0, &error), MUR_CLOSED);
    assert_int_equal(echo_at_answer(data, sizeof data, &error), MUR_PARSE);
    assert_int_equal(echo_at_answer(endless, sizeof endless, &error), MUR_PARSE);
    assert_int_equal(echo_at_answer(empty, sizeof empty, &error), MUR_PARSE);
    for (size_t length = make_acceptance(acceptance, 1, 0); length > MUR_PDU_HEAD; length--) {
        /* cut, with a head that fits: in the middle of an item it is malformed, else poor */
        mur_put_be32(acceptance + 2, (uint32_t)length - 1 - MUR_PDU_HEAD);
        assert_int_not_equal(echo_at_answer(acceptance, length - 1, &error), MUR_OK);
    }
    size_t length = make_acceptance(acceptance, 99, 0); /* a context that nobody proposed */
    assert_int_equal(echo_at_answer(acceptance, length, &error), MUR_UNSUPPORTED);
    length = make_acceptance(acceptance, 1, 3);
    assert_int_equal(echo_at_answer(acceptance, length, &error), MUR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "does not offer this service"));
    length = make_acceptance(acceptance, 1, 0); /* and then no answer to the echo */
    assert_int_equal(echo_at_answer(acceptance, length, &error), MUR_CLOSED);
}

/* ---- extended negotiation (PS3.4 C.5) ---- */

static enum mur_status on_answer(void *user, const struct mur_find_answer *answer,
                                 struct mur_error *error)
{
    (void)user;
    (void)answer;
    (void)error;
    return MUR_OK;
}

struct asked {
    const char *keys[6];
    enum mur_model model;
    bool combined;
    uint8_t bytes[2]; /* proposed */
    size_t length;
};

static enum mur_status find_once(struct mur_find_result *result, const struct mur_client *client,
                                 const struct asked *asked)
{
    size_t count = 0;
    while (count < MUR_COUNT(asked->keys) && asked->keys[count] != NULL)
        count++;
    struct mur_dataset *identifier = identifier_of(asked->keys, count);
    const struct mur_find_options options = {.client = *client,
                                             .model = asked->model,
                                             .identifiers = &identifier,
                                             .identifier_count = 1,
                                             .combined_datetime = asked->combined,
                                             .on_answer = on_answer};
    enum mur_status status = mur_scu_find(result, &options, NULL);
    mur_dataset_free(identifier);
    return status;
}

static void queries_propose_what_their_keys_need(void **state)
{
    (void)state;
    static const struct asked cases[] = {
        {.keys = {"QueryRetrieveLevel=STUDY", "PatientID=M1", "StudyDate=20240101-"}},
        {.keys = {"QueryRetrieveLevel=SERIES", "StudyInstanceUID=1.2", "Modality=MR"}},
        {.keys = {"QueryRetrieveLevel=SERIES", "Modality=MR"}, .bytes = {1}, .length = 1},
        {.keys = {"QueryRetrieveLevel=SERIES", "StudyInstanceUID=1.2\\1.3"},
         .bytes = {1},
         .length = 1},
        {.keys = {"QueryRetrieveLevel=STUDY", "Modality=MR"}, .bytes = {1}, .length = 1},
        {.keys = {"QueryRetrieveLevel=STUDY", "PatientID=M1"}, .model = MUR_MODEL_PATIENT_ROOT},
        {.keys = {"QueryRetrieveLevel=STUDY", "PatientID=M*"},
         .model = MUR_MODEL_PATIENT_ROOT,
         .bytes = {1},
         .length = 1},
        {.keys = {"QueryRetrieveLevel=STUDY", "StudyDate=20240101-20240103",
                  "StudyTime=1000-1100"}},
        {.keys = {"QueryRetrieveLevel=STUDY", "StudyDate=20240101-20240103", "StudyTime=1000-1100"},
         .combined = true,
         .bytes = {0, 1},
         .length = 2},
        {.keys = {"QueryRetrieveLevel=STUDY", "StudyDate=20240101-20240102", "StudyTime=2200-0200",
                  "Modality"},
         .bytes = {1, 1},
         .length = 2},
    };
    static const uint8_t agreed[] = {1, 1};
    struct rude_peer peer = {.serve = serve_requests, .extended = agreed, .extended_length = 2};
    struct mur_client client = client_at(start_rude_peer(&peer));
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_find_result result;
        assert_int_equal(find_once(&result, &client, &cases[i]), MUR_OK);
        assert_false(result.relational_not_agreed);
        if (peer.asked_extended_length != cases[i].length ||
            memcmp(peer.asked_extended, cases[i].bytes, cases[i].length) != 0)
            fail_msg("case %zu: %zu bytes: %u %u", i, peer.asked_extended_length,
                     peer.asked_extended[0], peer.asked_extended[1]);
    }
    stop_rude_peer(&peer);
}

static void what_the_peer_does_not_agree_to_is_told(void **state)
{
    (void)state;
    static const struct asked relational = {.keys = {"QueryRetrieveLevel=SERIES", "Modality=MR"}};
    static const struct asked combined = {
        .keys = {"QueryRetrieveLevel=STUDY", "StudyDate=20240101", "StudyTime=10-11"},
        .combined = true};
    static const uint8_t refused[] = {0, 0};
    for (int silent = 0; silent < 2; silent++) {
        struct rude_peer peer = {.serve = serve_requests,
                                 .extended = silent != 0 ? NULL : refused,
                                 .extended_length = 2};
        struct mur_client client = client_at(start_rude_peer(&peer));
        struct mur_find_result result;
        assert_int_equal(find_once(&result, &client, &relational), MUR_OK);
        assert_true(result.relational_not_agreed);
        assert_int_equal(find_once(&result, &client, &combined), MUR_UNSUPPORTED);
        stop_rude_peer(&peer);
    }
}

static void retrievals_without_the_keys_above_propose_that(void **state)
{
    (void)state;
    const char *const keys[] = {"QueryRetrieveLevel=SERIES", "SeriesInstanceUID=1.2.3"};
    MUR_AUTO(mur_dataset) *identifier = identifier_of(keys, 2);
    struct rude_peer peer = {.serve = serve_requests};
    const struct mur_move_options move = {.client = client_at(start_rude_peer(&peer)),
                                          .model = MUR_MODEL_STUDY_ROOT,
                                          .identifier = identifier,
                                          .destination = "X"};
    const struct mur_get_options get = {
        .client = move.client, .model = MUR_MODEL_STUDY_ROOT, .identifier = identifier};
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result moved, got;
    assert_int_equal(mur_scu_move(&moved, &move, NULL), MUR_OK);
    assert_true(moved.relational_not_agreed);
    assert_int_equal(peer.asked_extended_length, 1);
    assert_int_equal(mur_scu_get(&got, &get, NULL), MUR_OK);
    assert_true(got.relational_not_agreed);
    assert_int_equal(peer.asked_extended_length, 1);
    assert_int_equal(peer.asked_extended[0], 1);
    stop_rude_peer(&peer);
}

static void our_node_agrees_to_both(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    static const struct asked asked = {.keys = {"QueryRetrieveLevel=IMAGE", "PatientID=M1",
                                                "StudyDate=20240506", "StudyTime=1000-1100",
                                                "SOPInstanceUID"},
                                       .combined = true};
    fill_node(&node, 2, 2);
    struct mur_client client = client_of(&node);
    struct mur_find_result result;
    assert_int_equal(find_once(&result, &client, &asked), MUR_OK);
    assert_int_equal(result.answers, 2);
    assert_false(result.relational_not_agreed);
    stop_node(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_are_reached_over_ipv6),
        cmocka_unit_test(objects_are_moved_to_a_destination_of_ipv6),
        cmocka_unit_test(small_messages_leave_at_once),
        cmocka_unit_test(a_connection_that_does_not_come_about_is_given_up_in_time),
        cmocka_unit_test(who_wants_to_stop_need_not_wait_for_a_connection),
        cmocka_unit_test(answers_that_are_none_are_told_apart),
        cmocka_unit_test(queries_propose_what_their_keys_need),
        cmocka_unit_test(what_the_peer_does_not_agree_to_is_told),
        cmocka_unit_test(retrievals_without_the_keys_above_propose_that),
        cmocka_unit_test(our_node_agrees_to_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

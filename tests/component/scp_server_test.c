/* The node as a server: limits, rights, silent peers, and how it stops. */
#include "scp_support.h"

#define STUDY_FIND mur_uid_StudyRootQueryRetrieveInformationModelFind

static enum mur_status try_to_connect(struct node *node, const char *calling, const char *called,
                                      struct mur_association **out, struct mur_error *error)
{
    static const struct mur_context_proposal echo = {VERIFICATION, explicit_only, 1,
                                                     MUR_ROLE_DEFAULT};
    struct mur_association_options options = {.host = "127.0.0.1",
                                              .port = mur_scp_port(node->scp),
                                              .calling_ae_title = calling,
                                              .called_ae_title = called,
                                              .contexts = &echo,
                                              .context_count = 1,
                                              .timeout_ms = NODE_PATIENCE_MS};
    return mur_association_request(out, &options, error);
}

static double time_of_echo(struct node *node)
{
    double begin = seconds_now();
    struct mur_association *association = connect_for(node, VERIFICATION);
    struct mur_command request = command_for(MUR_C_ECHO_RQ, VERIFICATION);
    send_request(association, &request, NULL, 0);
    MUR_AUTO_BUFFER struct mur_buffer none = MUR_BUFFER_INIT;
    assert_int_equal(read_response(association, &none).status, 0);
    release_client(association);
    return seconds_now() - begin;
}

static void wait_until_idle(struct node *node)
{
    for (int i = 0; i < 40 * SOON_S && mur_scp_association_count(node->scp) > 0; i++)
        (void)usleep(25000);
    assert_int_equal(mur_scp_association_count(node->scp), 0);
}

static void one_association_too_many_is_rejected_and_room_comes_back(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, "dicom.max_associations=3");
    struct mur_association *held[3];
    for (int i = 0; i < 3; i++)
        held[i] = connect_for(&node, VERIFICATION);
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_association *association = NULL;
    assert_int_equal(try_to_connect(&node, "CLIENT", "MURPACS", &association, &error), MUR_DENIED);
    assert_non_null(strstr(error.message, "transient"));
    assert_non_null(strstr(error.message, "local limit exceeded"));
    for (int i = 0; i < 3; i++)
        release_client(held[i]);
    wait_until_idle(&node);
    assert_true(time_of_echo(&node) < SOON_S);
    stop_node(&node);
}

static void the_called_title_is_checked_when_asked_to(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, "dicom.check_called_ae_title=true;node.ae_title=MINE");
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_association *association = NULL;
    assert_int_equal(try_to_connect(&node, "CLIENT", "YOURS", &association, &error), MUR_DENIED);
    assert_non_null(strstr(error.message, "called AE title not recognized"));
    assert_int_equal(try_to_connect(&node, "CLIENT", "MINE", &association, &error), MUR_OK);
    release_client(association);
    stop_node(&node);
}

static void a_listed_title_counts_only_from_its_host(void **state)
{
    (void)state;
    struct node node;
    make_node(&node, "dicom.unknown_peers=");
    add_peer_at(&node, "HERE", "localhost", 104, MUR_RIGHTS_BOTH);
    add_peer_at(&node, "ELSEWHERE", "192.0.2.7", 104, MUR_RIGHTS_BOTH);
    run_node(&node);
    static const struct {
        const char *calling;
        enum mur_context_result store;
    } cases[] = {{"HERE", MUR_CONTEXT_ACCEPTED},
                 {"ELSEWHERE", MUR_CONTEXT_USER_REJECTION},
                 {"STRANGER", MUR_CONTEXT_USER_REJECTION}};
    const struct mur_context_proposal proposals[] = {
        {CT_STORAGE, explicit_only, 1, MUR_ROLE_DEFAULT},
        {VERIFICATION, explicit_only, 1, MUR_ROLE_DEFAULT}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_association *association = connect_client(&node, cases[i].calling, proposals, 2);
        struct mur_presentation_context context;
        assert_true(mur_association_get_context(&context, association, 0));
        assert_int_equal(context.result, cases[i].store);
        assert_true(mur_association_get_context(&context, association, 1));
        assert_int_equal(context.result, MUR_CONTEXT_ACCEPTED); /* all may echo */
        release_client(association);
    }
    stop_node(&node);
}

static void operations_out_of_their_context_are_refused(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    struct mur_association *association = connect_for(&node, STUDY_FIND);
    MUR_AUTO_BUFFER struct mur_buffer none = MUR_BUFFER_INIT;
    const struct key keys[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"}};
    static const uint16_t fields[] = {MUR_C_STORE_RQ, MUR_C_MOVE_RQ, MUR_N_ACTION_RQ, 0x0140};
    for (size_t i = 0; i < MUR_COUNT(fields); i++) {
        struct mur_command request = command_for(fields[i], STUDY_FIND);
        send_request(association, &request, keys, 1);
        struct mur_command response = read_response(association, &none);
        assert_int_equal(response.status, 0x0211);
        assert_true(strlen(response.error_comment) > 0);
    }
    struct mur_command request = command_for(MUR_C_FIND_RQ, CT_STORAGE);
    send_request(association, &request, keys, 1);
    assert_int_equal(read_response(association, &none).status, 0x0122);
    release_client(association);
    stop_node(&node);
}

static void silent_and_slow_connections_keep_nobody_waiting(void **state)
{
    (void)state;
    enum { SILENT = 500, SLOW = 50, IDLE = 64 };
    struct node node;
    start_node(&node, NULL);
    int connections[SILENT + SLOW];
    struct mur_association *idle[IDLE];
    for (int i = 0; i < SILENT + SLOW; i++) {
        connections[i] = connect_raw(mur_scp_port(node.scp));
        if (i >= SILENT)
            assert_true(send_raw(connections[i], "\x01", 1));
    }
    for (int i = 0; i < IDLE; i++)
        idle[i] = connect_for(&node, VERIFICATION);
    assert_true(time_of_echo(&node) < SOON_S);
    assert_true(mur_scp_association_count(node.scp) >= IDLE);
    for (int i = 0; i < IDLE; i++)
        mur_association_free(idle[i]);
    for (int i = 0; i < SILENT + SLOW; i++)
        (void)close(connections[i]);
    wait_until_idle(&node);
    stop_node(&node);
}

static void an_idle_association_is_ended_in_time(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, "dicom.idle_timeout_s=1");
    struct mur_association *association = connect_for(&node, VERIFICATION);
    struct mur_pdv pdv;
    double begin = seconds_now();
    assert_int_equal(mur_association_read_pdv(&pdv, association, NODE_PATIENCE_MS, NULL),
                     MUR_CLOSED);
    assert_int_equal(mur_association_end(association), MUR_END_ABORTED_BY_PEER);
    assert_true(seconds_now() - begin < SOON_S);
    mur_association_free(association);
    stop_node(&node);
}

static void stopping_ends_idle_associations_at_once(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    struct mur_association *idle[3];
    for (int i = 0; i < 3; i++)
        idle[i] = connect_for(&node, VERIFICATION);
    int silent = connect_raw(mur_scp_port(node.scp));
    double begin = seconds_now();
    mur_scp_stop(node.scp, 2 * SOON_MS);
    assert_true(seconds_now() - begin < SOON_S);
    for (int i = 0; i < 3; i++)
        mur_association_free(idle[i]);
    (void)close(silent);
    stop_node(&node);
}

struct stopper {
    struct mur_scp *scp;
    double took;
};

static void *stop_main(void *argument)
{
    struct stopper *stopper = argument;
    double begin = seconds_now();
    mur_scp_stop(stopper->scp, 2 * SOON_MS);
    stopper->took = seconds_now() - begin;
    return NULL;
}

/* What is received stands in the store's folder from its first byte on. */
static void wait_for_object_under_way(const struct node *node)
{
    for (int i = 0; i < 100 * SOON_S && objects_of(node) == 0; i++)
        (void)usleep(10000);
    assert_int_equal(objects_of(node), 1);
}

static void stopping_lets_an_operation_finish(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    struct mur_association *association = connect_for(&node, CT_STORAGE);
    struct object object = CT_OBJECT;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode_object(&bytes, &object, EXPLICIT_LITTLE);
    begin_store(association, object.sop_instance, bytes.data, 100);
    struct mur_pdv rest = {.data = (const uint8_t *)bytes.data + 100,
                           .length = bytes.length - 100,
                           .context_id = 1,
                           .is_last = true};
    wait_for_object_under_way(&node);
    struct stopper stopper = {.scp = node.scp};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_main, &stopper), 0);
    (void)usleep(300000); /* for the stop to be under way; if it is not, this is still right */
    assert_int_equal(mur_association_write(association, &rest, 1, NODE_PATIENCE_MS, NULL), MUR_OK);
    MUR_AUTO_BUFFER struct mur_buffer none = MUR_BUFFER_INIT;
    assert_int_equal(read_response(association, &none).status, 0);
    (void)pthread_join(thread, NULL);
    assert_true(stopper.took < SOON_S);
    mur_association_free(association);
    assert_int_equal(instances_of(&node), 1);
    stop_node(&node);
}

static void stopping_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, "dicom.idle_timeout_s=600");
    /* begins an object and never ends it */
    struct mur_association *association = connect_for(&node, CT_STORAGE);
    begin_store(association, "1.2.3.4.1.1.1", "\x08\0\x05\0CS\0", 8);
    wait_for_object_under_way(&node);
    double begin = seconds_now();
    mur_scp_stop(node.scp, 300);
    double took = seconds_now() - begin;
    assert_true(took >= 0.3 && took < SOON_S);
    assert_int_equal(objects_of(&node), 0);
    mur_association_free(association);
    stop_node(&node);
}

static void stopping_does_not_wait_for_a_destination_that_never_answers(void **state)
{
    (void)state;
    const char *model = mur_uid_StudyRootQueryRetrieveInformationModelMove;
    int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    assert_int_equal(bind(deaf, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(deaf, 4), 0);
    assert_int_equal(getsockname(deaf, (struct sockaddr *)&address, &length), 0);
    struct node node;
    make_node(&node, NULL);
    add_peer(&node, "DEAF", ntohs(address.sin_port), MUR_RIGHTS_NONE);
    run_node(&node);
    fill_node(&node, 1, 3);
    struct mur_association *association = connect_for(&node, model);
    struct mur_command request = command_for(MUR_C_MOVE_RQ, model);
    request.has |= MUR_HAS_MOVE_DESTINATION;
    (void)snprintf(request.move_destination, sizeof(request.move_destination), "DEAF");
    const struct key keys[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                               {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.1"}};
    send_request(association, &request, keys, 2);
    int accepted = accept(deaf, NULL, NULL); /* the node is there */
    double begin = seconds_now();
    mur_scp_stop(node.scp, 300);
    assert_true(seconds_now() - begin < SOON_S);
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    struct mur_command response = read_response(association, &list);
    assert_int_equal(response.status, 0xA702);
    assert_int_equal(response.failed, 3);
    mur_association_free(association);
    (void)close(accepted);
    (void)close(deaf);
    stop_node(&node);
}

static void many_associations_leave_nothing_behind(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    uint8_t bad[4096];
    size_t length = make_request(bad, 16384);
    bad[7] = 0; /* no protocol version */
    size_t before = 0;
    (void)before;
    int first = 0;
    for (int i = 0; i < 400; i++) {
        (void)time_of_echo(&node);
        int descriptor = connect_raw(mur_scp_port(node.scp));
        (void)send_raw(descriptor, bad, length);
        uint8_t answer[64];
        bool closed = false;
        (void)receive_raw(descriptor, answer, sizeof(answer), 3000, &closed);
        assert_true(closed);
        (void)close(descriptor);
        if (i == 100) {
            wait_until_idle(&node);
            before = resident_bytes();
            first = dup(0);
            (void)close(first);
        }
    }
    wait_until_idle(&node);
    int last = dup(0);
    (void)close(last);
    assert_true(last <= first);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed for a while */
    assert_true(resident_bytes() < before + 4000000);
#endif
    stop_node(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_association_too_many_is_rejected_and_room_comes_back),
        cmocka_unit_test(the_called_title_is_checked_when_asked_to),
        cmocka_unit_test(a_listed_title_counts_only_from_its_host),
        cmocka_unit_test(operations_out_of_their_context_are_refused),
        cmocka_unit_test(silent_and_slow_connections_keep_nobody_waiting),
        cmocka_unit_test(an_idle_association_is_ended_in_time),
        cmocka_unit_test(stopping_ends_idle_associations_at_once),
        cmocka_unit_test(stopping_lets_an_operation_finish),
        cmocka_unit_test(stopping_does_not_wait_for_ever),
        cmocka_unit_test(stopping_does_not_wait_for_a_destination_that_never_answers),
        cmocka_unit_test(many_associations_leave_nothing_behind),
    };
    return end_of_tests(cmocka_run_group_tests(tests, NULL, NULL));
}

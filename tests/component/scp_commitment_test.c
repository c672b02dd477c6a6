/* Storage Commitment (PS3.4 Annex J): a client asks, a peer of the same title is told. */
#include "scp_support.h"

#include "archive/commitment.h"
#include "dicom/data_set.h"
#include "dicom/listener.h"

#define PUSH_MODEL mur_uid_StorageCommitmentPushModel
#define TRANSACTION "1.2.3.99.1"

/* ---- the peer that is told ---- */

struct teller {
    struct mur_listener *listener;
    pthread_t thread;
    uint16_t answer;   /* to the N-EVENT-REPORT-RQ */
    bool deaf;         /* refuses the context */
    unsigned reports;  /* by __atomic builtins: counted last */
    unsigned attempts; /* likewise */
    enum mur_role role;
    char calling[17];
    struct mur_command last;
    struct mur_buffer data; /* of the last report */
    char syntax[65];
};

static void hear(struct teller *peer, struct mur_association *association)
{
    struct mur_presentation_context context;
    struct mur_command command, response;
    uint8_t id = 0;
    bool too_long = false;
    if (!mur_association_get_context(&context, association, 0))
        return;
    peer->role = context.proposed_role;
    (void)snprintf(peer->calling, sizeof(peer->calling), "%s",
                   mur_association_calling_ae_title(association));
    if (!peer->deaf &&
        mur_association_accept_context(association, context.id, context.transfer_syntaxes[0],
                                       context.proposed_role, NULL) != MUR_OK)
        return;
    (void)snprintf(peer->syntax, sizeof(peer->syntax), "%s", context.transfer_syntaxes[0]);
    if (mur_association_acknowledge(association, NODE_PATIENCE_MS, NULL) != MUR_OK)
        return;
    while (mur_message_read_command(&command, &id, association, NODE_PATIENCE_MS, NULL) == MUR_OK) {
        mur_buffer_clear(&peer->data);
        if (mur_message_read_identifier(&peer->data, &too_long, association, id, 1 << 20,
                                        NODE_PATIENCE_MS, NULL) != MUR_OK)
            return;
        peer->last = command;
        mur_command_init_response(&response, &command, peer->answer);
        if (mur_message_write(association, id, &response, NULL, 0, NODE_PATIENCE_MS, NULL) !=
            MUR_OK)
            return;
        __atomic_add_fetch(&peer->reports, 1, __ATOMIC_RELEASE);
    }
    mur_association_confirm_release(association);
}

static void *teller_main(void *argument)
{
    struct teller *peer = argument;
    for (;;) {
        MUR_AUTO(mur_association) *association = NULL;
        if (mur_listener_next(&association, peer->listener, -1, NULL) != MUR_OK)
            return NULL;
        hear(peer, association);
        __atomic_add_fetch(&peer->attempts, 1, __ATOMIC_RELEASE);
    }
}

static void start_teller(struct teller *peer, struct node *node)
{
    *peer = (struct teller){.data = MUR_BUFFER_INIT};
    struct mur_listener_options options = {
        .bind_address = "127.0.0.1", .artim_timeout_ms = NODE_PATIENCE_MS, .max_pending = 16};
    assert_int_equal(mur_listener_create(&peer->listener, &options, NULL), MUR_OK);
    add_peer(node, "CLIENT", mur_listener_port(peer->listener), MUR_RIGHTS_BOTH);
    assert_int_equal(pthread_create(&peer->thread, NULL, teller_main, peer), 0);
}

static void stop_teller(struct teller *peer)
{
    mur_listener_wake(peer->listener);
    (void)pthread_join(peer->thread, NULL);
    mur_listener_free(peer->listener);
    mur_buffer_free(&peer->data);
}

static void wait_for(const unsigned *count, unsigned expected)
{
    for (int i = 0; i < 1000 && __atomic_load_n(count, __ATOMIC_ACQUIRE) < expected; i++)
        (void)usleep(10000);
    assert_int_equal(__atomic_load_n(count, __ATOMIC_ACQUIRE), expected);
}

/* ---- the client that asks ---- */

struct reference {
    const char *sop_class, *sop_instance;
};

static void encode_action(struct mur_buffer *out, const char *transaction,
                          const struct reference *references, size_t count)
{
    struct mur_encoder encoder;
    assert_int_equal(mur_encoder_init(&encoder, out, EXPLICIT_LITTLE, NULL), MUR_OK);
    if (transaction != NULL)
        assert_int_equal(
            mur_encode_text(&encoder, MUR_TAG_TransactionUID, MUR_VR_UI, transaction, NULL),
            MUR_OK);
    assert_int_equal(mur_encode_sequence_begin(&encoder, MUR_TAG_ReferencedSOPSequence, NULL),
                     MUR_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(mur_encode_item_begin(&encoder, NULL), MUR_OK);
        if (references[i].sop_class != NULL)
            assert_int_equal(mur_encode_text(&encoder, MUR_TAG_ReferencedSOPClassUID, MUR_VR_UI,
                                             references[i].sop_class, NULL),
                             MUR_OK);
        if (references[i].sop_instance != NULL)
            assert_int_equal(mur_encode_text(&encoder, MUR_TAG_ReferencedSOPInstanceUID, MUR_VR_UI,
                                             references[i].sop_instance, NULL),
                             MUR_OK);
        assert_int_equal(mur_encode_item_end(&encoder, NULL), MUR_OK);
    }
    assert_int_equal(mur_encode_sequence_end(&encoder, NULL), MUR_OK);
}

static struct mur_command action(void)
{
    struct mur_command request = {.field = MUR_N_ACTION_RQ,
                                  .has = MUR_HAS_REQUESTED_SOP_CLASS | MUR_HAS_MESSAGE_ID |
                                         MUR_HAS_REQUESTED_SOP_INSTANCE | MUR_HAS_ACTION_TYPE,
                                  .message_id = 5,
                                  .action_type_id = 1};
    (void)snprintf(request.requested_sop_class_uid, 65, "%s", PUSH_MODEL);
    (void)snprintf(request.requested_sop_instance_uid, 65, "%s",
                   mur_uid_StorageCommitmentPushModelInstance);
    return request;
}

static struct mur_command ask(struct node *node, const char *calling, struct mur_command request,
                              const struct mur_buffer *data)
{
    const struct mur_context_proposal context = {PUSH_MODEL, explicit_only, 1, MUR_ROLE_DEFAULT};
    struct mur_association *association = connect_client(node, calling, &context, 1);
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_message_write(association, 1, &request, data != NULL ? data->data : NULL,
                          data != NULL ? data->length : 0, NODE_PATIENCE_MS, &error) != MUR_OK)
        fail_msg("%s", error.message);
    MUR_AUTO_BUFFER struct mur_buffer none = MUR_BUFFER_INIT;
    struct mur_command response = read_response(association, &none);
    assert_int_equal(response.field, MUR_N_ACTION_RSP);
    assert_int_equal(response.responded_message_id, 5);
    release_client(association);
    return response;
}

static void ask_for(struct node *node, const struct reference *references, size_t count)
{
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    encode_action(&data, TRANSACTION, references, count);
    assert_int_equal(ask(node, "CLIENT", action(), &data).status, 0);
}

static bool is_pending(struct node *node)
{
    MUR_AUTO_COMMITMENT struct mur_commitment next = {.id = 0};
    bool found = false;
    assert_int_equal(mur_archive_next_commitment(&found, &next, node->archive, NULL), MUR_OK);
    return found;
}

static void wait_until_settled(struct node *node)
{
    for (int i = 0; i < 100 * SOON_S && is_pending(node); i++)
        (void)usleep(10000);
    assert_false(is_pending(node));
}

static bool is_committed(struct node *node, const char *sop_instance)
{
    bool committed = false;
    assert_int_equal(mur_archive_is_committed(&committed, node->archive, sop_instance, NULL),
                     MUR_OK);
    return committed;
}

/* ---- tests ---- */

static void what_is_kept_is_reported_on_a_new_association(void **state)
{
    (void)state;
    struct node node;
    struct teller peer;
    make_node(&node, NULL);
    start_teller(&peer, &node);
    run_node(&node);
    fill_node(&node, 1, 3);
    assert_false(is_committed(&node, "1.2.3.1.1.1"));
    const struct reference references[] = {{CT_STORAGE, "1.2.3.1.1.1"},
                                           {CT_STORAGE, "1.2.3.1.1.2"}};
    ask_for(&node, references, 2);
    wait_for(&peer.reports, 1);
    wait_until_settled(&node);
    assert_string_equal(peer.calling, "MURPACS");
    assert_int_equal(peer.role, MUR_ROLE_SCP);
    assert_int_equal(peer.last.field, MUR_N_EVENT_REPORT_RQ);
    assert_int_equal(peer.last.event_type_id, 1);
    assert_string_equal(peer.last.affected_sop_class_uid, PUSH_MODEL);
    assert_string_equal(peer.last.affected_sop_instance_uid,
                        mur_uid_StorageCommitmentPushModelInstance);
    assert_true(holds(&peer.data, TRANSACTION));
    MUR_AUTO(mur_dataset) *report = NULL;
    assert_int_equal(mur_dataset_read(&report, peer.data.data, peer.data.length, peer.syntax, NULL),
                     MUR_OK);
    size_t count = 0;
    assert_int_equal(mur_dataset_item_count(&count, report, MUR_TAG_ReferencedSOPSequence, NULL),
                     MUR_OK);
    assert_int_equal(count, 2);
    assert_false(mur_dataset_has(report, MUR_TAG_FailedSOPSequence));
    assert_true(is_committed(&node, "1.2.3.1.1.1"));
    assert_true(is_committed(&node, "1.2.3.1.1.2"));
    assert_false(is_committed(&node, "1.2.3.1.1.3"));
    stop_node(&node);
    stop_teller(&peer);
}

/* Changes a byte of the file that holds this UID. */
static const char *to_damage;
static int damage_entry(const char *path, const struct stat *details, int kind, struct FTW *where)
{
    (void)where;
    if (kind != FTW_F || details->st_size < 100)
        return 0;
    char bytes[4096] = "";
    (void)chmod(path, 0600);
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDWR | O_CLOEXEC);
    ssize_t length = read(descriptor, bytes, sizeof(bytes));
    if (length > 0 && memmem(bytes, (size_t)length, to_damage, strlen(to_damage)) != NULL)
        return pwrite(descriptor, "X", 1, details->st_size - 3) != 1;
    return 0;
}

static int64_t reason_of(struct mur_dataset *report, const char *sop_instance)
{
    size_t count = 0;
    assert_int_equal(mur_dataset_item_count(&count, report, MUR_TAG_FailedSOPSequence, NULL),
                     MUR_OK);
    for (size_t i = 0; i < count; i++) {
        struct mur_dataset *item = NULL;
        const char *uid = NULL;
        int64_t reason = 0;
        assert_int_equal(mur_dataset_get_item(&item, report, MUR_TAG_FailedSOPSequence, i, NULL),
                         MUR_OK);
        assert_int_equal(mur_dataset_get_string(&uid, item, MUR_TAG_ReferencedSOPInstanceUID, NULL),
                         MUR_OK);
        assert_int_equal(mur_dataset_get_int(&reason, item, MUR_TAG_FailureReason, 0, NULL),
                         MUR_OK);
        if (strcmp(uid, sop_instance) == 0)
            return reason;
    }
    return 0;
}

static void what_is_not_kept_is_reported_with_its_reason(void **state)
{
    (void)state;
    struct node node;
    struct teller peer;
    make_node(&node, NULL);
    start_teller(&peer, &node);
    run_node(&node);
    fill_node(&node, 1, 3);
    to_damage = "1.2.3.1.1.3";
    char objects[128];
    (void)snprintf(objects, sizeof(objects), "%s/objects", node.directory);
    assert_int_equal(nftw(objects, damage_entry, 16, FTW_PHYS), 0);
    const struct reference references[] = {{CT_STORAGE, "1.2.3.1.1.1"},
                                           {mur_uid_MRImageStorage, "1.2.3.1.1.2"},
                                           {CT_STORAGE, "1.2.3.1.1.3"},
                                           {CT_STORAGE, "1.2.3.404"}};
    ask_for(&node, references, 4);
    wait_for(&peer.reports, 1);
    wait_until_settled(&node);
    assert_int_equal(peer.last.event_type_id, 2);
    MUR_AUTO(mur_dataset) *report = NULL;
    assert_int_equal(mur_dataset_read(&report, peer.data.data, peer.data.length, peer.syntax, NULL),
                     MUR_OK);
    assert_int_equal(reason_of(report, "1.2.3.1.1.1"), 0);
    assert_int_equal(reason_of(report, "1.2.3.1.1.2"), 0x0119);
    assert_int_equal(reason_of(report, "1.2.3.1.1.3"), 0x0110);
    assert_int_equal(reason_of(report, "1.2.3.404"), 0x0112);
    size_t kept = 0;
    assert_int_equal(mur_dataset_item_count(&kept, report, MUR_TAG_ReferencedSOPSequence, NULL),
                     MUR_OK);
    assert_int_equal(kept, 1);
    assert_false(is_committed(&node, "1.2.3.1.1.2"));
    assert_false(is_committed(&node, "1.2.3.1.1.3"));
    stop_node(&node);
    stop_teller(&peer);
}

static void a_report_that_was_not_taken_is_repeated_also_after_a_restart(void **state)
{
    (void)state;
    struct node node;
    struct teller peer;
    make_node(&node, NULL);
    start_teller(&peer, &node);
    peer.answer = 0x0110;
    run_node(&node);
    fill_node(&node, 1, 1);
    const struct reference reference = {CT_STORAGE, "1.2.3.1.1.1"};
    ask_for(&node, &reference, 1);
    wait_for(&peer.reports, 1);
    wait_for(&peer.reports, 2); /* a little later */
    assert_true(is_pending(&node));
    wait_for(&peer.attempts, 2);
    peer.deaf = true; /* next time it does not even accept the context */
    mur_scp_stop(node.scp, 0);
    mur_scp_free(node.scp);
    mur_archive_close(node.archive);
    run_node(&node);
    wait_for(&peer.attempts, 3);
    assert_true(is_pending(&node));
    peer.deaf = false;
    peer.answer = 0;
    mur_scp_stop(node.scp, 0);
    mur_scp_free(node.scp);
    mur_archive_close(node.archive);
    run_node(&node);
    wait_for(&peer.reports, 3);
    wait_until_settled(&node);
    assert_int_equal(peer.last.event_type_id, 1);
    stop_node(&node);
    stop_teller(&peer);
}

static void a_node_stops_while_a_peer_keeps_it_waiting(void **state)
{
    (void)state;
    struct node node;
    make_node(&node, NULL);
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(silent, 5), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &length), 0);
    add_peer(&node, "CLIENT", ntohs(address.sin_port), MUR_RIGHTS_BOTH);
    run_node(&node);
    const struct reference reference = {CT_STORAGE, "1.2.3.404"};
    ask_for(&node, &reference, 1);
    int accepted = accept(silent, NULL, NULL); /* the reporter is there */
    double begin = seconds_now();
    stop_node(&node);
    assert_true(seconds_now() - begin < SOON_S);
    (void)close(accepted);
    (void)close(silent);
}

static void requests_that_cannot_be_met_are_refused(void **state)
{
    (void)state;
    struct node node;
    make_node(&node, NULL);
    add_peer(&node, "CLIENT", 1, MUR_RIGHTS_BOTH);
    run_node(&node);
    const struct reference good = {CT_STORAGE, "1.2.3.1"}, no_class = {NULL, "1.2.3.1"},
                           no_uid = {CT_STORAGE, "1.2.3a"};
    const struct reference one_unnamed[] = {good, {CT_STORAGE, NULL}, good};
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    encode_action(&data, TRANSACTION, &good, 1);
    assert_int_equal(ask(&node, "STRANGER", action(), &data).status, 0x0124);
    struct mur_command request = action();
    request.action_type_id = 2;
    assert_int_equal(ask(&node, "CLIENT", request, &data).status, 0x0123);
    request = action();
    (void)snprintf(request.requested_sop_instance_uid, 65, "1.2.3");
    assert_int_equal(ask(&node, "CLIENT", request, &data).status, 0x0112);
    assert_int_equal(ask(&node, "CLIENT", action(), NULL).status, 0x0115);
    const struct {
        const char *transaction;
        const struct reference *reference;
        size_t count;
    } cases[] = {{NULL, &good, 1},          {"not a UID", &good, 1},
                 {TRANSACTION, NULL, 0},    {TRANSACTION, &no_class, 1},
                 {TRANSACTION, &no_uid, 1}, {TRANSACTION, one_unnamed, MUR_COUNT(one_unnamed)}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        mur_buffer_clear(&data);
        encode_action(&data, cases[i].transaction, cases[i].reference, cases[i].count);
        struct mur_command response = ask(&node, "CLIENT", action(), &data);
        assert_int_equal(response.status, 0x0115);
        assert_true(strlen(response.error_comment) > 0);
    }
    assert_false(is_pending(&node));
    stop_node(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_reported_on_a_new_association),
        cmocka_unit_test(what_is_not_kept_is_reported_with_its_reason),
        cmocka_unit_test(a_report_that_was_not_taken_is_repeated_also_after_a_restart),
        cmocka_unit_test(a_node_stops_while_a_peer_keeps_it_waiting),
        cmocka_unit_test(requests_that_cannot_be_met_are_refused),
    };
    return end_of_tests(cmocka_run_group_tests(tests, NULL, NULL));
}

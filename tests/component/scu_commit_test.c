/* Storage Commitment as client: our node reports on an association of its own, rude peers on the
 * one that asked, not at all, or wrongly. */
#include "scu_support.h"

#include "scu/commit.h"

enum { WAIT_MS = 5000 };

static const char push_model[] = "1.2.840.10008.1.20.1";
static const char push_instance[] = "1.2.840.10008.1.20.1.1";

/* ---- asking ---- */

struct asking {
    struct mur_commit_list list;
    struct mur_commit_result result;
    struct mur_error error;
    uint16_t own_port;
    int wait_ms;
};

static void add(struct asking *asking, const char *sop_instance)
{
    assert_int_equal(mur_commit_list_add(&asking->list, CT_STORAGE, sop_instance, NULL), MUR_OK);
}

static enum mur_status ask(struct asking *asking, const struct mur_client *client)
{
    const struct mur_commit_options options = {
        .client = *client,
        .list = &asking->list,
        .bind_address = "127.0.0.1",
        .port = asking->own_port,
        .wait_ms = asking->wait_ms != 0 ? asking->wait_ms : WAIT_MS,
    };
    return mur_scu_commit(&asking->result, &options, &asking->error);
}

static const struct mur_commit_reference *answer_for(const struct asking *asking,
                                                     const char *sop_instance)
{
    for (size_t i = 0; i < asking->list.count; i++)
        if (strcmp(asking->list.references[i].sop_instance, sop_instance) == 0)
            return &asking->list.references[i];
    fail_msg("no %s in the list", sop_instance);
    return NULL;
}

/* ---- our node ---- */

static void our_node_reports_on_an_association_of_its_own(void **state)
{
    (void)state;
    struct node node;
    struct asking asking = {.own_port = (uint16_t)free_port()};
    make_node(&node, NULL);
    add_peer(&node, "CLIENT", asking.own_port, MUR_RIGHTS_BOTH);
    run_node(&node);
    fill_node(&node, 1, 2);
    struct mur_client client = client_of(&node);
    add(&asking, "1.2.3.1.1.2");
    add(&asking, "1.2.3.1.1.1");
    add(&asking, "1.2.3.404");
    add(&asking, "1.2.3.1.1.2"); /* twice is once */
    if (ask(&asking, &client) != MUR_OK)
        fail_msg("%s", asking.error.message);
    assert_int_equal(asking.list.count, 3);
    assert_int_equal(asking.result.kept, 2);
    assert_int_equal(asking.result.failed, 1);
    assert_string_equal(asking.result.reporter, "MURPACS");
    assert_int_equal(answer_for(&asking, "1.2.3.1.1.1")->answer, MUR_COMMIT_KEPT);
    assert_int_equal(answer_for(&asking, "1.2.3.404")->answer, MUR_COMMIT_FAILED);
    assert_int_equal(answer_for(&asking, "1.2.3.404")->failure, 0x0112);
    mur_commit_list_free(&asking.list);
    stop_node(&node);
}

static void a_peer_that_does_not_know_us_refuses(void **state)
{
    (void)state;
    struct node node;
    struct asking asking = {.wait_ms = 100};
    start_node(&node, NULL);
    struct mur_client client = client_of(&node);
    add(&asking, "1.2.3");
    assert_int_equal(ask(&asking, &client), MUR_OK);
    assert_int_equal(asking.result.outcome.status, 0x0124);
    assert_int_equal(asking.result.kept + asking.result.failed, 0);
    mur_commit_list_free(&asking.list);
    stop_node(&node);
}

/* ---- peers of other manners ---- */

struct report {
    const char *transaction; /* NULL: the right one */
    const char *kept, *failed;
    uint16_t event;
    size_t cut; /* bytes */
};

struct reporting {
    const struct report *reports;
    size_t count;
    bool early;           /* before the answer to the N-ACTION */
    bool silent;          /* no answer at all */
    int cancel_fd;        /* or 0: told once the request is there */
    uint16_t statuses[4]; /* that the reports were answered with */
};

static enum mur_status take_transaction(void *user, const uint8_t *data, size_t length,
                                        struct mur_error *error)
{
    (void)error;
    static const uint8_t head[] = {0x08, 0, 0x95, 0x11, 'U', 'I'};
    char *out = user;
    if (out[0] == '\0' && length > 8 && memcmp(data, head, sizeof head) == 0 && data[6] <= 64 &&
        length >= 8U + data[6])
        memcpy(out, data + 8, data[6]);
    return MUR_OK;
}

static void encode_reference(struct mur_encoder *encoder, uint32_t sequence, const char *uid,
                             bool failed)
{
    (void)!mur_encode_sequence_begin(encoder, sequence, NULL);
    (void)!mur_encode_item_begin(encoder, NULL);
    (void)!mur_encode_text(encoder, MUR_TAG_ReferencedSOPClassUID, MUR_VR_UI, CT_STORAGE, NULL);
    (void)!mur_encode_text(encoder, MUR_TAG_ReferencedSOPInstanceUID, MUR_VR_UI, uid, NULL);
    if (failed)
        (void)!mur_encode_int(encoder, MUR_TAG_FailureReason, MUR_VR_US, 0x0213, NULL);
    (void)!mur_encode_item_end(encoder, NULL);
    (void)!mur_encode_sequence_end(encoder, NULL);
}

static bool send_report(struct reporting *reporting, size_t index, const char *transaction,
                        struct mur_association *association, uint8_t context_id)
{
    const struct report *report = &reporting->reports[index];
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    struct mur_encoder encoder;
    if (mur_encoder_init(&encoder, &bytes, EXPLICIT_LITTLE, NULL) != MUR_OK)
        return false;
    (void)!mur_encode_text(&encoder, MUR_TAG_TransactionUID, MUR_VR_UI,
                           report->transaction != NULL ? report->transaction : transaction, NULL);
    if (report->failed != NULL)
        encode_reference(&encoder, MUR_TAG_FailedSOPSequence, report->failed, true);
    if (report->kept != NULL)
        encode_reference(&encoder, MUR_TAG_ReferencedSOPSequence, report->kept, false);
    struct mur_command request = {.field = MUR_N_EVENT_REPORT_RQ,
                                  .has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID |
                                         MUR_HAS_AFFECTED_SOP_INSTANCE | MUR_HAS_EVENT_TYPE,
                                  .message_id = (uint16_t)(10 + index),
                                  .event_type_id = report->event};
    (void)snprintf(request.affected_sop_class_uid, sizeof request.affected_sop_class_uid, "%s",
                   push_model);
    (void)snprintf(request.affected_sop_instance_uid, sizeof request.affected_sop_instance_uid,
                   "%s", push_instance);
    struct mur_command answer;
    uint8_t id = 0;
    if (mur_message_write(association, context_id, &request, bytes.data, bytes.length - report->cut,
                          NODE_PATIENCE_MS, NULL) != MUR_OK ||
        !read_request(&answer, &id, association))
        return false;
    reporting->statuses[index] = answer.status;
    return true;
}

static void serve_commitment(struct rude_peer *peer, struct mur_association *association)
{
    struct reporting *reporting = peer->user;
    struct mur_command request;
    uint8_t context_id = 0;
    char transaction[65] = "";
    enum mur_status sunk = MUR_OK;
    if (mur_message_read_command(&request, &context_id, association, NODE_PATIENCE_MS, NULL) !=
            MUR_OK ||
        request.field != MUR_N_ACTION_RQ || !request.has_data_set ||
        mur_message_read_data(&sunk, association, context_id, take_transaction, transaction,
                              NODE_PATIENCE_MS, NULL) != MUR_OK)
        return;
    if (reporting->cancel_fd != 0)
        (void)eventfd_write(reporting->cancel_fd, 1);
    bool going = true;
    if (!reporting->early && !reporting->silent)
        going = answer_request(association, context_id, &request, 0);
    for (size_t i = 0; going && i < reporting->count; i++)
        going = send_report(reporting, i, transaction, association, context_id);
    if (going && reporting->early)
        going = answer_request(association, context_id, &request, 0);
    if (going)
        (void)read_request(&request, &context_id, association);
    peer->served = mur_association_end(association) == MUR_END_RELEASE_REQUESTED;
}

static enum mur_status ask_peer(struct asking *asking, struct reporting *reporting, bool *released)
{
    struct rude_peer peer = {.serve = serve_commitment, .user = reporting};
    struct mur_client client = client_at(start_rude_peer(&peer));
    if (reporting->cancel_fd != 0)
        client.cancel_fd = reporting->cancel_fd;
    enum mur_status status = ask(asking, &client);
    stop_rude_peer(&peer);
    *released = peer.served != 0;
    return status;
}

static void a_report_on_the_association_that_asked_is_taken(void **state)
{
    (void)state;
    static const struct report reports[] = {{.kept = "1.2.1", .failed = "1.2.2", .event = 2}};
    struct asking asking = {.wait_ms = 0};
    struct reporting reporting = {.reports = reports, .count = 1};
    bool released = false;
    add(&asking, "1.2.1");
    add(&asking, "1.2.2");
    add(&asking, "1.2.3"); /* not mentioned */
    assert_int_equal(ask_peer(&asking, &reporting, &released), MUR_OK);
    assert_int_equal(reporting.statuses[0], 0);
    assert_int_equal(asking.result.kept, 1);
    assert_int_equal(asking.result.failed, 2);
    assert_int_equal(answer_for(&asking, "1.2.2")->failure, 0x0213);
    assert_int_equal(answer_for(&asking, "1.2.3")->answer, MUR_COMMIT_UNTOLD);
    assert_true(released);
    mur_commit_list_free(&asking.list);
}

static void a_report_may_come_before_the_answer(void **state)
{
    (void)state;
    static const struct report reports[] = {{.kept = "1.2.1", .event = 1}};
    struct asking asking = {.wait_ms = 0};
    struct reporting reporting = {.reports = reports, .count = 1, .early = true};
    bool released = false;
    add(&asking, "1.2.1");
    assert_int_equal(ask_peer(&asking, &reporting, &released), MUR_OK);
    assert_int_equal(asking.result.kept, 1);
    assert_true(released);
    mur_commit_list_free(&asking.list);
}

static void reports_of_others_and_damaged_ones_leave_nothing_behind(void **state)
{
    (void)state;
    static const struct report reports[] = {
        {.transaction = "1.2.99", .kept = "1.2.1", .event = 1},
        {.kept = "1.2.1", .event = 1, .cut = 3},
        {.kept = "1.2.1", .event = 7},
        {.failed = "1.2.1", .event = 2},
    };
    struct asking asking = {.wait_ms = 0};
    struct reporting reporting = {.reports = reports, .count = 4};
    bool released = false;
    add(&asking, "1.2.1");
    assert_int_equal(ask_peer(&asking, &reporting, &released), MUR_OK);
    assert_int_equal(reporting.statuses[0], 0x0110);
    assert_int_equal(reporting.statuses[1], 0x0115);
    assert_int_equal(reporting.statuses[2], 0x0113);
    assert_int_equal(reporting.statuses[3], 0);
    assert_int_equal(asking.result.kept, 0);
    assert_int_equal(asking.result.failed, 1);
    mur_commit_list_free(&asking.list);
}

static void a_peer_that_does_not_report_is_not_waited_for_longer_than_was_said(void **state)
{
    (void)state;
    struct asking asking = {.wait_ms = 200};
    struct reporting reporting = {.count = 0};
    bool released = false;
    add(&asking, "1.2.1");
    double begun = seconds_now();
    assert_int_equal(ask_peer(&asking, &reporting, &released), MUR_TIMEOUT);
    assert_true(seconds_now() - begun < 5);
    assert_non_null(strstr(asking.error.message, "must know our AE title \"CLIENT\""));
    assert_true(released);
    mur_commit_list_free(&asking.list);
}

static void who_wants_to_stop_need_not_wait(void **state)
{
    (void)state;
    for (int silent = 0; silent < 2; silent++) {
        struct asking asking = {.wait_ms = 20000};
        struct reporting reporting = {.silent = silent != 0, .cancel_fd = eventfd(0, EFD_NONBLOCK)};
        bool released = false;
        add(&asking, "1.2.1");
        double begun = seconds_now();
        assert_int_equal(ask_peer(&asking, &reporting, &released), MUR_CANCELLED);
        assert_true(seconds_now() - begun < 5);
        mur_commit_list_free(&asking.list);
        (void)close(reporting.cancel_fd);
    }
}

static bool accepts_nothing(const struct mur_presentation_context *context)
{
    (void)context;
    return false;
}

static void a_peer_without_the_service_and_a_port_in_use_are_told_apart(void **state)
{
    (void)state;
    struct reporting reporting = {.count = 0};
    struct rude_peer peer = {
        .serve = serve_commitment, .accepts = accepts_nothing, .user = &reporting};
    struct mur_client client = client_at(start_rude_peer(&peer));
    struct asking asking = {.wait_ms = 100};
    add(&asking, "1.2.1");
    assert_int_equal(ask(&asking, &client), MUR_UNSUPPORTED);
    asking.own_port = client.address.port;
    assert_int_equal(ask(&asking, &client), MUR_BUSY);
    mur_commit_list_free(&asking.list);
    assert_int_equal(ask(&asking, &client), MUR_INVALID); /* nothing to ask for */
    stop_rude_peer(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_node_reports_on_an_association_of_its_own),
        cmocka_unit_test(a_peer_that_does_not_know_us_refuses),
        cmocka_unit_test(a_report_on_the_association_that_asked_is_taken),
        cmocka_unit_test(a_report_may_come_before_the_answer),
        cmocka_unit_test(reports_of_others_and_damaged_ones_leave_nothing_behind),
        cmocka_unit_test(a_peer_that_does_not_report_is_not_waited_for_longer_than_was_said),
        cmocka_unit_test(who_wants_to_stop_need_not_wait),
        cmocka_unit_test(a_peer_without_the_service_and_a_port_in_use_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

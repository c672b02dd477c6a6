/* C-ECHO and C-FIND as client. */
#include "scu_support.h"

#include "scu/echo.h"
#include "scu/find.h"

/* ---- echo ---- */

static void a_peer_that_answers_is_measured(void **state)
{
    (void)state;
    struct node node;
    struct mur_echo_result result;
    start_node(&node, NULL);
    struct mur_client client = client_of(&node);
    assert_int_equal(mur_scu_echo(&result, &client, 5, NULL), MUR_OK);
    assert_int_equal(result.outcome.status, 0);
    assert_int_equal(result.count, 5);
    assert_true(result.least_us <= result.mean_us);
    assert_int_equal(result.max_pdu, 131072);
    assert_string_equal(result.implementation, "MURPACS_010");
    stop_node(&node);
}

static void a_title_that_the_peer_does_not_have_is_explained(void **state)
{
    (void)state;
    struct node node;
    struct mur_echo_result result;
    struct mur_error error = MUR_ERROR_INIT;
    start_node(&node, "dicom.check_called_ae_title=true");
    struct mur_client client = client_of(&node);
    (void)snprintf(client.address.called_ae_title, 17, "SOMEBODY");
    assert_int_equal(mur_scu_echo(&result, &client, 1, &error), MUR_DENIED);
    assert_non_null(strstr(error.message, "called AE title"));
    assert_non_null(strstr(error.message, "-aec"));
    stop_node(&node);
}

static void keep_silent(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request;
    uint8_t context_id = 0;
    while (read_request(&request, &context_id, association))
        __atomic_add_fetch(&peer->served, 1, __ATOMIC_RELAXED);
}

static void a_peer_that_keeps_silent_is_given_up_in_time(void **state)
{
    (void)state;
    struct rude_peer peer = {.serve = keep_silent};
    struct mur_client client = client_at(start_rude_peer(&peer));
    struct mur_echo_result result;
    struct mur_error error = MUR_ERROR_INIT;
    client.dimse_ms = 100;
    double begun = seconds_now();
    assert_int_equal(mur_scu_echo(&result, &client, 1, &error), MUR_TIMEOUT);
    assert_true(seconds_now() - begun < 5);
    assert_non_null(strstr(error.message, "-td"));
    stop_rude_peer(&peer);
}

static void answer_with_a_find(struct rude_peer *peer, struct mur_association *association)
{
    (void)peer;
    struct mur_command request;
    uint8_t context_id = 0;
    if (!read_request(&request, &context_id, association))
        return;
    request.field = MUR_C_FIND_RQ;
    (void)answer_request(association, context_id, &request, 0);
    (void)read_request(&request, &context_id, association);
}

static void an_answer_to_something_else_is_a_breach(void **state)
{
    (void)state;
    struct rude_peer peer = {.serve = answer_with_a_find};
    struct mur_client client = client_at(start_rude_peer(&peer));
    struct mur_echo_result result;
    assert_int_equal(mur_scu_echo(&result, &client, 1, NULL), MUR_PARSE);
    stop_rude_peer(&peer);
}

/* ---- find ---- */

struct answers {
    unsigned count;
    char values[8][80]; /* of PatientID, in the first answers */
    enum mur_status give_up;
    int cancel_fd;
    unsigned cancel_after;
};

static enum mur_status on_answer(void *user, const struct mur_find_answer *answer,
                                 struct mur_error *error)
{
    struct answers *answers = user;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    MUR_AUTO_FREE char *text = NULL;
    struct mur_key key;
    enum mur_status status =
        mur_dataset_read(&dataset, answer->bytes, answer->length, answer->transfer_syntax, error);
    if (status == MUR_OK)
        status = mur_key_parse(&key, "PatientID", error);
    if (status == MUR_OK)
        status = mur_key_get(&text, &key, dataset, error);
    if (status != MUR_OK)
        return status;
    if (answers->count < 8)
        (void)snprintf(answers->values[answers->count], 80, "%s", text);
    answers->count++;
    if (answers->cancel_after > 0 && answers->count == answers->cancel_after)
        (void)eventfd_write(answers->cancel_fd, 1);
    return answers->give_up == MUR_OK ? MUR_OK
                                      : mur_error_set(error, answers->give_up, "enough of it");
}

static struct mur_find_options options_for(const struct mur_client *client,
                                           struct mur_dataset *const *identifiers, size_t count,
                                           struct answers *answers)
{
    return (struct mur_find_options){.client = *client,
                                     .model = MUR_MODEL_STUDY_ROOT,
                                     .identifiers = identifiers,
                                     .identifier_count = count,
                                     .on_answer = on_answer,
                                     .user = answers};
}

static void several_queries_go_over_one_association(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 3, 2);
    const char *const first[] = {"QueryRetrieveLevel=STUDY", "PatientID=M2"};
    const char *const second[] = {"QueryRetrieveLevel=IMAGE", "PatientID", "SOPInstanceUID",
                                  "StudyInstanceUID=1.2.3.3"};
    struct mur_dataset *identifiers[] = {identifier_of(first, MUR_COUNT(first)),
                                         identifier_of(second, MUR_COUNT(second))};
    struct answers answers = {.count = 0};
    struct mur_client client = client_of(&node);
    struct mur_find_options options = options_for(&client, identifiers, 2, &answers);
    struct mur_find_result result;
    assert_int_equal(mur_scu_find(&result, &options, NULL), MUR_OK);
    assert_int_equal(result.outcome.status, 0);
    assert_int_equal(result.answers, 3);
    assert_string_equal(answers.values[0], "M2");
    assert_string_equal(answers.values[1], "M3");
    assert_false(result.unsupported_keys);
    mur_dataset_free(identifiers[0]);
    mur_dataset_free(identifiers[1]);
    stop_node(&node);
}

static struct mur_find_result find_all(struct node *node, struct mur_find_options *options,
                                       struct answers *answers, enum mur_status expected)
{
    const char *const texts[] = {"QueryRetrieveLevel=IMAGE", "PatientID", "SOPInstanceUID"};
    struct mur_dataset *identifier = identifier_of(texts, MUR_COUNT(texts));
    struct mur_client client = options->client;
    uint64_t limit = options->limit;
    (void)node;
    *options = options_for(&client, &identifier, 1, answers);
    options->limit = limit;
    struct mur_find_result result = {.answers = 0};
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_scu_find(&result, options, &error);
    mur_dataset_free(identifier);
    if (status != expected)
        fail_msg("%d: %s", status, error.message);
    return result;
}

static void enough_answers_cancel_the_query(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 30);
    struct answers answers = {.count = 0};
    struct mur_find_options options = {.client = client_of(&node), .limit = 5};
    struct mur_find_result result = find_all(&node, &options, &answers, MUR_OK);
    assert_int_equal(answers.count, 5);
    assert_int_equal(result.answers, 5);
    assert_true(result.outcome.cancelled);
    stop_node(&node);
}

/* Answers without end until it is cancelled, and says how often it was. */
static void answer_for_ever(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request, pending;
    uint8_t context_id = 0;
    if (!read_request(&request, &context_id, association))
        return;
    mur_command_init_response(&pending, &request, 0xFF00);
    static const uint8_t answer[] = {0x10, 0, 0x20, 0, 'L', 'O', 2, 0, 'M', '1'};
    bool cancelled = false;
    while (!cancelled) {
        if (mur_message_write(association, context_id, &pending, answer, sizeof answer,
                              NODE_PATIENCE_MS, NULL) != MUR_OK ||
            mur_message_poll_cancel(&cancelled, association, request.message_id, NULL) != MUR_OK)
            return;
    }
    __atomic_add_fetch(&peer->served, 1, __ATOMIC_RELAXED);
    (void)answer_request(association, context_id, &request, 0xFE00);
    (void)read_request(&request, &context_id, association);
    if (mur_association_end(association) == MUR_END_RELEASE_REQUESTED)
        __atomic_add_fetch(&peer->served, 1, __ATOMIC_RELAXED);
}

static void who_wants_to_stop_cancels_and_releases(void **state)
{
    (void)state;
    struct rude_peer peer = {.serve = answer_for_ever};
    struct answers answers = {.cancel_after = 50, .cancel_fd = eventfd(0, EFD_NONBLOCK)};
    struct mur_find_options options = {.client = client_at(start_rude_peer(&peer))};
    options.client.cancel_fd = answers.cancel_fd;
    struct mur_find_result result = find_all(NULL, &options, &answers, MUR_OK);
    assert_int_equal(result.outcome.status, 0xFE00);
    assert_true(result.outcome.cancelled);
    assert_true(answers.count >= 50);
    stop_rude_peer(&peer);
    assert_int_equal(peer.served, 2);
    (void)close(answers.cancel_fd);
}

static void what_takes_the_answers_may_fail_and_the_peer_is_cancelled(void **state)
{
    (void)state;
    struct rude_peer peer = {.serve = answer_for_ever};
    struct answers answers = {.give_up = MUR_NO_SPACE};
    struct mur_find_options options = {.client = client_at(start_rude_peer(&peer))};
    (void)find_all(NULL, &options, &answers, MUR_NO_SPACE);
    assert_int_equal(answers.count, 1);
    stop_rude_peer(&peer);
    assert_int_equal(peer.served, 2);
}

static void a_refusal_says_what_the_peer_said(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    const char *const texts[] = {"QueryRetrieveLevel=NOWHERE"};
    struct mur_dataset *identifiers[] = {identifier_of(texts, 1), identifier_of(texts, 1)};
    struct answers answers = {.count = 0};
    struct mur_client client = client_of(&node);
    struct mur_find_options options = options_for(&client, identifiers, 2, &answers);
    struct mur_find_result result;
    assert_int_equal(mur_scu_find(&result, &options, NULL), MUR_OK);
    assert_int_equal(result.outcome.status, 0xA900);
    assert_non_null(strstr(result.outcome.comment, "NOWHERE"));
    assert_string_equal(mur_dimse_status_name(0xA900, MUR_C_FIND_RQ),
                        "identifier does not match the SOP Class");
    mur_dataset_free(identifiers[0]);
    mur_dataset_free(identifiers[1]);
    stop_node(&node);
}

static void a_peer_without_the_service_is_told_of_by_its_reason(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, "dicom.unknown_peers=w");
    const char *const texts[] = {"QueryRetrieveLevel=STUDY"};
    struct mur_dataset *identifiers[] = {identifier_of(texts, 1)};
    struct answers answers = {.count = 0};
    struct mur_client client = client_of(&node);
    struct mur_find_options options = options_for(&client, identifiers, 1, &answers);
    struct mur_find_result result;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_scu_find(&result, &options, &error), MUR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "right"));
    mur_dataset_free(identifiers[0]);
    stop_node(&node);
}

/* Announces 4 GiB of answer and sends on. */
static void answer_too_much(struct rude_peer *peer, struct mur_association *association)
{
    (void)peer;
    struct mur_command request, pending;
    uint8_t context_id = 0;
    if (!read_request(&request, &context_id, association))
        return;
    mur_command_init_response(&pending, &request, 0xFF00);
    size_t length = MUR_ANSWER_LIMIT + 65536;
    uint8_t *bytes = calloc(1, length);
    if (bytes != NULL &&
        mur_message_write(association, context_id, &pending, bytes, length, NODE_PATIENCE_MS,
                          NULL) == MUR_OK &&
        read_request(&request, &context_id, association))
        (void)answer_request(association, context_id, &request, 0);
    free(bytes);
}

static void an_answer_beyond_all_measure_is_refused(void **state)
{
    (void)state;
    struct rude_peer peer = {.serve = answer_too_much};
    struct answers answers = {.count = 0};
    struct mur_find_options options = {.client = client_at(start_rude_peer(&peer))};
    (void)find_all(NULL, &options, &answers, MUR_LIMIT);
    assert_int_equal(answers.count, 0);
    stop_rude_peer(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_answers_is_measured),
        cmocka_unit_test(a_title_that_the_peer_does_not_have_is_explained),
        cmocka_unit_test(a_peer_that_keeps_silent_is_given_up_in_time),
        cmocka_unit_test(an_answer_to_something_else_is_a_breach),
        cmocka_unit_test(several_queries_go_over_one_association),
        cmocka_unit_test(enough_answers_cancel_the_query),
        cmocka_unit_test(who_wants_to_stop_cancels_and_releases),
        cmocka_unit_test(what_takes_the_answers_may_fail_and_the_peer_is_cancelled),
        cmocka_unit_test(a_refusal_says_what_the_peer_said),
        cmocka_unit_test(a_peer_without_the_service_is_told_of_by_its_reason),
        cmocka_unit_test(an_answer_beyond_all_measure_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

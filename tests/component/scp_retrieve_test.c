/* C-MOVE and C-GET against a node: what arrives, what the counts say, what is refused. */
#include "scp_support.h"

#include <semaphore.h>
#include <zlib.h>

#include "dicom/data_set.h"
#include "dicom/listener.h"

#define STUDY_MOVE mur_uid_StudyRootQueryRetrieveInformationModelMove
#define STUDY_GET mur_uid_StudyRootQueryRetrieveInformationModelGet

static const struct key study_one[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                                       {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.1"}};

/* ---- receivers ---- */

struct received {
    unsigned count, different;
    struct mur_command last; /* C-STORE-RQ */
};

/* As fill_node() made it. */
static bool is_as_stored(const struct mur_command *request, const struct mur_buffer *data)
{
    struct object object = CT_OBJECT;
    object.study = "1.2.3.1";
    object.series = "1.2.3.1.1";
    object.patient_id = "M1";
    object.sop_instance = request->affected_sop_instance_uid;
    MUR_AUTO_BUFFER struct mur_buffer expected = MUR_BUFFER_INIT;
    encode_object(&expected, &object, EXPLICIT_LITTLE);
    return data->length == expected.length &&
           memcmp(data->data, expected.data, expected.length) == 0;
}

struct retrieved {
    struct received received;
    struct mur_command last; /* C-GET-RSP or C-MOVE-RSP */
    struct mur_buffer failed_list;
    unsigned pending, wrong_counts;
};

/* Reads responses to the end; of a C-GET, answers each sub-operation with @p answer.
 * @param cancel_after  so many sub-operations; 0 = never */
static struct retrieved collect(struct mur_association *association, unsigned total,
                                uint16_t answer, unsigned cancel_after)
{
    struct retrieved retrieved = {.failed_list = MUR_BUFFER_INIT};
    for (;;) {
        struct mur_command command = read_response(association, &retrieved.failed_list);
        if (command.field == MUR_C_STORE_RQ) {
            struct received *received = &retrieved.received;
            received->different += !is_as_stored(&command, &retrieved.failed_list);
            received->last = command;
            if (++received->count == cancel_after) {
                struct mur_command cancel = {.field = MUR_C_CANCEL_RQ,
                                             .has = MUR_HAS_RESPONDED_MESSAGE_ID,
                                             .responded_message_id = 7};
                assert_int_equal(
                    mur_message_write(association, 1, &cancel, NULL, 0, NODE_PATIENCE_MS, NULL),
                    MUR_OK);
            }
            struct mur_command response;
            mur_command_init_response(&response, &command, answer);
            assert_int_equal(
                mur_message_write(association, 3, &response, NULL, 0, NODE_PATIENCE_MS, NULL),
                MUR_OK);
        } else if (mur_dimse_status_is_pending(command.status)) {
            retrieved.pending++;
            unsigned sum = (unsigned)command.completed + command.failed + command.warning;
            retrieved.wrong_counts += sum + command.remaining != total;
        } else {
            retrieved.last = command;
            if (!command.has_data_set)
                mur_buffer_free(&retrieved.failed_list); /* what a sub-operation left there */
            return retrieved;
        }
    }
}

static struct retrieved get(struct node *node, const struct key *keys, size_t count, unsigned total,
                            uint16_t answer, unsigned cancel_after)
{
    const struct mur_context_proposal contexts[] = {{STUDY_GET, explicit_only, 1, MUR_ROLE_DEFAULT},
                                                    {CT_STORAGE, explicit_only, 1, MUR_ROLE_SCP}};
    struct mur_association *association = connect_client(node, "CLIENT", contexts, 2);
    struct mur_command request = command_for(MUR_C_GET_RQ, STUDY_GET);
    send_request(association, &request, keys, count);
    struct retrieved retrieved = collect(association, total, answer, cancel_after);
    release_client(association);
    return retrieved;
}

static struct retrieved move(struct node *node, const char *destination, const struct key *keys,
                             size_t count, unsigned total)
{
    struct mur_association *association = connect_for(node, STUDY_MOVE);
    struct mur_command request = command_for(MUR_C_MOVE_RQ, STUDY_MOVE);
    (void)snprintf(request.move_destination, sizeof(request.move_destination), "%s", destination);
    request.has |= MUR_HAS_MOVE_DESTINATION;
    send_request(association, &request, keys, count);
    struct retrieved retrieved = collect(association, total, 0, 0);
    release_client(association);
    return retrieved;
}

/* A destination of C-MOVE, for one or more associations one after another. */
struct destination {
    struct mur_listener *listener;
    pthread_t thread;
    uint16_t answer;
    const char *only_syntax; /* the one that is accepted, or NULL for the first proposed */
    unsigned abort_after;    /* so many instances; 0 = never */
    unsigned holds_after;    /* so many instances; the answer then waits; 0 = never */
    sem_t holding, go_on;
    struct received received;
    unsigned associations;
    char calling[17];
    char syntax[65]; /* of the last instance */
};

static void receive_instances(struct destination *destination, struct mur_association *association)
{
    struct mur_presentation_context context;
    for (size_t i = 0; mur_association_get_context(&context, association, i); i++) {
        const char *syntax = destination->only_syntax != NULL ? destination->only_syntax
                                                              : context.transfer_syntaxes[0];
        if (mur_association_accept_context(association, context.id, syntax, MUR_ROLE_DEFAULT,
                                           NULL) != MUR_OK)
            continue; /* stays refused */
    }
    if (mur_association_acknowledge(association, NODE_PATIENCE_MS, NULL) != MUR_OK)
        return;
    for (;;) {
        struct mur_command command, response;
        uint8_t id = 0;
        bool too_long = false;
        MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
        if (mur_message_read_command(&command, &id, association, NODE_PATIENCE_MS, NULL) != MUR_OK)
            break;
        if (mur_message_read_identifier(&data, &too_long, association, id, 1 << 24,
                                        NODE_PATIENCE_MS, NULL) != MUR_OK)
            break;
        destination->received.count++;
        destination->received.last = command;
        destination->received.different += !is_as_stored(&command, &data);
        if (mur_association_find_accepted(&context, association, id))
            (void)snprintf(destination->syntax, sizeof(destination->syntax), "%s",
                           context.accepted_transfer_syntax);
        if (destination->received.count == destination->abort_after) {
            mur_association_abort(association);
            return;
        }
        if (destination->received.count == destination->holds_after) {
            (void)sem_post(&destination->holding);
            (void)sem_wait(&destination->go_on);
        }
        mur_command_init_response(&response, &command, destination->answer);
        if (mur_message_write(association, id, &response, NULL, 0, NODE_PATIENCE_MS, NULL) !=
            MUR_OK)
            break;
    }
    mur_association_confirm_release(association);
}

static void *destination_main(void *argument)
{
    struct destination *destination = argument;
    for (;;) {
        MUR_AUTO(mur_association) *association = NULL;
        if (mur_listener_next(&association, destination->listener, -1, NULL) != MUR_OK)
            return NULL;
        destination->associations++;
        (void)snprintf(destination->calling, sizeof(destination->calling), "%s",
                       mur_association_calling_ae_title(association));
        receive_instances(destination, association);
    }
}

static void start_destination(struct destination *destination, struct node *node)
{
    struct mur_listener_options options = {
        .bind_address = "127.0.0.1", .artim_timeout_ms = NODE_PATIENCE_MS, .max_pending = 16};
    assert_int_equal(mur_listener_create(&destination->listener, &options, NULL), MUR_OK);
    add_peer(node, "DEST", mur_listener_port(destination->listener), MUR_RIGHTS_NONE);
    assert_int_equal(pthread_create(&destination->thread, NULL, destination_main, destination), 0);
}

static void stop_destination(struct destination *destination)
{
    mur_listener_wake(destination->listener);
    (void)pthread_join(destination->thread, NULL);
    mur_listener_free(destination->listener);
}

/* Makes one stored file shorter, removes one, and changes a byte in one. */
static int damaged;
static int damage_entry(const char *path, const struct stat *details, int kind, struct FTW *where)
{
    if (kind != FTW_F || strcmp(path + where->base, "owner") == 0)
        return 0;
    if (damaged == 0 && truncate(path, details->st_size - 1) != 0)
        return 1;
    if (damaged == 1 && unlink(path) != 0)
        return 1;
    if (damaged == 2) {
        (void)chmod(path, 0600);
        MUR_AUTO_CLOSE int descriptor = open(path, O_WRONLY | O_CLOEXEC);
        if (pwrite(descriptor, "?", 1, details->st_size - 10) != 1)
            return 1;
    }
    return ++damaged == 3;
}

static void damage_three_objects(const struct node *node)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/objects", node->directory);
    damaged = 0;
    (void)nftw(path, damage_entry, 16, FTW_PHYS);
    assert_int_equal(damaged, 3);
}

/* ---- C-GET ---- */

static void a_study_comes_back_by_get_as_it_was_stored(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 2, 5);
    struct retrieved retrieved = get(&node, study_one, 2, 5, 0, 0);
    assert_int_equal(retrieved.last.status, 0);
    assert_int_equal(retrieved.last.completed, 5);
    assert_int_equal(retrieved.last.failed, 0);
    assert_int_equal(retrieved.received.count, 5);
    assert_int_equal(retrieved.received.different, 0);
    assert_true(retrieved.pending >= 1);
    assert_int_equal(retrieved.wrong_counts, 0);
    assert_int_equal(retrieved.failed_list.length, 0);

    const struct key images[] = {{MUR_TAG_SOPInstanceUID, MUR_VR_UI, "1.2.3.1.1.2\\1.2.3.1.1.4"},
                                 {MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "IMAGE"},
                                 {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.1"},
                                 {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, "1.2.3.1.1"}};
    retrieved = get(&node, images, MUR_COUNT(images), 2, 0, 0);
    assert_int_equal(retrieved.last.status, 0);
    assert_int_equal(retrieved.received.count, 2);
    stop_node(&node);
}

static void identifiers_that_name_nothing_send_nothing(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 2);
    const struct key unknown[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                                  {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.999"}};
    struct retrieved retrieved = get(&node, unknown, 2, 0, 0, 0);
    assert_int_equal(retrieved.last.status, 0);
    assert_int_equal(retrieved.last.completed, 0);
    const struct key empty[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                                {MUR_TAG_StudyInstanceUID, MUR_VR_UI, ""}};
    const struct key wildcard[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                                   {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "*"}};
    const struct key missing[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "SERIES"},
                                  {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.1"}};
    const struct key *const cases[] = {empty, wildcard, missing};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        retrieved = get(&node, cases[i], 2, 0, 0, 0);
        assert_int_equal(retrieved.last.status, 0xA900);
        assert_int_equal(retrieved.received.count, 0);
        assert_true(strlen(retrieved.last.error_comment) > 0);
    }
    stop_node(&node);
}

static void a_damaged_instance_is_reported_and_the_others_come(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 5);
    damage_three_objects(&node);
    struct retrieved retrieved = get(&node, study_one, 2, 5, 0, 0);
    assert_int_equal(retrieved.last.status, 0xB000);
    assert_int_equal(retrieved.last.completed, 2);
    assert_int_equal(retrieved.last.failed, 3);
    assert_int_equal(retrieved.received.count, 2);
    assert_int_equal(retrieved.received.different, 0);
    assert_true(retrieved.last.has_data_set);
    assert_true(holds(&retrieved.failed_list, "1.2.3.1.1."));
    mur_buffer_free(&retrieved.failed_list);
    stop_node(&node);
}

static void a_large_instance_comes_back_too(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    struct object object = CT_OBJECT;
    object.study = "1.2.3.1";
    object.pixels = 3000000;
    struct mur_association *association = connect_for(&node, CT_STORAGE);
    assert_int_equal(store_object(association, &object).status, 0);
    release_client(association);
    struct retrieved retrieved = get(&node, study_one, 2, 1, 0, 0);
    assert_int_equal(retrieved.last.status, 0);
    assert_int_equal(retrieved.received.count, 1);
    stop_node(&node);
}

static void what_the_receiver_says_is_counted(void **state)
{
    (void)state;
    static const struct {
        uint16_t answer, status;
        unsigned completed, warning, failed;
    } cases[] = {{0x0000, 0x0000, 3, 0, 0}, {0xB007, 0xB000, 0, 3, 0}, {0xA700, 0xA702, 0, 0, 3}};
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 3);
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct retrieved retrieved = get(&node, study_one, 2, 3, cases[i].answer, 0);
        assert_int_equal(retrieved.last.status, cases[i].status);
        assert_int_equal(retrieved.last.completed, cases[i].completed);
        assert_int_equal(retrieved.last.warning, cases[i].warning);
        assert_int_equal(retrieved.last.failed, cases[i].failed);
        mur_buffer_free(&retrieved.failed_list);
    }
    stop_node(&node);
}

static void a_get_is_cancelled_and_the_association_goes_on(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 20);
    struct retrieved retrieved = get(&node, study_one, 2, 20, 0, 3);
    assert_int_equal(retrieved.last.status, 0xFE00);
    assert_true(retrieved.received.count < 20);
    assert_int_equal(retrieved.last.completed + retrieved.last.remaining, 20);
    retrieved = get(&node, study_one, 2, 20, 0, 0);
    assert_int_equal(retrieved.last.completed, 20);
    stop_node(&node);
}

static void a_deflated_object_of_odd_length_goes_out_with_a_nul(void **state)
{
    (void)state;
    static const char *const deflated[] = {"1.2.840.10008.1.2.1.99"};
    struct node node;
    start_node(&node, NULL);
    struct object object = CT_OBJECT;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    unsigned char packed[4096];
    size_t length = 0;
    for (unsigned spaces = 0; length % 2 == 0; spaces++) { /* until it is odd */
        char description[65];
        assert_in_range(spaces, 0, 60);
        (void)snprintf(description, sizeof(description), "%*s", (int)spaces * 2, "a");
        object.description = description;
        mur_buffer_clear(&bytes);
        encode_object(&bytes, &object, EXPLICIT_LITTLE);
        z_stream stream = {.next_in = (unsigned char *)bytes.data,
                           .avail_in = (unsigned)bytes.length,
                           .next_out = packed,
                           .avail_out = sizeof(packed)};
        assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
        length = stream.total_out;
        (void)deflateEnd(&stream);
    }
    const struct mur_context_proposal contexts[] = {{STUDY_GET, explicit_only, 1, MUR_ROLE_DEFAULT},
                                                    {CT_STORAGE, deflated, 1, MUR_ROLE_SCP}};
    const struct mur_context_proposal store = {CT_STORAGE, deflated, 1, MUR_ROLE_DEFAULT};
    struct mur_association *association = connect_client(&node, "CLIENT", &store, 1);
    assert_int_equal(
        store_bytes(association, CT_STORAGE, object.sop_instance, packed, length).status, 0);
    release_client(association);
    association = connect_client(&node, "CLIENT", contexts, 2);
    struct mur_command request = command_for(MUR_C_GET_RQ, STUDY_GET);
    const struct key keys[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                               {MUR_TAG_StudyInstanceUID, MUR_VR_UI, object.study}};
    send_request(association, &request, keys, 2);
    MUR_AUTO_BUFFER struct mur_buffer came = MUR_BUFFER_INIT;
    struct mur_command command = read_response(association, &came);
    assert_int_equal(command.field, MUR_C_STORE_RQ);
    assert_int_equal(came.length, length + 1);
    assert_memory_equal(came.data, packed, length);
    assert_int_equal(came.data[length], 0);
    struct mur_command response;
    mur_command_init_response(&response, &command, 0);
    assert_int_equal(mur_message_write(association, 3, &response, NULL, 0, NODE_PATIENCE_MS, NULL),
                     MUR_OK);
    assert_int_equal(read_response(association, &came).status, 0);
    release_client(association);
    stop_node(&node);
}

/* ---- C-MOVE ---- */

static void a_move_is_cancelled_and_the_association_goes_on(void **state)
{
    (void)state;
    struct node node;
    struct destination destination = {.holds_after = 2};
    make_node(&node, NULL);
    (void)sem_init(&destination.holding, 0, 0);
    (void)sem_init(&destination.go_on, 0, 0);
    start_destination(&destination, &node);
    run_node(&node);
    fill_node(&node, 1, 5);
    struct mur_association *association = connect_for(&node, STUDY_MOVE);
    struct mur_command request = command_for(MUR_C_MOVE_RQ, STUDY_MOVE);
    (void)snprintf(request.move_destination, sizeof(request.move_destination), "DEST");
    request.has |= MUR_HAS_MOVE_DESTINATION;
    send_request(association, &request, study_one, 2);
    (void)sem_wait(&destination.holding);
    struct mur_command cancel = {
        .field = MUR_C_CANCEL_RQ, .has = MUR_HAS_RESPONDED_MESSAGE_ID, .responded_message_id = 7};
    assert_int_equal(mur_message_write(association, 1, &cancel, NULL, 0, NODE_PATIENCE_MS, NULL),
                     MUR_OK);
    (void)sem_post(&destination.go_on);
    struct retrieved retrieved = collect(association, 5, 0, 0);
    assert_int_equal(retrieved.last.status, 0xFE00);
    assert_int_equal(retrieved.last.completed, 2);
    assert_int_equal(retrieved.last.remaining, 3);
    send_request(association, &request, study_one, 2);
    retrieved = collect(association, 5, 0, 0);
    assert_int_equal(retrieved.last.status, 0);
    assert_int_equal(retrieved.last.completed, 5);
    release_client(association);
    stop_destination(&destination);
    assert_int_equal(destination.received.count, 7);
    stop_node(&node);
}

static void every_level_and_lists_of_keys_are_moved(void **state)
{
    (void)state;
    struct node node;
    struct destination destination = {.answer = 0};
    make_node(&node, NULL);
    start_destination(&destination, &node);
    run_node(&node);
    fill_node(&node, 3, 2);
    const struct {
        const char *model;
        struct key keys[4];
        size_t count;
        unsigned instances;
    } cases[] = {
        {mur_uid_PatientRootQueryRetrieveInformationModelMove,
         {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "PATIENT"}, {MUR_TAG_PatientID, MUR_VR_LO, "M2"}},
         2,
         2},
        {STUDY_MOVE,
         {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
          {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.1\\1.2.3.3"}},
         2,
         4},
        {STUDY_MOVE,
         {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "SERIES"},
          {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.1"},
          {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, "1.2.3.1.1"}},
         3,
         2},
        {STUDY_MOVE,
         {{MUR_TAG_SOPInstanceUID, MUR_VR_UI, "1.2.3.1.1.2"},
          {MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "IMAGE"},
          {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.1"},
          {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, "1.2.3.1.1"}},
         4,
         1},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_association *association = connect_for(&node, cases[i].model);
        struct mur_command request = command_for(MUR_C_MOVE_RQ, cases[i].model);
        (void)snprintf(request.move_destination, sizeof(request.move_destination), "DEST");
        request.has |= MUR_HAS_MOVE_DESTINATION;
        send_request(association, &request, cases[i].keys, cases[i].count);
        struct retrieved retrieved = collect(association, cases[i].instances, 0, 0);
        assert_int_equal(retrieved.last.status, 0);
        assert_int_equal(retrieved.last.completed, cases[i].instances);
        assert_int_equal(retrieved.wrong_counts, 0);
        release_client(association);
    }
    stop_destination(&destination);
    assert_int_equal(destination.received.count, 9);
    stop_node(&node);
}

static void a_study_is_moved_to_a_peer(void **state)
{
    (void)state;
    struct node node;
    struct destination destination = {.answer = 0};
    make_node(&node, NULL);
    start_destination(&destination, &node);
    run_node(&node);
    fill_node(&node, 1, 5);
    struct retrieved retrieved = move(&node, "DEST", study_one, 2, 5);
    stop_destination(&destination);
    assert_int_equal(retrieved.last.status, 0);
    assert_int_equal(retrieved.last.completed, 5);
    assert_true(retrieved.pending >= 1);
    assert_int_equal(retrieved.wrong_counts, 0);
    assert_int_equal(destination.received.count, 5);
    assert_int_equal(destination.received.different, 0);
    assert_int_equal(destination.associations, 1);
    assert_string_equal(destination.calling, "MURPACS");
    assert_string_equal(destination.received.last.move_originator_ae_title, "CLIENT");
    assert_int_equal(destination.received.last.move_originator_message_id, 7);
    stop_node(&node);
}

static void an_unknown_destination_is_a801(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 1);
    struct retrieved retrieved = move(&node, "NOBODY", study_one, 2, 1);
    assert_int_equal(retrieved.last.status, 0xA801);
    assert_non_null(strstr(retrieved.last.error_comment, "NOBODY"));
    stop_node(&node);
}

static void a_destination_that_is_not_there_fails_every_instance(void **state)
{
    (void)state;
    struct node node;
    make_node(&node, NULL);
    add_peer(&node, "DEST", free_port(), MUR_RIGHTS_NONE);
    run_node(&node);
    fill_node(&node, 1, 3);
    struct retrieved retrieved = move(&node, "DEST", study_one, 2, 3);
    assert_int_equal(retrieved.last.status, 0xA702);
    assert_int_equal(retrieved.last.failed, 3);
    assert_non_null(strstr(retrieved.last.error_comment, "DEST"));
    assert_true(holds(&retrieved.failed_list, "1.2.3.1.1.1\\1.2.3.1.1.2\\1.2.3.1.1.3"));
    mur_buffer_free(&retrieved.failed_list);
    stop_node(&node);
}

static void a_destination_that_aborts_loses_one_instance(void **state)
{
    (void)state;
    struct node node;
    struct destination destination = {.abort_after = 2};
    make_node(&node, NULL);
    start_destination(&destination, &node);
    run_node(&node);
    fill_node(&node, 1, 5);
    struct retrieved retrieved = move(&node, "DEST", study_one, 2, 5);
    stop_destination(&destination);
    assert_int_equal(retrieved.last.status, 0xB000);
    assert_int_equal(retrieved.last.completed, 4);
    assert_int_equal(retrieved.last.failed, 1);
    assert_int_equal(destination.associations, 2);
    assert_true(holds(&retrieved.failed_list, "1.2.3.1.1.2"));
    mur_buffer_free(&retrieved.failed_list);
    stop_node(&node);
}

static void a_destination_that_wants_another_syntax_gets_it(void **state)
{
    (void)state;
    struct node node;
    struct destination destination = {.only_syntax = IMPLICIT_LITTLE};
    make_node(&node, NULL);
    start_destination(&destination, &node);
    run_node(&node);
    fill_node(&node, 1, 2);
    struct retrieved retrieved = move(&node, "DEST", study_one, 2, 2);
    stop_destination(&destination);
    assert_int_equal(retrieved.last.status, 0);
    assert_int_equal(retrieved.last.completed, 2);
    assert_string_equal(destination.syntax, IMPLICIT_LITTLE);
    stop_node(&node);
}

static void a_destination_that_refuses_the_class_is_told_of(void **state)
{
    (void)state;
    struct node node;
    struct destination destination = {.only_syntax = "1.2.840.10008.1.2.4.50"};
    make_node(&node, NULL);
    start_destination(&destination, &node);
    run_node(&node);
    fill_node(&node, 1, 2);
    struct retrieved retrieved = move(&node, "DEST", study_one, 2, 2);
    stop_destination(&destination);
    assert_int_equal(retrieved.last.status, 0xA702);
    assert_int_equal(retrieved.last.failed, 2);
    assert_true(strlen(retrieved.last.error_comment) > 0);
    mur_buffer_free(&retrieved.failed_list);
    stop_node(&node);
}

/* ---- which transfer syntax ---- */

/* An object whose pixels are one fragment of bytes that nobody here can decode. */
static void encode_encapsulated(struct mur_buffer *out, const struct object *object)
{
    static const uint8_t pixels[] = "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF"
                                    "\xFE\xFF\0\xE0\0\0\0\0\xFE\xFF\0\xE0\x04\0\0\0\xFF\x4F\x01\x02"
                                    "\xFE\xFF\xDD\xE0\0\0\0";
    struct object without = *object;
    without.pixels = 0;
    encode_object(out, &without, EXPLICIT_LITTLE);
    out->length -= 12; /* the empty Pixel Data */
    assert_int_equal(mur_buffer_append(out, pixels, sizeof(pixels), NULL), MUR_OK);
}

static void store_encapsulated(struct node *node, const struct object *object,
                               const char *transfer_syntax)
{
    const struct mur_context_proposal context = {object->sop_class, &transfer_syntax, 1,
                                                 MUR_ROLE_DEFAULT};
    struct mur_association *association = connect_client(node, "CLIENT", &context, 1);
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode_encapsulated(&bytes, object);
    assert_int_equal(
        store_bytes(association, object->sop_class, object->sop_instance, bytes.data, bytes.length)
            .status,
        0);
    release_client(association);
}

static void a_context_for_c_get_takes_the_syntax_that_serves_most_of_what_is_stored(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 1);
    struct object object = CT_OBJECT;
    object.sop_class = mur_uid_MRImageStorage;
    store_encapsulated(&node, &object, mur_uid_HTJ2KLossless);
    object.sop_class = mur_uid_SecondaryCaptureImageStorage;
    object.sop_instance = "1.2.3.4.1.1.2";
    store_encapsulated(&node, &object, mur_uid_JPEG2000Lossless);

    static const char *const native_first[] = {IMPLICIT_LITTLE, EXPLICIT_LITTLE,
                                               mur_uid_HTJ2KLossless, mur_uid_JPEG2000Lossless};
    static const char *const native_last[] = {mur_uid_HTJ2K, mur_uid_HTJ2KLossless, EXPLICIT_LITTLE,
                                              IMPLICIT_LITTLE};
    const struct {
        struct mur_context_proposal proposal;
        const char *expected;
    } cases[] = {
        {{CT_STORAGE, native_first, 4, MUR_ROLE_SCP}, EXPLICIT_LITTLE},
        {{CT_STORAGE, native_last, 4, MUR_ROLE_SCP}, EXPLICIT_LITTLE},
        {{mur_uid_MRImageStorage, native_first, 4, MUR_ROLE_SCP}, mur_uid_HTJ2KLossless},
        {{mur_uid_MRImageStorage, native_last, 4, MUR_ROLE_SCP}, mur_uid_HTJ2KLossless},
        {{mur_uid_SecondaryCaptureImageStorage, native_first, 4, MUR_ROLE_SCP},
         mur_uid_JPEG2000Lossless},
        {{mur_uid_SecondaryCaptureImageStorage, native_last, 4, MUR_ROLE_SCP}, EXPLICIT_LITTLE},
        /* nothing is stored */
        {{mur_uid_NuclearMedicineImageStorage, native_last, 4, MUR_ROLE_SCP}, EXPLICIT_LITTLE},
        {{mur_uid_NuclearMedicineImageStorage, native_last, 2, MUR_ROLE_SCP}, mur_uid_HTJ2K},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_association *association =
            connect_client(&node, "CLIENT", &cases[i].proposal, 1);
        struct mur_presentation_context context;
        assert_true(mur_association_get_context(&context, association, 0));
        assert_int_equal(context.result, MUR_CONTEXT_ACCEPTED);
        assert_string_equal(context.accepted_transfer_syntax, cases[i].expected);
        release_client(association);
    }
    stop_node(&node);
}

static void what_cannot_be_decoded_is_listed_as_failed_and_the_rest_comes(void **state)
{
    (void)state;
    struct node node;
    struct destination destination = {.only_syntax = EXPLICIT_LITTLE};
    make_node(&node, NULL);
    start_destination(&destination, &node);
    run_node(&node);
    fill_node(&node, 1, 2);
    struct object object = CT_OBJECT;
    object.study = "1.2.3.1";
    object.series = "1.2.3.1.1";
    object.patient_id = "M1";
    object.sop_instance = "1.2.3.1.1.77";
    store_encapsulated(&node, &object, mur_uid_HTJ2KLossless);
    struct retrieved retrieved = move(&node, "DEST", study_one, 2, 3);
    stop_destination(&destination);
    assert_int_equal(retrieved.last.status, 0xB000);
    assert_int_equal(retrieved.last.completed, 2);
    assert_int_equal(retrieved.last.failed, 1);
    assert_true(holds(&retrieved.failed_list, "1.2.3.1.1.77"));
    assert_false(holds(&retrieved.failed_list, "1.2.3.1.1.1"));
    assert_int_equal(destination.received.count, 2);
    assert_int_equal(destination.received.different, 0);
    mur_buffer_free(&retrieved.failed_list);
    stop_node(&node);
}

/* ---- DCMTK's clients ---- */

static unsigned files_in(const char *path)
{
    unsigned count = 0;
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    (void)closedir(directory);
    return count - 2;
}

static void movescu_and_getscu_retrieve(void **state)
{
    (void)state;
    if (!has_program("movescu") || !has_program("getscu") || !has_program("storescp"))
        skip();
    struct node node;
    unsigned theirs = free_port();
    make_node(&node, NULL);
    add_peer(&node, "STORESCP", theirs, MUR_RIGHTS_NONE);
    run_node(&node);
    fill_node(&node, 2, 3);
    char port[8], store_port[8], folder[2][96], output[16384];
    (void)snprintf(port, sizeof(port), "%u", mur_scp_port(node.scp));
    (void)snprintf(store_port, sizeof(store_port), "%u", theirs);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(folder[i], sizeof(folder[i]), "%s/out%d", node.directory, i);
        assert_int_equal(mkdir(folder[i], 0700), 0);
    }
    const char *storescp[] = {"storescp", "+B",      "-aet",     "STORESCP",
                              "-od",      folder[0], store_port, NULL};
    pid_t pid = start_program(storescp);
    wait_for_port(theirs);
    const char *movescu[] = {"movescu",   "-S",
                             "-aem",      "STORESCP",
                             "-k",        "QueryRetrieveLevel=STUDY",
                             "-k",        "StudyInstanceUID=1.2.3.1",
                             "127.0.0.1", port,
                             NULL};
    int moved = run_program(movescu, 30, output, sizeof(output));
    stop_program(pid);
    assert_int_equal(moved, 0);
    assert_int_equal(files_in(folder[0]), 3);
    const char *getscu[] = {"getscu",
                            "-S",
                            "+B",
                            "-od",
                            folder[1],
                            "-k",
                            "QueryRetrieveLevel=SERIES",
                            "-k",
                            "StudyInstanceUID=1.2.3.2",
                            "-k",
                            "SeriesInstanceUID=1.2.3.2.1",
                            "127.0.0.1",
                            port,
                            NULL};
    assert_int_equal(run_program(getscu, 30, output, sizeof(output)), 0);
    assert_int_equal(files_in(folder[1]), 3);
    stop_node(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_study_comes_back_by_get_as_it_was_stored),
        cmocka_unit_test(identifiers_that_name_nothing_send_nothing),
        cmocka_unit_test(a_damaged_instance_is_reported_and_the_others_come),
        cmocka_unit_test(a_large_instance_comes_back_too),
        cmocka_unit_test(what_the_receiver_says_is_counted),
        cmocka_unit_test(a_get_is_cancelled_and_the_association_goes_on),
        cmocka_unit_test(a_deflated_object_of_odd_length_goes_out_with_a_nul),
        cmocka_unit_test(a_move_is_cancelled_and_the_association_goes_on),
        cmocka_unit_test(every_level_and_lists_of_keys_are_moved),
        cmocka_unit_test(a_study_is_moved_to_a_peer),
        cmocka_unit_test(an_unknown_destination_is_a801),
        cmocka_unit_test(a_destination_that_is_not_there_fails_every_instance),
        cmocka_unit_test(a_destination_that_aborts_loses_one_instance),
        cmocka_unit_test(a_destination_that_wants_another_syntax_gets_it),
        cmocka_unit_test(a_destination_that_refuses_the_class_is_told_of),
        cmocka_unit_test(a_context_for_c_get_takes_the_syntax_that_serves_most_of_what_is_stored),
        cmocka_unit_test(what_cannot_be_decoded_is_listed_as_failed_and_the_rest_comes),
        cmocka_unit_test(movescu_and_getscu_retrieve),
    };
    return end_of_tests(cmocka_run_group_tests(tests, NULL, NULL));
}

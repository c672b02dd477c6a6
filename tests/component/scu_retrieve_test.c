/* C-GET and C-MOVE as client: what comes, how it is named, and what never may be written. */
#include "scu_support.h"

#include "scu/get.h"
#include "scu/move.h"

static const char *const study_keys[] = {"QueryRetrieveLevel=STUDY", "StudyInstanceUID=1.2.3.1"};

struct came {
    unsigned count, refused;
    char last_path[128];
    bool last_existed;
    char last_syntax[65];
};

static void on_object(void *user, const struct mur_received *received)
{
    struct came *came = user;
    __atomic_add_fetch(&came->count, received->status == 0, __ATOMIC_RELAXED);
    __atomic_add_fetch(&came->refused, received->status != 0, __ATOMIC_RELAXED);
    came->last_existed = received->existed;
    (void)snprintf(came->last_path, sizeof came->last_path, "%s",
                   received->path != NULL ? received->path : "");
    (void)snprintf(came->last_syntax, sizeof came->last_syntax, "%s", received->transfer_syntax);
}

static struct mur_receiver *receiver_in(const struct folder *folder, struct came *came)
{
    struct mur_receiver *receiver = NULL;
    const struct mur_receiver_options options = {
        .folder = folder->path, .on_object = on_object, .user = came};
    assert_int_equal(mur_receiver_create(&receiver, &options, NULL), MUR_OK);
    return receiver;
}

/* ---- C-GET ---- */

static struct mur_retrieval_result get(const struct mur_client *client, struct mur_receiver *into,
                                       const struct mur_class_list *classes, enum mur_status expect)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_retrieval_result result;
    struct mur_get_options options = {.client = *client,
                                      .model = MUR_MODEL_STUDY_ROOT,
                                      .identifier = identifier_of(study_keys, 2),
                                      .classes = classes,
                                      .receiver = into};
    enum mur_status status = mur_scu_get(&result, &options, &error);
    mur_dataset_free(options.identifier);
    if (status != expect)
        fail_msg("%d: %s", status, error.message);
    return result;
}

static void objects_come_as_whole_files_named_after_their_uid(void **state)
{
    (void)state;
    struct node node;
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    start_node(&node, NULL);
    fill_node(&node, 2, 3);
    struct mur_client client = client_of(&node);
    MUR_AUTO(mur_receiver) *receiver = receiver_in(&folder, &came);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result =
        get(&client, receiver, NULL, MUR_OK);
    assert_int_equal(result.outcome.status, 0);
    assert_int_equal(result.completed, 3);
    assert_int_equal(came.count, 3);
    assert_int_equal(mur_receiver_count(receiver), 3);
    assert_int_equal(count_files(&folder), 3);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/1.2.3.1.1.2.dcm", folder.path);
    MUR_AUTO_BUFFER struct mur_buffer file = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer wanted = MUR_BUFFER_INIT;
    assert_int_equal(mur_file_read_all(&file, path, 1 << 20, NULL), MUR_OK);
    struct object object = CT_OBJECT;
    object.study = "1.2.3.1";
    object.series = "1.2.3.1.1";
    object.sop_instance = "1.2.3.1.1.2";
    object.patient_id = "M1";
    encode_object(&wanted, &object, EXPLICIT_LITTLE);
    struct mur_part10 head;
    assert_int_equal(mur_part10_parse(&head, file.data, file.length, path, NULL), MUR_OK);
    assert_string_equal(head.source_ae, "MURPACS");
    assert_int_equal(file.length - head.offset, wanted.length);
    assert_memory_equal(file.data + head.offset, wanted.data, wanted.length);
    remove_folder(&folder);
    stop_node(&node);
}

/* Stores one object under a label that no decoder knows. */
static void store_labelled(struct node *node, const char *transfer_syntax)
{
    const struct mur_context_proposal context = {.abstract_syntax = CT_STORAGE,
                                                 .transfer_syntaxes = &transfer_syntax,
                                                 .transfer_syntax_count = 1};
    struct mur_association *association = connect_client(node, "CLIENT", &context, 1);
    struct object object = CT_OBJECT;
    object.study = "1.2.3.1";
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode_object(&bytes, &object, EXPLICIT_LITTLE);
    bytes.length -= object.pixels + 12;
    static const char fragments[] = "\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF"
                                    "\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0\4\0\0\0abcd"
                                    "\xFE\xFF\xDD\xE0\0\0\0";
    assert_int_equal(mur_buffer_append(&bytes, fragments, sizeof fragments, NULL), MUR_OK);
    assert_int_equal(
        store_bytes(association, CT_STORAGE, object.sop_instance, bytes.data, bytes.length).status,
        0);
    release_client(association);
}

static void a_peer_that_tells_its_classes_sends_every_syntax_as_it_is(void **state)
{
    (void)state;
    struct node node;
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    start_node(&node, NULL);
    store_labelled(&node, mur_uid_HTJ2KLossless);
    struct mur_client client = client_of(&node);
    MUR_AUTO(mur_receiver) *receiver = receiver_in(&folder, &came);
    MUR_AUTO_CLASS_LIST struct mur_class_list classes = {.uids = NULL};
    struct mur_dataset *identifier = identifier_of(study_keys, 2);
    uint64_t instances = 0;
    assert_int_equal(
        mur_scu_get_classes(&classes, &instances, &client, MUR_MODEL_STUDY_ROOT, identifier, NULL),
        MUR_OK);
    mur_dataset_free(identifier);
    assert_int_equal(instances, 1);
    assert_int_equal(classes.count, 1);
    assert_string_equal(classes.uids[0], CT_STORAGE);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result =
        get(&client, receiver, &classes, MUR_OK);
    assert_int_equal(result.outcome.status, 0);
    assert_int_equal(came.count, 1);
    assert_string_equal(came.last_syntax, mur_uid_HTJ2KLossless);
    remove_folder(&folder);
    stop_node(&node);
}

static void what_the_peer_cannot_send_is_listed(void **state)
{
    (void)state;
    struct node node;
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    start_node(&node, NULL);
    fill_node(&node, 1, 1);
    char mr[1][65] = {MR_STORAGE};
    const struct mur_class_list wrong = {.uids = mr, .count = 1};
    struct mur_client client = client_of(&node);
    MUR_AUTO(mur_receiver) *receiver = receiver_in(&folder, &came);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result =
        get(&client, receiver, &wrong, MUR_OK);
    assert_int_equal(result.outcome.status, 0xA702);
    assert_int_equal(result.failed, 1);
    assert_string_equal(result.failed_uids, "1.2.3.1.1.1");
    assert_int_equal(count_files(&folder), 0);
    remove_folder(&folder);
    stop_node(&node);
}

/* Objects of a C-GET under names that a test gives in peer->user, separated by NULL at the end;
 * then the last response. */
static void send_names(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request;
    uint8_t context_id = 0;
    if (!read_request(&request, &context_id, association))
        return;
    struct mur_presentation_context context;
    if (!mur_association_find_context_for(&context, association, CT_STORAGE, EXPLICIT_LITTLE))
        return;
    struct mur_command last;
    mur_command_init_response(&last, &request, 0);
    for (const char *const *name = peer->user; *name != NULL; name++) {
        struct mur_command store = command_for(MUR_C_STORE_RQ, CT_STORAGE), answer;
        uint8_t id = 0;
        store.has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_AFFECTED_SOP_INSTANCE |
                    MUR_HAS_MESSAGE_ID | MUR_HAS_PRIORITY;
        store.message_id = 9;
        (void)snprintf(store.affected_sop_instance_uid, sizeof store.affected_sop_instance_uid,
                       "%s", *name);
        if (mur_message_write(association, context.id, &store, "0123456789", 10, NODE_PATIENCE_MS,
                              NULL) != MUR_OK ||
            !read_request(&answer, &id, association))
            return;
        __atomic_add_fetch(&peer->served, answer.status == 0, __ATOMIC_RELAXED);
    }
    (void)!mur_message_write(association, context_id, &last, NULL, 0, NODE_PATIENCE_MS, NULL);
    (void)read_request(&request, &context_id, association);
}

static void a_name_of_the_peer_never_becomes_a_path(void **state)
{
    (void)state;
    static const char *const names[] = {"../../evil", "/tmp/evil",   "..",    ".",      "a/b",
                                        "CON",        "1.2/../../3", "1.2.3", "-rf",    "~",
                                        "1.2.3;id",   "1..2",        " ",     "1.2.3.", NULL};
    struct folder outer = make_folder(), folder = outer;
    struct came came = {.count = 0};
    (void)snprintf(folder.path, sizeof folder.path, "%.40s/in", outer.path);
    struct rude_peer peer = {.serve = send_names, .user = (void *)(uintptr_t)names};
    struct mur_client client = client_at(start_rude_peer(&peer));
    MUR_AUTO(mur_receiver) *receiver = receiver_in(&folder, &came);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result =
        get(&client, receiver, NULL, MUR_OK);
    stop_rude_peer(&peer);
    assert_int_equal(count_files(&outer), 1);
    assert_int_equal(count_files(&folder), came.count);
    assert_int_equal(peer.served, came.count);
    assert_int_equal(came.count + came.refused, MUR_COUNT(names) - 1);
    assert_int_equal(came.refused, 1); /* the blank one, which is no UID at all */
    DIR *directory = opendir(folder.path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        const char *rest = strncmp(name, "object-", 7) == 0 ? name + 7 : name;
        assert_string_equal(rest + strspn(rest, "0123456789."), "dcm");
    }
    (void)closedir(directory);
    remove_folder(&outer);
}

/* Breaks off in the middle of an object. */
static void send_half(struct rude_peer *peer, struct mur_association *association)
{
    (void)peer;
    struct mur_command request;
    uint8_t context_id = 0;
    struct mur_presentation_context context;
    if (!read_request(&request, &context_id, association) ||
        !mur_association_find_context_for(&context, association, CT_STORAGE, EXPLICIT_LITTLE))
        return;
    struct mur_command store = command_for(MUR_C_STORE_RQ, CT_STORAGE);
    store.has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_AFFECTED_SOP_INSTANCE | MUR_HAS_MESSAGE_ID |
                MUR_HAS_PRIORITY;
    store.has_data_set = true;
    (void)snprintf(store.affected_sop_instance_uid, sizeof store.affected_sop_instance_uid,
                   "1.2.3");
    MUR_AUTO_BUFFER struct mur_buffer command = MUR_BUFFER_INIT;
    if (mur_command_encode(&command, &store, NULL) != MUR_OK)
        return;
    const struct mur_pdv pdvs[2] = {
        {.data = (const uint8_t *)command.data,
         .length = command.length,
         .context_id = context.id,
         .is_command = true,
         .is_last = true},
        {.data = (const uint8_t *)"half", .length = 4, .context_id = context.id}};
    (void)!mur_association_write(association, pdvs, 2, NODE_PATIENCE_MS, NULL);
    mur_association_abort(association);
}

static void of_an_object_that_breaks_off_nothing_is_left(void **state)
{
    (void)state;
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    struct rude_peer peer = {.serve = send_half};
    struct mur_client client = client_at(start_rude_peer(&peer));
    MUR_AUTO(mur_receiver) *receiver = receiver_in(&folder, &came);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result =
        get(&client, receiver, NULL, MUR_CLOSED);
    stop_rude_peer(&peer);
    assert_int_equal(came.count, 0);
    assert_int_equal(count_files(&folder), 0);
    remove_folder(&folder);
}

static void a_folder_that_goes_away_is_told_to_the_peer_and_to_us(void **state)
{
    (void)state;
    static const char *const names[] = {"1.2.3", "1.2.4", NULL};
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    struct rude_peer peer = {.serve = send_names, .user = (void *)(uintptr_t)names};
    struct mur_client client = client_at(start_rude_peer(&peer));
    MUR_AUTO(mur_receiver) *receiver = receiver_in(&folder, &came);
    remove_folder(&folder);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result =
        get(&client, receiver, NULL, MUR_OK);
    stop_rude_peer(&peer);
    assert_int_equal(peer.served, 0);
    assert_int_equal(came.refused, 2);
    assert_int_not_equal(mur_receiver_failure(receiver, NULL), MUR_OK);
}

/* ---- what is not taken ---- */

struct arriving {
    const char *study, *sop_instance;
    const char *announced; /* SOP Instance UID of the request; NULL: that of the object */
    const char *description;
    size_t pixels;
};

struct arrivals {
    const struct arriving *objects;
    size_t count;
    uint16_t statuses[8]; /* that were answered */
    size_t full_at;       /* index + 1 of the object after which a C-CANCEL is due; 0 = none */
    bool cancelled;       /* a C-CANCEL came */
};

static bool send_arriving(struct arrivals *arrivals, size_t index,
                          struct mur_association *association, uint8_t context_id)
{
    const struct arriving *arriving = &arrivals->objects[index];
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    struct object object = CT_OBJECT;
    object.study = arriving->study;
    object.sop_instance = arriving->sop_instance;
    object.description = arriving->description;
    object.pixels = arriving->pixels > 0 ? arriving->pixels : 64;
    encode_object(&bytes, &object, EXPLICIT_LITTLE);
    struct mur_command store = command_for(MUR_C_STORE_RQ, CT_STORAGE), answer;
    uint8_t id = 0;
    store.has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_AFFECTED_SOP_INSTANCE | MUR_HAS_MESSAGE_ID |
                MUR_HAS_PRIORITY;
    store.message_id = 9;
    (void)snprintf(store.affected_sop_instance_uid, sizeof store.affected_sop_instance_uid, "%s",
                   arriving->announced != NULL ? arriving->announced : arriving->sop_instance);
    if (mur_message_write(association, context_id, &store, bytes.data, bytes.length,
                          NODE_PATIENCE_MS, NULL) != MUR_OK)
        return false;
    do {
        if (!read_request(&answer, &id, association))
            return false;
        arrivals->cancelled |= answer.field == MUR_C_CANCEL_RQ; /* it may come in between */
    } while (answer.field == MUR_C_CANCEL_RQ);
    arrivals->statuses[index] = answer.status;
    return true;
}

static void send_arrivals(struct rude_peer *peer, struct mur_association *association)
{
    struct arrivals *arrivals = peer->user;
    struct mur_command request, last;
    uint8_t context_id = 0;
    struct mur_presentation_context context;
    if (!read_request(&request, &context_id, association) ||
        !mur_association_find_context_for(&context, association, CT_STORAGE, EXPLICIT_LITTLE))
        return;
    for (size_t i = 0; i < arrivals->count && !arrivals->cancelled; i++) {
        if (!send_arriving(arrivals, i, association, context.id))
            return;
        if (arrivals->full_at == i + 1 && !arrivals->cancelled)
            (void)mur_association_data_waiting(association, NODE_PATIENCE_MS);
        if (!arrivals->cancelled && mur_message_poll_cancel(&arrivals->cancelled, association,
                                                            request.message_id, NULL) != MUR_OK)
            return;
    }
    mur_command_init_response(&last, &request, arrivals->cancelled ? 0xFE00 : 0);
    (void)!mur_message_write(association, context_id, &last, NULL, 0, NODE_PATIENCE_MS, NULL);
    (void)read_request(&request, &context_id, association);
}

/* Fetches what arrives; @p options are those of the receiver. @return what the receiver says */
static enum mur_status receive_arrivals(struct arrivals *arrivals, const struct folder *folder,
                                        const struct mur_receiver_options *options,
                                        struct came *came, struct mur_error *error)
{
    MUR_AUTO(mur_receiver) *receiver = NULL;
    MUR_AUTO(mur_dataset) *asked = identifier_of(study_keys, 2);
    struct mur_receiver_options all = *options;
    all.folder = folder->path;
    all.asked = asked;
    all.on_object = on_object;
    all.user = came;
    assert_int_equal(mur_receiver_create(&receiver, &all, NULL), MUR_OK);
    struct rude_peer peer = {.serve = send_arrivals, .user = arrivals};
    struct mur_client client = client_at(start_rude_peer(&peer));
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result =
        get(&client, receiver, NULL, MUR_OK);
    stop_rude_peer(&peer);
    return mur_receiver_failure(receiver, error);
}

static void what_was_not_asked_for_is_not_taken(void **state)
{
    (void)state;
    static const struct arriving objects[] = {
        {.study = "1.2.3.1", .sop_instance = "1.2.9.1"},
        {.study = "1.2.3.2", .sop_instance = "1.2.9.2"},
        {.study = "1.2.3.1", .sop_instance = "1.2.9.3", .announced = "1.2.9.4"},
        {.study = "1.2.3.1", .sop_instance = "1.2.9.5"},
    };
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    struct arrivals arrivals = {.objects = objects, .count = 4};
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(receive_arrivals(&arrivals, &folder, &(struct mur_receiver_options){.room = 0},
                                      &came, &error),
                     MUR_MISMATCH);
    assert_non_null(strstr(error.message, "nobody asked for"));
    assert_int_equal(arrivals.statuses[0], 0);
    assert_int_equal(arrivals.statuses[1], 0x0124);
    assert_int_equal(arrivals.statuses[2], 0x0117);
    assert_int_equal(arrivals.statuses[3], 0);
    assert_int_equal(count_files(&folder), 2);
    assert_int_equal(came.count, 2);
    remove_folder(&folder);
}

static void a_file_that_is_there_is_kept_unless_the_user_wants_another(void **state)
{
    (void)state;
    static const struct arriving first[] = {{"1.2.3.1", "1.2.9.1", NULL, "old", 0}};
    static const struct arriving then[] = {{"1.2.3.1", "1.2.9.1", NULL, "new", 0}};
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_receiver_options keep = {.overwrite = false}, replace = {.overwrite = true};
    char path[128];
    MUR_AUTO_BUFFER struct mur_buffer file = MUR_BUFFER_INIT;
    (void)snprintf(path, sizeof path, "%s/1.2.9.1.dcm", folder.path);

    struct arrivals arrivals = {.objects = first, .count = 1};
    assert_int_equal(receive_arrivals(&arrivals, &folder, &keep, &came, NULL), MUR_OK);
    assert_false(came.last_existed);
    /* the same again */
    assert_int_equal(receive_arrivals(&arrivals, &folder, &keep, &came, NULL), MUR_OK);
    assert_true(came.last_existed);
    assert_int_equal(arrivals.statuses[0], 0);
    /* another one of its name */
    arrivals = (struct arrivals){.objects = then, .count = 1};
    assert_int_equal(receive_arrivals(&arrivals, &folder, &keep, &came, &error), MUR_EXISTS);
    assert_non_null(strstr(error.message, "--overwrite"));
    assert_int_equal(arrivals.statuses[0], 0x0111);
    assert_int_equal(mur_file_read_all(&file, path, 1 << 20, NULL), MUR_OK);
    assert_true(holds(&file, "old"));
    assert_int_equal(receive_arrivals(&arrivals, &folder, &replace, &came, NULL), MUR_OK);
    assert_int_equal(arrivals.statuses[0], 0);
    mur_buffer_clear(&file);
    assert_int_equal(mur_file_read_all(&file, path, 1 << 20, NULL), MUR_OK);
    assert_true(holds(&file, "new"));
    assert_int_equal(count_files(&folder), 1);
    remove_folder(&folder);
}

static void a_peer_cannot_send_more_than_was_allowed(void **state)
{
    (void)state;
    static const struct arriving objects[] = {
        {"1.2.3.1", "1.2.9.1", NULL, "a", 0},     {"1.2.3.1", "1.2.9.2", NULL, "b", 70000},
        {"1.2.3.1", "1.2.9.3", NULL, "c", 0},     {"1.2.3.1", "1.2.9.4", NULL, "d", 0},
        {"1.2.3.1", "1.2.9.5", NULL, "never", 0},
    };
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    struct arrivals arrivals = {.objects = objects, .count = MUR_COUNT(objects), .full_at = 4};
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_receiver_options limits = {.object_limit = 65536, .count_limit = 2};
    assert_int_equal(receive_arrivals(&arrivals, &folder, &limits, &came, &error), MUR_LIMIT);
    assert_non_null(strstr(error.message, "65536 bytes"));
    assert_int_equal(arrivals.statuses[1], 0xA700);
    assert_int_equal(arrivals.statuses[2], 0);
    assert_int_equal(arrivals.statuses[3], 0xA700);
    assert_true(arrivals.cancelled);
    assert_int_equal(count_files(&folder), 2);
    remove_folder(&folder);
}

static void a_file_system_is_not_filled_to_the_last_byte(void **state)
{
    (void)state;
    static const struct arriving objects[] = {{"1.2.3.1", "1.2.9.1", NULL, "a", 0},
                                              {"1.2.3.1", "1.2.9.2", NULL, "b", 0}};
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    struct arrivals arrivals = {.objects = objects, .count = 2, .full_at = 1};
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_receiver_options options = {.room = (uint64_t)1 << 60};
    assert_int_equal(receive_arrivals(&arrivals, &folder, &options, &came, &error), MUR_NO_SPACE);
    assert_non_null(strstr(error.message, "are free"));
    assert_int_equal(arrivals.statuses[0], 0xA700);
    assert_true(arrivals.cancelled);
    assert_int_equal(count_files(&folder), 0);
    remove_folder(&folder);
}

/* ---- C-MOVE ---- */

static struct mur_retrieval_result move_to(const struct mur_client *client, const char *destination)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_retrieval_result result;
    struct mur_move_options options = {.client = *client,
                                       .model = MUR_MODEL_STUDY_ROOT,
                                       .identifier = identifier_of(study_keys, 2),
                                       .destination = destination};
    enum mur_status status = mur_scu_move(&result, &options, &error);
    mur_dataset_free(options.identifier);
    if (status != MUR_OK)
        fail_msg("%s", error.message);
    return result;
}

static void one_node_sends_to_another_by_our_word(void **state)
{
    (void)state;
    struct node source, target;
    start_node(&source, NULL);
    start_node(&target, NULL);
    fill_node(&source, 2, 4);
    add_peer(&source, "TARGET", mur_scp_port(target.scp), MUR_RIGHTS_BOTH);
    struct mur_client client = client_of(&source);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result = move_to(&client, "TARGET");
    assert_int_equal(result.outcome.status, 0);
    assert_int_equal(result.completed, 4);
    assert_int_equal(instances_of(&target), 4);
    stop_node(&source);
    stop_node(&target);
}

static void an_unknown_destination_is_explained(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 1);
    struct mur_client client = client_of(&node);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result = move_to(&client, "NOWHERE");
    assert_int_equal(result.outcome.status, 0xA801);
    assert_string_equal(mur_dimse_status_name(0xA801, MUR_C_MOVE_RQ), "move destination unknown");
    assert_non_null(strstr(mur_dimse_status_remedy(0xA801, MUR_C_MOVE_RQ), "list"));
    stop_node(&node);
}

static struct mur_landing *landing_for(struct mur_receiver *receiver, const char *ae_title)
{
    struct mur_landing *landing = NULL;
    const struct mur_landing_options options = {.bind_address = "127.0.0.1",
                                                .ae_title = ae_title,
                                                .timeout_ms = NODE_PATIENCE_MS,
                                                .receiver = receiver};
    assert_int_equal(mur_landing_create(&landing, &options, NULL), MUR_OK);
    return landing;
}

static void objects_moved_to_ourselves_land_in_our_folder(void **state)
{
    (void)state;
    struct node node;
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    start_node(&node, NULL);
    fill_node(&node, 2, 5);
    MUR_AUTO(mur_receiver) *receiver = receiver_in(&folder, &came);
    MUR_AUTO(mur_landing) *landing = landing_for(receiver, "ME");
    add_peer(&node, "ME", mur_landing_port(landing), MUR_RIGHTS_BOTH);
    struct mur_client client = client_of(&node);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result = move_to(&client, "ME");
    mur_landing_free(landing);
    landing = NULL;
    assert_int_equal(result.outcome.status, 0);
    assert_int_equal(result.completed, 5);
    assert_int_equal(count_files(&folder), 5);
    assert_int_equal(came.count, 5);
    remove_folder(&folder);
    stop_node(&node);
}

static void who_calls_another_title_does_not_land(void **state)
{
    (void)state;
    struct node node;
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    start_node(&node, NULL);
    fill_node(&node, 1, 2);
    MUR_AUTO(mur_receiver) *receiver = receiver_in(&folder, &came);
    MUR_AUTO(mur_landing) *landing = landing_for(receiver, "ME");
    add_peer(&node, "OTHER", mur_landing_port(landing), MUR_RIGHTS_BOTH);
    struct mur_client client = client_of(&node);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result = move_to(&client, "OTHER");
    assert_int_equal(result.outcome.status, 0xA702);
    assert_int_equal(result.failed, 2);
    assert_int_equal(count_files(&folder), 0);
    remove_folder(&folder);
    stop_node(&node);
}

static void a_landing_ends_although_a_peer_stays(void **state)
{
    (void)state;
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    MUR_AUTO(mur_receiver) *receiver = receiver_in(&folder, &came);
    struct mur_landing *landing = landing_for(receiver, "MURPACS");
    int idle = associate_raw(mur_landing_port(landing), 0);
    double begun = seconds_now();
    mur_landing_free(landing);
    assert_true(seconds_now() - begun < 6);
    (void)close(idle);
    remove_folder(&folder);
}

/* ---- cancelling ---- */

/* Sends pending responses until it is cancelled. */
static void pend_for_ever(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request, pending;
    uint8_t context_id = 0;
    if (!read_request(&request, &context_id, association))
        return;
    mur_command_init_response(&pending, &request, 0xFF00);
    pending.has |= MUR_HAS_SUBOPERATION_COUNTS | MUR_HAS_REMAINING;
    pending.remaining = 10;
    bool cancelled = false;
    while (!cancelled) {
        (void)usleep(2000);
        if (mur_message_write(association, context_id, &pending, NULL, 0, NODE_PATIENCE_MS, NULL) !=
                MUR_OK ||
            mur_message_poll_cancel(&cancelled, association, request.message_id, NULL) != MUR_OK)
            return;
        if (pending.completed == 5)
            (void)eventfd_write(*(const int *)peer->user, 1);
        pending.completed++;
    }
    pending.status = 0xFE00;
    (void)!mur_message_write(association, context_id, &pending, NULL, 0, NODE_PATIENCE_MS, NULL);
    (void)read_request(&request, &context_id, association);
}

static void who_wants_to_stop_a_move_is_told_how_far_it_came(void **state)
{
    (void)state;
    int cancel_fd = eventfd(0, EFD_NONBLOCK);
    struct rude_peer peer = {.serve = pend_for_ever, .user = &cancel_fd};
    struct mur_client client = client_at(start_rude_peer(&peer));
    client.cancel_fd = cancel_fd;
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result = move_to(&client, "X");
    assert_int_equal(result.outcome.status, 0xFE00);
    assert_true(result.outcome.cancelled);
    assert_true(result.completed >= 5);
    assert_int_equal(result.remaining, 10);
    stop_rude_peer(&peer);
    (void)close(cancel_fd);
}

/* A C-GET that goes on for ever; what came is kept. */
static void send_for_ever(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request, last;
    uint8_t context_id = 0;
    struct mur_presentation_context context;
    bool cancelled = false;
    if (!read_request(&request, &context_id, association) ||
        !mur_association_find_context_for(&context, association, CT_STORAGE, EXPLICIT_LITTLE))
        return;
    for (unsigned number = 1; !cancelled; number++) {
        char uid[32];
        (void)snprintf(uid, sizeof uid, "1.2.9.%u", number);
        const struct arriving object = {.study = "1.2.3.1", .sop_instance = uid};
        struct arrivals one = {.objects = &object, .count = 1};
        if (!send_arriving(&one, 0, association, context.id))
            return;
        if (number == 5)
            (void)eventfd_write(*(const int *)peer->user, 1);
        __atomic_store_n(&peer->served, number, __ATOMIC_RELAXED);
        cancelled = one.cancelled;
        if (!cancelled &&
            mur_message_poll_cancel(&cancelled, association, request.message_id, NULL) != MUR_OK)
            return;
    }
    mur_command_init_response(&last, &request, 0xFE00);
    last.has |= MUR_HAS_SUBOPERATION_COUNTS | MUR_HAS_REMAINING;
    last.completed = (uint16_t)peer->served;
    last.remaining = 7;
    (void)!mur_message_write(association, context_id, &last, NULL, 0, NODE_PATIENCE_MS, NULL);
    (void)read_request(&request, &context_id, association);
}

static void who_wants_to_stop_a_get_keeps_what_came(void **state)
{
    (void)state;
    int cancel_fd = eventfd(0, EFD_NONBLOCK);
    struct folder folder = make_folder();
    struct came came = {.count = 0};
    struct rude_peer peer = {.serve = send_for_ever, .user = &cancel_fd};
    struct mur_client client = client_at(start_rude_peer(&peer));
    client.cancel_fd = cancel_fd;
    MUR_AUTO(mur_receiver) *receiver = receiver_in(&folder, &came);
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result =
        get(&client, receiver, NULL, MUR_OK);
    stop_rude_peer(&peer);
    assert_int_equal(result.outcome.status, 0xFE00);
    assert_true(result.outcome.cancelled);
    assert_int_equal(result.remaining, 7);
    assert_true(came.count >= 5);
    assert_int_equal(came.count, peer.served);
    assert_int_equal(count_files(&folder), came.count);
    (void)close(cancel_fd);
    remove_folder(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_come_as_whole_files_named_after_their_uid),
        cmocka_unit_test(a_peer_that_tells_its_classes_sends_every_syntax_as_it_is),
        cmocka_unit_test(what_the_peer_cannot_send_is_listed),
        cmocka_unit_test(a_name_of_the_peer_never_becomes_a_path),
        cmocka_unit_test(of_an_object_that_breaks_off_nothing_is_left),
        cmocka_unit_test(a_folder_that_goes_away_is_told_to_the_peer_and_to_us),
        cmocka_unit_test(what_was_not_asked_for_is_not_taken),
        cmocka_unit_test(a_file_that_is_there_is_kept_unless_the_user_wants_another),
        cmocka_unit_test(a_peer_cannot_send_more_than_was_allowed),
        cmocka_unit_test(a_file_system_is_not_filled_to_the_last_byte),
        cmocka_unit_test(one_node_sends_to_another_by_our_word),
        cmocka_unit_test(an_unknown_destination_is_explained),
        cmocka_unit_test(objects_moved_to_ourselves_land_in_our_folder),
        cmocka_unit_test(who_calls_another_title_does_not_land),
        cmocka_unit_test(a_landing_ends_although_a_peer_stays),
        cmocka_unit_test(who_wants_to_stop_a_move_is_told_how_far_it_came),
        cmocka_unit_test(who_wants_to_stop_a_get_keeps_what_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

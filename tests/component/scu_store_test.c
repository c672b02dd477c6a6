/* C-STORE as client: folders, parallel associations, peers that break them, taking up again. */
#include "scu_support.h"

#include <sys/file.h>

#include "scu/store.h"

enum { RESULTS = 512 };

struct seen {
    unsigned stored, known, skipped, failed;
    char reasons[RESULTS][200];
    char sent_as[RESULTS][65];
    unsigned count;
    int cancel_fd;
    unsigned cancel_after; /* objects stored; 0 = never */
};

static void on_result(void *user, const struct mur_send_result *result)
{
    struct seen *seen = user;
    seen->stored += result->outcome == MUR_SEND_STORED;
    seen->known += result->outcome == MUR_SEND_KNOWN;
    seen->skipped += result->outcome == MUR_SEND_SKIPPED;
    seen->failed += result->outcome == MUR_SEND_FAILED;
    if (seen->count < RESULTS) {
        (void)snprintf(seen->reasons[seen->count], 200, "%s", result->reason);
        (void)snprintf(seen->sent_as[seen->count++], 65, "%s", result->sent_as);
    }
    if (seen->cancel_after > 0 && seen->stored == seen->cancel_after)
        (void)eventfd_write(seen->cancel_fd, 1);
}

static struct mur_send_options options_for(const struct mur_client *client,
                                           const char *const *paths, struct seen *seen)
{
    return (struct mur_send_options){.client = *client,
                                     .paths = paths,
                                     .path_count = 1,
                                     .recurse = true,
                                     .associations = 1,
                                     .attempts = 3,
                                     .pause_ms = 5,
                                     .on_result = on_result,
                                     .user = seen};
}

static struct mur_send_summary store_all(const struct mur_send_options *options)
{
    struct mur_send_summary summary;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_scu_store(&summary, options, &error) != MUR_OK)
        fail_msg("%s", error.message);
    return summary;
}

static void folders_are_sent_with_all_that_is_in_them(void **state)
{
    (void)state;
    static struct seen seen;
    struct node node;
    struct folder folder = make_folder(), deep = folder;
    start_node(&node, NULL);
    fill_folder(&folder, 3, CT_STORAGE, EXPLICIT_LITTLE);
    (void)snprintf(deep.path, sizeof deep.path, "%.40s/deep", folder.path);
    assert_int_equal(mkdir(deep.path, 0700), 0);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/other.dcm", deep.path);
    struct object object = CT_OBJECT;
    write_file(path, &object, IMPLICIT_LITTLE);
    (void)snprintf(path, sizeof path, "%s/readme.txt", deep.path);
    assert_int_equal(mur_file_write_all(path, "text", 4, 0644, NULL), MUR_OK);

    const char *const paths[] = {folder.path};
    struct mur_client client = client_of(&node);
    struct mur_send_options options = options_for(&client, paths, &seen);
    struct mur_send_summary summary = store_all(&options);
    assert_int_equal(summary.stored, 4);
    assert_int_equal(summary.skipped, 1);
    assert_int_equal(summary.unsent, 0);
    assert_int_equal(seen.stored, 4);
    assert_int_equal(instances_of(&node), 4);
    remove_folder(&folder);
    stop_node(&node);
}

static void without_recursion_only_the_folder_itself_is_sent(void **state)
{
    (void)state;
    static struct seen seen;
    struct node node;
    struct folder folder = make_folder(), deep = folder;
    start_node(&node, NULL);
    (void)snprintf(deep.path, sizeof deep.path, "%.40s/deep", folder.path);
    assert_int_equal(mkdir(deep.path, 0700), 0);
    fill_folder(&deep, 2, CT_STORAGE, EXPLICIT_LITTLE);
    fill_folder(&folder, 1, CT_STORAGE, EXPLICIT_LITTLE);
    const char *const paths[] = {folder.path};
    struct mur_client client = client_of(&node);
    struct mur_send_options options = options_for(&client, paths, &seen);
    options.recurse = false;
    assert_int_equal(store_all(&options).stored, 1);
    remove_folder(&folder);
    stop_node(&node);
}

static void several_associations_share_the_work(void **state)
{
    (void)state;
    static struct seen seen;
    struct node node;
    struct folder folder = make_folder();
    start_node(&node, NULL);
    fill_folder(&folder, 60, CT_STORAGE, EXPLICIT_LITTLE);
    const char *const paths[] = {folder.path};
    struct mur_client client = client_of(&node);
    struct mur_send_options options = options_for(&client, paths, &seen);
    options.associations = 4;
    assert_int_equal(store_all(&options).stored, 60);
    assert_int_equal(instances_of(&node), 60);
    remove_folder(&folder);
    stop_node(&node);
}

static void a_peer_that_takes_fewer_associations_gets_all_over_these(void **state)
{
    (void)state;
    static struct seen seen;
    struct node node;
    struct folder folder = make_folder();
    start_node(&node, "dicom.max_associations=2");
    fill_folder(&folder, 40, CT_STORAGE, EXPLICIT_LITTLE);
    const char *const paths[] = {folder.path};
    struct mur_client client = client_of(&node);
    struct mur_send_options options = options_for(&client, paths, &seen);
    options.associations = 6;
    assert_int_equal(store_all(&options).stored, 40);
    assert_int_equal(instances_of(&node), 40);
    remove_folder(&folder);
    stop_node(&node);
}

static void more_contexts_than_an_association_holds_are_spread(void **state)
{
    (void)state;
    static struct seen seen;
    struct node node;
    struct folder folder = make_folder();
    start_node(&node, NULL);
    for (unsigned i = 1; i <= 150; i++) {
        char path[96], sop_class[64], uid[32];
        (void)snprintf(path, sizeof path, "%s/%u.dcm", folder.path, i);
        (void)snprintf(sop_class, sizeof sop_class, "1.2.826.0.1.99.%u", i);
        (void)snprintf(uid, sizeof uid, "1.2.9.%u", i);
        struct object object = CT_OBJECT;
        object.sop_class = sop_class;
        object.sop_instance = uid;
        write_file(path, &object, i % 2 == 0 ? IMPLICIT_LITTLE : EXPLICIT_LITTLE);
    }
    const char *const paths[] = {folder.path};
    struct mur_client client = client_of(&node);
    struct mur_send_options options = options_for(&client, paths, &seen);
    options.associations = 2;
    assert_int_equal(store_all(&options).stored, 150);
    assert_int_equal(instances_of(&node), 150);
    remove_folder(&folder);
    stop_node(&node);
}

/* A Data Set alone, as DCMTK writes it with -F. */
static void write_bare(const struct folder *folder, const char *name, const char *uid,
                       const char *transfer_syntax)
{
    char path[128];
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    struct object object = CT_OBJECT;
    object.sop_instance = uid;
    encode_object(&bytes, &object, transfer_syntax);
    (void)snprintf(path, sizeof path, "%s/%s", folder->path, name);
    assert_int_equal(mur_file_write_all(path, bytes.data, bytes.length, 0644, NULL), MUR_OK);
}

static void files_without_preamble_are_sent_as_they_are(void **state)
{
    (void)state;
    static struct seen seen;
    struct node node;
    struct folder folder = make_folder();
    start_node(&node, NULL);
    write_bare(&folder, "explicit", "1.2.9.1", EXPLICIT_LITTLE);
    write_bare(&folder, "implicit", "1.2.9.2", IMPLICIT_LITTLE);
    const char *const paths[] = {folder.path};
    struct mur_client client = client_of(&node);
    struct mur_send_options options = options_for(&client, paths, &seen);
    assert_int_equal(store_all(&options).stored, 2);
    bool explicit_first = strcmp(seen.sent_as[0], EXPLICIT_LITTLE) == 0;
    assert_string_equal(seen.sent_as[explicit_first ? 1 : 0], IMPLICIT_LITTLE);
    assert_string_equal(seen.sent_as[explicit_first ? 0 : 1], EXPLICIT_LITTLE);
    assert_int_equal(instances_of(&node), 2);
    remove_folder(&folder);
    stop_node(&node);
}

/* ---- transfer syntaxes ---- */

static bool accepts_implicit(const struct mur_presentation_context *context)
{
    return strcmp(context->transfer_syntaxes[0], IMPLICIT_LITTLE) == 0;
}

static void serve_stores(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request;
    uint8_t context_id = 0;
    while (read_request(&request, &context_id, association)) {
        __atomic_add_fetch(&peer->served, 1, __ATOMIC_RELAXED);
        if (!answer_request(association, context_id, &request, 0))
            break;
    }
}

static void objects_are_recoded_for_a_peer_that_knows_one_syntax_only(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    fill_folder(&folder, 2, CT_STORAGE, EXPLICIT_LITTLE);
    struct rude_peer peer = {.serve = serve_stores, .accepts = accepts_implicit};
    struct mur_client client = client_at(start_rude_peer(&peer));
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    assert_int_equal(store_all(&options).stored, 2);
    assert_string_equal(seen.sent_as[0], IMPLICIT_LITTLE);
    stop_rude_peer(&peer);
    remove_folder(&folder);
}

static void what_cannot_be_decoded_is_not_sent_and_the_reason_told(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    /* labelled so; there is no decoder */
    fill_folder(&folder, 1, CT_STORAGE, mur_uid_ExplicitVRLittleEndian);
    char path[96];
    (void)snprintf(path, sizeof path, "%s/2.dcm", folder.path);
    struct object object = CT_OBJECT;
    struct mur_part10 head = {.bare = false};
    (void)snprintf(head.transfer_syntax, sizeof head.transfer_syntax, "%s", mur_uid_HTJ2KLossless);
    (void)snprintf(head.sop_class, sizeof head.sop_class, "%s", object.sop_class);
    (void)snprintf(head.sop_instance, sizeof head.sop_instance, "%s", object.sop_instance);
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    assert_int_equal(mur_part10_write(&bytes, &head, NULL), MUR_OK);
    encode_object(&bytes, &object, EXPLICIT_LITTLE);
    bytes.length -= object.pixels + 12;
    static const char fragments[] = "\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF"
                                    "\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0\4\0\0\0abcd"
                                    "\xFE\xFF\xDD\xE0\0\0\0";
    assert_int_equal(mur_buffer_append(&bytes, fragments, sizeof fragments, NULL), MUR_OK);
    assert_int_equal(mur_file_write_all(path, bytes.data, bytes.length, 0644, NULL), MUR_OK);

    struct rude_peer peer = {.serve = serve_stores, .accepts = accepts_implicit};
    struct mur_client client = client_at(start_rude_peer(&peer));
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    struct mur_send_summary summary = store_all(&options);
    assert_int_equal(summary.stored, 1);
    assert_int_equal(summary.refused, 1);
    assert_non_null(strstr(seen.reasons[1], "HTJ2KLossless"));
    stop_rude_peer(&peer);
    remove_folder(&folder);
}

static bool accepts_nothing(const struct mur_presentation_context *context)
{
    (void)context;
    return false;
}

static void a_peer_that_accepts_no_context_is_told_of_for_each_object(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    fill_folder(&folder, 2, CT_STORAGE, EXPLICIT_LITTLE);
    struct rude_peer peer = {.serve = serve_stores, .accepts = accepts_nothing};
    struct mur_client client = client_at(start_rude_peer(&peer));
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    struct mur_send_summary summary = store_all(&options);
    assert_int_equal(summary.refused, 2);
    assert_non_null(strstr(seen.reasons[0], "CTImageStorage"));
    stop_rude_peer(&peer);
    remove_folder(&folder);
}

/* ---- peers that fail ---- */

/* Ends every association after three objects, the last one without an answer. */
static void break_after_three(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request;
    uint8_t context_id = 0;
    for (unsigned i = 0; read_request(&request, &context_id, association); i++) {
        if (i == 2) {
            mur_association_abort(association);
            return;
        }
        __atomic_add_fetch(&peer->served, 1, __ATOMIC_RELAXED);
        if (!answer_request(association, context_id, &request, 0))
            return;
    }
}

static void broken_associations_are_made_anew_and_nothing_is_left_out(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    fill_folder(&folder, 20, CT_STORAGE, EXPLICIT_LITTLE);
    struct rude_peer peer = {.serve = break_after_three};
    struct mur_client client = client_at(start_rude_peer(&peer));
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    struct mur_send_summary summary = store_all(&options);
    assert_int_equal(summary.stored, 20);
    assert_int_equal(__atomic_load_n(&peer.served, __ATOMIC_RELAXED), 20);
    assert_true(__atomic_load_n(&peer.associations, __ATOMIC_RELAXED) >= 10);
    stop_rude_peer(&peer);
    remove_folder(&folder);
}

/* Cannot bear one of the objects. */
static void break_on_the_second(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request;
    uint8_t context_id = 0;
    while (read_request(&request, &context_id, association)) {
        __atomic_add_fetch(&peer->served, 1, __ATOMIC_RELAXED);
        if (strcmp(request.affected_sop_instance_uid, "1.2.9.2") == 0) {
            mur_association_abort(association);
            return;
        }
        if (!answer_request(association, context_id, &request, 0))
            return;
    }
}

static void an_object_that_breaks_every_association_is_given_up_and_the_others_go_on(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    fill_folder(&folder, 5, CT_STORAGE, EXPLICIT_LITTLE);
    struct rude_peer peer = {.serve = break_on_the_second};
    struct mur_client client = client_at(start_rude_peer(&peer));
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    struct mur_send_summary summary = store_all(&options);
    assert_int_equal(summary.stored, 4);
    assert_int_equal(summary.refused, 1);
    assert_int_equal(summary.reason.status, MUR_OK);
    assert_int_equal(__atomic_load_n(&peer.served, __ATOMIC_RELAXED), 7);
    stop_rude_peer(&peer);
    remove_folder(&folder);
}

static void answer_always_full(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request;
    uint8_t context_id = 0;
    while (read_request(&request, &context_id, association)) {
        bool first = __atomic_add_fetch(&peer->served, 1, __ATOMIC_RELAXED) == 1;
        if (!answer_request(association, context_id, &request, first ? 0 : 0xA700))
            return;
    }
}

static void a_full_peer_is_not_pressed_for_ever(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    fill_folder(&folder, 50, CT_STORAGE, EXPLICIT_LITTLE);
    struct rude_peer peer = {.serve = answer_always_full};
    struct mur_client client = client_at(start_rude_peer(&peer));
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    struct mur_send_summary summary = store_all(&options);
    assert_int_equal(summary.stored, 1);
    assert_int_equal(summary.reason.status, MUR_NO_SPACE);
    assert_true(summary.unsent > 40);
    assert_true(__atomic_load_n(&peer.served, __ATOMIC_RELAXED) < 8);
    stop_rude_peer(&peer);
    remove_folder(&folder);
}

static void answer_half_refused(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request;
    uint8_t context_id = 0;
    while (read_request(&request, &context_id, association)) {
        unsigned number = __atomic_add_fetch(&peer->served, 1, __ATOMIC_RELAXED);
        if (!answer_request(association, context_id, &request,
                            number % 3 == 0   ? 0xC123
                            : number % 3 == 1 ? 0xB007
                                              : 0))
            return;
    }
}

static void refusals_and_warnings_are_told_apart(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    fill_folder(&folder, 6, CT_STORAGE, EXPLICIT_LITTLE);
    struct rude_peer peer = {.serve = answer_half_refused};
    struct mur_client client = client_at(start_rude_peer(&peer));
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    struct mur_send_summary summary = store_all(&options);
    assert_int_equal(summary.stored, 4);
    assert_int_equal(summary.warnings, 2);
    assert_int_equal(summary.refused, 2);
    assert_string_equal(seen.reasons[2], "cannot understand the object");
    stop_rude_peer(&peer);
    remove_folder(&folder);
}

static void nobody_there_is_an_error_at_once(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    fill_folder(&folder, 2, CT_STORAGE, EXPLICIT_LITTLE);
    struct mur_client client = client_at(free_port());
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    options.pause_ms = 20000;
    struct mur_send_summary summary;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_scu_store(&summary, &options, &error), MUR_CLOSED);
    assert_non_null(strstr(error.message, "does the peer run"));
    remove_folder(&folder);
}

/* ---- stopping and taking up again ---- */

static void what_was_acknowledged_is_not_sent_again(void **state)
{
    (void)state;
    static struct seen seen, again;
    struct node node;
    struct folder folder = make_folder();
    char state_path[96];
    (void)snprintf(state_path, sizeof state_path, "%s.state", folder.path);
    start_node(&node, NULL);
    fill_folder(&folder, 20, CT_STORAGE, EXPLICIT_LITTLE);
    const char *const paths[] = {folder.path};
    struct mur_client client = client_of(&node);
    client.cancel_fd = eventfd(0, EFD_NONBLOCK);
    seen.cancel_fd = client.cancel_fd;
    seen.cancel_after = 7;
    struct mur_send_options options = options_for(&client, paths, &seen);
    options.state_path = state_path;
    struct mur_send_summary summary = store_all(&options);
    assert_true(summary.cancelled);
    assert_int_equal(summary.stored, 7);
    assert_int_equal(summary.unsent, 13);
    assert_int_equal(instances_of(&node), 7);
    (void)close(client.cancel_fd);

    client.cancel_fd = -1;
    options = options_for(&client, paths, &again);
    options.state_path = state_path;
    options.associations = 3;
    summary = store_all(&options);
    assert_int_equal(summary.known, 7);
    assert_int_equal(summary.stored, 13);
    assert_int_equal(instances_of(&node), 20);
    /* nothing to do: nobody need be there */
    stop_node(&node);
    summary = store_all(&options);
    assert_int_equal(summary.known, 20);
    assert_int_equal(summary.stored, 0);
    (void)unlink(state_path);
    remove_folder(&folder);
}

static void write_object(const struct folder *folder, unsigned number, const char *description)
{
    char path[96], uid[32];
    struct object object = CT_OBJECT;
    (void)snprintf(path, sizeof path, "%s/%u.dcm", folder->path, number);
    (void)snprintf(uid, sizeof uid, "1.2.9.%u", number);
    object.sop_instance = uid;
    object.description = description;
    write_file(path, &object, EXPLICIT_LITTLE);
}

static void what_was_changed_since_is_sent_again(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    char state_path[96];
    (void)snprintf(state_path, sizeof state_path, "%s.state", folder.path);
    fill_folder(&folder, 5, CT_STORAGE, EXPLICIT_LITTLE);
    struct rude_peer peer = {.serve = serve_stores};
    struct mur_client client = client_at(start_rude_peer(&peer));
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    options.state_path = state_path;
    assert_int_equal(store_all(&options).stored, 5);
    write_object(&folder, 3, "now with another description");
    struct mur_send_summary summary = store_all(&options);
    assert_int_equal(summary.known, 4);
    assert_int_equal(summary.stored, 1);
    assert_int_equal(store_all(&options).known, 5);
    stop_rude_peer(&peer);
    (void)unlink(state_path);
    remove_folder(&folder);
}

static void a_damaged_state_file_and_a_second_run_send_nothing(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    char state_path[96];
    (void)snprintf(state_path, sizeof state_path, "%s.state", folder.path);
    fill_folder(&folder, 2, CT_STORAGE, EXPLICIT_LITTLE);
    struct rude_peer peer = {.serve = serve_stores};
    struct mur_client client = client_at(start_rude_peer(&peer));
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    options.state_path = state_path;
    assert_int_equal(store_all(&options).stored, 2);

    struct mur_send_summary summary;
    struct mur_error error = MUR_ERROR_INIT;
    int held = open(state_path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(held, LOCK_EX), 0);
    assert_int_equal(mur_scu_store(&summary, &options, &error), MUR_BUSY);
    assert_int_equal(pwrite(held, "?", 1, 90), 1);
    (void)close(held);
    assert_int_equal(mur_scu_store(&summary, &options, &error), MUR_MISMATCH);
    assert_non_null(strstr(error.message, "without this file everything is sent once more"));
    assert_int_equal(__atomic_load_n(&peer.served, __ATOMIC_RELAXED), 2);
    stop_rude_peer(&peer);
    (void)unlink(state_path);
    remove_folder(&folder);
}

/* Rewrites the last file when the first is stored. */
static void change_the_last(void *user, const struct mur_send_result *result)
{
    const struct folder *folder = user;
    if (result->outcome == MUR_SEND_STORED && strstr(result->path, "/5.dcm") == NULL)
        write_object(folder, 5, "changed while the others were sent");
}

static void a_file_that_changes_meanwhile_is_not_sent_half(void **state)
{
    (void)state;
    struct node node;
    struct folder folder = make_folder();
    start_node(&node, NULL);
    for (unsigned i = 1; i <= 5; i++)
        write_object(&folder, i, "as it was");
    const char *paths[5];
    char texts[5][96];
    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%s/%u.dcm", folder.path, i + 1);
        paths[i] = texts[i];
    }
    struct mur_client client = client_of(&node);
    struct mur_send_options options = options_for(&client, paths, NULL);
    options.path_count = 5;
    options.on_result = change_the_last;
    options.user = &folder;
    struct mur_send_summary summary = store_all(&options);
    assert_int_equal(summary.stored, 4);
    assert_int_equal(summary.refused, 1);
    assert_int_equal(instances_of(&node), 4);
    remove_folder(&folder);
    stop_node(&node);
}

static void abort_at_once(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_command request;
    uint8_t context_id = 0;
    (void)read_request(&request, &context_id, association);
    __atomic_add_fetch(&peer->served, 1, __ATOMIC_RELAXED);
    mur_association_abort(association);
}

static void pauses_between_attempts_grow(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    fill_folder(&folder, 1, CT_STORAGE, EXPLICIT_LITTLE);
    struct rude_peer peer = {.serve = abort_at_once};
    struct mur_client client = client_at(start_rude_peer(&peer));
    const char *const paths[] = {folder.path};
    struct mur_send_options options = options_for(&client, paths, &seen);
    options.attempts = 4;
    options.pause_ms = 20;
    double begun = seconds_now();
    struct mur_send_summary summary = store_all(&options);
    double took = seconds_now() - begun;
    assert_true(took >= 0.020 + 0.040 + 0.080);
    assert_int_equal(summary.stored, 0);
    assert_int_equal(__atomic_load_n(&peer.served, __ATOMIC_RELAXED), 4);
    stop_rude_peer(&peer);
    remove_folder(&folder);
}

static void who_stops_before_the_first_association_is_not_made_to_wait(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    fill_folder(&folder, 2, CT_STORAGE, EXPLICIT_LITTLE);
    const char *const paths[] = {folder.path};
    struct mur_client client = client_at(1);
    client.cancel_fd = eventfd(1, EFD_NONBLOCK);
    struct mur_send_options options = options_for(&client, paths, &seen);
    struct mur_send_summary summary;
    assert_int_equal(mur_scu_store(&summary, &options, NULL), MUR_CANCELLED);
    (void)close(client.cancel_fd);
    remove_folder(&folder);
}

static void a_folder_without_objects_is_told_of(void **state)
{
    (void)state;
    static struct seen seen;
    struct folder folder = make_folder();
    const char *const paths[] = {folder.path};
    struct mur_client client = client_at(1);
    struct mur_send_options options = options_for(&client, paths, &seen);
    struct mur_send_summary summary;
    assert_int_equal(mur_scu_store(&summary, &options, NULL), MUR_NOT_FOUND);
    remove_folder(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_sent_with_all_that_is_in_them),
        cmocka_unit_test(without_recursion_only_the_folder_itself_is_sent),
        cmocka_unit_test(files_without_preamble_are_sent_as_they_are),
        cmocka_unit_test(several_associations_share_the_work),
        cmocka_unit_test(a_peer_that_takes_fewer_associations_gets_all_over_these),
        cmocka_unit_test(more_contexts_than_an_association_holds_are_spread),
        cmocka_unit_test(objects_are_recoded_for_a_peer_that_knows_one_syntax_only),
        cmocka_unit_test(what_cannot_be_decoded_is_not_sent_and_the_reason_told),
        cmocka_unit_test(a_peer_that_accepts_no_context_is_told_of_for_each_object),
        cmocka_unit_test(broken_associations_are_made_anew_and_nothing_is_left_out),
        cmocka_unit_test(an_object_that_breaks_every_association_is_given_up_and_the_others_go_on),
        cmocka_unit_test(a_full_peer_is_not_pressed_for_ever),
        cmocka_unit_test(refusals_and_warnings_are_told_apart),
        cmocka_unit_test(nobody_there_is_an_error_at_once),
        cmocka_unit_test(what_was_acknowledged_is_not_sent_again),
        cmocka_unit_test(what_was_changed_since_is_sent_again),
        cmocka_unit_test(a_damaged_state_file_and_a_second_run_send_nothing),
        cmocka_unit_test(a_file_that_changes_meanwhile_is_not_sent_half),
        cmocka_unit_test(pauses_between_attempts_grow),
        cmocka_unit_test(who_stops_before_the_first_association_is_not_made_to_wait),
        cmocka_unit_test(a_folder_without_objects_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* For tests of the clients: a client of a node, folders of objects, and a peer that behaves as a
 * test wants it to. Threads of the peer record; only the test's own thread asserts. */
#ifndef MUR_TESTS_SCU_SUPPORT_H
#define MUR_TESTS_SCU_SUPPORT_H

#include "scp_support.h"

#include <sys/eventfd.h>

#include "core/file.h"
#include "dicom/listener.h"
#include "scu/client.h"
#include "scu/keys.h"

#define MR_STORAGE "1.2.840.10008.5.1.4.1.1.4"

/* ---- folders ---- */

struct folder {
    char path[64];
};

static inline struct folder make_folder(void)
{
    struct folder folder;
    (void)snprintf(folder.path, sizeof folder.path, "/tmp/murpacs-scu-XXXXXX");
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static inline void remove_folder(const struct folder *folder)
{
    (void)nftw(folder->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* @p count objects of one series as files 1.dcm, 2.dcm ... with UIDs 1.2.9.1 ... */
static inline void fill_folder(const struct folder *folder, unsigned count, const char *sop_class,
                               const char *transfer_syntax)
{
    for (unsigned i = 1; i <= count; i++) {
        char path[96], uid[32];
        (void)snprintf(path, sizeof path, "%s/%u.dcm", folder->path, i);
        (void)snprintf(uid, sizeof uid, "1.2.9.%u", i);
        struct object object = CT_OBJECT;
        object.sop_class = sop_class;
        object.sop_instance = uid;
        write_file(path, &object, transfer_syntax);
    }
}

static inline unsigned count_files(const struct folder *folder)
{
    unsigned count = 0;
    DIR *directory = opendir(folder->path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(directory);
    return count;
}

/* ---- clients ---- */

static inline struct mur_client client_at(unsigned port)
{
    struct mur_address address = {.host = "127.0.0.1",
                                  .port = (uint16_t)port,
                                  .called_ae_title = "MURPACS",
                                  .calling_ae_title = "CLIENT"};
    struct mur_client client = mur_client_of(&address);
    client.connect_ms = client.acse_ms = client.dimse_ms = NODE_PATIENCE_MS;
    return client;
}

static inline struct mur_client client_of(const struct node *node)
{
    return client_at(mur_scp_port(node->scp));
}

/* Keys of texts, as -k takes them. */
static inline struct mur_dataset *identifier_of(const char *const *texts, size_t count)
{
    struct mur_dataset *identifier = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_dataset_create(&identifier, &error), MUR_OK);
    for (size_t i = 0; i < count; i++) {
        struct mur_key key;
        if (mur_key_parse(&key, texts[i], &error) != MUR_OK ||
            mur_keys_put(identifier, &key, 1, &error) != MUR_OK)
            fail_msg("%s", error.message);
    }
    return identifier;
}

/* ---- a peer with manners of its own ---- */

struct rude_peer {
    struct mur_listener *listener;
    pthread_t thread;
    /* Serves an association that was accepted, from its first message on; in the peer's thread. */
    void (*serve)(struct rude_peer *peer, struct mur_association *association);
    /* Whether a context is accepted; NULL: all are, in their first syntax. */
    bool (*accepts)(const struct mur_presentation_context *context);
    const char *bind_address; /* NULL: 127.0.0.1 */
    const uint8_t *extended;  /* answer to extended negotiation; NULL: none */
    size_t extended_length;
    uint8_t asked_extended[8]; /* what was proposed to it last */
    size_t asked_extended_length;
    void *user;
    unsigned associations; /* by __atomic builtins, as what the test's own serve() counts */
    unsigned served;
};

static inline void take_extended(struct rude_peer *peer, struct mur_association *association)
{
    struct mur_presentation_context context;
    const uint8_t *asked = NULL;
    size_t length = 0;
    peer->asked_extended_length = 0;
    if (!mur_association_get_context(&context, association, 0) ||
        mur_association_get_extended(&asked, &length, association, context.abstract_syntax, NULL) !=
            MUR_OK ||
        length > sizeof peer->asked_extended)
        return;
    memcpy(peer->asked_extended, asked, length);
    peer->asked_extended_length = length;
    if (peer->extended != NULL)
        (void)!mur_association_set_extended(association, context.abstract_syntax, peer->extended,
                                            peer->extended_length, NULL);
}

static inline void *run_rude_peer(void *argument)
{
    struct rude_peer *peer = argument;
    for (;;) {
        struct mur_association *association = NULL;
        enum mur_status status = mur_listener_next(&association, peer->listener, -1, NULL);
        if (status == MUR_CANCELLED)
            return NULL;
        if (status != MUR_OK)
            continue;
        __atomic_add_fetch(&peer->associations, 1, __ATOMIC_RELAXED);
        struct mur_presentation_context context;
        for (size_t i = 0; mur_association_get_context(&context, association, i); i++)
            if (peer->accepts == NULL || peer->accepts(&context))
                (void)!mur_association_accept_context(association, context.id,
                                                      context.transfer_syntaxes[0],
                                                      context.proposed_role, NULL);
        take_extended(peer, association);
        if (mur_association_acknowledge(association, NODE_PATIENCE_MS, NULL) == MUR_OK)
            peer->serve(peer, association);
        mur_association_confirm_release(association);
        mur_association_free(association);
    }
}

static inline unsigned start_rude_peer(struct rude_peer *peer)
{
    struct mur_listener_options options = {
        .bind_address = peer->bind_address != NULL ? peer->bind_address : "127.0.0.1",
        .artim_timeout_ms = NODE_PATIENCE_MS,
        .max_pending = 8};
    assert_int_equal(mur_network_init(NULL), MUR_OK);
    assert_int_equal(mur_listener_create(&peer->listener, &options, NULL), MUR_OK);
    assert_int_equal(pthread_create(&peer->thread, NULL, run_rude_peer, peer), 0);
    return mur_listener_port(peer->listener);
}

static inline void stop_rude_peer(struct rude_peer *peer)
{
    mur_listener_wake(peer->listener);
    (void)pthread_join(peer->thread, NULL);
    mur_listener_free(peer->listener);
}

static inline enum mur_status ignore_data(void *user, const uint8_t *data, size_t length,
                                          struct mur_error *error)
{
    (void)user;
    (void)data;
    (void)length;
    (void)error;
    return MUR_OK;
}

/* Reads a request with its Data Set. @return false at the end of the association */
static inline bool read_request(struct mur_command *out, uint8_t *context_id,
                                struct mur_association *association)
{
    enum mur_status sunk = MUR_OK;
    if (mur_message_read_command(out, context_id, association, NODE_PATIENCE_MS, NULL) != MUR_OK)
        return false;
    return !out->has_data_set || mur_message_read_data(&sunk, association, *context_id, ignore_data,
                                                       NULL, NODE_PATIENCE_MS, NULL) == MUR_OK;
}

static inline bool answer_request(struct mur_association *association, uint8_t context_id,
                                  const struct mur_command *request, uint16_t status)
{
    struct mur_command response;
    mur_command_init_response(&response, request, status);
    return mur_message_write(association, context_id, &response, NULL, 0, NODE_PATIENCE_MS, NULL) ==
           MUR_OK;
}

#endif

/* A node on a port of its own over an archive in a temporary folder, made objects, and a client
 * that speaks DIMSE without opinions of its own. */
#ifndef MUR_TESTS_SCP_SUPPORT_H
#define MUR_TESTS_SCP_SUPPORT_H

#include "network_support.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "core/config.h"
#include "dicom/attribute.h"
#include "dicom/encoder.h"
#include "dicom/message.h"
#include "dicom/part10.h"
#include "dicom/sop_class.h"
#include "dicom/store_sender.h"
#include "dicom/transfer_syntax.h"
#include "scp/scp.h"

enum { NODE_PATIENCE_MS = 20000 };

/* ---- the node ---- */

struct node {
    char directory[64];
    struct mur_config *config;
    struct mur_archive *archive;
    struct mur_scp *scp;
};

static int remove_entry(const char *path, const struct stat *details, int kind, struct FTW *where)
{
    (void)details;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void open_archive(struct node *node)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_archive_options options = {.directory = node->directory,
                                          .durability = MUR_DURABILITY_PROCESS,
                                          .duplicates = node->config->dicom_duplicates,
                                          .ae_title = node->config->node_ae_title};
    if (mur_archive_open(&node->archive, &options, &error) != MUR_OK)
        fail_msg("%s", error.message);
}

/* A folder and a configuration; peers may be added before run_node(). Further settings are
 * separated by ';' as in "dicom.max_associations=2;log.level=debug". */
static inline void make_node(struct node *node, const char *settings)
{
    struct mur_error error = MUR_ERROR_INIT;
    (void)strcpy(node->directory, "/tmp/murpacs-test-XXXXXX"); /* ci-allow: a constant that fits */
    assert_non_null(mkdtemp(node->directory));
    assert_int_equal(mur_config_create(&node->config, &error), MUR_OK);
    char assignments[512];
    (void)snprintf(assignments, sizeof(assignments),
                   "dicom.port=0;dicom.unknown_peers=rw;log.level=error;%s",
                   settings != NULL ? settings : "");
    char *rest = assignments;
    for (char *one; (one = strsep(&rest, ";")) != NULL;)
        if (*one != '\0' && mur_config_set(node->config, one, &error) != MUR_OK)
            fail_msg("%s", error.message);
    mur_log_configure(node->config->log_level, MUR_LOG_FORMAT_TEXT);
}

static inline void add_peer_at(struct node *node, const char *ae_title, const char *host,
                               unsigned port, enum mur_rights rights)
{
    struct mur_peer *peers =
        realloc(node->config->peers, (node->config->peer_count + 1) * sizeof(*peers));
    assert_non_null(peers);
    node->config->peers = peers;
    peers[node->config->peer_count++] = (struct mur_peer){
        .ae_title = strdup(ae_title), .host = strdup(host), .port = (int)port, .rights = rights};
}

static inline void add_peer(struct node *node, const char *ae_title, unsigned port,
                            enum mur_rights rights)
{
    add_peer_at(node, ae_title, "127.0.0.1", port, rights);
}

static inline void run_node(struct node *node)
{
    struct mur_error error = MUR_ERROR_INIT;
    open_archive(node);
    if (mur_scp_create(&node->scp, node->config, node->archive, &error) != MUR_OK ||
        mur_scp_start(node->scp, &error) != MUR_OK)
        fail_msg("%s", error.message);
}

static inline void start_node(struct node *node, const char *settings)
{
    make_node(node, settings);
    run_node(node);
}

static inline void stop_node(struct node *node)
{
    mur_scp_stop(node->scp, 2000);
    mur_scp_free(node->scp);
    mur_archive_close(node->archive);
    mur_config_free(node->config);
    (void)nftw(node->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int64_t instances_of(struct node *node)
{
    struct mur_counts counts = {0};
    assert_int_equal(mur_archive_count(&counts, node->archive, NULL), MUR_OK);
    return counts.instances;
}

static int file_count;
static inline int count_entry(const char *path, const struct stat *details, int kind,
                              struct FTW *where)
{
    (void)details;
    /* Each process has one file of its own in the store, which is no object. */
    file_count += kind == FTW_F && strcmp(path + where->base, "owner") != 0;
    return 0;
}

/* Files in the archive's store. */
static inline int objects_of(const struct node *node)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/objects", node->directory);
    file_count = 0;
    (void)nftw(path, count_entry, 16, FTW_PHYS);
    return file_count;
}

/* ---- objects ---- */

struct object {
    const char *sop_class, *sop_instance, *study, *series;
    const char *patient_id, *patient_name, *study_date, *modality, *description;
    size_t pixels; /* bytes */
};

#define CT_OBJECT                                                                                  \
    {                                                                                              \
        .sop_class = CT_STORAGE, .sop_instance = "1.2.3.4.1.1.1", .study = "1.2.3.4.1",            \
        .series = "1.2.3.4.1.1", .patient_id = "M1", .patient_name = "Mouse^One",                  \
        .study_date = "20240506", .modality = "CT", .description = "Thorax", .pixels = 512         \
    }

/* The Data Set, without group 0002. Texts that are NULL are left out. */
static inline void encode_object(struct mur_buffer *out, const struct object *object,
                                 const char *transfer_syntax)
{
    const struct {
        uint32_t tag;
        enum mur_vr vr;
        const char *text;
    } texts[] = {
        {MUR_TAG_SpecificCharacterSet, MUR_VR_CS, "ISO_IR 192"},
        {MUR_TAG_SOPClassUID, MUR_VR_UI, object->sop_class},
        {MUR_TAG_SOPInstanceUID, MUR_VR_UI, object->sop_instance},
        {MUR_TAG_StudyDate, MUR_VR_DA, object->study_date},
        {MUR_TAG_StudyTime, MUR_VR_TM, "101500"},
        {MUR_TAG_AccessionNumber, MUR_VR_SH, "ACC1"},
        {MUR_TAG_Modality, MUR_VR_CS, object->modality},
        {MUR_TAG_StudyDescription, MUR_VR_LO, object->description},
        {MUR_TAG_PatientName, MUR_VR_PN, object->patient_name},
        {MUR_TAG_PatientID, MUR_VR_LO, object->patient_id},
        {MUR_TAG_PatientBirthDate, MUR_VR_DA, "20240101"},
        {MUR_TAG_PatientSex, MUR_VR_CS, "F"},
        {MUR_TAG_StudyInstanceUID, MUR_VR_UI, object->study},
        {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, object->series},
        {MUR_TAG_StudyID, MUR_VR_SH, "S1"},
        {MUR_TAG_SeriesNumber, MUR_VR_IS, "1"},
        {MUR_TAG_InstanceNumber, MUR_VR_IS, "1"},
    };
    struct mur_encoder encoder;
    assert_int_equal(mur_encoder_init(&encoder, out, transfer_syntax, NULL), MUR_OK);
    for (size_t i = 0; i < MUR_COUNT(texts); i++)
        if (texts[i].text != NULL)
            assert_int_equal(
                mur_encode_text(&encoder, texts[i].tag, texts[i].vr, texts[i].text, NULL), MUR_OK);
    assert_int_equal(mur_encode_int(&encoder, MUR_TAG_Rows, MUR_VR_US, 16, NULL), MUR_OK);
    assert_int_equal(mur_encode_int(&encoder, MUR_TAG_Columns, MUR_VR_US, 16, NULL), MUR_OK);
    char *pixels = calloc(1, object->pixels + 1);
    for (size_t i = 0; i < object->pixels; i++)
        pixels[i] = (char)(i * 7);
    struct mur_slice slice = {.data = pixels, .length = object->pixels};
    assert_int_equal(mur_encode_value(&encoder, MUR_TAG_PixelData, MUR_VR_OW, slice, NULL), MUR_OK);
    free(pixels);
}

static inline void write_file(const char *path, const struct object *object,
                              const char *transfer_syntax)
{
    struct mur_part10 head = {.bare = false};
    (void)snprintf(head.transfer_syntax, sizeof(head.transfer_syntax), "%s", transfer_syntax);
    (void)snprintf(head.sop_class, sizeof(head.sop_class), "%s", object->sop_class);
    (void)snprintf(head.sop_instance, sizeof(head.sop_instance), "%s", object->sop_instance);
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    assert_int_equal(mur_part10_write(&bytes, &head, NULL), MUR_OK);
    encode_object(&bytes, object, transfer_syntax);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.length, file), bytes.length);
    assert_int_equal(fclose(file), 0);
}

/* ---- a client ---- */

/* One context for each class and transfer syntax named; roles as given. */
static inline struct mur_association *connect_client(struct node *node, const char *calling,
                                                     const struct mur_context_proposal *contexts,
                                                     size_t count)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_association *association = NULL;
    struct mur_association_options options = {.host = "127.0.0.1",
                                              .port = mur_scp_port(node->scp),
                                              .calling_ae_title = calling,
                                              .called_ae_title = "MURPACS",
                                              .contexts = contexts,
                                              .context_count = count,
                                              .timeout_ms = NODE_PATIENCE_MS};
    if (mur_association_request(&association, &options, &error) != MUR_OK)
        fail_msg("%s", error.message);
    return association;
}

static const char *const explicit_only[] = {EXPLICIT_LITTLE};
static const char *const implicit_only[] = {IMPLICIT_LITTLE};

static inline struct mur_association *connect_for(struct node *node, const char *sop_class)
{
    const struct mur_context_proposal context = {.abstract_syntax = sop_class,
                                                 .transfer_syntaxes = explicit_only,
                                                 .transfer_syntax_count = 1};
    return connect_client(node, "CLIENT", &context, 1);
}

static inline void release_client(struct mur_association *association)
{
    assert_int_equal(mur_association_release(association, NODE_PATIENCE_MS, NULL), MUR_OK);
    mur_association_free(association);
}

static inline struct mur_command command_for(uint16_t field, const char *sop_class)
{
    struct mur_command command = {.field = field};
    (void)snprintf(command.affected_sop_class_uid, sizeof(command.affected_sop_class_uid), "%s",
                   sop_class);
    return command;
}

/* A C-STORE-RQ in context 1 and the beginning of its Data Set. */
static inline void begin_store(struct mur_association *association, const char *sop_instance,
                               const void *bytes, size_t length)
{
    struct mur_command request = command_for(MUR_C_STORE_RQ, CT_STORAGE);
    request.has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_AFFECTED_SOP_INSTANCE | MUR_HAS_MESSAGE_ID |
                  MUR_HAS_PRIORITY;
    request.message_id = 1;
    request.has_data_set = true;
    (void)snprintf(request.affected_sop_instance_uid, sizeof(request.affected_sop_instance_uid),
                   "%s", sop_instance);
    MUR_AUTO_BUFFER struct mur_buffer command = MUR_BUFFER_INIT;
    assert_int_equal(mur_command_encode(&command, &request, NULL), MUR_OK);
    const struct mur_pdv pdvs[] = {{.data = (const uint8_t *)command.data,
                                    .length = command.length,
                                    .context_id = 1,
                                    .is_command = true,
                                    .is_last = true},
                                   {.data = bytes, .length = length, .context_id = 1}};
    assert_int_equal(mur_association_write(association, pdvs, 2, NODE_PATIENCE_MS, NULL), MUR_OK);
}

/* Sends bytes as a C-STORE in context 1. @return the whole response */
static inline struct mur_command store_bytes(struct mur_association *association,
                                             const char *sop_class, const char *sop_instance,
                                             const void *bytes, size_t length)
{
    MUR_AUTO(mur_store_sender) *sender = NULL;
    assert_int_equal(mur_store_sender_create(&sender, association, NULL), MUR_OK);
    struct mur_store_operation operation = {.context_id = 1,
                                            .message_id = 1,
                                            .sop_class_uid = sop_class,
                                            .sop_instance_uid = sop_instance,
                                            .timeout_ms = NODE_PATIENCE_MS};
    struct mur_store_source source = {.fd = -1, .data = bytes, .length = length};
    struct mur_command response = {.status = 0xFFFF};
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_store_send(&response, sender, &operation, &source, &error) != MUR_OK)
        fail_msg("C-STORE: %s", error.message);
    return response;
}

static inline struct mur_command store_object(struct mur_association *association,
                                              const struct object *object)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode_object(&bytes, object, EXPLICIT_LITTLE);
    return store_bytes(association, object->sop_class, object->sop_instance, bytes.data,
                       bytes.length);
}

/* Stores @p count objects into one series of each of @p studies studies. */
static inline void fill_node(struct node *node, unsigned studies, unsigned count)
{
    struct mur_association *association = connect_for(node, CT_STORAGE);
    for (unsigned study = 1; study <= studies; study++) {
        char uid[4][64];
        (void)snprintf(uid[0], 64, "1.2.3.%u", study);
        (void)snprintf(uid[1], 64, "1.2.3.%u.1", study);
        (void)snprintf(uid[3], 64, "M%u", study);
        for (unsigned i = 1; i <= count; i++) {
            (void)snprintf(uid[2], 64, "1.2.3.%u.1.%u", study, i);
            struct object object = CT_OBJECT;
            object.study = uid[0];
            object.series = uid[1];
            object.sop_instance = uid[2];
            object.patient_id = uid[3];
            assert_int_equal(store_object(association, &object).status, 0);
        }
    }
    release_client(association);
}

struct key {
    uint32_t tag;
    enum mur_vr vr;
    const char *text;
};

static inline void encode_keys(struct mur_buffer *out, const struct key *keys, size_t count)
{
    struct mur_encoder encoder;
    assert_int_equal(mur_encoder_init(&encoder, out, EXPLICIT_LITTLE, NULL), MUR_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(mur_encode_text(&encoder, keys[i].tag, keys[i].vr, keys[i].text, NULL),
                         MUR_OK);
}

/* A request with an identifier in context 1. */
static inline void send_request(struct mur_association *association, struct mur_command *request,
                                const struct key *keys, size_t count)
{
    MUR_AUTO_BUFFER struct mur_buffer identifier = MUR_BUFFER_INIT;
    encode_keys(&identifier, keys, count);
    request->message_id = 7;
    request->has |= MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID | MUR_HAS_PRIORITY;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_message_write(association, 1, request, count > 0 ? identifier.data : NULL,
                          identifier.length, NODE_PATIENCE_MS, &error) != MUR_OK)
        fail_msg("%s", error.message);
}

/* The same, and its C-CANCEL in one write: what answers finds both there. */
static inline void send_request_and_cancel(struct mur_association *association,
                                           struct mur_command *request, const struct key *keys,
                                           size_t count)
{
    MUR_AUTO_BUFFER struct mur_buffer identifier = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer first = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer second = MUR_BUFFER_INIT;
    encode_keys(&identifier, keys, count);
    request->message_id = 7;
    request->has |= MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID | MUR_HAS_PRIORITY;
    request->has_data_set = true;
    struct mur_command cancel = {
        .field = MUR_C_CANCEL_RQ, .has = MUR_HAS_RESPONDED_MESSAGE_ID, .responded_message_id = 7};
    assert_int_equal(mur_command_encode(&first, request, NULL), MUR_OK);
    assert_int_equal(mur_command_encode(&second, &cancel, NULL), MUR_OK);
    const struct mur_buffer *const parts[] = {&first, &identifier, &second};
    struct mur_pdv pdvs[3];
    for (int i = 0; i < 3; i++)
        pdvs[i] = (struct mur_pdv){.data = (const uint8_t *)parts[i]->data,
                                   .length = parts[i]->length,
                                   .context_id = 1,
                                   .is_command = i != 1,
                                   .is_last = true};
    assert_int_equal(mur_association_write(association, pdvs, 3, NODE_PATIENCE_MS, NULL), MUR_OK);
}

/* The next response; its Data Set, if any, replaces what is in @p data. */
static inline struct mur_command read_response(struct mur_association *association,
                                               struct mur_buffer *data)
{
    struct mur_command response = {.status = 0xFFFF};
    struct mur_error error = MUR_ERROR_INIT;
    uint8_t id = 0;
    bool too_long = false;
    if (mur_message_read_command(&response, &id, association, NODE_PATIENCE_MS, &error) != MUR_OK)
        fail_msg("%s", error.message);
    mur_buffer_clear(data);
    if (response.has_data_set)
        assert_int_equal(mur_message_read_identifier(data, &too_long, association, id, 1 << 24,
                                                     NODE_PATIENCE_MS, NULL),
                         MUR_OK);
    return response;
}

/* Whether the bytes of a Data Set hold this text somewhere. */
static inline bool holds(const struct mur_buffer *data, const char *text)
{
    return data->length > 0 && memmem(data->data, data->length, text, strlen(text)) != NULL;
}

static inline size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size = 0, resident = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    (void)fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

#endif

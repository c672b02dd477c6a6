#include "cli/client.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/options.h"
#include "core/log.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum { SECONDS_LIMIT = 86400, MEGABYTE = 1000000 };

struct mur_client_words mur_client_words = {
    .connect_s = MUR_SECONDS_UNSET, .acse_s = MUR_SECONDS_UNSET, .dimse_s = MUR_SECONDS_UNSET};
struct mur_query_words mur_query_words;
struct mur_landing_words mur_landing_words = {.free_megabytes =
                                                  (int)(MUR_RECEIVER_ROOM / MEGABYTE)};

/* ---- the beginning --------------------------------------------------------------------------- */

static int stop_event = -1;

static void on_signal(int number)
{
    (void)number;
    int kept = errno;
    uint64_t one = 1;
    ssize_t ignored = write(stop_event, &one, sizeof one);
    (void)ignored;
    errno = kept;
}

static int catch_signals(const struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_event < 0) {
        mur_error_set_errno(&error, errno, "eventfd");
        return mur_cli_fail(cli, &error);
    }
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return MUR_EXIT_OK;
}

static const char *result_name(enum mur_context_result result)
{
    switch (result) {
    case MUR_CONTEXT_ACCEPTED:
        return "accepted";
    case MUR_CONTEXT_USER_REJECTION:
        return "refused: user rejection";
    case MUR_CONTEXT_NO_REASON:
        return "refused without reason";
    case MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED:
        return "refused: SOP Class not supported";
    case MUR_CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED:
        return "refused: transfer syntaxes not supported";
    }
    return "?";
}

static void on_connected(void *user, const struct mur_association *association)
{
    (void)user;
    struct mur_presentation_context context;
    size_t accepted = 0;
    for (size_t i = 0; mur_association_get_context(&context, association, i); i++) {
        bool taken = context.result == MUR_CONTEXT_ACCEPTED;
        accepted += taken;
        mur_log_debug(MUR_LOG_SCU, "context %u, %s: %s%s%s", context.id,
                      mur_sop_class_name(context.abstract_syntax), result_name(context.result),
                      taken ? " in " : "",
                      taken ? mur_transfer_syntax_name(context.accepted_transfer_syntax) : "");
    }
    mur_log_info(MUR_LOG_SCU,
                 "association to %s at %s port %u: %zu of %zu contexts, largest PDU %" PRIu32
                 ", implementation \"%s\"%s%s",
                 mur_association_called_ae_title(association),
                 mur_association_peer_address(association), mur_association_peer_port(association),
                 accepted, mur_association_context_count(association),
                 mur_association_peer_max_pdu(association),
                 mur_association_peer_implementation(association),
                 mur_association_security(association)[0] != '\0' ? ", " : "",
                 mur_association_security(association));
}

static enum mur_status set_seconds(int *milliseconds, int seconds, const char *option,
                                   struct mur_error *error)
{
    if (seconds == MUR_SECONDS_UNSET)
        return MUR_OK;
    if (seconds < 0 || seconds > SECONDS_LIMIT)
        return mur_error_set(error, MUR_INVALID, "%s is between 0 and %d seconds", option,
                             SECONDS_LIMIT);
    *milliseconds = seconds * 1000;
    return MUR_OK;
}

static enum mur_status read_times(struct mur_client *client, struct mur_error *error)
{
    enum mur_status status =
        set_seconds(&client->connect_ms, mur_client_words.connect_s, "-to", error);
    if (status == MUR_OK)
        status = set_seconds(&client->acse_ms, mur_client_words.acse_s, "-ta", error);
    if (status == MUR_OK)
        status = set_seconds(&client->dimse_ms, mur_client_words.dimse_s, "-td", error);
    if (client->acse_ms == 0)
        client->acse_ms = -1;
    if (client->dimse_ms == 0)
        client->dimse_ms = -1;
    return status;
}

static enum mur_status read_address(struct mur_address *out, size_t *used,
                                    const struct mur_cli *cli, struct mur_error *error)
{
    const char *const peer[] = {mur_client_words.peer};
    bool by_option = mur_client_words.peer != NULL;
    enum mur_status status =
        mur_address_parse(out, used, by_option ? peer : cli->arguments,
                          by_option ? 1 : cli->argument_count, cli->config, error);
    if (status == MUR_OK && by_option)
        *used = 0;
    if (status == MUR_OK && mur_client_words.calling != NULL)
        status = mur_ae_title_parse(out->calling_ae_title, mur_client_words.calling, "-aet", error);
    if (status == MUR_OK && mur_client_words.called != NULL)
        status = mur_ae_title_parse(out->called_ae_title, mur_client_words.called, "-aec", error);
    return status;
}

int mur_client_begin(struct mur_client *client, size_t *used, struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_address address;
    /* Configured for the node; a client's lines would stand among its results. */
    if (mur_common.log_level == NULL && mur_common.verbosity == MUR_VERBOSITY_UNSET &&
        cli->config->log_level == MUR_LOG_LEVEL_INFO)
        mur_log_configure(MUR_LOG_LEVEL_WARNING, cli->config->log_format);
    if (mur_client_tls_take(cli, &error) != MUR_OK ||
        read_address(&address, used, cli, &error) != MUR_OK)
        return mur_cli_usage(cli, "%s", error.message);
    *client = mur_client_of(&address);
    if (read_times(client, &error) != MUR_OK ||
        mur_client_tls_open(&client->tls, cli, address.tls, &error) != MUR_OK)
        return mur_cli_usage(cli, "%s", error.message);
    client->connected = on_connected;
    int code = catch_signals(cli);
    client->cancel_fd = stop_event;
    return code;
}

/* ---- the end --------------------------------------------------------------------------------- */

int mur_client_fail(const struct mur_cli *cli, const struct mur_error *error)
{
    int code = mur_cli_fail(cli, error);
    if (error->status == MUR_UNSUPPORTED)
        return MUR_EXIT_NOT_OFFERED;
    if (error->status == MUR_DENIED || error->status == MUR_PARSE)
        return MUR_EXIT_NETWORK;
    return code;
}

int mur_client_finish(const struct mur_cli *cli, const struct mur_outcome *outcome, uint16_t field)
{
    MUR_AUTO_BUFFER struct mur_buffer comment = MUR_BUFFER_INIT;
    const char *remedy = mur_dimse_status_remedy(outcome->status, field);
    if (outcome->cancelled && (outcome->status == 0 || outcome->status == 0xFE00)) {
        (void)fprintf(stderr, "murpacs %s: stopped by request\n", cli->command);
        return MUR_EXIT_CANCELLED;
    }
    if (outcome->status == 0)
        return MUR_EXIT_OK;
    if (mur_client_append_safe(&comment, outcome->comment, NULL) != MUR_OK)
        return MUR_EXIT_MEMORY;
    (void)fprintf(stderr, "murpacs %s: the peer answers %04X %s%s%s%s%s%s\n", cli->command,
                  outcome->status, mur_dimse_status_name(outcome->status, field),
                  comment.length > 0 ? ": \"" : "", mur_buffer_text(&comment),
                  comment.length > 0 ? "\"" : "", remedy[0] != '\0' ? "; " : "", remedy);
    return mur_dimse_status_is_warning(outcome->status) ? MUR_EXIT_WARNING : MUR_EXIT_REFUSED;
}

void mur_client_json_outcome(struct mur_json_writer *json, const struct mur_outcome *outcome,
                             uint16_t field)
{
    char status[8];
    (void)snprintf(status, sizeof status, "%04X", outcome->status);
    mur_json_member_string(json, "status", status);
    mur_json_member_string(json, "meaning", mur_dimse_status_name(outcome->status, field));
    if (outcome->comment[0] != '\0')
        mur_json_member_string(json, "comment", outcome->comment);
    if (outcome->cancelled)
        mur_json_member_bool(json, "cancelled", true);
}

int mur_client_print_json(const struct mur_cli *cli, struct mur_json_writer *json,
                          struct mur_buffer *line)
{
    struct mur_error error = MUR_ERROR_INIT;
    mur_json_end_object(json);
    enum mur_status status = mur_json_finish(json, &error);
    if (status == MUR_OK)
        status = mur_buffer_append(line, "\n", 1, &error);
    return status == MUR_OK ? mur_cli_print(cli, line) : mur_cli_fail(cli, &error);
}

enum mur_status mur_client_append_safe(struct mur_buffer *out, const char *text,
                                       struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && *text != '\0') {
        size_t length = 0;
        while ((unsigned char)text[length] >= ' ' && text[length] != 0x7F)
            length++;
        status = mur_buffer_append(out, text, length, error);
        text += length;
        if (status == MUR_OK && *text != '\0') {
            status = mur_buffer_append(out, "?", 1, error);
            text++;
        }
    }
    return status;
}

/* ---- queries and retrievals ------------------------------------------------------------------ */

static enum mur_status read_keys(struct mur_query_keys *out, char *const *words, bool returned,
                                 struct mur_error *error)
{
    for (; words != NULL && *words != NULL; words++) {
        if (out->count == MUR_KEYS_LIMIT)
            return mur_error_set(error, MUR_INVALID, "more than %d keys", MUR_KEYS_LIMIT);
        if (returned && strchr(*words, '=') != NULL)
            return mur_error_set(error, MUR_INVALID, "-r %s: a return key has no value; -m %s",
                                 *words, *words);
        enum mur_status status = mur_key_parse(&out->keys[out->count], *words, error);
        if (status != MUR_OK)
            return status;
        out->count++;
    }
    return MUR_OK;
}

enum mur_status mur_query_read(struct mur_query_keys *out, struct mur_error *error)
{
    out->count = 0;
    out->model = mur_query_words.patient_root != 0 ? MUR_MODEL_PATIENT_ROOT : MUR_MODEL_STUDY_ROOT;
    if (mur_query_words.patient_root != 0 && mur_query_words.study_root != 0)
        return mur_error_set(error, MUR_INVALID, "-P and -S exclude each other");
    enum mur_status status = read_keys(out, mur_query_words.keys, false, error);
    if (status == MUR_OK)
        status = read_keys(out, mur_query_words.matches, false, error);
    size_t matched = out->count;
    if (status == MUR_OK)
        status = read_keys(out, mur_query_words.returns, true, error);
    out->returned = out->count - matched;
    return status;
}

/* The level by -L, else by the key, else by the other keys. */
static enum mur_status set_level(enum mur_level *out, struct mur_dataset *identifier,
                                 enum mur_model model, struct mur_error *error)
{
    const char *text = mur_query_words.level;
    enum mur_status status = MUR_OK;
    if (text == NULL && mur_dataset_has_value(identifier, MUR_TAG_QueryRetrieveLevel))
        status = mur_dataset_get_string(&text, identifier, MUR_TAG_QueryRetrieveLevel, error);
    if (status != MUR_OK)
        return status;
    enum mur_level level = mur_keys_level(identifier, model);
    if (text != NULL && mur_level_parse(&level, mur_slice_of(text), NULL) != MUR_OK)
        return mur_error_set(error, MUR_INVALID, "level \"%.32s\": PATIENT, STUDY, SERIES or IMAGE",
                             text);
    if (level == MUR_LEVEL_PATIENT && model == MUR_MODEL_STUDY_ROOT)
        return mur_error_set(error, MUR_INVALID,
                             "the Study Root model has no level PATIENT: use -P");
    *out = level;
    return mur_dataset_put_string(identifier, MUR_TAG_QueryRetrieveLevel, MUR_VR_CS,
                                  mur_level_name(level), error);
}

/* What is matched is returned anyway. */
static enum mur_status put_return_key(struct mur_dataset *identifier, const struct mur_key *key,
                                      struct mur_error *error)
{
    MUR_AUTO_FREE char *value = NULL;
    enum mur_status status = mur_key_get(&value, key, identifier, error);
    if (status != MUR_OK || value[0] != '\0')
        return status;
    return mur_keys_put(identifier, key, 1, error);
}

enum mur_status mur_query_identifier(struct mur_dataset **out, enum mur_level *level,
                                     const struct mur_query_keys *keys, const char *path,
                                     struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *identifier = NULL;
    enum mur_status status = path != NULL ? mur_keys_load(&identifier, path, error)
                                          : mur_dataset_create(&identifier, error);
    if (status == MUR_OK)
        status = mur_keys_put(identifier, keys->keys, keys->count - keys->returned, error);
    for (size_t i = keys->count - keys->returned; status == MUR_OK && i < keys->count; i++)
        status = put_return_key(identifier, &keys->keys[i], error);
    if (status == MUR_OK)
        status = set_level(level, identifier, keys->model, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(identifier);
    return status;
}

enum mur_status mur_query_retrieval(struct mur_dataset **out, enum mur_model *model,
                                    const char *path, struct mur_error *error)
{
    static const struct {
        uint32_t tag;
        const char *name;
    } unique[MUR_LEVEL_COUNT] = {
        [MUR_LEVEL_PATIENT] = {MUR_TAG_PatientID, "PatientID"},
        [MUR_LEVEL_STUDY] = {MUR_TAG_StudyInstanceUID, "StudyInstanceUID"},
        [MUR_LEVEL_SERIES] = {MUR_TAG_SeriesInstanceUID, "SeriesInstanceUID"},
        [MUR_LEVEL_IMAGE] = {MUR_TAG_SOPInstanceUID, "SOPInstanceUID"},
    };
    static struct mur_query_keys keys; /* too large for a stack; one command line a program */
    MUR_AUTO(mur_dataset) *identifier = NULL;
    enum mur_level level = MUR_LEVEL_STUDY;
    enum mur_status status = mur_query_read(&keys, error);
    if (status == MUR_OK)
        status = mur_query_identifier(&identifier, &level, &keys, path, error);
    if (status != MUR_OK)
        return status;
    if (!mur_dataset_has_value(identifier, unique[level].tag))
        return mur_error_set(error, MUR_INVALID,
                             "which one? At the level %s a retrieval needs -k %s=...; murpacs find "
                             "lists them",
                             mur_level_name(level), unique[level].name);
    *model = keys.model;
    *out = MUR_STEAL(identifier);
    return MUR_OK;
}

enum mur_status mur_query_receiver(struct mur_receiver **out, const char *folder,
                                   struct mur_dataset *asked, mur_received_callback *on_object,
                                   void *user, struct mur_error *error)
{
    const struct mur_landing_words *words = &mur_landing_words;
    if (words->max_objects < 0 || words->max_megabytes < 0 || words->free_megabytes < 0)
        return mur_error_set(error, MUR_INVALID,
                             "--max-objects, --max-size and --keep-free are not negative");
    const struct mur_receiver_options options = {
        .folder = folder,
        .overwrite = words->overwrite != 0,
        .count_limit = (uint64_t)words->max_objects,
        .object_limit = (uint64_t)words->max_megabytes * MEGABYTE,
        .room = (uint64_t)words->free_megabytes * MEGABYTE,
        .asked = asked,
        .on_object = on_object,
        .user = user,
    };
    return mur_receiver_create(out, &options, error);
}

int mur_client_receiver_fail(const struct mur_cli *cli, const struct mur_error *error)
{
    (void)mur_cli_fail(cli, error);
    return error->status == MUR_MISMATCH ? MUR_EXIT_WARNING : MUR_EXIT_OUTPUT;
}

void mur_client_warn_relational(const struct mur_cli *cli)
{
    if (!cli->quiet)
        (void)fprintf(
            stderr,
            "murpacs %s: the peer did not agree to relational keys, and may refuse them or "
            "pass over some: give the unique key of each level above (-k "
            "StudyInstanceUID=...), and keys of that level (-L) only\n",
            cli->command);
}

static void print_failed_uids(const char *uids)
{
    enum { SHOWN = 20 };
    size_t count = 0;
    for (const char *at = uids; at != NULL && *at != '\0'; count++) {
        size_t length = strcspn(at, "\\");
        if (count < SHOWN && strspn(at, "0123456789.") >= length)
            (void)fprintf(stderr, "    failed: %.*s\n", (int)length, at);
        at += length + (at[length] == '\\' ? 1 : 0);
    }
    if (count > SHOWN)
        (void)fprintf(stderr, "    and %zu more\n", count - SHOWN);
}

static int print_counts(const struct mur_cli *cli, const struct mur_retrieval_result *result,
                        const char *where)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    uint32_t done = result->completed + result->warning;
    enum mur_status status = mur_buffer_append_format(&text, &error, "%" PRIu32 " object%s %s",
                                                      done, done == 1 ? "" : "s", where);
    if (status == MUR_OK && result->warning > 0)
        status = mur_buffer_append_format(&text, &error, ", %" PRIu32 " of them with warnings",
                                          result->warning);
    if (status == MUR_OK && result->failed > 0)
        status = mur_buffer_append_format(&text, &error, ", %" PRIu32 " failed", result->failed);
    if (status == MUR_OK && result->remaining > 0)
        status =
            mur_buffer_append_format(&text, &error, ", %" PRIu32 " not begun", result->remaining);
    if (status == MUR_OK)
        status = mur_buffer_append(&text, "\n", 1, &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}

static int print_retrieval_json(const struct mur_cli *cli,
                                const struct mur_retrieval_result *result, uint16_t field)
{
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&line));
    mur_json_begin_object(&json);
    mur_client_json_outcome(&json, &result->outcome, field);
    mur_json_member_int(&json, "completed", result->completed);
    mur_json_member_int(&json, "warning", result->warning);
    mur_json_member_int(&json, "failed", result->failed);
    mur_json_member_int(&json, "remaining", result->remaining);
    mur_json_key(&json, "failedUIDs");
    mur_json_begin_array(&json);
    for (const char *at = result->failed_uids; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, "\\");
        mur_json_slice(&json, (struct mur_slice){.data = at, .length = length});
        at += length + (at[length] == '\\' ? 1 : 0);
    }
    mur_json_end_array(&json);
    return mur_client_print_json(cli, &json, &line);
}

int mur_client_print_retrieval(const struct mur_cli *cli, const struct mur_retrieval_result *result,
                               uint16_t field, const char *where)
{
    int code = MUR_EXIT_OK;
    if (mur_client_words.json != 0)
        code = print_retrieval_json(cli, result, field);
    else if (!cli->quiet)
        code = print_counts(cli, result, where);
    if (result->relational_not_agreed)
        mur_client_warn_relational(cli);
    int ended = mur_client_finish(cli, &result->outcome, field);
    if (mur_client_words.json == 0)
        print_failed_uids(result->failed_uids);
    if (ended == MUR_EXIT_OK && result->failed > 0)
        ended = MUR_EXIT_WARNING; /* a peer that counts failures and says success */
    return code != MUR_EXIT_OK ? code : ended;
}

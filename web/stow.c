/* STOW-RS (PS3.18 10.5): the parts of a request go to the archive as they come, as the Data Sets of
 * C-STORE do. What came whole is held back until the request did, so that one that breaks off
 * leaves nothing; of very large requests the first ones are stored meanwhile. */
#include <microhttpd.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/json_write.h"
#include "core/log.h"
#include "dicom/part10.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"
#include "web/address.h"
#include "web/audit.h"
#include "web/json_answer.h"
#include "web/media_type.h"
#include "web/multipart_reader.h"
#include "web/route.h"
#include "web/stow.h"

enum {
    HELD = 4096,          /* instances of one request, each with an open file and some 30 KiB */
    HELD_BY_ALL = 8192,   /* of all requests, and */
    SHARE_OF_FILES = 2,   /* a half of those that may be open at most */
    UNDER_WAY = 64,       /* submitted and not waited for */
    INSTANCES = 65536,    /* of one request */
    HEAD_SIZE = 16 * 1024 /* see mur_part10_parse() */
};

/* PS3.18 Annex I.2, PS3.7 Annex C: why an instance is not stored. */
enum {
    STORED = 0,
    PROCESSING_FAILURE = 0x0110,
    DUPLICATE_INSTANCE = 0x0111,
    CLASS_NOT_SUPPORTED = 0x0122,
    OUT_OF_RESOURCES = 0xA700,
    DATA_SET_MISMATCH = 0xA900,
    CANNOT_UNDERSTAND = 0xC000,
    SYNTAX_NOT_SUPPORTED = 0xC122,
};

struct part {
    struct mur_ingest *ingest; /* NULL once it is settled */
    uint16_t reason;
    bool known; /* which instance it is */
    char sop_class[MUR_UID_TEXT_SIZE];
    char sop_instance[MUR_UID_TEXT_SIZE];
    char study[MUR_UID_TEXT_SIZE];  /* "" unless it is stored */
    char series[MUR_UID_TEXT_SIZE]; /* likewise */
};

struct stow {
    struct mur_multipart_reader *reader; /* NULL: the body is one instance */
    char *study;                         /* of the address; NULL = any */
    char peer[NI_MAXHOST];
    struct mur_part10 head;
    struct mur_buffer beginning; /* of a part, until its head is read */
    bool has_head;
    struct part *parts; /* the last one is being read */
    size_t count, capacity;
    int held_most;    /* by all requests */
    size_t submitted; /* parts before this one were; each index: the next one */
    size_t settled;
};

static atomic_int held_by_all;

static uint16_t reason_of(enum mur_status status)
{
    switch (status) {
    case MUR_OK:
        return STORED;
    case MUR_MISMATCH:
        return DATA_SET_MISMATCH;
    case MUR_EXISTS:
        return DUPLICATE_INSTANCE;
    case MUR_INVALID:
    case MUR_PARSE:
    case MUR_LIMIT:
    case MUR_NOT_FOUND:
        return CANNOT_UNDERSTAND;
    case MUR_UNSUPPORTED:
        return CLASS_NOT_SUPPORTED;
    case MUR_BUSY:
    case MUR_IO:
    case MUR_NO_SPACE:
    case MUR_NO_MEMORY:
    case MUR_DENIED: /* to us, by the file system */
        return OUT_OF_RESOURCES;
    case MUR_CORRUPT:
    case MUR_CLOSED:
    case MUR_TIMEOUT:
    case MUR_CANCELLED:
    case MUR_INTERNAL:
        break;
    }
    return PROCESSING_FAILURE;
}

static void drop_ingest(struct part *part)
{
    if (part->ingest == NULL)
        return;
    mur_ingest_free(part->ingest);
    part->ingest = NULL;
    atomic_fetch_sub(&held_by_all, 1);
}

static void fail_part(const struct stow *stow, struct part *part, uint16_t reason, const char *why)
{
    drop_ingest(part);
    part->reason = reason;
    mur_log_warning(MUR_LOG_WEB, "STOW-RS from %s: %s refused with %04X: %s", stow->peer,
                    part->known ? part->sop_instance : "a part", reason, why);
}

static void stow_free(struct stow *stow)
{
    if (stow == NULL)
        return;
    for (size_t i = 0; i < stow->count; i++)
        drop_ingest(&stow->parts[i]);
    mur_multipart_reader_free(stow->reader);
    mur_buffer_free(&stow->beginning);
    free(stow->parts);
    free(stow->study);
    free(stow);
}
MUR_DEFINE_AUTO(stow, stow_free)

/* ---- to the archive -------------------------------------------------------------------------- */

static void submit_one(struct stow *stow)
{
    struct part *part = &stow->parts[stow->submitted++];
    struct mur_error why = MUR_ERROR_INIT;
    if (part->ingest != NULL && mur_ingest_submit(part->ingest, &why) != MUR_OK)
        fail_part(stow, part, reason_of(why.status), why.message);
}

static void settle_one(struct stow *stow)
{
    struct part *part = &stow->parts[stow->settled++];
    if (part->ingest == NULL)
        return;
    struct mur_error why = MUR_ERROR_INIT;
    enum mur_ingest_outcome outcome = MUR_STORED;
    if (mur_ingest_wait(&outcome, part->ingest, &why) != MUR_OK) {
        fail_part(stow, part, reason_of(why.status), why.message);
        return;
    }
    const struct mur_instance *instance = mur_ingest_instance(part->ingest);
    memcpy(part->study, instance->study_instance, MUR_UID_TEXT_SIZE);
    memcpy(part->series, instance->series_instance, MUR_UID_TEXT_SIZE);
    mur_log_debug(MUR_LOG_WEB, "%s %s", outcome == MUR_STORED ? "stored" : "unchanged",
                  part->sop_instance);
    drop_ingest(part);
}

/* Submits so many of those that are whole that @p held are left, and waits for as few as may be. */
static void advance(struct stow *stow, size_t held)
{
    while (stow->count - stow->submitted > held) {
        submit_one(stow);
        if (stow->submitted - stow->settled > UNDER_WAY)
            settle_one(stow);
    }
}

static void settle_all(struct stow *stow)
{
    while (stow->settled < stow->count) {
        if (stow->submitted < stow->count)
            advance(stow, stow->count - stow->submitted - 1);
        else
            settle_one(stow);
    }
}

/* ---- a part ---------------------------------------------------------------------------------- */

static struct part *current(struct stow *stow)
{
    return &stow->parts[stow->count - 1];
}

static enum mur_status begin_part(void *user, const char *type, const char *encoding,
                                  struct mur_error *error)
{
    struct stow *stow = user;
    if (stow->count == INSTANCES)
        return mur_error_set(error, MUR_LIMIT, "a request has at most %d parts", (int)INSTANCES);
    advance(stow, atomic_load(&held_by_all) < stow->held_most ? HELD - 1 : 0);
    if (stow->count == stow->capacity) {
        size_t capacity = stow->capacity == 0 ? 16 : stow->capacity * 2;
        struct part *parts = realloc(stow->parts, capacity * sizeof *parts);
        if (parts == NULL)
            return mur_error_no_memory(error);
        stow->parts = parts;
        stow->capacity = capacity;
    }
    struct part *part = &stow->parts[stow->count++];
    *part = (struct part){.reason = STORED};
    stow->has_head = false;
    mur_buffer_clear(&stow->beginning);
    if (encoding != NULL && !mur_ascii_equal_ignore_case(encoding, "identity")) {
        fail_part(stow, part, CANNOT_UNDERSTAND, "it has a Content-Encoding");
        return MUR_OK;
    }
    if (type == NULL)
        return MUR_OK;
    MUR_AUTO_MEDIA_LIST struct mur_media_list types = {.count = 0};
    if (mur_media_list_parse(&types, mur_slice_of(type), NULL) != MUR_OK || types.count != 1 ||
        !mur_media_fits(&types.ranges[0], "application/dicom"))
        fail_part(stow, part, CANNOT_UNDERSTAND, "its Content-Type is not application/dicom");
    return MUR_OK;
}

static enum mur_status check_head(uint16_t *reason, const struct mur_part10 *head,
                                  const struct mur_config *config, struct mur_error *error)
{
    const struct mur_sop_class *class_ = mur_sop_class_find(head->sop_class);
    if (class_ != NULL ? class_->kind != MUR_SOP_STORAGE
                       : !config->dicom_accept_unknown_sop_classes) {
        *reason = CLASS_NOT_SUPPORTED;
        return mur_error_set(error, MUR_UNSUPPORTED, "%s is not stored here",
                             mur_sop_class_name(head->sop_class));
    }
    const struct mur_transfer_syntax *syntax = mur_transfer_syntax_find(head->transfer_syntax);
    if (syntax != NULL && (syntax->flags & MUR_TS_NO_DATA_SET) != 0) {
        *reason = SYNTAX_NOT_SUPPORTED;
        return mur_error_set(error, MUR_UNSUPPORTED, "%s is not stored here", syntax->keyword);
    }
    return MUR_OK;
}

/* The head of a part is there, or the part has ended. */
static void begin_instance(struct stow *stow, const struct mur_exchange *exchange)
{
    struct part *part = current(stow);
    struct mur_buffer *bytes = &stow->beginning;
    struct mur_error why = MUR_ERROR_INIT;
    stow->has_head = true;
    enum mur_status status =
        mur_part10_parse(&stow->head, mur_buffer_text(bytes), bytes->length, "the part", &why);
    if (status == MUR_OK && (stow->head.bare || stow->head.offset > bytes->length))
        status = mur_error_set(&why, MUR_PARSE, "it is not a DICOM file (PS3.10 7.1)");
    if (status == MUR_OK && stow->head.sop_instance[0] == '\0')
        status = mur_error_set(&why, MUR_PARSE, "it has no Media Storage SOP Instance UID");
    uint16_t reason = reason_of(status);
    if (status == MUR_OK) {
        part->known = true;
        memcpy(part->sop_class, stow->head.sop_class, MUR_UID_TEXT_SIZE);
        memcpy(part->sop_instance, stow->head.sop_instance, MUR_UID_TEXT_SIZE);
        status = check_head(&reason, &stow->head, exchange->config, &why);
    }
    if (status == MUR_OK) {
        const struct mur_origin origin = {.how = "STOW-RS", .peer = stow->peer};
        status = mur_ingest_begin(&part->ingest, exchange->archive, part->sop_class,
                                  part->sop_instance, stow->head.transfer_syntax, &origin, &why);
        reason = reason_of(status);
        if (status == MUR_OK) {
            atomic_fetch_add(&held_by_all, 1);
            mur_ingest_require_study(part->ingest, stow->study);
            status = mur_ingest_write(part->ingest, mur_buffer_text(bytes) + stow->head.offset,
                                      bytes->length - stow->head.offset, &why);
            reason = reason_of(status);
        }
    }
    if (status != MUR_OK)
        fail_part(stow, part, reason, why.message);
    mur_buffer_clear(bytes);
}

static enum mur_status write_part(void *user, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    const struct mur_exchange *exchange = user;
    struct stow *stow = exchange->state;
    struct part *part = current(stow);
    if (part->reason != STORED)
        return MUR_OK;
    struct mur_error why = MUR_ERROR_INIT;
    if (!stow->has_head) {
        enum mur_status status = mur_buffer_append(&stow->beginning, bytes, length, error);
        if (status == MUR_OK && stow->beginning.length >= HEAD_SIZE)
            begin_instance(stow, exchange);
        return status;
    }
    if (mur_ingest_write(part->ingest, bytes, length, &why) != MUR_OK)
        fail_part(stow, part, reason_of(why.status), why.message);
    return MUR_OK;
}

static enum mur_status end_part(void *user, struct mur_error *error)
{
    (void)error;
    const struct mur_exchange *exchange = user;
    struct stow *stow = exchange->state;
    if (current(stow)->reason == STORED && !stow->has_head)
        begin_instance(stow, exchange);
    return MUR_OK;
}

static enum mur_status begin_part_of(void *user, const char *type, const char *encoding,
                                     struct mur_error *error)
{
    const struct mur_exchange *exchange = user;
    return begin_part(exchange->state, type, encoding, error);
}

static const struct mur_multipart_events part_events = {
    .begin = begin_part_of, .write = write_part, .end = end_part};

/* ---- the request ----------------------------------------------------------------------------- */

static const char *const answer_types[] = {"application/dicom+json", "application/json"};

static enum mur_status refuse_type(struct mur_exchange *exchange, const char *why,
                                   struct mur_error *error)
{
    mur_log_info(MUR_LOG_WEB, "%s %s: 415: %.*s", exchange->method, exchange->path,
                 (int)strcspn(why, "\n"), why);
    enum mur_status status = mur_answer(exchange, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                        "text/plain; charset=utf-8", mur_slice_of(why), error);
    return status == MUR_OK ? mur_answer_header(exchange, "Accept-Post",
                                                "multipart/related; type=\"application/dicom\", "
                                                "application/dicom",
                                                error)
                            : status;
}

/* What the body is. Answers when it is nothing that can be taken. */
static enum mur_status check_type(struct stow *stow, struct mur_exchange *exchange,
                                  struct mur_error *error)
{
    MUR_AUTO_FREE char *type = NULL;
    MUR_AUTO_FREE char *encoding = NULL;
    MUR_AUTO_MEDIA_LIST struct mur_media_list types = {.count = 0};
    enum mur_status status = mur_exchange_header(&encoding, exchange, "Content-Encoding", error);
    if (status == MUR_OK)
        status = mur_exchange_header(&type, exchange, "Content-Type", error);
    if (status == MUR_OK && type != NULL)
        status = mur_media_list_parse(&types, mur_slice_of(type), error);
    if (status != MUR_OK)
        return status;
    if (encoding != NULL && !mur_ascii_equal_ignore_case(encoding, "identity"))
        return refuse_type(exchange, "a body with a Content-Encoding is not taken\n", error);
    const struct mur_media_range *range = types.count == 1 ? &types.ranges[0] : NULL;
    if (range != NULL && mur_media_fits(range, "application/dicom"))
        return MUR_OK;
    const char *of = range != NULL ? mur_media_parameter(range, "type") : NULL;
    if (range == NULL || !mur_media_fits(range, "multipart/related") ||
        (of != NULL && !mur_ascii_equal_ignore_case(of, "application/dicom")))
        return refuse_type(exchange,
                           "only multipart/related; type=\"application/dicom\" is taken: DICOM "
                           "files (PS3.10), not metadata in JSON or XML\n",
                           error);
    const char *boundary = mur_media_parameter(range, "boundary");
    return mur_multipart_reader_create(&stow->reader, boundary != NULL ? boundary : "",
                                       &part_events, exchange, error);
}

static enum mur_status check_length(const struct mur_exchange *exchange, struct mur_error *error)
{
    if (exchange->received > exchange->config->web_max_body)
        return mur_error_set(error, MUR_LIMIT, "the body exceeds %llu bytes (web.max_body)",
                             (unsigned long long)exchange->config->web_max_body);
    MUR_AUTO_FREE char *announced = NULL;
    uint64_t length = 0;
    enum mur_status status = MUR_OK;
    if (exchange->received == 0)
        status = mur_exchange_header(&announced, exchange, "Content-Length", error);
    if (status == MUR_OK && announced != NULL &&
        mur_parse_uint64(&length, mur_slice_of(announced), 0, exchange->config->web_max_body,
                         NULL) != MUR_OK)
        return mur_error_set(error, MUR_LIMIT, "a body of %.40s bytes: at most %llu (web.max_body)",
                             announced, (unsigned long long)exchange->config->web_max_body);
    return status;
}

static int find_held_most(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    rlim_t share = limit.rlim_cur / SHARE_OF_FILES;
    return share < HELD_BY_ALL ? (int)share : HELD_BY_ALL;
}

static enum mur_status begin(struct mur_exchange *exchange, struct mur_error *error)
{
    MUR_AUTO(stow) *stow = calloc(1, sizeof *stow);
    if (stow == NULL)
        return mur_error_no_memory(error);
    mur_exchange_peer(stow->peer, exchange);
    stow->held_most = find_held_most();
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    size_t type = 0;
    enum mur_status status = check_length(exchange, error);
    if (status == MUR_OK && exchange->part_count > 0)
        status = mur_exchange_uid(&stow->study, exchange, 0, error);
    if (status == MUR_OK)
        status = mur_accept_read(&accept, exchange, error);
    if (status == MUR_OK)
        status = mur_accept_choose(&type, &accept, answer_types, MUR_COUNT(answer_types), error);
    if (status == MUR_OK)
        status = check_type(stow, exchange, error);
    if (status == MUR_OK && stow->reader == NULL)
        status = begin_part(stow, NULL, NULL, error);
    if (status == MUR_OK)
        exchange->state = MUR_STEAL(stow);
    return status;
}

/* What is stored now, or was there. */
static void audit(const struct mur_exchange *exchange, const struct stow *stow)
{
    if (!mur_audit_enabled())
        return;
    MUR_AUTO_FREE const char **studies = calloc(stow->count, sizeof *studies);
    uint64_t stored = 0;
    size_t count = 0;
    for (size_t i = 0; i < stow->count; i++) {
        if (stow->parts[i].reason != STORED)
            continue;
        stored++;
        const char *study = stow->parts[i].study;
        if (studies != NULL && (count == 0 || strcmp(studies[count - 1], study) != 0))
            studies[count++] = study;
    }
    mur_web_audit_stored(exchange, stored, stow->count - stored, studies, count);
}

/* A request that breaks off after more instances than are held back: who sent it gets to know which
 * ones stay. @return @p status */
static enum mur_status tell_stored(const struct mur_exchange *exchange, enum mur_status status,
                                   struct mur_error *error)
{
    struct stow *stow = exchange->state;
    size_t stored = 0;
    if (stow->submitted == 0)
        return status;
    while (stow->settled < stow->submitted)
        settle_one(stow);
    for (size_t i = 0; i < stow->settled; i++)
        stored += stow->parts[i].reason == STORED;
    for (size_t i = stow->settled; i < stow->count; i++) {
        drop_ingest(&stow->parts[i]);
        stow->parts[i].reason = PROCESSING_FAILURE;
    }
    audit(exchange, stow);
    char reason[MUR_ERROR_MESSAGE_SIZE];
    (void)snprintf(reason, sizeof reason, "%s", error->message);
    return mur_error_set(error, status,
                         "of the first %zu parts %zu are stored, none of those after them, since "
                         "the request broke off; sent again, what is stored is found unchanged: %s",
                         stow->settled, stored, reason);
}

static enum mur_status receive(struct mur_exchange *exchange, const void *bytes, size_t length,
                               struct mur_error *error)
{
    struct stow *stow = exchange->state;
    enum mur_status status = check_length(exchange, error);
    if (status == MUR_OK && stow->reader == NULL)
        status = write_part(exchange, bytes, length, error);
    else if (status == MUR_OK)
        status = mur_multipart_reader_write(stow->reader, bytes, length, error);
    return status == MUR_OK ? MUR_OK : tell_stored(exchange, status, error);
}

static void free_state(void *state)
{
    stow_free(state);
}

const struct mur_receiver mur_stow_receiver = {
    .begin = begin, .write = receive, .free = free_state};

/* ---- the answer (PS3.18 Annex I.2) ----------------------------------------------------------- */

static void write_element(struct mur_json_writer *json, const char *tag, const char *vr,
                          const char *text)
{
    mur_json_key(json, tag);
    mur_json_begin_object(json);
    mur_json_member_string(json, "vr", vr);
    if (text[0] != '\0') {
        mur_json_key(json, "Value");
        mur_json_begin_array(json);
        mur_json_string(json, text);
        mur_json_end_array(json);
    }
    mur_json_end_object(json);
}

static void write_item(struct mur_json_writer *json, const struct part *part)
{
    mur_json_begin_object(json);
    if (part->known) {
        write_element(json, "00081150", "UI", part->sop_class);
        write_element(json, "00081155", "UI", part->sop_instance);
    }
    if (part->reason == STORED) {
        char url[sizeof MUR_DICOMWEB_ROOT + 3 * (MUR_UID_TEXT_SIZE + 16)];
        (void)snprintf(url, sizeof url, MUR_DICOMWEB_ROOT "/studies/%s/series/%s/instances/%s",
                       part->study, part->series, part->sop_instance);
        write_element(json, "00081190", "UR", url);
    } else {
        mur_json_key(json, "00081197");
        mur_json_begin_object(json);
        mur_json_member_string(json, "vr", "US");
        mur_json_key(json, "Value");
        mur_json_begin_array(json);
        mur_json_int(json, part->reason);
        mur_json_end_array(json);
        mur_json_end_object(json);
    }
    mur_json_end_object(json);
}

enum fate { FATE_STORED, FATE_FAILED, FATE_OTHER };

static enum fate fate_of(const struct part *part)
{
    return part->reason == STORED ? FATE_STORED : part->known ? FATE_FAILED : FATE_OTHER;
}

static void write_sequence(struct mur_json_writer *json, const struct stow *stow, const char *tag,
                           enum fate fate)
{
    bool any = false;
    for (size_t i = 0; i < stow->count; i++) {
        if (fate_of(&stow->parts[i]) != fate)
            continue;
        if (!any) {
            mur_json_key(json, tag);
            mur_json_begin_object(json);
            mur_json_member_string(json, "vr", "SQ");
            mur_json_key(json, "Value");
            mur_json_begin_array(json);
        }
        any = true;
        write_item(json, &stow->parts[i]);
    }
    if (any) {
        mur_json_end_array(json);
        mur_json_end_object(json);
    }
}

/* The study that all are in; "" when there is none, or several. */
static void name_study(char url[sizeof MUR_DICOMWEB_ROOT + 9 + MUR_UID_TEXT_SIZE],
                       const struct stow *stow)
{
    const char *study = "";
    url[0] = '\0';
    for (size_t i = 0; i < stow->count; i++) {
        if (stow->parts[i].reason != STORED)
            continue;
        if (study[0] != '\0' && strcmp(study, stow->parts[i].study) != 0)
            return;
        study = stow->parts[i].study;
    }
    if (study[0] != '\0')
        (void)snprintf(url, sizeof MUR_DICOMWEB_ROOT + 9 + MUR_UID_TEXT_SIZE,
                       MUR_DICOMWEB_ROOT "/studies/%s", study);
}

static unsigned code_of(const struct stow *stow)
{
    size_t stored = 0;
    size_t no_room = 0;
    for (size_t i = 0; i < stow->count; i++) {
        stored += stow->parts[i].reason == STORED;
        no_room += stow->parts[i].reason == OUT_OF_RESOURCES;
    }
    if (stored == stow->count)
        return MHD_HTTP_OK;
    if (stored > 0)
        return MHD_HTTP_ACCEPTED;
    return no_room == stow->count ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_CONFLICT;
}

enum mur_status mur_stow_store(struct mur_exchange *exchange, struct mur_error *error)
{
    struct stow *stow = exchange->state;
    enum mur_status status = stow->reader != NULL ? mur_multipart_reader_finish(stow->reader, error)
                                                  : end_part(exchange, error);
    if (status != MUR_OK)
        return tell_stored(exchange, status, error);
    if (stow->count == 0 || exchange->received == 0)
        status = mur_error_set(error, MUR_PARSE, "the request holds no instance");
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    size_t type = 0;
    if (status == MUR_OK)
        status = mur_accept_read(&accept, exchange, error);
    if (status == MUR_OK)
        status = mur_accept_choose(&type, &accept, answer_types, MUR_COUNT(answer_types), error);
    if (status != MUR_OK)
        return status;
    settle_all(stow);
    audit(exchange, stow);
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    char url[sizeof MUR_DICOMWEB_ROOT + 9 + MUR_UID_TEXT_SIZE];
    name_study(url, stow);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&body));
    mur_json_begin_object(&json);
    write_element(&json, "00081190", "UR", url);
    write_sequence(&json, stow, "00081198", FATE_FAILED);
    write_sequence(&json, stow, "00081199", FATE_STORED);
    write_sequence(&json, stow, "0008119A", FATE_OTHER);
    mur_json_end_object(&json);
    status = mur_json_finish(&json, error);
    return status == MUR_OK
               ? mur_answer_buffer(exchange, code_of(stow), answer_types[type], &body, error)
               : status;
}

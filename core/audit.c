#include "core/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json_write.h"
#include "core/own.h"
#include "core/stderr_write.h"
#include "core/text.h"

enum { STUDIES_LIMIT = 1000, MODE = 0640, CLOSED = -1 };

/* Codes of DCM (PS3.16 CID 400, 401). */
static const struct {
    const char *event, *code, *type, *type_code;
    bool has_answers, has_instances;
} events[] = {
    [MUR_AUDIT_STARTED] = {"Application Activity", "110100", "Application Start", "110120"},
    [MUR_AUDIT_STOPPED] = {"Application Activity", "110100", "Application Stop", "110121"},
    [MUR_AUDIT_BEGIN_TRANSFERRING] = {"Begin Transferring DICOM Instances", "110102",
                                      .has_instances = true},
    [MUR_AUDIT_ACCESSED] = {"DICOM Instances Accessed", "110103", .has_instances = true},
    [MUR_AUDIT_TRANSFERRED] = {"DICOM Instances Transferred", "110104", .has_instances = true},
    [MUR_AUDIT_QUERY] = {"Query", "110112", .has_answers = true},
    [MUR_AUDIT_NOT_AUTHENTICATED] = {"Security Alert", "110113", "Node Authentication", "110126"},
    [MUR_AUDIT_NOT_ALLOWED] = {"Security Alert", "110113", "Use of Restricted Function", "110127"},
};

static atomic_int descriptor = CLOSED;
static char *file; /* NULL: stderr, or nowhere */

static enum mur_status open_file(int *out, const char *path, struct mur_error *error)
{
    /* A FIFO that nobody reads is an error, and nothing to wait for. */
    MUR_AUTO_CLOSE int opened = open(
        path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, MODE);
    int flags = opened < 0 ? -1 : fcntl(opened, F_GETFL);
    if (flags < 0 || fcntl(opened, F_SETFL, flags & ~O_NONBLOCK) != 0)
        return mur_error_set_errno(error, errno, "audit lines: %s", path);
    *out = mur_steal_descriptor(&opened);
    return MUR_OK;
}

enum mur_status mur_audit_open(const char *path, struct mur_error *error)
{
    mur_audit_close();
    if (path[0] == '\0')
        return MUR_OK;
    if (strcmp(path, "-") == 0) {
        atomic_store(&descriptor, STDERR_FILENO);
        return MUR_OK;
    }
    MUR_AUTO_FREE char *copy = NULL;
    int opened = CLOSED;
    enum mur_status status = mur_text_copy(&copy, mur_slice_of(path), error);
    if (status == MUR_OK)
        status = open_file(&opened, path, error);
    if (status != MUR_OK)
        return status;
    file = MUR_STEAL(copy);
    atomic_store(&descriptor, opened);
    return MUR_OK;
}

enum mur_status mur_audit_reopen(struct mur_error *error)
{
    if (file == NULL)
        return MUR_OK;
    MUR_AUTO_CLOSE int opened = CLOSED;
    enum mur_status status = open_file(&opened, file, error);
    if (status != MUR_OK)
        return status;
    /* The number stays, so that nobody writes to one that was closed. */
    if (dup3(opened, atomic_load(&descriptor), O_CLOEXEC) < 0)
        return mur_error_set_errno(error, errno, "audit lines: %s", file);
    return MUR_OK;
}

void mur_audit_close(void)
{
    int old = atomic_exchange(&descriptor, CLOSED);
    if (file != NULL)
        (void)close(old);
    free(file);
    file = NULL;
}

bool mur_audit_enabled(void)
{
    return atomic_load_explicit(&descriptor, memory_order_relaxed) != CLOSED;
}

static void optional(struct mur_json_writer *json, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        mur_json_member_string(json, key, text);
}

static void write_party(struct mur_json_writer *json, const char *key,
                        const struct mur_audit_party *party)
{
    if (party->ae_title == NULL && party->address == NULL && party->user == NULL)
        return;
    mur_json_key(json, key);
    mur_json_begin_object(json);
    optional(json, "aeTitle", party->ae_title);
    optional(json, "address", party->address);
    optional(json, "user", party->user);
    optional(json, "tls", party->security);
    mur_json_end_object(json);
}

static void write_studies(struct mur_json_writer *json, const struct mur_audit_entry *entry)
{
    size_t count = entry->study_count < STUDIES_LIMIT ? entry->study_count : STUDIES_LIMIT;
    if (entry->study_count == 0)
        return;
    mur_json_key(json, "studies");
    mur_json_begin_array(json);
    for (size_t i = 0; i < count; i++)
        mur_json_string(json, entry->studies[i]);
    mur_json_end_array(json);
    if (count < entry->study_count)
        mur_json_member_int(json, "studiesNotListed", (int64_t)(entry->study_count - count));
}

static enum mur_status encode(struct mur_buffer *out, const struct mur_audit_entry *entry,
                              struct mur_error *error)
{
    char time[MUR_ISO_SIZE];
    mur_clock_format_us(time, mur_clock_now_us());
    memcpy(time + 23, "Z", 2); /* milliseconds are enough */
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "time", time);
    mur_json_member_string(&json, "event", events[entry->event].event);
    mur_json_member_string(&json, "code", events[entry->event].code);
    optional(&json, "type", events[entry->event].type);
    optional(&json, "typeCode", events[entry->event].type_code);
    mur_json_member_int(&json, "outcome", (int64_t)entry->outcome);
    optional(&json, "association", entry->association);
    optional(&json, "service", entry->what);
    write_party(&json, "source", &entry->source);
    write_party(&json, "destination", &entry->destination);
    optional(&json, "level", entry->level);
    if (events[entry->event].has_answers)
        mur_json_member_int(&json, "answers", entry->answers);
    if (events[entry->event].has_instances)
        mur_json_member_int(&json, "instances", (int64_t)entry->instances);
    write_studies(&json, entry);
    optional(&json, "detail", entry->detail);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

enum mur_status mur_audit_write(const struct mur_audit_entry *entry, struct mur_error *error)
{
    if (!mur_audit_enabled())
        return MUR_OK;
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    enum mur_status status = encode(&line, entry, error);
    if (status != MUR_OK)
        return status;
    int to = atomic_load(&descriptor);
    if (to != STDERR_FILENO)
        return mur_write_full(to, line.data, line.length, "audit lines", error);
    if (!mur_stderr_write(mur_buffer_text(&line), line.length))
        return mur_error_set(error, MUR_IO, "audit lines: nobody reads them");
    return MUR_OK;
}

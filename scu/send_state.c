#include "scu/send_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/file.h"
#include "core/json.h"
#include "core/json_write.h"
#include "core/text.h"

enum { LINE_LIMIT = 4096, FILE_LIMIT = 1 << 30 };

struct mur_send_state {
    int descriptor;
    char *path;
    struct mur_sent *rows; /* sorted */
    size_t count, capacity;
};

void mur_send_state_free(struct mur_send_state *state)
{
    if (state == NULL)
        return;
    if (state->descriptor >= 0) {
        (void)fdatasync(state->descriptor);
        (void)close(state->descriptor);
    }
    free(state->path);
    free(state->rows);
    free(state);
}

static int compare(const void *left, const void *right)
{
    const struct mur_sent *a = left;
    const struct mur_sent *b = right;
    int order = strcmp(a->uid, b->uid);
    if (order == 0)
        order = (a->size > b->size) - (a->size < b->size);
    return order != 0 ? order
                      : (a->modified_ns > b->modified_ns) - (a->modified_ns < b->modified_ns);
}

bool mur_send_state_has(const struct mur_send_state *state, const struct mur_sent *sent)
{
    return state->count > 0 &&
           bsearch(sent, state->rows, state->count, sizeof *state->rows, compare) != NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

static enum mur_status check_head(const struct mur_send_state *state, const struct mur_json *head,
                                  const char *peer, struct mur_error *error)
{
    const char *what = mur_json_text(mur_json_get(head, "murpacs"));
    const char *whom = mur_json_text(mur_json_get(head, "peer"));
    int64_t version = 0;
    if (what == NULL || strcmp(what, "store") != 0 || whom == NULL ||
        mur_json_get_int(&version, mur_json_get(head, "version"), NULL) != MUR_OK || version != 1)
        return mur_error_set(error, MUR_MISMATCH, "%s is no state file of this program",
                             state->path);
    if (strcmp(whom, peer) != 0)
        return mur_error_set(error, MUR_MISMATCH,
                             "%s is about %s, not %s: give each peer a state file of its own",
                             state->path, whom, peer);
    return MUR_OK;
}

static enum mur_status take_row(struct mur_send_state *state, const struct mur_json *row,
                                struct mur_error *error)
{
    struct mur_sent sent = {.uid = ""};
    const char *uid = mur_json_text(mur_json_get(row, "uid"));
    int64_t size = 0;
    enum mur_status status = uid != NULL && mur_uid_acceptable(mur_slice_of(uid))
                                 ? MUR_OK
                                 : mur_error_set(error, MUR_MISMATCH, "no UID");
    if (status == MUR_OK)
        status = mur_json_get_int(&size, mur_json_get(row, "size"), error);
    if (status == MUR_OK)
        status = mur_json_get_int(&sent.modified_ns, mur_json_get(row, "modified"), error);
    if (status != MUR_OK)
        return status;
    memcpy(sent.uid, uid, strlen(uid) + 1);
    sent.size = (uint64_t)size;
    if (state->count == state->capacity) {
        size_t wanted = state->capacity > 0 ? 2 * state->capacity : 256;
        struct mur_sent *rows = reallocarray(state->rows, wanted, sizeof *rows);
        if (rows == NULL)
            return mur_error_no_memory(error);
        state->rows = rows;
        state->capacity = wanted;
    }
    state->rows[state->count++] = sent;
    return MUR_OK;
}

static enum mur_status take_lines(struct mur_send_state *state, struct mur_slice text,
                                  const char *peer, struct mur_error *error)
{
    size_t number = 0;
    while (text.length > 0) {
        const char *end = memchr(text.data, '\n', text.length);
        struct mur_slice line = {.data = text.data, .length = (size_t)(end - text.data)};
        text = (struct mur_slice){.data = end + 1, .length = text.length - line.length - 1};
        MUR_AUTO(mur_json) *json = NULL;
        enum mur_status status = mur_json_parse(&json, line, LINE_LIMIT, error);
        if (number++ == 0) {
            if (status != MUR_OK)
                json = NULL;
            status = check_head(state, json, peer, error);
            if (status != MUR_OK)
                return status;
            continue;
        }
        if (status == MUR_OK)
            status = take_row(state, json, error);
        if (status == MUR_NO_MEMORY)
            return status;
        if (status != MUR_OK) {
            const struct mur_error reason =
                error != NULL ? *error : (struct mur_error)MUR_ERROR_INIT;
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s:%zu (without this file everything is sent once more): %s",
                                 state->path, number, reason.message);
        }
    }
    if (state->count > 0)
        qsort(state->rows, state->count, sizeof *state->rows, compare);
    return MUR_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static enum mur_status write_line(struct mur_send_state *state, struct mur_json_writer *json,
                                  struct mur_buffer *line, struct mur_error *error)
{
    enum mur_status status = mur_json_finish(json, error);
    if (status == MUR_OK)
        status = mur_buffer_append(line, "\n", 1, error);
    if (status != MUR_OK)
        return status;
    return mur_write_full(state->descriptor, line->data, line->length, state->path, error);
}

static enum mur_status begin_file(struct mur_send_state *state, const char *peer,
                                  struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&line));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "murpacs", "store");
    mur_json_member_int(&json, "version", 1);
    mur_json_member_string(&json, "peer", peer);
    mur_json_end_object(&json);
    return write_line(state, &json, &line, error);
}

enum mur_status mur_send_state_add(struct mur_send_state *state, const struct mur_sent *sent,
                                   uint16_t status, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&line));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "uid", sent->uid);
    mur_json_member_int(&json, "size", (int64_t)sent->size);
    mur_json_member_int(&json, "modified", sent->modified_ns);
    mur_json_member_int(&json, "status", status);
    mur_json_end_object(&json);
    return write_line(state, &json, &line, error);
}

/* ---- opening --------------------------------------------------------------------------------- */

static enum mur_status read_file(struct mur_send_state *state, const char *peer,
                                 struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_file_read_all(&text, state->path, FILE_LIMIT, error);
    if (status != MUR_OK)
        return status;
    struct mur_slice whole = {.data = mur_buffer_text(&text), .length = text.length};
    while (whole.length > 0 && whole.data[whole.length - 1] != '\n')
        whole.length--;
    if (whole.length == 0 && text.length > 0 && text.data[0] != '{')
        return mur_error_set(error, MUR_MISMATCH, "%s is no state file of this program",
                             state->path);
    status = take_lines(state, whole, peer, error);
    /* What a crash has torn goes. */
    if (status == MUR_OK && whole.length < text.length &&
        ftruncate(state->descriptor, (off_t)whole.length) != 0)
        return mur_error_set_errno(error, errno, "%s", state->path);
    if (status == MUR_OK && whole.length == 0)
        status = begin_file(state, peer, error);
    return status;
}

enum mur_status mur_send_state_open(struct mur_send_state **out, const char *path, const char *peer,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_send_state) *state = calloc(1, sizeof *state);
    if (state == NULL)
        return mur_error_no_memory(error);
    state->descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (state->descriptor < 0)
        return mur_error_set_errno(error, errno, "state file %s", path);
    if (flock(state->descriptor, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? mur_error_set(error, MUR_BUSY, "state file %s: another process sends by it",
                                   path)
                   : mur_error_set_errno(error, errno, "state file %s", path);
    enum mur_status status = mur_text_copy(&state->path, mur_slice_of(path), error);
    if (status == MUR_OK)
        status = read_file(state, peer, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(state);
    return status;
}

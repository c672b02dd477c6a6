#include "web/multipart_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/digest.h"

/* Up to this an answer of one part is read whole, and goes out with its headers at once. */
enum { BOUNDARY_BYTES = 16, WHOLE_ANSWER = 256 * 1024 };

struct multipart {
    struct mur_parts parts;
    char boundary[2 * BOUNDARY_BYTES + 1];
    struct mur_part part, following; /* of following, only whether it is there matters yet */
    bool has_part, has_following;
    struct mur_buffer text; /* lines between bodies */
    size_t text_sent;
    uint64_t sent;            /* of the part's body */
    bool ended;               /* the last line stands in text */
    struct mur_error failure; /* to be told once what came before it is sent */
    struct mur_error late;    /* of the part behind the first */
};

void mur_part_free(struct mur_part *part)
{
    free(part->type);
    free(part->location);
    mur_body_free(&part->body);
    part->type = NULL;
    part->location = NULL;
}

static void free_multipart(void *user)
{
    struct multipart *multipart = user;
    mur_part_free(&multipart->part);
    mur_part_free(&multipart->following);
    mur_buffer_free(&multipart->text);
    if (multipart->parts.free != NULL)
        multipart->parts.free(multipart->parts.user);
    free(multipart);
}

static enum mur_status ask_next(struct mur_part *part, bool *found, struct multipart *multipart,
                                struct mur_error *error)
{
    struct mur_part made = {.body = MUR_BODY_INIT};
    bool is_there = false;
    enum mur_status status = multipart->parts.next(multipart->parts.user, &is_there, &made, error);
    if (status != MUR_OK) {
        mur_part_free(&made);
        return status;
    }
    *part = made;
    *found = is_there;
    return MUR_OK;
}

/* The lines before a part, the first of which ends the one before. */
static enum mur_status begin_part(struct multipart *multipart, bool first, struct mur_error *error)
{
    const struct mur_part *part = &multipart->part;
    multipart->text_sent = 0;
    multipart->sent = 0;
    mur_buffer_clear(&multipart->text);
    enum mur_status status =
        mur_buffer_append_format(&multipart->text, error, "%s--%s\r\nContent-Type: %s\r\n",
                                 first ? "" : "\r\n", multipart->boundary, part->type);
    if (status == MUR_OK && part->location != NULL)
        status = mur_buffer_append_format(&multipart->text, error, "Content-Location: %s\r\n",
                                          part->location);
    return status == MUR_OK ? mur_buffer_append_text(&multipart->text, "\r\n", error) : status;
}

static enum mur_status advance(struct multipart *multipart, struct mur_error *error)
{
    mur_part_free(&multipart->part);
    multipart->part = multipart->following;
    multipart->has_part = multipart->has_following;
    multipart->following = (struct mur_part){.body = MUR_BODY_INIT};
    multipart->has_following = false;
    if (!multipart->has_part) {
        if (multipart->late.status != MUR_OK)
            return mur_error_set(error, multipart->late.status, "%s", multipart->late.message);
        enum mur_status status = ask_next(&multipart->part, &multipart->has_part, multipart, error);
        if (status != MUR_OK)
            return status;
    }
    if (multipart->has_part)
        return begin_part(multipart, false, error);
    multipart->ended = true;
    multipart->text_sent = 0;
    mur_buffer_clear(&multipart->text);
    return mur_buffer_append_format(&multipart->text, error, "\r\n--%s--\r\n", multipart->boundary);
}

static enum mur_status read_multipart(void *user, size_t *length, void *bytes, size_t room,
                                      struct mur_error *error)
{
    struct multipart *multipart = user;
    size_t used = 0;
    while (used < room && multipart->failure.status == MUR_OK) {
        size_t left = multipart->text.length - multipart->text_sent;
        if (left > 0) {
            size_t count = left < room - used ? left : room - used;
            memcpy((char *)bytes + used, multipart->text.data + multipart->text_sent, count);
            multipart->text_sent += count;
            used += count;
            continue;
        }
        if (multipart->ended)
            break;
        size_t count = 0;
        struct mur_error *failure = &multipart->failure;
        if (mur_body_read(&count, &multipart->part.body, multipart->sent, (char *)bytes + used,
                          room - used, failure) == MUR_OK &&
            (count > 0 || advance(multipart, failure) == MUR_OK)) {
            multipart->sent += count;
            used += count;
        }
    }
    if (used == 0 && multipart->failure.status != MUR_OK)
        return mur_error_set(error, multipart->failure.status, "%s", multipart->failure.message);
    *length = used;
    return MUR_OK;
}

/* No content may hold the boundary: it is drawn by lot, so that nobody can know it before. */
static enum mur_status draw_boundary(struct multipart *multipart, struct mur_error *error)
{
    uint8_t bytes[BOUNDARY_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return mur_error_set_errno(error, errno, "getrandom");
    mur_hex_write(multipart->boundary, bytes, sizeof bytes);
    return MUR_OK;
}

static enum mur_status begin(struct multipart *multipart, struct mur_error *error)
{
    enum mur_status status = draw_boundary(multipart, error);
    if (status == MUR_OK)
        status = ask_next(&multipart->part, &multipart->has_part, multipart, error);
    if (status == MUR_OK && !multipart->has_part)
        status = mur_error_set(error, MUR_NOT_FOUND, "there is nothing to be sent");
    if (status != MUR_OK)
        return status;
    /* Without it, the first is sent all the same. */
    (void)!ask_next(&multipart->following, &multipart->has_following, multipart, &multipart->late);
    return begin_part(multipart, true, error);
}

static enum mur_status answer_whole(struct mur_exchange *exchange, unsigned code, const char *type,
                                    struct multipart *multipart, size_t length,
                                    struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_reserve(&body, length, error);
    for (size_t got = 1; status == MUR_OK && got > 0; body.length += got)
        status =
            read_multipart(multipart, &got, body.data + body.length, length - body.length, error);
    return status == MUR_OK ? mur_answer_buffer(exchange, code, type, &body, error) : status;
}

/* The length of one part is known. @return -1: it is not */
static int64_t length_of(const struct multipart *multipart)
{
    const size_t last_line = strlen("\r\n----\r\n") + strlen(multipart->boundary);
    return multipart->has_following || multipart->late.status != MUR_OK
               ? -1
               : (int64_t)(multipart->text.length + last_line +
                           mur_body_length(&multipart->part.body));
}

enum mur_status mur_answer_multipart(struct mur_exchange *exchange, unsigned code, const char *type,
                                     const struct mur_parts *parts, struct mur_error *error)
{
    struct multipart *multipart = calloc(1, sizeof *multipart);
    if (multipart == NULL)
        return mur_error_no_memory(error);
    multipart->parts = *parts;
    multipart->part.body = (struct mur_body)MUR_BODY_INIT;
    multipart->following.body = (struct mur_body)MUR_BODY_INIT;
    MUR_AUTO_FREE char *content_type = NULL;
    enum mur_status status = begin(multipart, error);
    if (status == MUR_OK)
        status =
            mur_text_format(&content_type, error, "multipart/related; type=\"%s\"; boundary=%s",
                            type, multipart->boundary);
    int64_t length = status == MUR_OK ? length_of(multipart) : -1;
    bool whole = length >= 0 && length <= WHOLE_ANSWER;
    if (status == MUR_OK && whole) {
        status = answer_whole(exchange, code, content_type, multipart, (size_t)length, error);
    } else if (status == MUR_OK) {
        const struct mur_stream stream = {
            .read = read_multipart, .free = free_multipart, .user = multipart};
        status = mur_answer_stream(exchange, code, content_type, length, &stream, error);
    }
    if (status != MUR_OK)
        multipart->parts.free = NULL; /* the caller's still */
    if (status != MUR_OK || whole)
        free_multipart(multipart);
    return status;
}

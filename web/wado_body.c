#include "web/wado_body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

enum { IN_MEMORY = 4 << 20 };

/* ---- bodies ---------------------------------------------------------------------------------- */

void mur_body_free(struct mur_body *body)
{
    mur_buffer_free(&body->memory);
    if (body->descriptor >= 0)
        (void)close(body->descriptor);
    free(body->runs);
    *body = (struct mur_body)MUR_BODY_INIT;
}

struct mur_body mur_body_take(struct mur_body *body)
{
    struct mur_body taken = *body;
    *body = (struct mur_body)MUR_BODY_INIT;
    return taken;
}

uint64_t mur_body_length(const struct mur_body *body)
{
    if (body->descriptor < 0)
        return body->memory.length;
    if (body->runs == NULL)
        return body->run.length;
    uint64_t length = 0;
    for (size_t i = 0; i < body->run_count; i++)
        length += body->runs[i].length;
    return length;
}

static size_t least(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

enum mur_status mur_body_read(size_t *length, const struct mur_body *body, uint64_t position,
                              void *bytes, size_t room, struct mur_error *error)
{
    if (body->descriptor < 0) {
        size_t count =
            position < body->memory.length ? least(body->memory.length - position, room) : 0;
        if (count > 0)
            memcpy(bytes, body->memory.data + position, count);
        *length = count;
        return MUR_OK;
    }
    const struct mur_run *run = body->runs != NULL ? body->runs : &body->run;
    size_t left = body->runs != NULL ? body->run_count : 1;
    while (left > 0 && position >= run->length) {
        position -= run->length;
        run++;
        left--;
    }
    if (left == 0) {
        *length = 0;
        return MUR_OK;
    }
    size_t wanted = least(run->length - position, room);
    size_t got = 0;
    enum mur_status status = mur_pread_full(&got, body->descriptor, bytes, wanted,
                                            (off_t)(run->offset + position), "an object", error);
    if (status == MUR_OK && got != wanted)
        status = mur_error_set(error, MUR_CORRUPT, "the file was cut while it was read");
    if (status == MUR_OK)
        *length = got;
    return status;
}

/* ---- answers --------------------------------------------------------------------------------- */

struct sending {
    struct mur_body body;
    uint64_t position, end;
};

static enum mur_status read_sending(void *user, size_t *length, void *bytes, size_t room,
                                    struct mur_error *error)
{
    struct sending *sending = user;
    enum mur_status status = mur_body_read(length, &sending->body, sending->position, bytes,
                                           least(sending->end - sending->position, room), error);
    if (status == MUR_OK)
        sending->position += *length;
    return status;
}

static void free_sending(void *user)
{
    struct sending *sending = user;
    mur_body_free(&sending->body);
    free(sending);
}

enum mur_status mur_answer_body(struct mur_exchange *exchange, unsigned code, const char *type,
                                struct mur_body *body, const struct mur_run *part,
                                struct mur_error *error)
{
    const struct mur_run all = {.length = mur_body_length(body)};
    if (part == NULL)
        part = &all;
    if (body->descriptor < 0 && part == &all)
        return mur_answer_buffer(exchange, code, type, &body->memory, error);
    if (body->descriptor >= 0 && body->runs == NULL)
        return mur_answer_file(exchange, code, type, mur_steal_descriptor(&body->descriptor),
                               body->run.offset + part->offset, part->length, error);
    struct sending *sending = malloc(sizeof *sending);
    if (sending == NULL)
        return mur_error_no_memory(error);
    *sending = (struct sending){
        .body = *body, .position = part->offset, .end = part->offset + part->length};
    const struct mur_stream stream = {.read = read_sending, .free = free_sending, .user = sending};
    enum mur_status status =
        mur_answer_stream(exchange, code, type, (int64_t)part->length, &stream, error);
    if (status == MUR_OK)
        *body = (struct mur_body)MUR_BODY_INIT;
    else
        free(sending);
    return status;
}

/* ---- what is made ---------------------------------------------------------------------------- */

void mur_spool_free(struct mur_spool *spool)
{
    mur_buffer_free(&spool->memory);
    if (spool->descriptor >= 0)
        (void)close(spool->descriptor);
    spool->descriptor = -1;
    spool->length = 0;
}

static enum mur_status write_spool(void *user, const void *bytes, size_t length,
                                   struct mur_error *error)
{
    struct mur_spool *spool = user;
    enum mur_status status = MUR_OK;
    if (spool->descriptor < 0 && spool->memory.length + length > IN_MEMORY) {
        spool->descriptor = open(spool->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (spool->descriptor < 0)
            return mur_error_set_errno(error, errno, "cannot make a temporary file in %s",
                                       spool->directory);
        status = mur_write_full(spool->descriptor, spool->memory.data, spool->memory.length,
                                "a temporary file", error);
        mur_buffer_free(&spool->memory);
    }
    if (status == MUR_OK && spool->descriptor >= 0)
        status = mur_write_full(spool->descriptor, bytes, length, "a temporary file", error);
    else if (status == MUR_OK)
        status = mur_buffer_append(&spool->memory, bytes, length, error);
    if (status == MUR_OK)
        spool->length += length;
    return status;
}

struct mur_sink mur_spool_sink(struct mur_spool *spool)
{
    return (struct mur_sink){.write = write_spool, .user = spool};
}

struct mur_body mur_spool_take(struct mur_spool *spool)
{
    struct mur_body body = {.memory = spool->memory,
                            .descriptor = spool->descriptor,
                            .run = {.offset = 0, .length = spool->length}};
    spool->memory = (struct mur_buffer)MUR_BUFFER_INIT;
    spool->descriptor = -1;
    spool->length = 0;
    return body;
}

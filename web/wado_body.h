/**
 * Bytes on their way out: runs of an open file, or what was made; large things that are made go
 * through an unnamed file, so that memory stays constant. Internal to web/. Threads: one at a time.
 */
#ifndef MUR_WEB_WADO_BODY_H
#define MUR_WEB_WADO_BODY_H

#include "core/sink.h"
#include "web/exchange.h"

struct mur_run {
    uint64_t offset, length;
};

struct mur_body {
    struct mur_buffer memory; /**< when there is no file */
    int descriptor;           /**< owned; -1: none */
    struct mur_run run;       /**< of the file, when runs is NULL */
    struct mur_run *runs;     /**< malloc'ed */
    size_t run_count;
};
#define MUR_BODY_INIT                                                                              \
    {                                                                                              \
        .memory = MUR_BUFFER_INIT, .descriptor = -1                                                \
    }
void mur_body_free(struct mur_body *body); /**< the content, which is empty then */
#define MUR_AUTO_BODY __attribute__((cleanup(mur_body_free)))

/** Takes the content, leaving nothing in @p body. */
struct mur_body mur_body_take(struct mur_body *body);

uint64_t mur_body_length(const struct mur_body *body);
/** Reads from @p position on, at most @p room bytes; @param[out] length  0 at the end.
 * @retval MUR_CORRUPT  the file is shorter than it was */
MUR_NODISCARD
enum mur_status mur_body_read(size_t *length, const struct mur_body *body, uint64_t position,
                              void *bytes, size_t room, struct mur_error *error);

/** Answers with all of it, or with a part. What the answer takes is gone from the body; the rest is
 * the caller's. */
MUR_NODISCARD
enum mur_status mur_answer_body(struct mur_exchange *exchange, unsigned code, const char *type,
                                struct mur_body *body, const struct mur_run *part,
                                struct mur_error *error);

/** Gathers what is written to its sink. */
struct mur_spool {
    const char *directory; /**< where the unnamed file is made */
    struct mur_buffer memory;
    int descriptor; /**< -1 as long as memory is enough */
    uint64_t length;
};
#define MUR_SPOOL_INIT(folder)                                                                     \
    {                                                                                              \
        .directory = (folder), .memory = MUR_BUFFER_INIT, .descriptor = -1                         \
    }
void mur_spool_free(struct mur_spool *spool); /**< the content */
#define MUR_AUTO_SPOOL __attribute__((cleanup(mur_spool_free)))
struct mur_sink mur_spool_sink(struct mur_spool *spool);
/** What was written; the spool is empty then. */
struct mur_body mur_spool_take(struct mur_spool *spool);

#endif

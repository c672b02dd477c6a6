#include "core/gzip.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Blocks large enough that the few bytes between two of them, and starting anew in the middle of a
 * match, cost nothing to speak of (0.01 % of a CT). */
enum {
    BLOCK_SIZE = 512 * 1024,
    WINDOW_SIZE = 32 * 1024,
    WINDOW_BITS = -15,    /* a raw stream: head and tail are written here */
    MEMORY_LEVEL = 9,     /* 512 kB a thread, some percent faster than the usual 8 */
    SLOTS_PER_THREAD = 2, /* one is compressed while the next one fills */
    BEST_LEVEL = 9,
};

enum slot_state { SLOT_FREE, SLOT_READY, SLOT_BUSY, SLOT_DONE };

/* A block on its way. */
struct slot {
    enum slot_state state;
    bool last;
    bool failed;
    size_t length, dictionary_length, compressed_length;
    uint32_t checksum;
    unsigned char *input;      /* BLOCK_SIZE */
    unsigned char *dictionary; /* WINDOW_SIZE: the end of the block before */
    unsigned char *compressed; /* compressed_size */
};

struct mur_gzip_writer {
    struct mur_sink sink;
    int level;
    unsigned thread_count, slot_count;
    size_t compressed_size;
    pthread_t threads[MUR_GZIP_THREAD_LIMIT];
    struct slot slots[MUR_GZIP_THREAD_LIMIT * SLOTS_PER_THREAD];
    pthread_mutex_t lock; /* of states, next_ready, stopping */
    pthread_cond_t ready, done;
    unsigned filling;    /* the slot that write() fills */
    unsigned next_ready; /* the slot that a thread takes next */
    unsigned next_out;   /* the slot whose bytes come next */
    bool stopping, headed, failed;
    uint32_t checksum;
    uint64_t length;
};

/* ---- threads -------------------------------------------------------------------------------- */

static bool compress_block(struct slot *slot, z_stream *stream, size_t room)
{
    if (deflateReset(stream) != Z_OK)
        return false;
    if (slot->dictionary_length > 0 &&
        deflateSetDictionary(stream, slot->dictionary, (uInt)slot->dictionary_length) != Z_OK)
        return false;
    stream->next_in = slot->input;
    stream->avail_in = (uInt)slot->length;
    stream->next_out = slot->compressed;
    stream->avail_out = (uInt)room;
    /* A sync flush ends at a byte, so that blocks can be put one behind the other. */
    int result = deflate(stream, slot->last ? Z_FINISH : Z_SYNC_FLUSH);
    slot->compressed_length = room - stream->avail_out;
    slot->checksum = (uint32_t)crc32_z(0, slot->input, slot->length);
    return stream->avail_in == 0 && stream->avail_out > 0 &&
           result == (slot->last ? Z_STREAM_END : Z_OK);
}

static void *compress_blocks(void *user)
{
    struct mur_gzip_writer *writer = user;
    z_stream stream = {.zalloc = Z_NULL};
    bool usable = deflateInit2(&stream, writer->level, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                               Z_DEFAULT_STRATEGY) == Z_OK;
    (void)pthread_mutex_lock(&writer->lock);
    for (;;) {
        struct slot *slot = &writer->slots[writer->next_ready];
        if (slot->state != SLOT_READY) {
            if (writer->stopping)
                break;
            (void)pthread_cond_wait(&writer->ready, &writer->lock);
            continue;
        }
        slot->state = SLOT_BUSY;
        writer->next_ready = (writer->next_ready + 1) % writer->slot_count;
        (void)pthread_mutex_unlock(&writer->lock);
        bool good = usable && compress_block(slot, &stream, writer->compressed_size);
        (void)pthread_mutex_lock(&writer->lock);
        slot->failed = !good;
        slot->state = SLOT_DONE;
        (void)pthread_cond_signal(&writer->done);
    }
    (void)pthread_mutex_unlock(&writer->lock);
    if (usable)
        (void)deflateEnd(&stream);
    return NULL;
}

static void stop_threads(struct mur_gzip_writer *writer)
{
    (void)pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    (void)pthread_cond_broadcast(&writer->ready);
    (void)pthread_mutex_unlock(&writer->lock);
    for (unsigned index = 0; index < writer->thread_count; index++)
        (void)pthread_join(writer->threads[index], NULL);
    writer->thread_count = 0;
}

/* ---- the writer ----------------------------------------------------------------------------- */

static enum mur_status make_slots(struct mur_gzip_writer *writer, struct mur_error *error)
{
    writer->compressed_size = compressBound(BLOCK_SIZE) + 64;
    for (unsigned index = 0; index < writer->slot_count; index++) {
        struct slot *slot = &writer->slots[index];
        slot->input = malloc(BLOCK_SIZE);
        slot->dictionary = malloc(WINDOW_SIZE);
        slot->compressed = malloc(writer->compressed_size);
        if (slot->input == NULL || slot->dictionary == NULL || slot->compressed == NULL)
            return mur_error_no_memory(error);
    }
    return MUR_OK;
}

enum mur_status mur_gzip_writer_create(struct mur_gzip_writer **out, struct mur_sink sink,
                                       int level, unsigned threads, struct mur_error *error)
{
    if (level < 1 || level > BEST_LEVEL || threads < 1 || threads > MUR_GZIP_THREAD_LIMIT)
        return mur_error_set(error, MUR_INVALID, "gzip level %d on %u threads", level, threads);
    MUR_AUTO(mur_gzip_writer) *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return mur_error_no_memory(error);
    writer->sink = sink;
    writer->level = level;
    writer->slot_count = threads * SLOTS_PER_THREAD;
    (void)pthread_mutex_init(&writer->lock, NULL);
    (void)pthread_cond_init(&writer->ready, NULL);
    (void)pthread_cond_init(&writer->done, NULL);
    enum mur_status status = make_slots(writer, error);
    for (unsigned index = 0; status == MUR_OK && index < threads; index++) {
        int failure = pthread_create(&writer->threads[index], NULL, compress_blocks, writer);
        if (failure == 0)
            writer->thread_count++;
        else if (index == 0) /* with one, it only takes longer */
            status = mur_error_set_errno(error, failure, "cannot start a thread for gzip");
    }
    if (status == MUR_OK)
        *out = MUR_STEAL(writer);
    return status;
}

void mur_gzip_writer_free(struct mur_gzip_writer *writer)
{
    if (writer == NULL)
        return;
    stop_threads(writer);
    for (unsigned index = 0; index < writer->slot_count; index++) {
        free(writer->slots[index].input);
        free(writer->slots[index].dictionary);
        free(writer->slots[index].compressed);
    }
    (void)pthread_mutex_destroy(&writer->lock);
    (void)pthread_cond_destroy(&writer->ready);
    (void)pthread_cond_destroy(&writer->done);
    free(writer);
}

static enum mur_status put_head(struct mur_gzip_writer *writer, struct mur_error *error)
{
    /* No name, no time; XFL 4: fast; OS 255: not said (RFC 1952 2.3). */
    const unsigned char head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    writer->headed = true;
    return writer->sink.write(writer->sink.user, head, sizeof head, error);
}

/* Waits for the block that comes next, and hands its bytes on. */
static enum mur_status put_block(struct mur_gzip_writer *writer, struct mur_error *error)
{
    struct slot *slot = &writer->slots[writer->next_out];
    (void)pthread_mutex_lock(&writer->lock);
    while (slot->state != SLOT_DONE)
        (void)pthread_cond_wait(&writer->done, &writer->lock);
    slot->state = SLOT_FREE;
    (void)pthread_mutex_unlock(&writer->lock);
    writer->next_out = (writer->next_out + 1) % writer->slot_count;
    if (slot->failed)
        return mur_error_set(error, MUR_INTERNAL, "zlib cannot compress");
    writer->checksum =
        (uint32_t)crc32_combine(writer->checksum, slot->checksum, (z_off_t)slot->length);
    writer->length += slot->length;
    enum mur_status status = writer->headed ? MUR_OK : put_head(writer, error);
    return status == MUR_OK ? writer->sink.write(writer->sink.user, slot->compressed,
                                                 slot->compressed_length, error)
                            : status;
}

/* Gives the filled slot to a thread and makes the next one free. */
static enum mur_status pass_on(struct mur_gzip_writer *writer, bool last, struct mur_error *error)
{
    struct slot *slot = &writer->slots[writer->filling];
    unsigned next = (writer->filling + 1) % writer->slot_count;
    enum mur_status status = MUR_OK;
    slot->last = last;
    (void)pthread_mutex_lock(&writer->lock);
    slot->state = SLOT_READY;
    (void)pthread_cond_signal(&writer->ready);
    (void)pthread_mutex_unlock(&writer->lock);
    if (!last && next == writer->next_out)
        status = put_block(writer, error);
    if (status != MUR_OK || last)
        return status;
    struct slot *following = &writer->slots[next];
    size_t kept = slot->length < WINDOW_SIZE ? slot->length : WINDOW_SIZE;
    memcpy(following->dictionary, slot->input + slot->length - kept, kept);
    following->dictionary_length = kept;
    following->length = 0;
    writer->filling = next;
    return MUR_OK;
}

enum mur_status mur_gzip_writer_write(struct mur_gzip_writer *writer, const void *bytes,
                                      size_t length, struct mur_error *error)
{
    const unsigned char *from = bytes;
    if (writer->failed)
        return mur_error_set(error, MUR_INVALID, "the gzip stream has failed before");
    while (length > 0) {
        struct slot *slot = &writer->slots[writer->filling];
        if (slot->length == BLOCK_SIZE) {
            enum mur_status status = pass_on(writer, false, error);
            writer->failed = status != MUR_OK;
            if (status != MUR_OK)
                return status;
            continue;
        }
        size_t room = BLOCK_SIZE - slot->length;
        size_t part = length < room ? length : room;
        memcpy(slot->input + slot->length, from, part);
        slot->length += part;
        from += part;
        length -= part;
    }
    return MUR_OK;
}

enum mur_status mur_gzip_writer_finish(struct mur_gzip_writer *writer, struct mur_error *error)
{
    if (writer->failed)
        return mur_error_set(error, MUR_INVALID, "the gzip stream has failed before");
    writer->failed = true; /* nothing can follow */
    unsigned end = (writer->filling + 1) % writer->slot_count;
    enum mur_status status = pass_on(writer, true, error);
    do {
        if (status == MUR_OK)
            status = put_block(writer, error);
    } while (status == MUR_OK && writer->next_out != end);
    unsigned char tail[8];
    for (unsigned index = 0; index < 4; index++) {
        tail[index] = (unsigned char)(writer->checksum >> (8 * index));
        tail[4 + index] = (unsigned char)(writer->length >> (8 * index));
    }
    return status == MUR_OK ? writer->sink.write(writer->sink.user, tail, sizeof tail, error)
                            : status;
}

#include "bench/work.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { RELEASE_MS = 30000, STACK_SIZE = 1024 * 1024 };

double load_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double cpu_now(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* ---- times ---- */

void load_times_free(struct load_times *times)
{
    free(times->milliseconds);
    *times = (struct load_times){.count = 0};
}

enum mur_status load_times_reserve(struct load_times *times, size_t count, struct mur_error *error)
{
    if (count <= times->capacity)
        return MUR_OK;
    float *grown = reallocarray(times->milliseconds, count, sizeof *grown);
    if (grown == NULL)
        return mur_error_no_memory(error);
    times->milliseconds = grown;
    times->capacity = count;
    return MUR_OK;
}

void load_times_add(struct load_times *times, double seconds)
{
    if (times->count < times->capacity)
        times->milliseconds[times->count++] = (float)(seconds * 1e3);
}

enum mur_status load_times_join(struct load_times *times, const struct load_times *from,
                                struct mur_error *error)
{
    enum mur_status status = load_times_reserve(times, times->count + from->count, error);
    if (status != MUR_OK || from->count == 0)
        return status;
    memcpy(times->milliseconds + times->count, from->milliseconds,
           from->count * sizeof *from->milliseconds);
    times->count += from->count;
    return MUR_OK;
}

/* Up to so many are told one by one. */
enum { FEW_TIMES = 1000 };

static int compare_times(const void *a, const void *b)
{
    float left = *(const float *)a;
    float right = *(const float *)b;
    return (left > right) - (left < right);
}

void load_times_write(struct mur_json_writer *json, struct load_times *times)
{
    if (times->count == 0)
        return;
    qsort(times->milliseconds, times->count, sizeof *times->milliseconds, compare_times);
    size_t last = times->count - 1;
    mur_json_member_double(json, "p50_ms", (double)times->milliseconds[last / 2]);
    mur_json_member_double(json, "p95_ms", (double)times->milliseconds[last * 95 / 100]);
    mur_json_member_double(json, "max_ms", (double)times->milliseconds[last]);
    if (times->count > FEW_TIMES)
        return;
    mur_json_key(json, "all_ms"); /* so that those of several kinds can be put together */
    mur_json_begin_array(json);
    for (size_t index = 0; index < times->count; index++)
        mur_json_double(json, (double)times->milliseconds[index]);
    mur_json_end_array(json);
}

/* ---- shares ---- */

struct team {
    const struct load_job *job;
    pthread_barrier_t start; /* all associations are up */
};

struct member {
    struct load_share share;
    struct team *team;
    pthread_t thread;
};

static enum mur_status connect_share(struct load_share *share, const struct load_job *job,
                                     struct mur_error *error)
{
    const struct load_options *options = job->options;
    if (job->contexts == NULL)
        return MUR_OK;
    const struct mur_association_options request = {
        .host = options->host,
        .port = options->port,
        .calling_ae_title = options->calling_ae_title,
        .called_ae_title = options->called_ae_title,
        .contexts = job->contexts,
        .context_count = job->context_count,
        .timeout_ms = LOAD_TIMEOUT_MS,
    };
    return mur_association_request(&share->association, &request, error);
}

static void *work(void *argument)
{
    struct member *member = argument;
    struct load_share *share = &member->share;
    const struct load_job *job = member->team->job;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = connect_share(share, job, &error);
    (void)pthread_barrier_wait(&member->team->start);
    share->began = load_now();
    if (status == MUR_OK)
        status = job->work(share, &error);
    share->ended = load_now();
    if (status != MUR_OK)
        share->error = error;
    return NULL;
}

static void divide(struct load_share *share, const struct load_job *job, unsigned index)
{
    unsigned parts = job->options->associations;
    uint64_t units = (job->count + job->unit - 1) / job->unit;
    uint64_t from = units * index / parts * job->unit;
    uint64_t to = units * (index + 1) / parts * job->unit;
    if (to > job->count)
        to = job->count;
    share->first = job->first + from;
    share->count = to > from ? to - from : 0;
}

static enum mur_status gather(struct load_result *out, struct member *members, unsigned count,
                              struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    double began = members[0].share.began;
    double ended = began;
    for (unsigned i = 0; i < count; i++) {
        struct load_share *share = &members[i].share;
        began = share->began < began ? share->began : began;
        ended = share->ended > ended ? share->ended : ended;
        out->done += share->done;
        out->refused += share->refused;
        out->answers += share->answers;
        out->bytes += share->bytes;
        if (status == MUR_OK && share->error.status != MUR_OK)
            status = mur_error_set(error, share->error.status, "association %u: %s", i,
                                   share->error.message);
        if (status == MUR_OK)
            status = load_times_join(&out->times, &share->times, error);
    }
    out->seconds = ended - began;
    return status;
}

static void end_member(struct member *member)
{
    struct mur_association *association = member->share.association;
    if (association != NULL && member->share.error.status == MUR_OK)
        (void)!mur_association_release(association, RELEASE_MS, NULL);
    mur_association_free(association);
    load_times_free(&member->share.times);
}

enum mur_status load_run(struct load_result *out, const struct load_job *job,
                         struct mur_error *error)
{
    unsigned count = job->options->associations;
    struct team team = {.job = job};
    MUR_AUTO_FREE struct member *members = calloc(count, sizeof *members);
    if (members == NULL)
        return mur_error_no_memory(error);
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    (void)pthread_barrier_init(&team.start, NULL, count + 1);
    double begin = load_now();
    for (unsigned i = 0; i < count; i++) {
        members[i].team = &team;
        members[i].share =
            (struct load_share){.options = job->options, .index = i, .user = job->user};
        divide(&members[i].share, job, i);
        int failed = pthread_create(&members[i].thread, &attributes, work, &members[i]);
        if (failed != 0) /* the others wait at the barrier for ever: the program ends */
            return mur_error_set_errno(error, failed, "starting a thread");
    }
    double cpu = cpu_now();
    (void)pthread_barrier_wait(&team.start);
    out->connect_seconds = load_now() - begin;
    for (unsigned i = 0; i < count; i++)
        (void)pthread_join(members[i].thread, NULL);
    out->client_cpu_seconds = cpu_now() - cpu;
    enum mur_status status = gather(out, members, count, error);
    for (unsigned i = 0; i < count; i++)
        end_member(&members[i]);
    (void)pthread_barrier_destroy(&team.start);
    (void)pthread_attr_destroy(&attributes);
    return status;
}

void load_result_free(struct load_result *result)
{
    load_times_free(&result->times);
}

void load_result_write(struct mur_json_writer *json, struct load_result *result)
{
    mur_json_member_int(json, "done", (int64_t)result->done);
    mur_json_member_int(json, "refused", (int64_t)result->refused);
    mur_json_member_int(json, "bytes", (int64_t)result->bytes);
    mur_json_member_double(json, "connect_seconds", result->connect_seconds);
    mur_json_member_double(json, "seconds", result->seconds);
    mur_json_member_double(json, "client_cpu_seconds", result->client_cpu_seconds);
    mur_json_member_double(json, "per_second", (double)result->done / result->seconds);
    load_times_write(json, &result->times);
}

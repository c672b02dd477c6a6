#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "bench/object.h"
#include "core/json_write.h"
#include "dicom/association.h"

/** What the parts of the load generator share. */

enum { LOAD_ASSOCIATIONS = 4096, LOAD_TIMEOUT_MS = 300000 };

struct load_options {
    const char *host;
    uint16_t port;
    const char *calling_ae_title, *called_ae_title;
    const struct load_kind *kind;
    struct load_layout layout;
    uint64_t first, count; /**< instances, by number */
    unsigned associations;
    unsigned repeat;
    const char *query;     /**< what find asks, see find.c */
    const char *questions; /**< file of what ask and http ask, see questions.c and http.c */
    uint16_t sink_port;    /**< 0 = any */
    const char *sink_title;
    const char *folder; /**< floor: where it writes */
    uint64_t bytes;     /**< floor: of each file */
    bool verify;
};

/** Seconds from an arbitrary beginning. */
double load_now(void);

/** One operation's time each. */
struct load_times {
    float *milliseconds; /**< owned */
    size_t count, capacity;
};
void load_times_free(struct load_times *times);
MUR_NODISCARD
enum mur_status load_times_reserve(struct load_times *times, size_t count, struct mur_error *error);
/** Does nothing when it is full. */
void load_times_add(struct load_times *times, double seconds);
/** Moves all of @p from to the end of @p times. */
MUR_NODISCARD
enum mur_status load_times_join(struct load_times *times, const struct load_times *from,
                                struct mur_error *error);
/** "p50_ms", "p95_ms", "max_ms". Sorts. */
void load_times_write(struct mur_json_writer *json, struct load_times *times);

/** One association's share of the work, in a thread of its own. */
struct load_share {
    const struct load_options *options;
    unsigned index;
    void *user; /**< of the command; borrowed */
    struct mur_association *association;
    uint64_t first, count; /**< its instances, or Studies */
    uint64_t done, refused;
    uint64_t answers, bytes;
    double began, ended; /**< load_now() */
    struct load_times times;
    struct mur_error error;
};

struct load_job {
    const struct load_options *options;
    const struct mur_context_proposal *contexts; /**< NULL: there is to be no association */
    size_t context_count;
    uint64_t first, count; /**< to be divided; each share is a run of numbers */
    uint64_t unit;         /**< shares are multiples of it: whole Studies */
    void *user;
    /** Uses share->association. The failure goes to share->error. */
    enum mur_status (*work)(struct load_share *share, struct mur_error *error);
};

struct load_result {
    double connect_seconds, seconds, client_cpu_seconds;
    uint64_t done, refused, answers, bytes;
    struct load_times times;
};

/**
 * Makes the associations, lets all of them work at once, releases them.
 * @return the first failure of a share
 */
MUR_NODISCARD
enum mur_status load_run(struct load_result *out, const struct load_job *job,
                         struct mur_error *error);
void load_result_free(struct load_result *result);
/** The members that all commands have. */
void load_result_write(struct mur_json_writer *json, struct load_result *result);

/** One C-FIND, to its last answer. @param wanted  stands in every answer; "" = anything */
MUR_NODISCARD
enum mur_status load_find_one(struct load_share *share, uint64_t *answers,
                              const struct mur_presentation_context *context,
                              const struct mur_buffer *identifier, const char *wanted,
                              struct mur_error *error);

/* Commands: each writes members of the one JSON object and says whether all went well. */
MUR_NODISCARD
enum mur_status load_store(bool *good, struct mur_json_writer *json,
                           const struct load_options *options, struct mur_error *error);
MUR_NODISCARD
enum mur_status load_find(bool *good, struct mur_json_writer *json,
                          const struct load_options *options, struct mur_error *error);
MUR_NODISCARD
enum mur_status load_ask(bool *good, struct mur_json_writer *json,
                         const struct load_options *options, struct mur_error *error);
MUR_NODISCARD
enum mur_status load_get(bool *good, struct mur_json_writer *json,
                         const struct load_options *options, struct mur_error *error);
MUR_NODISCARD
enum mur_status load_move(bool *good, struct mur_json_writer *json,
                          const struct load_options *options, struct mur_error *error);
MUR_NODISCARD
enum mur_status load_sink(bool *good, struct mur_json_writer *json,
                          const struct load_options *options, struct mur_error *error);
MUR_NODISCARD
enum mur_status load_idle(bool *good, struct mur_json_writer *json,
                          const struct load_options *options, struct mur_error *error);
MUR_NODISCARD
enum mur_status load_http(bool *good, struct mur_json_writer *json,
                          const struct load_options *options, struct mur_error *error);
MUR_NODISCARD
enum mur_status load_floor(bool *good, struct mur_json_writer *json,
                           const struct load_options *options, struct mur_error *error);

#endif

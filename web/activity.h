/**
 * What has happened in this process: requests by their answers, and the last failures with their
 * reasons, from the log. Internal to web/. Threads: any.
 */
#ifndef MUR_WEB_ACTIVITY_H
#define MUR_WEB_ACTIVITY_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/log.h"
#include "core/own.h"

struct mur_activity;

enum { MUR_ACTIVITY_FAILURES = 20, MUR_ACTIVITY_TEXT = 400, MUR_ACTIVITY_CODES = 600 };

struct mur_failure {
    int64_t time_us; /**< since 1970 UTC */
    enum mur_log_level level;
    char text[MUR_ACTIVITY_TEXT]; /**< UTF-8 as far as the reason was; cut where it is longer */
};

/** Also begins to watch the log, until mur_activity_free(). */
MUR_NODISCARD
enum mur_status mur_activity_create(struct mur_activity **out, struct mur_error *error);
void mur_activity_free(struct mur_activity *activity);
MUR_DEFINE_AUTO(mur_activity, mur_activity_free)

/** A request was answered. */
void mur_activity_count(struct mur_activity *activity, unsigned code);
uint64_t mur_activity_answers(const struct mur_activity *activity, unsigned code);
/** Warnings and errors since the start. */
uint64_t mur_activity_failure_count(struct mur_activity *activity);
/** The last failures, latest first. @return how many */
size_t mur_activity_failures(struct mur_failure out[MUR_ACTIVITY_FAILURES],
                             struct mur_activity *activity);

#endif

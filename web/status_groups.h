/**
 * Tables of what is stored, in groups, for the status page. Making them reads every series: in a
 * large archive they are kept for a while. Internal to web/. Threads: any.
 */
#ifndef MUR_WEB_STATUS_GROUPS_H
#define MUR_WEB_STATUS_GROUPS_H

#include "archive/archive.h"
#include "core/error.h"
#include "core/own.h"
#include "web/html.h"

struct mur_status_groups;

MUR_NODISCARD
enum mur_status mur_status_groups_create(struct mur_status_groups **out, struct mur_error *error);
void mur_status_groups_free(struct mur_status_groups *groups);
MUR_DEFINE_AUTO(mur_status_groups, mur_status_groups_free)

/** Whether tables that took @p took_ms to make and are @p age_ms old are shown again while as much
 * is stored as then: those that were made at once never are. */
bool mur_status_groups_last(int64_t took_ms, int64_t age_ms);

/** @param counts  what is stored now: other numbers than last time make the tables anew */
MUR_NODISCARD
enum mur_status mur_status_groups_write(struct mur_html *html, struct mur_status_groups *groups,
                                        struct mur_archive *archive,
                                        const struct mur_counts *counts, struct mur_error *error);

#endif

/** What the status page tells of what happened: failures of this process, imports, verification.
 * Internal to web/. Threads: any. */
#ifndef MUR_WEB_STATUS_REPORTS_H
#define MUR_WEB_STATUS_REPORTS_H

#include "core/error.h"
#include "web/html.h"

struct mur_activity;
struct mur_archive;

/** "2026-05-06 07:08:09 UTC" */
void mur_status_time(struct mur_html *html, int64_t time_us);
void mur_status_failures(struct mur_html *html, struct mur_activity *activity);
MUR_NODISCARD
enum mur_status mur_status_imports(struct mur_html *html, struct mur_archive *archive,
                                   struct mur_error *error);
/** A report that cannot be read is told in the page. */
void mur_status_verify(struct mur_html *html, struct mur_archive *archive);

#endif

#include "web/status_groups.h"

#include <pthread.h>
#include <stdlib.h>

#include "archive/overview.h"
#include "core/clock.h"

/* Series may change their group while as many are stored (`isa link`): for so long it is not seen.
 */
enum { QUICK_MS = 100, REST = 50, LONGEST_MS = 60000 };

struct mur_status_groups {
    pthread_mutex_t mutex; /* guards all below; tables are made by one at a time */
    struct mur_buffer text;
    struct mur_counts counts;
    int64_t took_ms, made_ms;
};

enum mur_status mur_status_groups_create(struct mur_status_groups **out, struct mur_error *error)
{
    struct mur_status_groups *groups = calloc(1, sizeof *groups);
    if (groups == NULL)
        return mur_error_no_memory(error);
    (void)pthread_mutex_init(&groups->mutex, NULL);
    groups->text = (struct mur_buffer)MUR_BUFFER_INIT;
    *out = groups;
    return MUR_OK;
}

void mur_status_groups_free(struct mur_status_groups *groups)
{
    if (groups == NULL)
        return;
    mur_buffer_free(&groups->text);
    (void)pthread_mutex_destroy(&groups->mutex);
    free(groups);
}

bool mur_status_groups_last(int64_t took_ms, int64_t age_ms)
{
    int64_t longest = took_ms * REST < LONGEST_MS ? took_ms * REST : LONGEST_MS;
    return took_ms > QUICK_MS && age_ms < longest;
}

/* ---- the tables ------------------------------------------------------------------------------ */

struct table {
    struct mur_html *html;
    const char *heading;
    bool begun;
};

static enum mur_status write_group(void *user, const struct mur_group *one, struct mur_error *error)
{
    (void)error; /* failures stay in the page */
    struct table *table = user;
    struct mur_html *html = table->html;
    if (!table->begun) {
        mur_html_raw(html, "<section><h2>");
        mur_html_raw(html, table->heading);
        mur_html_raw(
            html,
            "</h2>\n<table><thead><tr><th><th class=\"n\">Studies"
            "<th class=\"n less\">Series<th class=\"n\">Instances<th class=\"n\">Size</tr></thead>"
            "<tbody>\n");
        table->begun = true;
    }
    const int64_t counts[] = {one->studies, one->series, one->instances};
    mur_html_raw(html, "<tr><td>");
    mur_html_text(html, one->name[0] != '\0' ? one->name : "(not said)");
    for (size_t i = 0; i < MUR_COUNT(counts); i++) {
        mur_html_raw(html, i == 1 ? "</td><td class=\"n less\">" : "</td><td class=\"n\">");
        mur_html_number(html, counts[i]);
    }
    mur_html_raw(html, "</td><td class=\"n\">");
    mur_html_bytes(html, (uint64_t)one->bytes);
    mur_html_raw(html, "</td></tr>\n");
    return MUR_OK;
}

static enum mur_status write_tables(struct mur_html *html, struct mur_archive *archive,
                                    struct mur_error *error)
{
    static const char *const titles[] = {[MUR_BY_MODALITY] = "By modality",
                                         [MUR_BY_ISA_STUDY] = "By study of the ISA-Tab",
                                         [MUR_BY_DISEASE_MODEL] = "By disease model"};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(titles); i++) {
        struct table table = {.html = html, .heading = titles[i]};
        status = mur_archive_each_group(archive, (enum mur_grouping)i, write_group, &table, error);
        if (table.begun)
            mur_html_raw(html, "</tbody></table></section>\n");
    }
    return status;
}

static bool same_counts(const struct mur_counts *a, const struct mur_counts *b)
{
    return a->patients == b->patients && a->studies == b->studies && a->series == b->series &&
           a->instances == b->instances && a->bytes == b->bytes;
}

/* @pre the mutex is held */
static enum mur_status make(struct mur_status_groups *groups, struct mur_archive *archive,
                            const struct mur_counts *counts, struct mur_error *error)
{
    struct mur_html html = MUR_HTML_INIT;
    int64_t begun = mur_clock_monotonic_ms();
    enum mur_status status = write_tables(&html, archive, error);
    if (status == MUR_OK && html.status != MUR_OK)
        status = mur_error_set(error, html.status, "%s", html.error.message);
    if (status != MUR_OK) {
        mur_buffer_free(&html.text);
        return status;
    }
    mur_buffer_free(&groups->text);
    groups->text = html.text;
    groups->counts = *counts;
    groups->made_ms = mur_clock_monotonic_ms();
    groups->took_ms = groups->made_ms - begun;
    return MUR_OK;
}

enum mur_status mur_status_groups_write(struct mur_html *html, struct mur_status_groups *groups,
                                        struct mur_archive *archive,
                                        const struct mur_counts *counts, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    (void)pthread_mutex_lock(&groups->mutex);
    if (!same_counts(&groups->counts, counts) ||
        !mur_status_groups_last(groups->took_ms, mur_clock_monotonic_ms() - groups->made_ms))
        status = make(groups, archive, counts, error);
    if (status == MUR_OK)
        mur_html_raw(html, mur_buffer_text(&groups->text));
    (void)pthread_mutex_unlock(&groups->mutex);
    return status;
}

/* verify.json: what the last run found, for the status page and for the next run. */
#include <stdlib.h>
#include <string.h>

#include "archive/verify_parts.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/json_write.h"
#include "core/text.h"

enum { REPORT_LIMIT = 64 << 20, LISTED = 10000, FILE_MODE = 0640 };

static enum mur_status report_path(char **out, const struct mur_verify *verify,
                                   struct mur_error *error)
{
    return mur_path_join(out, verify->archive->directory, "verify.json", error);
}

static const char *text_of(const struct mur_json *object, const char *key)
{
    const char *text = mur_json_text(mur_json_get(object, key));
    return text != NULL ? text : "";
}

static int64_t number_of(const struct mur_json *object, const char *key)
{
    int64_t value = 0;
    (void)!mur_json_get_int(&value, mur_json_get(object, key), NULL);
    return value;
}

/* Of files alone: everything else is looked at each time. */
static enum mur_status take_over(struct mur_verify *verify, const struct mur_json *old,
                                 struct mur_error *error)
{
    const char *kind = text_of(old, "kind");
    struct mur_finding finding = {.sop_instance = text_of(old, "SOPInstanceUID"),
                                  .study = text_of(old, "StudyInstanceUID"),
                                  .path = text_of(old, "path"),
                                  .text = text_of(old, "text")};
    struct mur_instance now = {.id = 0};
    bool found = false;
    unsigned share = (unsigned)number_of(old, "share");
    if (share == verify->summary.share)
        return MUR_OK;
    for (int i = MUR_FINDING_CHANGED; i <= MUR_FINDING_UNREADABLE; i++) {
        finding.kind = (enum mur_finding_kind)i;
        if (strcmp(kind, mur_finding_name(finding.kind)) != 0)
            continue;
        enum mur_status status =
            mur_archive_look_up(&found, &now, verify->archive, finding.sop_instance, error);
        if (status == MUR_OK && found)
            status = mur_verify_keep(verify, &finding, share, error);
        return status;
    }
    return MUR_OK;
}

enum mur_status mur_verify_read_report(struct mur_verify *verify, struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO(mur_json) *old = NULL;
    enum mur_status status = report_path(&path, verify, error);
    verify->summary.share = verify->options->shares > 1 ? 1 : 0;
    if (status != MUR_OK || verify->summary.share == 0 ||
        mur_file_read_all(&text, path, REPORT_LIMIT, NULL) != MUR_OK ||
        mur_json_parse(&old, (struct mur_slice){text.data, text.length}, REPORT_LIMIT, NULL) !=
            MUR_OK)
        return status; /* a report that is not there or cannot be read: a new round begins */
    int64_t before = number_of(old, "share");
    if (number_of(old, "shares") != verify->options->shares || before < 1 ||
        before > verify->options->shares)
        return MUR_OK;
    verify->summary.share = (unsigned)before % verify->options->shares + 1;
    const struct mur_json *list = mur_json_get(old, "findings");
    for (size_t i = 0; status == MUR_OK && i < mur_json_count(list); i++)
        status = take_over(verify, mur_json_at(list, i), error);
    return status;
}

enum mur_status mur_verify_write_report(struct mur_verify *verify, struct mur_error *error)
{
    const struct mur_verify_summary *summary = &verify->summary;
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    char started[MUR_ISO_SIZE], ended[MUR_ISO_SIZE];
    mur_clock_format_us(started, summary->started_us);
    mur_clock_format_us(ended, summary->ended_us);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&text));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "started", started);
    mur_json_member_string(&json, "ended", ended);
    if (summary->share > 0) {
        mur_json_member_int(&json, "share", summary->share);
        mur_json_member_int(&json, "shares", verify->options->shares);
    }
    mur_json_member_int(&json, "instances", (int64_t)summary->instances);
    mur_json_member_int(&json, "bytes", (int64_t)summary->bytes);
    mur_json_member_int(&json, "found", (int64_t)summary->findings);
    mur_json_member_int(&json, "known", (int64_t)verify->kept_count);
    mur_json_key(&json, "findings");
    mur_json_begin_array(&json);
    for (size_t i = 0; i < verify->kept_count && i < LISTED; i++) {
        const struct mur_kept_finding *one = &verify->kept[i];
        mur_json_begin_object(&json);
        mur_json_member_string(&json, "kind", mur_finding_name(one->kind));
        mur_json_member_int(&json, "share", one->share);
        mur_json_member_string(&json, "SOPInstanceUID", one->sop_instance);
        mur_json_member_string(&json, "StudyInstanceUID", one->study);
        mur_json_member_string(&json, "path", one->path);
        mur_json_member_string(&json, "text", one->text);
        mur_json_end_object(&json);
    }
    mur_json_end_array(&json);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    if (status == MUR_OK)
        status = mur_buffer_append(&text, "\n", 1, error);
    if (status == MUR_OK)
        status = report_path(&path, verify, error);
    return status == MUR_OK ? mur_file_write_all(path, text.data, text.length, FILE_MODE, error)
                            : status;
}

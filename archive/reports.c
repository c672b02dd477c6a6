#include "archive/reports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/internal.h"
#include "core/file.h"
#include "core/json.h"
#include "core/json_write.h"

/* TAIL holds more than MUR_REPORTS of the longest lines. */
enum { FILE_MODE = 0640, TAIL = 256 << 10, VERIFY_LIMIT = 16 << 20 };

/* @param[out] out  cut where it is longer, between characters */
static void take_text(char *out, size_t size, const struct mur_json *object, const char *key)
{
    const char *text = mur_json_text(mur_json_get(object, key));
    struct mur_slice slice = mur_slice_of(text != NULL ? text : "");
    size_t length = mur_utf8_cut(slice, size - 1);
    memcpy(out, slice.data, length);
    out[length] = '\0';
}

static int64_t number_of(const struct mur_json *object, const char *key)
{
    int64_t value = 0;
    (void)!mur_json_get_int(&value, mur_json_get(object, key), NULL);
    return value;
}

/* ---- imports --------------------------------------------------------------------------------- */

static enum mur_status write_line(struct mur_buffer *out, const struct mur_import_report *report,
                                  struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "source", report->source);
    mur_json_member_string(&json, "started", report->started);
    mur_json_member_string(&json, "ended", report->ended);
    mur_json_member_int(&json, "imported", report->imported);
    mur_json_member_int(&json, "unchanged", report->unchanged);
    mur_json_member_int(&json, "failed", report->failed);
    mur_json_member_int(&json, "instances", report->instances);
    mur_json_member_bool(&json, "cancelled", report->cancelled);
    mur_json_key(&json, "reasons");
    mur_json_begin_array(&json);
    for (size_t i = 0; i < MUR_REPORT_REASONS && report->reasons[i][0] != '\0'; i++)
        mur_json_string(&json, report->reasons[i]);
    mur_json_end_array(&json);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

enum mur_status mur_archive_note_import(struct mur_archive *archive,
                                        const struct mur_import_report *report,
                                        struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    enum mur_status status = mur_path_join(&path, archive->directory, MUR_IMPORTS_FILE, error);
    if (status == MUR_OK)
        status = write_line(&line, report, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int file =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, FILE_MODE);
    if (file < 0)
        return mur_error_set_errno(error, errno, "%s", path);
    /* One write: lines of several processes never mix. */
    return mur_write_full(file, line.data, line.length, path, error);
}

static bool read_line(struct mur_import_report *out, struct mur_slice line)
{
    MUR_AUTO(mur_json) *json = NULL;
    if (mur_json_parse(&json, line, TAIL, NULL) != MUR_OK)
        return false; /* torn by a crash */
    *out = (struct mur_import_report){.imported = number_of(json, "imported"),
                                      .unchanged = number_of(json, "unchanged"),
                                      .failed = number_of(json, "failed"),
                                      .instances = number_of(json, "instances")};
    (void)!mur_json_get_bool(&out->cancelled, mur_json_get(json, "cancelled"), NULL);
    take_text(out->source, sizeof out->source, json, "source");
    take_text(out->started, sizeof out->started, json, "started");
    take_text(out->ended, sizeof out->ended, json, "ended");
    const struct mur_json *reasons = mur_json_get(json, "reasons");
    for (size_t i = 0; i < MUR_REPORT_REASONS && i < mur_json_count(reasons); i++) {
        const char *text = mur_json_text(mur_json_at(reasons, i));
        (void)snprintf(out->reasons[i], sizeof out->reasons[i], "%s", text != NULL ? text : "");
    }
    return true;
}

/* The end of the file. */
static enum mur_status read_tail(struct mur_buffer *out, const char *path, struct mur_error *error)
{
    struct stat info;
    size_t length = 0;
    MUR_AUTO_CLOSE int file = -1;
    if (!mur_file_exists(path))
        return MUR_OK;
    enum mur_status status = mur_file_open_regular(&file, path, error);
    if (status != MUR_OK)
        return status;
    if (fstat(file, &info) != 0)
        return mur_error_set_errno(error, errno, "%s", path);
    off_t from = info.st_size > TAIL ? info.st_size - TAIL : 0;
    status = mur_buffer_reserve(out, TAIL, error);
    if (status == MUR_OK)
        status = mur_pread_full(&length, file, out->data, TAIL, from, path, error);
    if (status == MUR_OK)
        out->length = length;
    return status;
}

enum mur_status mur_archive_imports(struct mur_import_report out[MUR_REPORTS], size_t *count,
                                    struct mur_archive *archive, struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_path_join(&path, archive->directory, MUR_IMPORTS_FILE, error);
    if (status == MUR_OK)
        status = read_tail(&text, path, error);
    if (status != MUR_OK)
        return status;
    size_t found = 0;
    size_t end = text.length;
    while (end > 0 && found < MUR_REPORTS) {
        size_t start = end - 1; /* of the line whose end is its line feed */
        while (start > 0 && text.data[start - 1] != '\n')
            start--;
        if (read_line(&out[found], (struct mur_slice){text.data + start, end - start}))
            found++;
        end = start;
    }
    *count = found;
    return MUR_OK;
}

/* Which one, and what is wrong with it. */
static void take_finding(char *out, size_t size, const struct mur_json *finding)
{
    char which[MUR_REPORT_REASON / 2 - sizeof ": "];
    char text[MUR_REPORT_REASON / 2];
    take_text(which, sizeof which, finding, "SOPInstanceUID");
    if (which[0] == '\0')
        take_text(which, sizeof which, finding, "path");
    take_text(text, sizeof text, finding, "text");
    (void)snprintf(out, size, "%s: %s", which, text);
}

/* ---- verification ---------------------------------------------------------------------------- */

enum mur_status mur_archive_last_verify(struct mur_verify_report *out, struct mur_archive *archive,
                                        struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO(mur_json) *json = NULL;
    struct mur_verify_report report = {.instances = 0};
    struct mur_datetime ended;
    enum mur_status status = mur_path_join(&path, archive->directory, "verify.json", error);
    if (status != MUR_OK)
        return status;
    status = mur_file_read_all(&text, path, VERIFY_LIMIT, error);
    if (status == MUR_NOT_FOUND) {
        *out = report;
        return MUR_OK;
    }
    if (status == MUR_OK)
        status =
            mur_json_parse(&json, (struct mur_slice){text.data, text.length}, VERIFY_LIMIT, error);
    if (status != MUR_OK)
        return status;
    take_text(report.ended, sizeof report.ended, json, "ended");
    report.instances = number_of(json, "instances");
    report.bytes = number_of(json, "bytes");
    report.share = number_of(json, "share");
    report.shares = number_of(json, "shares");
    report.found = number_of(json, "known");
    if (mur_datetime_parse_iso(&ended, mur_slice_of(report.ended), NULL) == MUR_OK)
        report.ended_us = mur_datetime_to_us(&ended);
    const struct mur_json *findings = mur_json_get(json, "findings");
    for (size_t i = 0; i < MUR_REPORT_REASONS && i < mur_json_count(findings); i++)
        take_finding(report.reasons[i], sizeof report.reasons[i], mur_json_at(findings, i));
    *out = report;
    return MUR_OK;
}

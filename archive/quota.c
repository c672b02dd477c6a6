#include "archive/quota.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"
#include "core/clock.h"
#include "core/json_write.h"
#include "core/text.h"

/* Other processes may store too: what they did is seen after so long. */
enum { COUNTED_ANEW_MS = 30000 };

struct mur_quota {
    struct mur_usage usage;
    struct mur_slice rules; /* in text */
    char *text;
    char *ae_titles, *isa_studies; /* JSON arrays */
    bool has_studies;
};

/* ---- the setting -------------------------------------------------------------------------------
 */

/* @param[out] part  trimmed, up to the first @p separator; @p rest begins after it */
static bool next_part(struct mur_slice *part, struct mur_slice *rest, char separator)
{
    if (rest->length == 0)
        return false;
    const char *end = memchr(rest->data, separator, rest->length);
    size_t length = end != NULL ? (size_t)(end - rest->data) : rest->length;
    *part = mur_slice_trim((struct mur_slice){rest->data, length});
    size_t used = end != NULL ? length + 1 : length;
    *rest = (struct mur_slice){rest->data + used, rest->length - used};
    return true;
}

static enum mur_status wrong(struct mur_slice text, const char *what, struct mur_error *error)
{
    return mur_error_set(error, MUR_INVALID,
                         "store.quotas: \"%.*s\": %s; a project is \"NAME = SIZE: ae TITLE, isa"
                         " STUDY\", several are separated by semicolons",
                         (int)(text.length < 80 ? text.length : 80), text.data, what);
}

static enum mur_status parse_size(uint64_t *out, struct mur_slice text, struct mur_error *error)
{
    static const char units[] = "KMGT";
    unsigned shift = 0;
    struct mur_slice digits = text;
    const char *unit =
        text.length > 1 ? memchr(units, text.data[text.length - 1], sizeof units - 1) : NULL;
    if (unit != NULL) {
        shift = 10U * (unsigned)(unit - units + 1);
        digits.length--;
    }
    uint64_t number = 0;
    if (mur_parse_uint64(&number, digits, 0, UINT64_MAX >> (shift + 1), NULL) != MUR_OK)
        return wrong(text, "not a size such as 200G", error);
    *out = number << shift;
    return MUR_OK;
}

static enum mur_status write_rules(char **out, bool *any, struct mur_slice rules, const char *kind,
                                   struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    struct mur_slice rule;
    size_t length = strlen(kind);
    mur_json_init(&json, mur_sink_buffer(&text));
    mur_json_begin_array(&json);
    while (next_part(&rule, &rules, ','))
        if (rule.length > length && memcmp(rule.data, kind, length) == 0) {
            mur_json_slice(&json, mur_slice_trim((struct mur_slice){rule.data + length,
                                                                    rule.length - length}));
            *any = true;
        }
    mur_json_end_array(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_take(out, &text, error) : status;
}

static enum mur_status check_rules(struct mur_slice rules, struct mur_error *error)
{
    struct mur_slice rule;
    struct mur_slice rest = rules;
    if (mur_slice_trim(rules).length == 0)
        return wrong(rules, "no rule", error);
    while (next_part(&rule, &rest, ','))
        if (rule.length < 4 || (memcmp(rule.data, "ae ", 3) != 0 &&
                                (rule.length < 5 || memcmp(rule.data, "isa ", 4) != 0)))
            return wrong(rule, "a rule begins with \"ae\" or \"isa\"", error);
    return MUR_OK;
}

static enum mur_status read_quota(struct mur_quota *quota, struct mur_slice text,
                                  struct mur_error *error)
{
    struct mur_slice rules = text;
    struct mur_slice head, name;
    bool any = false;
    if (!next_part(&head, &rules, ':') || !next_part(&name, &head, '=') || name.length == 0 ||
        name.length >= sizeof quota->usage.name)
        return wrong(text, "no name of at most 63 bytes", error);
    memcpy(quota->usage.name, name.data, name.length);
    enum mur_status status = parse_size(&quota->usage.quota, mur_slice_trim(head), error);
    if (status == MUR_OK)
        status = check_rules(rules, error);
    if (status == MUR_OK)
        status = write_rules(&quota->ae_titles, &any, rules, "ae ", error);
    if (status == MUR_OK)
        status = write_rules(&quota->isa_studies, &quota->has_studies, rules, "isa ", error);
    if (status == MUR_OK)
        status = mur_text_copy(&quota->text, rules, error);
    quota->rules = mur_slice_of(quota->text != NULL ? quota->text : "");
    return status;
}

enum mur_status mur_quotas_open(struct mur_archive *archive, const char *text,
                                struct mur_error *error)
{
    struct mur_slice rest = mur_slice_of(text != NULL ? text : "");
    struct mur_slice part;
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && next_part(&part, &rest, ';')) {
        if (part.length == 0)
            continue;
        if (archive->quota_count == MUR_QUOTAS)
            return wrong(part, "too many projects", error);
        struct mur_quota *grown =
            reallocarray(archive->quotas, archive->quota_count + 1, sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        archive->quotas = grown;
        grown[archive->quota_count] = (struct mur_quota){.has_studies = false};
        status = read_quota(&grown[archive->quota_count++], part, error);
    }
    return status;
}

void mur_quotas_close(struct mur_archive *archive)
{
    for (size_t i = 0; i < archive->quota_count; i++) {
        free(archive->quotas[i].text);
        free(archive->quotas[i].ae_titles);
        free(archive->quotas[i].isa_studies);
    }
    free(archive->quotas);
}

/* ---- what they have ----------------------------------------------------------------------------
 */

/* With the mutex held. */
static enum mur_status count_anew(struct mur_archive *archive, struct mur_database *reader,
                                  struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < archive->quota_count; i++) {
        struct mur_quota *quota = &archive->quotas[i];
        status = mur_database_usage(&quota->usage.bytes, &quota->usage.instances, reader,
                                    quota->ae_titles, quota->isa_studies, error);
    }
    if (status == MUR_OK)
        archive->quotas_counted_ms = mur_clock_monotonic_ms();
    return status;
}

static bool has_rule(const struct mur_quota *quota, const char *kind, const char *text)
{
    struct mur_slice rest = quota->rules;
    struct mur_slice rule;
    size_t length = strlen(kind);
    while (text != NULL && next_part(&rule, &rest, ','))
        if (rule.length > length && memcmp(rule.data, kind, length) == 0 &&
            mur_slice_equal(
                mur_slice_trim((struct mur_slice){rule.data + length, rule.length - length}), text))
            return true;
    return false;
}

static enum mur_status belongs(bool *out, const struct mur_quota *quota,
                               const struct mur_ingest *ingest, struct mur_database *reader,
                               struct mur_error *error)
{
    const struct mur_origin *origin = &ingest->origin;
    *out = has_rule(quota, "ae ", origin->calling_ae) ||
           (origin->isa != NULL && has_rule(quota, "isa ", origin->isa->study));
    if (*out || origin->isa != NULL || !quota->has_studies)
        return MUR_OK;
    return mur_database_study_is_of(out, reader, ingest->record.instance.study_instance,
                                    quota->isa_studies, error);
}

static int64_t length_of(const struct mur_ingest *ingest)
{
    return (int64_t)(ingest->record.instance.offset + ingest->record.instance.length);
}

static void add(struct mur_archive *archive, uint64_t charged, int64_t bytes)
{
    for (size_t i = 0; i < archive->quota_count; i++)
        if ((charged >> i & 1) != 0)
            archive->quotas[i].usage.bytes += bytes;
}

static enum mur_status charge(struct mur_ingest *ingest, struct mur_database *reader,
                              struct mur_error *error)
{
    struct mur_archive *archive = ingest->archive;
    uint64_t charged = 0;
    enum mur_status status = MUR_OK;
    int64_t now = mur_clock_monotonic_ms();
    if (archive->quotas_counted_ms == 0 || now - archive->quotas_counted_ms > COUNTED_ANEW_MS)
        status = count_anew(archive, reader, error);
    for (size_t i = 0; status == MUR_OK && i < archive->quota_count; i++) {
        const struct mur_usage *usage = &archive->quotas[i].usage;
        bool its_own = false;
        status = belongs(&its_own, &archive->quotas[i], ingest, reader, error);
        charged |= its_own ? UINT64_C(1) << i : 0;
        if (status == MUR_OK && its_own &&
            (uint64_t)(usage->bytes + length_of(ingest)) > usage->quota)
            status = mur_error_set(error, MUR_NO_SPACE,
                                   "project %s is full: %" PRIi64 " of %" PRIu64 " MiB",
                                   usage->name, usage->bytes >> 20, usage->quota >> 20);
    }
    if (status == MUR_OK) {
        add(archive, charged, length_of(ingest));
        ingest->charged = charged;
    }
    return status;
}

enum mur_status mur_quotas_charge(struct mur_ingest *ingest, struct mur_error *error)
{
    struct mur_archive *archive = ingest->archive;
    struct mur_database *reader = NULL;
    if (archive->quota_count == 0)
        return MUR_OK;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    (void)pthread_mutex_lock(&archive->quota_mutex);
    if (status == MUR_OK)
        status = charge(ingest, reader, error);
    (void)pthread_mutex_unlock(&archive->quota_mutex);
    mur_reader_return(archive, reader);
    return status;
}

void mur_quotas_discharge(struct mur_ingest *ingest)
{
    struct mur_archive *archive = ingest->archive;
    if (ingest->charged == 0)
        return;
    (void)pthread_mutex_lock(&archive->quota_mutex);
    add(archive, ingest->charged, -length_of(ingest));
    (void)pthread_mutex_unlock(&archive->quota_mutex);
}

enum mur_status mur_archive_usage(struct mur_usage **out, size_t *count,
                                  struct mur_archive *archive, struct mur_error *error)
{
    struct mur_database *reader = NULL;
    struct mur_usage *list = calloc(archive->quota_count + 1, sizeof *list);
    if (list == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_reader_take(&reader, archive, error);
    (void)pthread_mutex_lock(&archive->quota_mutex);
    if (status == MUR_OK)
        status = count_anew(archive, reader, error);
    for (size_t i = 0; i < archive->quota_count; i++)
        list[i] = archive->quotas[i].usage;
    (void)pthread_mutex_unlock(&archive->quota_mutex);
    mur_reader_return(archive, reader);
    if (status != MUR_OK) {
        free(list);
        return status;
    }
    *out = list;
    *count = archive->quota_count;
    return MUR_OK;
}

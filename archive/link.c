/* Late scans: series that came without a table, and how they find their scan. */
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"
#include "archive/isa.h"
#include "core/json.h"
#include "core/text.h"
#include "db/header_values.h"
#include "dicom/json_value.h"

enum { HEADER_LIMIT = 16 << 20 };

/* ---- rules ----------------------------------------------------------------------------------- */

static enum mur_status parse_header(struct mur_json **out, int form, const void *header,
                                    size_t length, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_header_unpack(&text, form, header, length, error);
    return status == MUR_OK ? mur_json_parse(out, (struct mur_slice){text.data, text.length},
                                             HEADER_LIMIT, error)
                            : status;
}

static bool is_segmentation(const struct mur_json *elements)
{
    const struct mur_json *modality = mur_json_element(elements, MUR_TAG_Modality);
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    return modality != NULL && mur_json_value_count(modality) > 0 &&
           mur_json_append_value(&text, modality, 0, NULL) == MUR_OK &&
           strcmp(mur_buffer_text(&text), "SEG") == 0;
}

/* The first rule that knows a scan. @param[out] key  malloc'ed, what it was asked with
 * @param[out] candidates  0: none does */
static enum mur_status first_match(size_t *rule, char **key, int64_t *scan, size_t *candidates,
                                   struct mur_database *database,
                                   const struct mur_link_rules *rules,
                                   const struct mur_json *elements, const char *file,
                                   struct mur_error *error)
{
    *candidates = 0;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < mur_link_rules_count(rules); i++) {
        MUR_AUTO_FREE char *text = NULL;
        status = mur_link_key_of_header(&text, rules, i, elements, file, error);
        if (status != MUR_OK || text == NULL)
            continue;
        status = mur_database_match_scan(scan, candidates, database, mur_link_rule_text(rules, i),
                                         text, error);
        if (status == MUR_OK && *candidates > 0) {
            *rule = i;
            *key = MUR_STEAL(text);
            break;
        }
    }
    return status;
}

static enum mur_status any_keys(bool *out, struct mur_archive *archive, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    *out = false;
    for (size_t i = 0; status == MUR_OK && !*out && i < mur_link_rules_count(archive->links); i++)
        status = mur_database_has_keys(out, archive->writer, mur_link_rule_text(archive->links, i),
                                       error);
    return status;
}

static enum mur_status find_scan(int64_t *scan, bool *segmentation, void *user,
                                 const struct mur_new_instance *record, struct mur_error *error)
{
    struct mur_archive *archive = user;
    MUR_AUTO(mur_json) *elements = NULL;
    MUR_AUTO_FREE char *key = NULL;
    size_t rule = 0;
    size_t candidates = 0;
    int64_t found = 0;
    bool any = false;
    enum mur_status status = any_keys(&any, archive, error);
    if (status != MUR_OK || !any) /* reading the header costs more than the question */
        return status;
    status =
        parse_header(&elements, record->header_form, record->header, record->header_length, error);
    if (status == MUR_OK)
        status = first_match(&rule, &key, &found, &candidates, archive->writer, archive->links,
                             elements, record->path, error);
    if (status == MUR_OK && candidates == 1) {
        *scan = found;
        *segmentation = is_segmentation(elements);
    }
    return status;
}

void mur_archive_watch_links(struct mur_archive *archive, const struct mur_link_rules *rules)
{
    archive->links = rules;
    if (mur_link_rules_count(rules) > 0)
        mur_database_set_link_finder(archive->writer,
                                     (struct mur_link_finder){.find = find_scan, .user = archive});
}

enum mur_status mur_archive_scan_keys(struct mur_isa_key **out, size_t *count,
                                      struct mur_link_keys *keys,
                                      const struct mur_link_rules *rules,
                                      const struct mur_scan *scan, struct mur_error *error)
{
    size_t rule_count = mur_link_rules_count(rules);
    MUR_AUTO_FREE struct mur_isa_key *list = NULL;
    size_t used = 0;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < rule_count; i++) {
        status = mur_link_keys_of_scan(&keys[i], rules, i, scan, error);
        if (status != MUR_OK || keys[i].count == 0)
            continue;
        struct mur_isa_key *more = reallocarray(list, used + keys[i].count, sizeof *list);
        if (more == NULL)
            return mur_error_no_memory(error);
        list = more;
        for (size_t k = 0; k < keys[i].count; k++)
            list[used++] = (struct mur_isa_key){.rule = mur_link_rule_text(rules, i),
                                                .text = keys[i].texts[k]};
    }
    if (status == MUR_OK) {
        *out = MUR_STEAL(list);
        *count = used;
    }
    return status;
}

/* ---- what is not linked ---------------------------------------------------------------------- */

struct loose {
    struct mur_archive *archive;
    struct mur_database *reader;
    const struct mur_loose_functions *functions;
    void *user;
    struct mur_buffer candidates;
};

static enum mur_status note_candidate(void *user, const struct mur_isa_scan_name *scan,
                                      struct mur_error *error)
{
    struct loose *loose = user;
    return mur_buffer_append_format(&loose->candidates, error, "%s%s/%s",
                                    loose->candidates.length == 0 ? "" : ", ", scan->study,
                                    scan->assay);
}

static enum mur_status loose_series(void *user, const struct mur_loose_series *one,
                                    struct mur_error *error)
{
    struct loose *loose = user;
    MUR_AUTO(mur_json) *elements = NULL;
    MUR_AUTO_FREE char *key = NULL;
    size_t rule = 0;
    size_t candidates = 0;
    int64_t scan = 0;
    mur_buffer_clear(&loose->candidates);
    enum mur_status status =
        parse_header(&elements, one->header_form, one->header, one->header_length, error);
    if (status == MUR_OK)
        status = first_match(&rule, &key, &scan, &candidates, loose->reader, loose->archive->links,
                             elements, one->file, error);
    const char *text = "";
    if (status == MUR_OK && candidates > 1) {
        text = mur_link_rule_text(loose->archive->links, rule);
        status =
            mur_database_each_scan_of_key(loose->reader, text, key, note_candidate, loose, error);
    }
    return status == MUR_OK ? loose->functions->series(loose->user, one, text,
                                                       mur_buffer_text(&loose->candidates), error)
                            : status;
}

enum mur_status mur_archive_each_loose(struct mur_archive *archive,
                                       const struct mur_loose_functions *functions, void *user,
                                       struct mur_error *error)
{
    struct loose loose = {
        .archive = archive, .functions = functions, .user = user, .candidates = MUR_BUFFER_INIT};
    enum mur_status status = mur_reader_take(&loose.reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_each_loose_series(loose.reader, loose_series, &loose, error);
    if (status == MUR_OK)
        status = mur_database_each_loose_scan(loose.reader, functions->scan, user, error);
    mur_reader_return(archive, loose.reader);
    mur_buffer_free(&loose.candidates);
    return status;
}

/* ---- by hand --------------------------------------------------------------------------------- */

struct decision {
    const char *series;
    const char *scan; /* NULL: to be taken back */
    struct mur_link_outcome *outcome;
    size_t matches;
    struct mur_buffer names; /* of scans that match */
    int64_t row;
    char *texts[4]; /* dataset, study, assay file, assay */
};

static enum mur_status note_match(void *user, const struct mur_isa_scan_name *scan,
                                  struct mur_error *error)
{
    struct decision *decision = user;
    const char *const texts[] = {scan->dataset, scan->study, scan->assay_file, scan->assay};
    enum mur_status status = mur_buffer_append_format(&decision->names, error, "%s%s/%s/%s",
                                                      decision->matches == 0 ? "" : ", ",
                                                      scan->study, scan->assay_file, scan->assay);
    for (size_t i = 0; status == MUR_OK && decision->matches == 0 && i < MUR_COUNT(texts); i++)
        status = mur_text_copy(&decision->texts[i], mur_slice_of(texts[i]), error);
    decision->row = scan->row;
    decision->matches++;
    return status;
}

/* A series is a segmentation of the scan, and not its image, if it says so itself. */
static enum mur_status series_is_segmentation(bool *out, struct mur_archive *archive,
                                              const char *series, struct mur_error *error)
{
    int64_t count = 0;
    enum mur_status status =
        mur_database_count_segmentations(&count, archive->writer, series, error);
    *out = count > 0;
    return status;
}

static enum mur_status link_to(struct mur_archive *archive, struct decision *decision,
                               struct mur_error *error)
{
    enum mur_status status =
        mur_database_each_scan_named(archive->writer, decision->scan, note_match, decision, error);
    if (status == MUR_OK && decision->matches == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "%s: the tables name no such scan",
                             decision->scan);
    if (status == MUR_OK && decision->matches > 1)
        return mur_error_set(error, MUR_INVALID, "%s is the name of %zu scans: say which, %s",
                             decision->scan, decision->matches, mur_buffer_text(&decision->names));
    bool segmentation = false;
    if (status == MUR_OK)
        status = series_is_segmentation(&segmentation, archive, decision->series, error);
    int64_t changed = 0;
    if (status == MUR_OK)
        status = mur_database_set_link(&changed, archive->writer, decision->series, decision->row,
                                       segmentation, MUR_LINK_HAND, error);
    const struct mur_isa_link isa = {.scan = decision->row,
                                     .dataset = decision->texts[0],
                                     .study = decision->texts[1],
                                     .assay_file = decision->texts[2],
                                     .assay = decision->texts[3],
                                     .segmentation = segmentation};
    decision->outcome->changed = changed > 0;
    if (status == MUR_OK && changed > 0)
        status = mur_manifest_add_decision(&archive->manifest, decision->series, &isa, error);
    return status;
}

/* What was linked by hand is left to the rules again; what was not, has no scan from now on. */
static enum mur_status take_back(struct mur_archive *archive, struct decision *decision,
                                 enum mur_link_kind kind, struct mur_error *error)
{
    int64_t changed = 0;
    bool by_hand = kind == MUR_LINK_HAND;
    enum mur_status status =
        mur_database_set_link(&changed, archive->writer, decision->series, 0, false,
                              by_hand ? MUR_LINK_NONE : MUR_LINK_HAND, error);
    size_t relinked = 0;
    if (status == MUR_OK && by_hand)
        status = mur_database_relink(&relinked, archive->writer, error);
    decision->outcome->changed = changed > 0;
    decision->outcome->to_rules = by_hand;
    if (status != MUR_OK || changed == 0)
        return status;
    return by_hand ? mur_manifest_add_unlinking(&archive->manifest, decision->series, error)
                   : mur_manifest_add_decision(&archive->manifest, decision->series, NULL, error);
}

static enum mur_status decide(struct mur_archive *archive, void *user, struct mur_error *error)
{
    struct decision *decision = user;
    bool found = false;
    enum mur_link_kind kind = MUR_LINK_NONE;
    int64_t scan = 0;
    enum mur_status status =
        mur_database_link_of(&found, &kind, &scan, archive->writer, decision->series, error);
    if (status == MUR_OK && !found)
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no such series is stored",
                             decision->series);
    if (status != MUR_OK)
        return status;
    return decision->scan != NULL ? link_to(archive, decision, error)
                                  : take_back(archive, decision, kind, error);
}

enum mur_status mur_archive_link_by_hand(struct mur_link_outcome *out, struct mur_archive *archive,
                                         const char *series, const char *scan,
                                         struct mur_error *error)
{
    struct mur_link_outcome outcome = {.changed = false};
    struct decision decision = {
        .series = series, .scan = scan, .outcome = &outcome, .names = MUR_BUFFER_INIT};
    enum mur_status status = mur_archive_change(archive, true, decide, &decision, error);
    for (size_t i = 0; i < MUR_COUNT(decision.texts); i++)
        free(decision.texts[i]);
    mur_buffer_free(&decision.names);
    if (status == MUR_OK)
        *out = outcome;
    return status;
}

/* What is in an ISA-Tab: studies, subjects, samples, assays, scans, segmentations. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/isa.h"
#include "core/own.h"

static int as_json;
static int counts_only;

struct poptOption mur_isa_show_options[] = {
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one JSON document", NULL},
    {"counts", '\0', POPT_ARG_NONE, &counts_only, 0, "counts of each study alone", NULL},
    POPT_TABLEEND};

/* ---- who has which scans --------------------------------------------------------------------- */

/** Chains through samples and scans of one study, so that showing is linear. */
struct overview {
    const struct mur_isa_study *study;
    const struct mur_scan_list *scans;
    uint32_t *first_sample; /* of each source */
    uint32_t *next_sample;
    uint32_t *first_scan; /* of each sample; one more for scans of no single sample */
    uint32_t *next_scan;  /* of each scan of the list */
    size_t scan_count, outlined, segmentations, segments;
};

static void overview_free(struct overview *overview)
{
    free(overview->first_sample);
    free(overview->next_sample);
    free(overview->first_scan);
    free(overview->next_scan);
}

static uint32_t *new_chain(size_t count)
{
    uint32_t *chain = malloc((count + 1) * sizeof *chain);
    for (size_t i = 0; chain != NULL && i <= count; i++)
        chain[i] = MUR_ISA_NONE;
    return chain;
}

static enum mur_status overview_make(struct overview *out, const struct mur_isa_study *study,
                                     const struct mur_scan_list *scans, struct mur_error *error)
{
    *out = (struct overview){.study = study,
                             .scans = scans,
                             .first_sample = new_chain(study->source_count),
                             .next_sample = new_chain(study->sample_count),
                             .first_scan = new_chain(study->sample_count),
                             .next_scan = new_chain(scans->count)};
    if (out->first_sample == NULL || out->next_sample == NULL || out->first_scan == NULL ||
        out->next_scan == NULL)
        return mur_error_no_memory(error);
    for (uint32_t i = study->sample_count; i > 0; i--) { /* from the end: chains come in order */
        const struct mur_isa_node *sample = &study->samples[i - 1];
        uint32_t source = sample->source_count > 0 ? sample->sources[0] : study->source_count;
        out->next_sample[i - 1] = out->first_sample[source];
        out->first_sample[source] = i - 1;
    }
    for (size_t i = scans->count; i > 0; i--) {
        const struct mur_scan *scan = &scans->scans[i - 1];
        if (scan->isa_study != study)
            continue;
        const struct mur_isa_node *sample = mur_isa_find_sample(study, scan->sample);
        size_t place = sample == NULL ? study->sample_count : (size_t)(sample - study->samples);
        out->next_scan[i - 1] = out->first_scan[place];
        out->first_scan[place] = (uint32_t)(i - 1);
        out->scan_count++;
        out->outlined += scan->segmentation_count > 0 ? 1 : 0;
        out->segmentations += scan->segmentation_count;
        for (size_t s = 0; s < scan->segmentation_count; s++)
            out->segments += scan->segmentations[s].segment_count;
    }
    return MUR_OK;
}

/* ---- for people ------------------------------------------------------------------------------ */

static enum mur_status append_scan(struct mur_buffer *out, const struct mur_scan *scan,
                                   struct mur_error *error)
{
    enum mur_status status =
        mur_buffer_append_format(out, error, "      %s  %s  %s", scan->assay,
                                 scan->modality[0] != '\0' ? scan->modality : "-",
                                 scan->image_count > 0 ? scan->images[0].cell : "no image");
    for (size_t i = 0; status == MUR_OK && i < scan->segmentation_count; i++) {
        const struct mur_scan_segmentation *one = &scan->segmentations[i];
        status = mur_buffer_append_format(out, error, "  outlines:");
        for (size_t s = 0; status == MUR_OK && s < one->segment_count; s++)
            status = mur_buffer_append_format(out, error, "%s %s", s == 0 ? "" : ",",
                                              one->segments[s].label);
        if (status == MUR_OK && one->segment_count == 0 && one->file_count > 0)
            status = mur_buffer_append_format(out, error, " %s", one->files[0].cell);
    }
    return status == MUR_OK ? mur_buffer_append_text(out, "\n", error) : status;
}

static enum mur_status append_sample(struct mur_buffer *out, const struct overview *overview,
                                     uint32_t index, const char *name, struct mur_error *error)
{
    enum mur_status status = mur_buffer_append_format(out, error, "    %s\n", name);
    for (uint32_t i = overview->first_scan[index]; status == MUR_OK && i != MUR_ISA_NONE;
         i = overview->next_scan[i])
        status = append_scan(out, &overview->scans->scans[i], error);
    return status;
}

static enum mur_status append_subjects(struct mur_buffer *out, const struct overview *overview,
                                       struct mur_error *error)
{
    const struct mur_isa_study *study = overview->study;
    enum mur_status status = MUR_OK;
    for (uint32_t s = 0; status == MUR_OK && s <= study->source_count; s++) {
        uint32_t sample = overview->first_sample[s];
        if (s == study->source_count && sample == MUR_ISA_NONE)
            break;
        status = mur_buffer_append_format(
            out, error, "  %s\n", s < study->source_count ? study->sources[s].name : "no subject");
        for (; status == MUR_OK && sample != MUR_ISA_NONE; sample = overview->next_sample[sample])
            status = append_sample(out, overview, sample, study->samples[sample].name, error);
    }
    if (status == MUR_OK && overview->first_scan[study->sample_count] != MUR_ISA_NONE)
        status =
            append_sample(out, overview, study->sample_count, "of no sample, or of several", error);
    return status;
}

static enum mur_status append_study(struct mur_buffer *out, const struct overview *overview,
                                    struct mur_error *error)
{
    const struct mur_isa_study *study = overview->study;
    enum mur_status status = mur_buffer_append_format(
        out, error,
        "%s: %s\n  subjects %u, samples %u, assays %zu, scans %zu (with outlines %zu), "
        "segmentations %zu, segments %zu\n",
        study->identifier, study->title, study->source_count, study->sample_count,
        study->assay_count, overview->scan_count, overview->outlined, overview->segmentations,
        overview->segments);
    for (size_t i = 0; status == MUR_OK && i < study->assay_count; i++)
        status = mur_buffer_append_format(out, error, "  %s: %s, %s, rows %u\n",
                                          study->assays[i].file, study->assays[i].measurement.value,
                                          study->assays[i].technology.value,
                                          study->assays[i].table.row_count);
    return status == MUR_OK && counts_only == 0 ? append_subjects(out, overview, error) : status;
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void json_file(struct mur_json_writer *json, const struct mur_scan_file *file)
{
    mur_json_begin_object(json);
    mur_json_member_string(json, "file", file->cell);
    mur_json_member_bool(json, "found", file->path[0] != '\0');
    mur_json_end_object(json);
}

static void json_segments(struct mur_json_writer *json, const char *key,
                          const struct mur_scan_segment *segments, size_t count)
{
    mur_json_key(json, key);
    mur_json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        mur_json_begin_object(json);
        mur_json_member_string(json, "organ", segments[i].organ);
        mur_json_member_string(json, "label", segments[i].label);
        mur_json_member_int(json, "value", segments[i].label_value);
        mur_json_member_string(json, "health", segments[i].health);
        mur_json_member_string(json, "code", segments[i].type.value);
        mur_json_member_string(json, "scheme", segments[i].type.scheme);
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
}

static void json_scan(struct mur_json_writer *json, const struct mur_scan *scan)
{
    mur_json_begin_object(json);
    mur_json_member_string(json, "name", scan->assay);
    mur_json_member_string(json, "table", scan->assay_file);
    mur_json_member_string(json, "modality", scan->modality);
    mur_json_key(json, "images");
    mur_json_begin_array(json);
    for (size_t i = 0; i < scan->image_count; i++)
        json_file(json, &scan->images[i]);
    mur_json_end_array(json);
    mur_json_key(json, "segmentations");
    mur_json_begin_array(json);
    for (size_t i = 0; i < scan->segmentation_count; i++) {
        const struct mur_scan_segmentation *one = &scan->segmentations[i];
        mur_json_begin_object(json);
        mur_json_key(json, "files");
        mur_json_begin_array(json);
        for (size_t f = 0; f < one->file_count; f++)
            json_file(json, &one->files[f]);
        mur_json_end_array(json);
        json_segments(json, "segments", one->segments, one->segment_count);
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
    json_segments(json, "organs", scan->organs, scan->organ_count);
    mur_json_end_object(json);
}

static void json_sample(struct mur_json_writer *json, const struct overview *overview,
                        uint32_t index, const char *name)
{
    mur_json_begin_object(json);
    mur_json_member_string(json, "name", name);
    mur_json_key(json, "scans");
    mur_json_begin_array(json);
    for (uint32_t i = overview->first_scan[index]; i != MUR_ISA_NONE; i = overview->next_scan[i])
        json_scan(json, &overview->scans->scans[i]);
    mur_json_end_array(json);
    mur_json_end_object(json);
}

static void json_subjects(struct mur_json_writer *json, const struct overview *overview)
{
    const struct mur_isa_study *study = overview->study;
    mur_json_key(json, "subjects");
    mur_json_begin_array(json);
    for (uint32_t s = 0; s <= study->source_count; s++) {
        uint32_t sample = overview->first_sample[s];
        bool others = s == study->source_count; /* samples of no source, scans of no sample */
        bool loose = others && overview->first_scan[study->sample_count] != MUR_ISA_NONE;
        if (others && sample == MUR_ISA_NONE && !loose)
            continue;
        mur_json_begin_object(json);
        mur_json_member_string(json, "name", others ? NULL : study->sources[s].name);
        mur_json_key(json, "samples");
        mur_json_begin_array(json);
        for (; sample != MUR_ISA_NONE; sample = overview->next_sample[sample])
            json_sample(json, overview, sample, study->samples[sample].name);
        if (loose)
            json_sample(json, overview, study->sample_count, NULL);
        mur_json_end_array(json);
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
}

static void json_study(struct mur_json_writer *json, const struct overview *overview)
{
    const struct mur_isa_study *study = overview->study;
    mur_json_begin_object(json);
    mur_json_member_string(json, "identifier", study->identifier);
    mur_json_member_string(json, "title", study->title);
    mur_json_member_string(json, "file", study->file);
    mur_json_key(json, "counts");
    mur_json_begin_object(json);
    mur_json_member_int(json, "subjects", study->source_count);
    mur_json_member_int(json, "samples", study->sample_count);
    mur_json_member_int(json, "assays", (int64_t)study->assay_count);
    mur_json_member_int(json, "scans", (int64_t)overview->scan_count);
    mur_json_member_int(json, "segmentations", (int64_t)overview->segmentations);
    mur_json_member_int(json, "segments", (int64_t)overview->segments);
    mur_json_end_object(json);
    mur_json_key(json, "assays");
    mur_json_begin_array(json);
    for (size_t i = 0; i < study->assay_count; i++) {
        mur_json_begin_object(json);
        mur_json_member_string(json, "file", study->assays[i].file);
        mur_json_member_string(json, "measurement", study->assays[i].measurement.value);
        mur_json_member_string(json, "technology", study->assays[i].technology.value);
        mur_json_member_int(json, "rows", study->assays[i].table.row_count);
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
    if (counts_only == 0)
        json_subjects(json, overview);
    mur_json_end_object(json);
}

/* ---- the command ----------------------------------------------------------------------------- */

static enum mur_status show(struct mur_buffer *out, const struct mur_cli_isa *of,
                            struct mur_error *error)
{
    struct mur_json_writer json;
    size_t subjects = 0, samples = 0, scans = 0, segmentations = 0;
    enum mur_status status = MUR_OK;
    mur_json_init(&json, mur_sink_buffer(out));
    if (as_json != 0) {
        mur_json_begin_object(&json);
        mur_json_key(&json, "studies");
        mur_json_begin_array(&json);
    }
    for (size_t i = 0; status == MUR_OK && i < of->isa->study_count; i++) {
        __attribute__((cleanup(overview_free))) struct overview overview = {0};
        status = overview_make(&overview, &of->isa->studies[i], of->scans, error);
        if (status == MUR_OK && as_json != 0)
            json_study(&json, &overview);
        else if (status == MUR_OK)
            status = append_study(out, &overview, error);
        subjects += of->isa->studies[i].source_count;
        samples += of->isa->studies[i].sample_count;
        scans += overview.scan_count;
        segmentations += overview.segmentations;
    }
    if (as_json == 0 && status == MUR_OK)
        return mur_buffer_append_format(
            out, error, "studies %zu, subjects %zu, samples %zu, scans %zu, segmentations %zu\n",
            of->isa->study_count, subjects, samples, scans, segmentations);
    if (status != MUR_OK)
        return status;
    mur_json_end_array(&json);
    mur_json_end_object(&json);
    status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

int mur_command_isa_show(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count != 1)
        return mur_cli_usage(cli, "one folder or ZIP file is needed");
    MUR_AUTO_CLI_ISA struct mur_cli_isa of = {0};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status =
        mur_cli_open_isa(&of, cli, cli->arguments[0], MUR_CLI_SURVEY, NULL, &error);
    if (status == MUR_OK)
        status = show(&text, &of, &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail_isa(cli, &of, &error);
}

/* C-FIND: any questions, out of a file: a line each, "MODEL ANSWERS IDENTIFIER": P or S for Patient
 * Root or Study Root, how many answers there must be ("-": any number), the identifier's bytes in
 * Explicit VR Little Endian as hexadecimal digits. */
#include <stdlib.h>
#include <string.h>

#include "bench/work.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum { FILE_LIMIT = 256 << 20 };

struct line {
    const char *model;
    bool counted;
    uint64_t answers;
    struct mur_buffer identifier;
};

static enum mur_status parse(struct line *out, char *text, struct mur_error *error)
{
    char *rest = text;
    char *model = strsep(&rest, " ");
    const char *answers = strsep(&rest, " ");
    if (answers == NULL || rest == NULL || (strcmp(model, "P") != 0 && strcmp(model, "S") != 0))
        return mur_error_set(error, MUR_PARSE, "not a question: %.60s", text);
    out->model = model[0] == 'P' ? mur_uid_PatientRootQueryRetrieveInformationModelFind
                                 : mur_uid_StudyRootQueryRetrieveInformationModelFind;
    out->counted = strcmp(answers, "-") != 0;
    enum mur_status status = MUR_OK;
    if (out->counted)
        status = mur_parse_uint64(&out->answers, mur_slice_of(answers), 0, UINT64_MAX, error);
    size_t length = strlen(rest) / 2;
    mur_buffer_clear(&out->identifier);
    if (status == MUR_OK)
        status = mur_buffer_reserve(&out->identifier, length, error);
    if (status == MUR_OK)
        status = mur_hex_parse((uint8_t *)out->identifier.data, length, rest, error);
    out->identifier.length = length;
    return status;
}

/* Every association asks all of them. */
static enum mur_status ask_file(struct load_share *share, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct line line = {.identifier = MUR_BUFFER_INIT};
    enum mur_status status = mur_file_read_all(&text, share->options->questions, FILE_LIMIT, error);
    if (status == MUR_OK)
        status = load_times_reserve(&share->times, text.length / 8 + 1, error);
    char *rest = text.data;
    for (char *one; status == MUR_OK && rest != NULL && (one = strsep(&rest, "\n")) != NULL;) {
        if (one[0] == '\0')
            continue;
        uint64_t answers = 0;
        struct mur_presentation_context context;
        status = parse(&line, one, error);
        if (status == MUR_OK &&
            !mur_association_find_context_for(&context, share->association, line.model, NULL))
            status = mur_error_set(error, MUR_DENIED, "the peer answers no C-FIND");
        double start = load_now();
        if (status == MUR_OK)
            status = load_find_one(share, &answers, &context, &line.identifier, "", error);
        load_times_add(&share->times, load_now() - start);
        if (status == MUR_OK && line.counted && answers != line.answers)
            status = mur_error_set(error, MUR_MISMATCH, "%llu answers instead of %llu",
                                   (unsigned long long)answers, (unsigned long long)line.answers);
        share->answers += answers;
        share->done++;
    }
    mur_buffer_free(&line.identifier);
    return status;
}

enum mur_status load_ask(bool *good, struct mur_json_writer *json,
                         const struct load_options *options, struct mur_error *error)
{
    static const char *const explicit_little[] = {mur_uid_ExplicitVRLittleEndian};
    static const char *const models[] = {mur_uid_PatientRootQueryRetrieveInformationModelFind,
                                         mur_uid_StudyRootQueryRetrieveInformationModelFind};
    struct mur_context_proposal proposals[MUR_COUNT(models)];
    for (size_t i = 0; i < MUR_COUNT(models); i++)
        proposals[i] = (struct mur_context_proposal){.abstract_syntax = models[i],
                                                     .transfer_syntaxes = explicit_little,
                                                     .transfer_syntax_count = 1};
    const struct load_job job = {
        .options = options,
        .contexts = proposals,
        .context_count = MUR_COUNT(proposals),
        .unit = 1,
        .work = ask_file,
    };
    struct load_result result = {.done = 0};
    enum mur_status status = load_run(&result, &job, error);
    load_result_write(json, &result);
    mur_json_member_int(json, "answers", (int64_t)result.answers);
    *good = result.done > 0;
    load_result_free(&result);
    return status;
}

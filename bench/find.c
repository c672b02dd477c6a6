/* C-FIND: questions as viewers ask them, each checked for its number of answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/work.h"
#include "core/text.h"
#include "dicom/encoder.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum { KEYS = 20, NAME_DIGITS_KEPT = 9 }; /* "Mouse0001*" */

/* What a question asks for; keys with a value match. */
struct question {
    const char *name;
    const char *level;
    uint32_t match[3];       /* tags that get the value of the chosen Study or object, 0 = none */
    uint32_t returned[KEYS]; /* sorted, 0-terminated; with the matched ones among them */
    bool all;                /* every Study is an answer */
};

static const struct question questions[] = {
    {"study",
     "STUDY",
     {0x0020000D},
     {0x00080020, 0x00081030, 0x00100010, 0x00100020, 0x0020000D},
     false},
    {"patient",
     "STUDY",
     {0x00100020},
     {0x00080020, 0x00081030, 0x00100010, 0x00100020, 0x0020000D},
     false},
    {"accession",
     "STUDY",
     {0x00080050},
     {0x00080020, 0x00080050, 0x00081030, 0x00100010, 0x00100020, 0x0020000D},
     false},
    {"instance",
     "IMAGE",
     {0x0020000D, 0x0020000E, 0x00080018},
     {0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00200013},
     false},
    {"series",
     "SERIES",
     {0x0020000D},
     {0x00080060, 0x0008103E, 0x0020000D, 0x0020000E, 0x00200011},
     false},
    {"images",
     "IMAGE",
     {0x0020000D, 0x0020000E},
     {0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00200013},
     false},
    {"date",
     "STUDY",
     {0x00080020},
     {0x00080020, 0x00081030, 0x00100010, 0x00100020, 0x0020000D},
     false},
    {"name",
     "STUDY",
     {0x00100010},
     {0x00080020, 0x00081030, 0x00100010, 0x00100020, 0x0020000D},
     false},
    {"list",
     "STUDY",
     {0},
     {0x00080020, 0x00080030, 0x00080050, 0x00080061, 0x00081030, 0x00100010, 0x00100020,
      0x0020000D, 0x00200010},
     true},
    {"rows",
     "STUDY",
     {0},
     {0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00081030, 0x00100010, 0x00100020,
      0x00100030, 0x00100040, 0x0020000D, 0x00200010, 0x00201206, 0x00201208},
     true},
};

static const struct question *question_find(const char *name)
{
    for (size_t i = 0; i < MUR_COUNT(questions); i++)
        if (strcmp(questions[i].name, name) == 0)
            return &questions[i];
    return NULL;
}

static enum mur_vr vr_of(uint32_t tag)
{
    switch (tag) {
    case 0x00080016:
    case 0x00080018:
    case 0x0020000D:
    case 0x0020000E:
        return MUR_VR_UI;
    case 0x00080020:
    case 0x00100030:
        return MUR_VR_DA;
    case 0x00080030:
        return MUR_VR_TM;
    case 0x00080050:
    case 0x00200010:
        return MUR_VR_SH;
    case 0x00080060:
    case 0x00080061:
    case 0x00100040:
        return MUR_VR_CS;
    case 0x00080090:
    case 0x00100010:
        return MUR_VR_PN;
    case 0x00200011:
    case 0x00200013:
    case 0x00201206:
    case 0x00201208:
        return MUR_VR_IS;
    default:
        return MUR_VR_LO;
    }
}

/* The value of a matched key for the instance of this number. */
static void value_of(char out[2 * LOAD_UID_SIZE], const struct load_layout *layout, uint32_t tag,
                     uint64_t number)
{
    uint64_t study = load_study_of(layout, number);
    char text[LOAD_UID_SIZE] = "";
    switch (tag) {
    case 0x00080018:
        load_uid(text, layout, LOAD_INSTANCE, number);
        break;
    case 0x0020000D:
        load_uid(text, layout, LOAD_STUDY, study);
        break;
    case 0x0020000E:
        load_uid(text, layout, LOAD_SERIES, number / layout->per_series);
        break;
    case 0x00080050:
        load_accession_number(text, study);
        break;
    case 0x00100020:
        load_patient_id(text, study);
        break;
    case 0x00100010:
        load_patient_name(text, study);
        (void)snprintf(out, 2 * LOAD_UID_SIZE, "%.*s*", NAME_DIGITS_KEPT, text);
        return;
    case 0x00080020: /* a month */
        load_study_date(text, study);
        (void)snprintf(out, 2 * LOAD_UID_SIZE, "%.6s01-%.6s31", text, text);
        return;
    default:
        break;
    }
    (void)snprintf(out, 2 * LOAD_UID_SIZE, "%s", text);
}

static bool is_matched(const struct question *question, uint32_t tag)
{
    for (size_t i = 0; i < MUR_COUNT(question->match); i++)
        if (question->match[i] == tag)
            return true;
    return false;
}

static enum mur_status encode_identifier(struct mur_buffer *out, const struct question *question,
                                         const struct load_layout *layout, uint64_t number,
                                         struct mur_error *error)
{
    struct mur_encoder encoder;
    enum mur_status status = mur_encoder_init(&encoder, out, mur_uid_ExplicitVRLittleEndian, error);
    bool level_written = false;
    for (size_t i = 0; status == MUR_OK && question->returned[i] != 0; i++) {
        uint32_t tag = question->returned[i];
        if (!level_written && tag > 0x00080052) {
            status = mur_encode_text(&encoder, 0x00080052, MUR_VR_CS, question->level, error);
            level_written = true;
        }
        char value[2 * LOAD_UID_SIZE] = "";
        if (is_matched(question, tag))
            value_of(value, layout, tag, number);
        if (status == MUR_OK)
            status = mur_encode_text(&encoder, tag, vr_of(tag), value, error);
    }
    return status;
}

/* How many answers there must be; 0 = cannot be told so simply. */
static uint64_t expected_answers(const struct load_options *options,
                                 const struct question *question)
{
    const struct load_layout *layout = &options->layout;
    uint64_t per_study = (uint64_t)layout->per_series * layout->series_per_study;
    if (question->all)
        return (options->count + per_study - 1) / per_study;
    if (strcmp(question->name, "series") == 0)
        return options->count % per_study == 0 ? layout->series_per_study : 0;
    if (strcmp(question->name, "images") == 0)
        return options->count % layout->per_series == 0 ? layout->per_series : 0;
    bool one = strcmp(question->name, "study") == 0 || strcmp(question->name, "accession") == 0 ||
               strcmp(question->name, "instance") == 0;
    return one ? 1 : 0;
}

struct answer {
    const char *wanted; /* stands in every answer */
    bool has_it;
    uint64_t bytes;
};

static enum mur_status take_answer(void *user, const uint8_t *data, size_t length,
                                   struct mur_error *error)
{
    (void)error;
    struct answer *answer = user;
    answer->bytes += length;
    answer->has_it = answer->has_it || answer->wanted[0] == '\0' ||
                     memmem(data, length, answer->wanted, strlen(answer->wanted)) != NULL;
    return MUR_OK;
}

enum mur_status load_find_one(struct load_share *share, uint64_t *answers,
                              const struct mur_presentation_context *context,
                              const struct mur_buffer *identifier, const char *wanted,
                              struct mur_error *error)
{
    struct mur_command request = {
        .has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID | MUR_HAS_PRIORITY,
        .field = MUR_C_FIND_RQ,
        .message_id = 1,
    };
    (void)snprintf(request.affected_sop_class_uid, sizeof request.affected_sop_class_uid, "%s",
                   context->abstract_syntax);
    enum mur_status status =
        mur_message_write(share->association, context->id, &request, identifier->data,
                          identifier->length, LOAD_TIMEOUT_MS, error);
    *answers = 0;
    while (status == MUR_OK) {
        struct mur_command response;
        uint8_t response_context = 0;
        status = mur_message_read_command(&response, &response_context, share->association,
                                          LOAD_TIMEOUT_MS, error);
        struct answer answer = {.wanted = wanted};
        enum mur_status sunk = MUR_OK;
        if (status == MUR_OK && response.has_data_set)
            status = mur_message_read_data(&sunk, share->association, response_context, take_answer,
                                           &answer, LOAD_TIMEOUT_MS, error);
        if (status != MUR_OK)
            break;
        share->bytes += answer.bytes;
        if (mur_dimse_status_is_pending(response.status)) {
            if (!answer.has_it)
                return mur_error_set(error, MUR_MISMATCH, "an answer without %s", wanted);
            ++*answers;
            continue;
        }
        if (response.status != 0)
            return mur_error_set(error, MUR_MISMATCH, "C-FIND: status %04X %s", response.status,
                                 response.error_comment);
        break;
    }
    return status;
}

static enum mur_status ask_all(struct load_share *share, struct mur_error *error)
{
    const struct load_options *options = share->options;
    const struct question *question = share->user;
    struct mur_presentation_context context;
    if (!mur_association_find_context_for(&context, share->association,
                                          mur_uid_StudyRootQueryRetrieveInformationModelFind, NULL))
        return mur_error_set(error, MUR_DENIED, "the peer answers no C-FIND");
    uint64_t expected = expected_answers(options, question);
    MUR_AUTO_BUFFER struct mur_buffer identifier = MUR_BUFFER_INIT;
    enum mur_status status = load_times_reserve(&share->times, options->repeat, error);
    uint64_t state = UINT64_C(0x2545F4914F6CDD1D) * (share->index + 1);
    for (unsigned i = 0; status == MUR_OK && i < options->repeat; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t number = options->first + (state >> 20) % options->count;
        char wanted[2 * LOAD_UID_SIZE] = "";
        if (question->match[0] == 0x0020000D)
            value_of(wanted, &options->layout, 0x0020000D, number);
        mur_buffer_clear(&identifier);
        status = encode_identifier(&identifier, question, &options->layout, number, error);
        if (status != MUR_OK)
            break;
        uint64_t answers = 0;
        double start = load_now();
        status = load_find_one(share, &answers, &context, &identifier, wanted, error);
        load_times_add(&share->times, load_now() - start);
        if (status == MUR_OK && (answers == 0 || (expected != 0 && answers != expected)))
            return mur_error_set(error, MUR_MISMATCH, "%llu answers instead of %llu",
                                 (unsigned long long)answers, (unsigned long long)expected);
        share->answers += answers;
        share->done++;
    }
    return status;
}

enum mur_status load_find(bool *good, struct mur_json_writer *json,
                          const struct load_options *options, struct mur_error *error)
{
    static const char *const explicit_little[] = {mur_uid_ExplicitVRLittleEndian};
    const struct question *question = question_find(options->query);
    if (question == NULL)
        return mur_error_set(error, MUR_INVALID, "no such query: %s", options->query);
    const struct mur_context_proposal proposal = {
        .abstract_syntax = mur_uid_StudyRootQueryRetrieveInformationModelFind,
        .transfer_syntaxes = explicit_little,
        .transfer_syntax_count = 1};
    const struct load_job job = {
        .options = options,
        .contexts = &proposal,
        .context_count = 1,
        .unit = 1,
        .user = (void *)(uintptr_t)question,
        .work = ask_all,
    };
    struct load_result result = {.done = 0};
    enum mur_status status = load_run(&result, &job, error);
    load_result_write(json, &result);
    mur_json_member_int(json, "answers", (int64_t)result.answers);
    mur_json_member_double(json, "answers_per_second", (double)result.answers / result.seconds);
    *good = result.done == (uint64_t)options->repeat * options->associations;
    load_result_free(&result);
    return status;
}

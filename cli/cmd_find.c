/* C-FIND: a table for people, lines of JSON for programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/find_isa.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/header_json.h"
#include "scu/find.h"

enum {
    COLUMNS_LIMIT = 64,
    ROWS_HELD = 200, /* that decide on the widths; the rest follows them */
    CELL_SHOWN = 40, /* characters on a terminal, but of UIDs all */
    QUERIES_LIMIT = 64,
};

static int limit;
static int combined_datetime;
static char **isa_words;

struct poptOption mur_find_options[] = {
    MUR_QUERY_OPTIONS,
    {"return", 'r', POPT_ARG_ARGV, &mur_query_words.returns, 0,
     "an attribute to be told of; may be repeated (default: the usual ones of the level)", "KEY"},
    {"isa", '\0', POPT_ARG_ARGV, &isa_words, 0,
     "a column of the ISA-Tab, at a murpacs: \"Factor Value[diet]=western*\", \"Age>=150\", "
     "\"Age=150..200\"; \"diet\" only tells; may be repeated, all must match",
     "COLUMN[=VALUE]"},
    {"limit", '\0', POPT_ARG_INT, &limit, 0, "cancel after so many answers", "N"},
    {"combined", '\0', POPT_ARG_NONE, &combined_datetime, 0,
     "match a date and a time as one, from the first moment to the last, rather than these hours "
     "of "
     "each day; a time that ends before it begins (2200-0200) means that",
     NULL},
    MUR_CLIENT_OPTIONS,
    POPT_TABLEEND};

/* ---- what is asked for ----------------------------------------------------------------------- */

struct columns {
    struct mur_key keys[COLUMNS_LIMIT];
    char names[COLUMNS_LIMIT][MUR_KEY_NAME_SIZE];
    const struct mur_isa_question *isa[COLUMNS_LIMIT]; /* instead of a key */
    size_t widths[COLUMNS_LIMIT];                      /* in characters */
    size_t count;
};

static const char *const *usual_of(enum mur_level level)
{
    static const char *const patient[] = {"PatientID",
                                          "PatientName",
                                          "PatientBirthDate",
                                          "PatientSex",
                                          "NumberOfPatientRelatedStudies",
                                          NULL};
    static const char *const study[] = {"PatientID",         "PatientName",
                                        "StudyDate",         "StudyDescription",
                                        "ModalitiesInStudy", "NumberOfStudyRelatedInstances",
                                        "StudyInstanceUID",  NULL};
    static const char *const series[] = {"SeriesNumber",      "Modality",
                                         "SeriesDescription", "NumberOfSeriesRelatedInstances",
                                         "SeriesInstanceUID", NULL};
    static const char *const image[] = {"InstanceNumber", "SOPClassUID", "SOPInstanceUID", NULL};
    static const char *const *const usual[MUR_LEVEL_COUNT] = {[MUR_LEVEL_PATIENT] = patient,
                                                              [MUR_LEVEL_STUDY] = study,
                                                              [MUR_LEVEL_SERIES] = series,
                                                              [MUR_LEVEL_IMAGE] = image};
    return usual[level];
}

static bool is_shown(const struct mur_key *key)
{
    uint32_t tag = key->steps[key->depth - 1].tag;
    bool creator = MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_ELEMENT(tag) >= 0x10 &&
                   MUR_TAG_ELEMENT(tag) <= 0xFF && key->steps[key->depth - 1].creator == NULL;
    return tag != MUR_TAG_QueryRetrieveLevel && tag != MUR_TAG_SpecificCharacterSet && !creator;
}

static void add_column(struct columns *columns, const struct mur_key *key)
{
    char name[MUR_KEY_NAME_SIZE];
    (void)mur_key_name(name, key);
    if (!is_shown(key) || columns->count == COLUMNS_LIMIT)
        return;
    for (size_t i = 0; i < columns->count; i++)
        if (strcmp(columns->names[i], name) == 0)
            return;
    columns->keys[columns->count] = *key;
    columns->widths[columns->count] = strlen(name);
    memcpy(columns->names[columns->count++], name, sizeof name);
}

/* One that is named by its heading in the ISA-Tab. */
static void add_isa_column(struct columns *columns, const struct mur_isa_question *question)
{
    if (columns->count == COLUMNS_LIMIT)
        return;
    columns->isa[columns->count] = question;
    columns->widths[columns->count] = mur_utf8_count(mur_slice_of(question->heading));
    (void)snprintf(columns->names[columns->count++], MUR_KEY_NAME_SIZE, "%s", question->heading);
}

/* Whether something is asked for, rather than only matched. */
static bool asks(const struct mur_query_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->keys[i].value[0] == '\0' && is_shown(&keys->keys[i]))
            return true;
    return false;
}

static enum mur_status add_usual(struct mur_dataset *identifier, struct columns *columns,
                                 enum mur_level level, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (const char *const *name = usual_of(level); status == MUR_OK && *name != NULL; name++) {
        struct mur_key key;
        status = mur_key_parse(&key, *name, error);
        if (status == MUR_OK && !mur_dataset_has(identifier, key.steps[0].tag))
            status = mur_keys_put(identifier, &key, 1, error);
        if (status == MUR_OK)
            add_column(columns, &key);
    }
    return status;
}

static enum mur_status add_element(void *user, const struct mur_dataset_element *element,
                                   struct mur_error *error)
{
    (void)error;
    const struct mur_key key = {.steps = {{.tag = element->tag}}, .depth = 1, .value = ""};
    add_column(user, &key);
    return MUR_OK;
}

struct questions {
    struct mur_dataset *identifiers[QUERIES_LIMIT];
    size_t count;
    struct mur_query_keys keys;
    struct mur_isa_questions isa;
    struct columns columns;
};

static void free_questions(struct questions *questions)
{
    for (size_t i = 0; i < questions->count; i++)
        mur_dataset_free(questions->identifiers[i]);
    mur_isa_questions_free(&questions->isa);
}

static enum mur_status add_question(struct questions *questions, const char *path,
                                    struct mur_error *error)
{
    enum mur_level level = MUR_LEVEL_STUDY;
    struct mur_dataset *identifier = NULL;
    enum mur_status status =
        mur_query_identifier(&identifier, &level, &questions->keys, path, error);
    if (status != MUR_OK)
        return status;
    questions->identifiers[questions->count++] = identifier;
    status = mur_isa_questions_put(identifier, &questions->isa, error);
    if (status != MUR_OK)
        return status;
    for (size_t i = 0; i < questions->keys.count; i++)
        add_column(&questions->columns, &questions->keys.keys[i]);
    if (path != NULL)
        return mur_dataset_each(identifier, add_element, &questions->columns, error);
    return asks(&questions->keys) ? MUR_OK
                                  : add_usual(identifier, &questions->columns, level, error);
}

static enum mur_status read_questions(struct questions *out, const char *const *paths, size_t count,
                                      struct mur_error *error)
{
    enum mur_status status = mur_query_read(&out->keys, error);
    if (status == MUR_OK)
        status = mur_isa_questions_read(&out->isa, isa_words, error);
    if (status == MUR_OK && count > QUERIES_LIMIT)
        status = mur_error_set(error, MUR_INVALID, "more than %d query files", QUERIES_LIMIT);
    if (status == MUR_OK && count == 0)
        status = add_question(out, NULL, error);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = add_question(out, paths[i], error);
    for (size_t i = 0; i < out->isa.count; i++)
        add_isa_column(&out->columns, &out->isa.list[i]);
    return status;
}

/* ---- the table ------------------------------------------------------------------------------- */

struct printer {
    const struct mur_cli *cli;
    struct columns *columns;
    const struct mur_isa_questions *isa;
    bool terminal;
    bool printed_head;
    char **cells; /* of the rows held back: columns->count each */
    size_t rows;
};

static bool is_uid(const char *name)
{
    size_t count = strlen(name);
    return count > 3 && strcmp(name + count - 3, "UID") == 0;
}

/* On a terminal long texts are cut, but not what one may want to copy. */
static enum mur_status make_cell(char **out, const struct printer *printer, size_t column,
                                 struct mur_dataset *answer, struct mur_error *error)
{
    MUR_AUTO_FREE char *text = NULL;
    MUR_AUTO_BUFFER struct mur_buffer cell = MUR_BUFFER_INIT;
    const struct mur_key *key = &printer->columns->keys[column];
    const struct mur_isa_question *isa = printer->columns->isa[column];
    enum mur_status status = isa != NULL ? mur_isa_question_answer(&text, isa, answer, error)
                                         : mur_key_get(&text, key, answer, error);
    if (status == MUR_OK)
        status = mur_client_append_safe(&cell, text, error);
    if (status != MUR_OK)
        return status;
    struct mur_slice slice = mur_slice_of(mur_buffer_text(&cell));
    if (!printer->terminal || is_uid(printer->columns->names[column]) ||
        mur_utf8_count(slice) <= CELL_SHOWN)
        return mur_text_copy(out, slice, error);
    size_t length = 0;
    for (size_t count = 0; count < CELL_SHOWN - 1; count++)
        do
            length++;
        while (length < slice.length && ((unsigned char)slice.data[length] & 0xC0) == 0x80);
    return mur_text_format(out, error, "%.*s\xE2\x80\xA6", (int)length, slice.data);
}

static enum mur_status print_row(const struct printer *printer, const char *const *cells,
                                 struct mur_error *error)
{
    const struct columns *columns = printer->columns;
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < columns->count; i++) {
        size_t width = mur_utf8_count(mur_slice_of(cells[i]));
        size_t wanted = columns->widths[i];
        int padding = i + 1 == columns->count ? 0 : (int)(wanted > width ? wanted - width : 0) + 2;
        status = mur_buffer_append_format(&line, error, "%s%*s", cells[i], padding, "");
    }
    while (line.length > 0 && line.data[line.length - 1] == ' ')
        line.length--;
    if (status == MUR_OK)
        status = mur_buffer_append(&line, "\n", 1, error);
    if (status == MUR_OK && mur_cli_print(printer->cli, &line) != MUR_EXIT_OK)
        status = mur_error_set(error, MUR_IO, "cannot write to standard output");
    return status;
}

static enum mur_status print_held(struct printer *printer, struct mur_error *error)
{
    const struct columns *columns = printer->columns;
    const char *names[COLUMNS_LIMIT];
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < columns->count; i++)
        names[i] = columns->names[i];
    if (!printer->printed_head && printer->rows > 0 && !printer->cli->quiet)
        status = print_row(printer, names, error);
    printer->printed_head = true;
    for (size_t row = 0; row < printer->rows; row++) {
        const char *const *cells = (const char *const *)printer->cells + row * columns->count;
        if (status == MUR_OK)
            status = print_row(printer, cells, error);
    }
    for (size_t i = 0; i < printer->rows * columns->count; i++)
        free(printer->cells[i]);
    printer->rows = 0;
    return status;
}

static enum mur_status add_row(struct printer *printer, struct mur_dataset *answer,
                               struct mur_error *error)
{
    struct columns *columns = printer->columns;
    char **cells = printer->cells + printer->rows * columns->count;
    for (size_t i = 0; i < columns->count; i++) {
        enum mur_status status = make_cell(&cells[i], printer, i, answer, error);
        if (status != MUR_OK) {
            while (i > 0)
                free(cells[--i]);
            return status;
        }
        size_t width = mur_utf8_count(mur_slice_of(cells[i]));
        if (!printer->printed_head && width > columns->widths[i])
            columns->widths[i] = width;
    }
    printer->rows++;
    bool full = printer->rows == ROWS_HELD || printer->printed_head;
    return full ? print_held(printer, error) : MUR_OK;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* The DICOM JSON Model (PS3.18 F.2), whose text is UTF-8. */
static enum mur_status print_json(const struct printer *printer, struct mur_dataset *answer,
                                  struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    MUR_AUTO(mur_header_json) *writer = NULL;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    const char *syntax = mur_dataset_transfer_syntax(answer);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&line));
    enum mur_status status = mur_dataset_set_utf8(answer, error);
    if (status == MUR_OK)
        status = mur_dataset_encode(&bytes, answer, syntax, error);
    if (status == MUR_OK)
        status = mur_header_json_create(&writer, &json, error);
    if (status == MUR_OK)
        status = mur_scanner_create(&scanner, syntax, &mur_header_json_events, writer, error);
    if (status == MUR_OK)
        status = mur_scanner_write(scanner, mur_buffer_text(&bytes), bytes.length, error);
    if (status == MUR_OK)
        status = mur_scanner_finish(scanner, error);
    if (status == MUR_OK)
        status = mur_header_json_finish(writer, error);
    if (status == MUR_OK)
        status = mur_json_finish(&json, error);
    if (status == MUR_OK)
        status = mur_buffer_append(&line, "\n", 1, error);
    if (status == MUR_OK && mur_cli_print(printer->cli, &line) != MUR_EXIT_OK)
        status = mur_error_set(error, MUR_IO, "cannot write to standard output");
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static enum mur_status on_answer(void *user, const struct mur_find_answer *answer,
                                 struct mur_error *error)
{
    struct printer *printer = user;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    enum mur_status status =
        mur_dataset_read(&dataset, answer->bytes, answer->length, answer->transfer_syntax, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "an answer of the peer");
    MUR_AUTO_FREE char *cells = NULL;
    if (printer->isa->count > 0) /* whether the peer has understood */
        status = mur_isa_question_answer(&cells, &printer->isa->list[0], dataset, error);
    if (status != MUR_OK)
        return status;
    return mur_client_words.json != 0 ? print_json(printer, dataset, error)
                                      : add_row(printer, dataset, error);
}

static int find(const struct mur_cli *cli, struct questions *questions, struct mur_client *client)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct printer printer = {.cli = cli,
                              .columns = &questions->columns,
                              .isa = &questions->isa,
                              .terminal = isatty(STDOUT_FILENO) == 1};
    struct mur_find_result result;
    printer.cells = calloc(ROWS_HELD * (questions->columns.count + 1), sizeof *printer.cells);
    if (printer.cells == NULL)
        return MUR_EXIT_MEMORY;
    const struct mur_find_options options = {
        .client = *client,
        .model = questions->keys.model,
        .identifiers = questions->identifiers,
        .identifier_count = questions->count,
        .limit = (uint64_t)limit,
        .combined_datetime = combined_datetime != 0,
        .on_answer = on_answer,
        .user = &printer,
    };
    enum mur_status status = mur_scu_find(&result, &options, &error);
    enum mur_status printed = print_held(&printer, status == MUR_OK ? &error : NULL);
    free(printer.cells);
    if (status != MUR_OK || printed != MUR_OK)
        return mur_client_fail(cli, &error);
    if (!cli->quiet && mur_client_words.json == 0)
        (void)fprintf(stderr, "%llu answer%s%s%s\n", (unsigned long long)result.answers,
                      result.answers == 1 ? "" : "s",
                      result.unsupported_keys ? "; the peer does not support all of the keys" : "",
                      result.answers == 0 ? ": nothing matches" : "");
    if (result.relational_not_agreed)
        mur_client_warn_relational(cli);
    /* Enough of them is what was asked for. */
    if (limit > 0 && result.outcome.cancelled && !mur_client_cancelled(client))
        return MUR_EXIT_OK;
    return mur_client_finish(cli, &result.outcome, MUR_C_FIND_RQ);
}

int mur_command_find(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_client client;
    size_t used = 0;
    int code = mur_client_begin(&client, &used, cli);
    if (code != MUR_EXIT_OK)
        return code;
    if (limit < 0)
        return mur_cli_usage(cli, "--limit is a number of answers");
    static struct questions questions; /* too large for a stack */
    enum mur_status status =
        read_questions(&questions, cli->arguments + used, cli->argument_count - used, &error);
    if (status == MUR_INVALID)
        code = mur_cli_usage(cli, "%s", error.message);
    else
        code = status == MUR_OK ? find(cli, &questions, &client) : mur_cli_fail(cli, &error);
    free_questions(&questions);
    return code;
}
